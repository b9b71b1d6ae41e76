"""`where` and `criterion`: conditions and scores over every source."""

from __future__ import annotations

from collections.abc import Sequence

from recipec import spec
from recipec.ir import expressions as ir
from recipec.ir import model
from recipec.ir.expressions import Expression
from recipec.semantics import extensions
from recipec.semantics.context import Context
from recipec.semantics.typing import Scope, condition, named, typed
from recipec.syntax import ast, text


def where(context: Context, scopes: Sequence[Scope], node: ast.Where) -> model.Clause | model.Duplicates | None:
    """The clause over all sources; `not duplicate(key)` is a separate kind of clause."""
    mistakes = len(context.diagnostics)
    key = _duplicate_key(context, node.condition)
    if len(context.diagnostics) > mistakes:
        return None
    if key is not None:
        keys = _over_all(context, scopes, key)
        if keys is None:
            return None
        return model.Duplicates(text=text(node.condition), keys=keys, origin=model.Origin.of(node.condition.span))
    conditions = [condition(context, scope, node.condition) for scope in scopes]
    known = tuple(value for value in conditions if value is not None)
    if len(known) < len(scopes):
        return None
    return model.Clause(
        text=text(node.condition),
        conditions=known,
        origin=model.Origin.of(node.condition.span),
    )


def _duplicate_key(context: Context, expr: ast.Expr) -> ast.Expr | None:
    match expr:
        case ast.Unary(operator="not", operand=ast.Call(function=ast.Name(text="duplicate")) as call):
            extensions.check_own(context, "criteria", call.function, "condition")
            if len(call.arguments) == 1 and call.arguments[0].name is None:
                return call.arguments[0].value
            context.error("R0208", "`duplicate` takes one expression: the key", call.span)
    return None


def _over_all(context: Context, scopes: Sequence[Scope], expr: ast.Expr) -> tuple[Expression, ...] | None:
    values = [typed(context, scope, expr) for scope in scopes]
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(scopes) else None


def criterion(context: Context, scopes: Sequence[Scope], node: ast.Criterion) -> model.Criterion | None:
    """The criterion over all sources; its values are numbers, with a condition as 0 or 1."""
    call = node.call
    direction = node.direction
    if call.function.text == "column":
        if not extensions.check_own(context, "criteria", call.function, "criterion"):
            return None
        if len(call.arguments) != 1 or call.arguments[0].name is not None:
            context.error("R0208", "`column` takes one column or expression", call.span)
            return None
        values = _over_all(context, scopes, call.arguments[0].value)
    elif spec.known("criteria", call.function.text):
        extension = extensions.extension(context, "criteria", call.function)
        if extension is None:
            return None
        direction = direction or extension.direction
        values = _over_all(context, scopes, call)
    else:
        known = ("column", *spec.names("criteria"))
        context.unknown("R0207", "criterion", call.function.text, call.function.span, known)
        return None
    if direction is None:
        helps = ("end the line with `higher is better` or `lower is better`",)
        context.error(
            "R0218",
            f"criterion `{node.name.text}` does not say whether higher or lower is better",
            node.span,
            helps=helps,
        )
    if values is None or direction is None:
        return None
    numbers = [_number(context, value, call) for value in values]
    known_numbers = tuple(value for value in numbers if value is not None)
    if len(known_numbers) < len(scopes):
        return None
    return model.Criterion(
        name=node.name.text,
        values=known_numbers,
        direction="higher" if direction == "higher" else "lower",
        origin=model.Origin.of(node.span),
    )


def _number(context: Context, value: Expression, call: ast.Call) -> Expression | None:
    match value.type:
        case "integer" | "float" | "null":
            return value
        case "boolean":
            return ir.Apply(function="float", operands=(value,), type="float")
        case type_:
            label = f"this is {named(type_)}"
            helps: tuple[str, ...] = ()
            if type_ == "string" and call.function.text == "column":
                helps = (f"cast it: `column(float({text(call.arguments[0].value)}))`",)
            context.error("R0217", "a criterion needs numbers", call.span, label=label, helps=helps)
            return None
