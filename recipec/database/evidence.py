"""The values of a document on which a clause rejected it, for the ledger: `length(text) = 57; word_count() = 9`."""

from __future__ import annotations

from collections.abc import Iterator

from recipec.database.sql import expression, literal
from recipec.ir.expressions import HIDDEN, Apply, Column, Constant, Expression, Score, describe

COMPARISONS = frozenset(
    {"==", "!=", "<", "<=", ">", ">=", "in", "matches", "is_null", "starts_with", "ends_with", "contains"}
)

LONGEST = 200
"""The most characters of a value that are stored."""


def evidence(condition: Expression) -> str | None:
    """SQL of the values that a condition compares, as text; None if there is nothing short to show."""
    shown = {describe(subject): subject for subject in subjects(condition) if not _hidden(subject)}
    if not shown:
        return None
    parts = (
        f"{literal(f'{label} = ')} || coalesce(left(CAST({expression(subject)} AS VARCHAR), {LONGEST}), 'null')"
        for label, subject in shown.items()
    )
    return " || '; ' || ".join(parts)


def subjects(condition: Expression) -> Iterator[Expression]:
    """The expressions that a condition compares or tests."""
    match condition:
        case Apply(function="and" | "or" | "not"):
            for operand in condition.operands:
                yield from subjects(operand)
        case Apply() if condition.function in COMPARISONS:
            yield from (operand for operand in condition.operands if not isinstance(operand, Constant))
        case Score() | Column():
            yield condition


def _hidden(subject: Expression) -> bool:
    # For a value that `Read` computed under a generated name, the original expression is no longer known.
    return isinstance(subject, Column) and subject.name.startswith(HIDDEN)
