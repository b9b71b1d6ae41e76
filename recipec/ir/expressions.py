"""Typed expressions over the columns of a document, the form of `where`, `domain =`, quotas and limits.

Every node knows its type. They are pydantic models because plan files contain them; an untrusted plan is validated on
reading, and only `database.sql` turns them into SQL, with every name and literal quoted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from recipec.ir import paths

Type = Literal["boolean", "integer", "float", "string", "date", "timestamp", "json", "other", "null"]
"""The types of the language. "json" is a field of several kinds, which takes the type that its use needs; "other" (lists,
structs) can only be tested with `is null`."""


class Frozen(BaseModel):
    """The base of everything that is serialised: immutable, and strict about unknown fields."""

    # Validators are built on first use: no command needs all of them, and each takes about a millisecond.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


CARRIED = "column:"
"""Prefix of the `Read` outputs that are unchanged columns, so that no column's name collides with a fixed one."""


def _reference(text: str) -> str:
    paths.parts(text.removeprefix(CARRIED).rstrip(" "))
    return text


class Column(Frozen):
    """A value of a row, by the reference to it."""

    kind: Literal["column"] = "column"
    name: Annotated[str, AfterValidator(_reference)]
    type: Type


class Score(Frozen):
    """The value of a computed score (a criterion or a heuristic inside `where`), by the name of its `Score` op."""

    kind: Literal["score"] = "score"
    name: str
    type: Type = "float"


class Constant(Frozen):
    kind: Literal["constant"] = "constant"
    value: bool | int | float | str | None
    type: Type


OPERANDS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(("or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "concat", "if"), (2, 2)),
    **dict.fromkeys(("matches", "starts_with", "ends_with", "contains"), (2, 2)),
    **dict.fromkeys(("not", "neg", "is_null", "fingerprint", "length", "lower", "upper", "trim"), (1, 1)),
    **dict.fromkeys(("abs", "round", "year", "int", "float", "string", "bool", "date", "timestamp"), (1, 1)),
    **dict.fromkeys(("as boolean", "as integer", "as float", "as string", "as text"), (1, 1)),
    **dict.fromkeys(("coalesce", "least", "greatest", "in"), (2, None)),
}
"""Word of the language -> the least and the greatest number of its operands. `database.sql` has the SQL of these words."""


class Apply(Frozen):
    """An operator or function of the language applied to operands: a word of `OPERANDS`, and nothing else.

    `in` has the items as operands 1…n.
    """

    kind: Literal["apply"] = "apply"
    function: str
    operands: tuple[Expression, ...]
    type: Type

    @model_validator(mode="after")
    def _is_known(self) -> Apply:
        if self.function not in OPERANDS:
            raise ValueError(f"unknown function `{self.function:.40}`")
        least, most = OPERANDS[self.function]
        if len(self.operands) < least or (most is not None and len(self.operands) > most):
            raise ValueError(f"`{self.function}` has {len(self.operands)} operands")
        return self


Expression = Annotated[Column | Score | Constant | Apply, Field(discriminator="kind")]

Apply.model_rebuild()


def columns_of(expression: Expression) -> frozenset[str]:
    """The names of all columns that an expression reads."""
    match expression:
        case Column():
            return frozenset({expression.name})
        case Apply():
            return frozenset().union(*(columns_of(operand) for operand in expression.operands))
        case _:
            return frozenset()


def scores_of(expression: Expression) -> frozenset[str]:
    """The names of all scores that an expression reads."""
    match expression:
        case Score():
            return frozenset({expression.name})
        case Apply():
            return frozenset().union(*(scores_of(operand) for operand in expression.operands))
        case _:
            return frozenset()


HIDDEN = "expression:"
"""Prefix of the `Read` outputs that are computed under generated names, which evidence does not show."""


def describe(expression: Expression) -> str:
    """An expression as text close to the recipe's own, for evidence and messages."""
    match expression:
        case Column():
            return expression.name.removeprefix(CARRIED)
        case Score():
            return expression.name
        case Constant(value=str() as value):
            return f'"{value}"'
        case Constant():
            return str(expression.value)
        case Apply(function="as boolean" | "as integer" | "as float" | "as string" | "as text"):
            return describe(expression.operands[0])
        case Apply(function="neg"):
            return f"-{describe(expression.operands[0])}"
        case Apply(function="+" | "-" | "*" | "/" | "%"):
            return f" {expression.function} ".join(describe(operand) for operand in expression.operands)
        case Apply():
            return f"{expression.function}({', '.join(describe(operand) for operand in expression.operands)})"
