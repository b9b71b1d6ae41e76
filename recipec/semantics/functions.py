"""The operators and functions of expressions: their types, and the words for them in the model.

comparison    == != < <= > >=      of two numbers, two strings or two dates
arithmetic    + - * / %            of numbers; + also concatenates strings
length lower upper trim starts_with ends_with contains matches year coalesce abs round least greatest
int float string bool date timestamp   casts; what cannot be cast is null
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recipec.ir.expressions import Type

NUMBERS: tuple[Type, ...] = ("integer", "float")
SCALARS: tuple[Type, ...] = ("boolean", "integer", "float", "string", "date", "timestamp")
ORDERED: tuple[Type, ...] = ("integer", "float", "string", "date", "timestamp")


@dataclass(frozen=True, slots=True)
class Function:
    """`operands[i]` are the allowed types of operand i, the last entry for all further ones; `most` None = any number.

    `result` computes the type of the value from the operands' types.
    """

    operands: tuple[tuple[Type, ...], ...]
    least: int
    most: int | None
    result: Callable[[Sequence[Type]], Type]
    same: bool = False  # all operands must be of the same kind


def common(types: Sequence[Type]) -> Type:
    """The type that holds values of all of `types`, which are of the same kind."""
    known = [type_ for type_ in types if type_ != "null"]
    if not known:
        return "null"
    if all(type_ in NUMBERS for type_ in known):
        return "float" if "float" in known else "integer"
    if all(type_ in ("date", "timestamp") for type_ in known):
        return "timestamp" if "timestamp" in known else "date"
    return known[0]


def alike(types: Sequence[Type]) -> bool:
    """Whether values of the types can be compared with each other."""
    kinds = {"number" if t in NUMBERS else "time" if t in ("date", "timestamp") else t for t in types if t != "null"}
    return len(kinds) <= 1


def _always(type_: Type) -> Callable[[Sequence[Type]], Type]:
    return lambda _: type_


def _one(operand: tuple[Type, ...], result: Type) -> Function:
    return Function((operand,), 1, 1, _always(result))


def _two_strings(result: Type) -> Function:
    return Function((("string",),), 2, 2, _always(result))


def _several(operands: tuple[Type, ...]) -> Function:
    return Function((operands,), 2, None, common, same=True)


FUNCTIONS: dict[str, Function] = {
    "length": _one(("string",), "integer"),
    "lower": _one(("string",), "string"),
    "upper": _one(("string",), "string"),
    "trim": _one(("string",), "string"),
    "starts_with": _two_strings("boolean"),
    "ends_with": _two_strings("boolean"),
    "contains": _two_strings("boolean"),
    "matches": _two_strings("boolean"),
    "coalesce": _several(SCALARS),
    "abs": Function((NUMBERS,), 1, 1, common),
    "round": _one(NUMBERS, "float"),
    "least": _several(ORDERED),
    "greatest": _several(ORDERED),
    "year": _one(("date", "timestamp"), "integer"),
    "int": _one(SCALARS, "integer"),
    "float": _one(SCALARS, "float"),
    "string": _one(SCALARS, "string"),
    "bool": _one(SCALARS, "boolean"),
    "date": _one(("string", "date", "timestamp"), "date"),
    "timestamp": _one(("string", "date", "timestamp"), "timestamp"),
}

OPERATORS: dict[str, Function] = {
    **{word: Function((("boolean",),), 2, 2, _always("boolean")) for word in ("or", "and")},
    **{word: Function((SCALARS,), 2, 2, _always("boolean"), same=True) for word in ("==", "!=")},
    **{word: Function((ORDERED,), 2, 2, _always("boolean"), same=True) for word in ("<", "<=", ">", ">=")},
    **{word: Function((NUMBERS,), 2, 2, common) for word in ("+", "-", "*")},
    "/": Function((NUMBERS,), 2, 2, _always("float")),
    "%": Function((("integer",),), 2, 2, _always("integer")),
    "matches": FUNCTIONS["matches"],
    "concat": Function((("string",),), 2, 2, _always("string")),
}
