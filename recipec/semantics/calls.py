"""Calls of criteria: checks arguments against the word's own parameter model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from recipec import spec
from recipec.ir import model
from recipec.semantics import extensions, quantities
from recipec.semantics.context import Context
from recipec.source import Span
from recipec.syntax import ast, text

RESERVED = {"column": "it names a column in `criterion`", "duplicate": "it is only allowed as `where not duplicate(…)`"}


def score_call(context: Context, call: ast.Call, targets: Iterable[str]) -> model.ScoreCall | None:
    """The call of a criterion's word as it is stored, or None (with diagnostics)."""
    word = call.function.text
    extension = extensions.extension(context, "criteria", call.function)
    params = checked(context, call, extension.params, targets) if extension is not None else None
    if params is None:
        return None
    return model.ScoreCall(
        name=text(call),
        function=word,
        params=params,
        type=extension.type,
        plugin=spec.origin("criteria", word),
        origin=model.Origin.of(call.span),
    )


def checked(context: Context, call: ast.Call, params: type[BaseModel], targets: Iterable[str]) -> dict[str, Any] | None:
    """The validated arguments of a call, or None (with diagnostics); `target` must name one of `targets`."""
    values = arguments(context, call, params)
    if values is None:
        return None
    found = _validated(context, call, params, values)
    target = values.get("target")
    if found is not None and target is not None and target.value not in targets:
        context.unknown("R0227", "target", str(target.value), target.span, targets)
        return None
    return found


class Value:
    """An argument's plain value and its location."""

    def __init__(self, value: Any, span: Span) -> None:
        self.value, self.span = value, span


def arguments(context: Context, call: ast.Call, params: type[BaseModel]) -> dict[str, Value] | None:
    """The arguments by parameter name; positional ones in the order of the model's fields."""
    names = list(params.model_fields)
    result: dict[str, Value] = {}
    mistaken = False
    for position, argument in enumerate(call.arguments):
        name = argument.name
        if name is None and position < len(names):
            name = names[position]
        if name is None or name not in names:
            what = f"`{call.function.text}` takes no argument `{name}`"
            if not name:
                most = f"at most {len(names)}" if names else "no"
                what = f"`{call.function.text}` takes {most} argument{'' if len(names) == 1 else 's'}"
            context.error("R0208", what, argument.span, helps=context.near(name or "", names))
            mistaken = True
        elif name in result:
            context.duplicate(f"argument `{name}`", argument.span, result[name].span)
            mistaken = True
        else:
            value = _plain(context, argument.value)
            mistaken |= value is None or not _worded(context, argument, name, params)
            mistaken |= not _placed(context, argument, name, params)
            result[name] = value or Value(None, argument.span)
    return None if mistaken else result


def _worded(context: Context, argument: ast.Argument, name: str, params: type[BaseModel]) -> bool:
    """Whether an argument has exactly the word before its value that its parameter requires."""
    extra = params.model_fields[name].json_schema_extra
    word = str(extra.get("word", "")) if isinstance(extra, dict) else ""
    if argument.word == word:
        return True
    how = f"{name}: {f'{word} ' if word else ''}{text(argument.value)}"
    context.error(
        "R0208", f"`{text_of(argument)}` is not how `{name}` is written", argument.span, helps=(f"write `{how}`",)
    )
    return False


def _placed(context: Context, argument: ast.Argument, name: str, params: type[BaseModel]) -> bool:
    """Whether an argument that may be a path has a supported scheme."""
    extra = params.model_fields[name].json_schema_extra
    if not (isinstance(extra, dict) and extra.get("place") and isinstance(argument.value, ast.String)):
        return True
    return quantities.place(context, argument.value, "a path") is not None


def text_of(argument: ast.Argument) -> str:
    """An argument as written."""
    return f"{argument.name}: {f'{argument.word} ' if argument.word else ''}{text(argument.value)}"


def _plain(context: Context, expr: ast.Expr) -> Value | None:
    """An argument as a Python value: names (of targets, words) and strings both become text."""
    match expr:
        case ast.Name():
            return Value(expr.text, expr.span)
        case ast.Path(parts=(str() as name,)):
            return Value(name, expr.span)
        case ast.String() | ast.Boolean():
            return Value(expr.value, expr.span)
        case ast.Quantity(unit="%"):
            return Value(float(expr.value / 100), expr.span)
        case ast.Quantity():
            whole = expr.value == expr.value.to_integral_value()
            return Value(int(expr.value) if whole else float(expr.value), expr.span)
        case ast.Unary(operator="-", operand=ast.Quantity()):
            inner = _plain(context, expr.operand)
            return inner and Value(-inner.value, expr.span)
        case _:
            context.error("R0208", "expected a number, a string or a name as argument", expr.span)
            return None


def _validated(
    context: Context, call: ast.Call, params: type[BaseModel], values: dict[str, Value]
) -> dict[str, Any] | None:
    try:
        return params.model_validate({name: value.value for name, value in values.items()}).model_dump(mode="json")
    except ValidationError as error:
        for detail in error.errors():
            name = str(detail["loc"][0]) if detail["loc"] else ""
            span = values[name].span if name in values else call.span
            argument = f"argument `{name}` of `{call.function.text}`"
            message = f"{argument} is missing" if detail["type"] == "missing" else f"{argument}: {_sentence(detail)}"
            context.error("R0208", message, span)
        return None


def _sentence(detail: Any) -> str:
    """The error that pydantic found, in our wording."""
    limits = detail.get("ctx", {})
    match detail["type"]:
        case "greater_than_equal":
            return f"expected at least {limits['ge']}"
        case "greater_than":
            return f"expected above {limits['gt']}"
        case "less_than_equal":
            return f"expected at most {limits['le']}"
        case "less_than":
            return f"expected below {limits['lt']}"
        case "literal_error":
            return f"expected {limits['expected']}"
        case kind if kind.startswith(("int_", "float_")):
            return f"expected {'a whole number' if kind.startswith('int_') else 'a number'}"
        case kind if kind.startswith("string_"):
            return "expected a name or a string"
        case _:
            return str(detail["msg"]).removeprefix("Value error, ")
