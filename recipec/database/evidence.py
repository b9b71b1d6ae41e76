"""What a document had where a clause rejected it, for the ledger: `length(text) = 57; word_count() = 9`."""

from __future__ import annotations

from collections.abc import Iterator

from recipec.database.sql import expression, literal
from recipec.ir.expressions import Apply, Column, Constant, Expression, Score, describe

COMPARISONS = frozenset(
    {"==", "!=", "<", "<=", ">", ">=", "in", "matches", "is_null", "starts_with", "ends_with", "contains"}
)

LONGEST = 200
"""Characters of a value that are kept."""


def evidence(condition: Expression, *, without: str = "") -> str | None:
    """SQL of the values that a condition compares, as text; None where there is nothing short to show.

    Args:
        without: a column that is never shown: the text, which is long and can be read where it lies.
    """
    shown = {describe(subject): subject for subject in subjects(condition) if not _hidden(subject, without)}
    if not shown:
        return None
    parts = (
        f"{literal(f'{label} = ')} || coalesce(left(CAST({expression(subject)} AS VARCHAR), {LONGEST}), 'null')"
        for label, subject in shown.items()
    )
    return " || '; ' || ".join(parts)


def subjects(condition: Expression) -> Iterator[Expression]:
    """What a condition compares or tests."""
    match condition:
        case Apply(function="and" | "or" | "not"):
            for operand in condition.operands:
                yield from subjects(operand)
        case Apply() if condition.function in COMPARISONS:
            yield from (operand for operand in condition.operands if not isinstance(operand, Constant))
        case Score() | Column():
            yield condition


def _hidden(subject: Expression, without: str) -> bool:
    # What `Read` computed under a name of its own has lost its words.
    return isinstance(subject, Column) and (subject.name == without or subject.name.startswith("expression:"))
