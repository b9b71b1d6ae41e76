"""`where` and `criterion`: conditions and scores over every source."""

from __future__ import annotations

from collections.abc import Sequence

from recipec import spec
from recipec.ir import expressions as ir
from recipec.ir import model
from recipec.ir.expressions import Expression
from recipec.semantics import extensions
from recipec.semantics.columns import Scope
from recipec.semantics.context import Context
from recipec.semantics.quantities import domain_name
from recipec.semantics.typing import condition, named, taken, typed
from recipec.syntax import ast, text
from recipec.syntax.printing import domain


def where(context: Context, scopes: Sequence[Scope], node: ast.Where) -> model.Clause | model.Duplicates | None:
    """The clause over all sources; `not duplicate(key)` is a separate kind of clause."""
    mistakes = len(context.diagnostics)
    key = _duplicate_key(context, node.condition)
    if len(context.diagnostics) > mistakes:
        return None
    if key is not None:
        if node.source is not None:
            helps = ("state it for all sources: documents of one are compared with those of the others",)
            context.error("R0233", "`duplicate` is not allowed for a single source", node.source.span, helps=helps)
            return None
        keys = _over_all(context, scopes, key)
        if keys is None:
            return None
        return model.Duplicates(text=text(node.condition), keys=keys, origin=model.Origin.of(node.condition.span))
    of = _of_source(context, scopes, node.source)
    if of is None:
        return None
    always = ir.Constant(value=True, type="boolean")
    conditions = [condition(context, one, node.condition) if one in of else always for one in scopes]
    known = tuple(value for value in conditions if value is not None)
    if len(known) < len(scopes):
        return None
    return model.Clause(
        text=_named_text(node.condition, node.source),
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


def _of_source(context: Context, scopes: Sequence[Scope], node: ast.Name | ast.String | None) -> Sequence[Scope] | None:
    """The scopes for which a statement holds: all, or that of the source after its `for`; None (with a diagnostic) if
    there is no such source."""
    if node is None:
        return scopes
    name = domain_name(node)
    found = [scope for scope in scopes if scope.source == name]
    if not found:
        context.unknown("R0251", "source", name, node.span, (scope.source for scope in scopes))
        return None
    return found


def _named_text(expr: ast.Expr, source: ast.Name | ast.String | None) -> str:
    """The text of a clause, which the ledger has as the reason."""
    return text(expr) if source is None else f"for {domain(source)} {text(expr)}"


def _over_all(
    context: Context, scopes: Sequence[Scope], expr: ast.Expr, of: Sequence[Scope] | None = None
) -> tuple[Expression, ...] | None:
    null = ir.Constant(value=None, type="null")
    values = [typed(context, one, expr) if of is None or one in of else null for one in scopes]
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(scopes) else None


def criterion(context: Context, scopes: Sequence[Scope], node: ast.Criterion) -> model.Criterion | None:
    """The criterion over all sources; its values are numbers, with a condition as 0 or 1."""
    call = node.call
    direction = node.direction
    of = _of_source(context, scopes, node.source)
    if of is None:
        return None
    if call.function.text == "column":
        if not extensions.check_own(context, "criteria", call.function, "criterion"):
            return None
        if len(call.arguments) != 1 or call.arguments[0].name is not None:
            context.error("R0208", "`column` takes one column or expression", call.span)
            return None
        values = _over_all(context, scopes, call.arguments[0].value, of)
    elif spec.known("criteria", call.function.text):
        extension = extensions.extension(context, "criteria", call.function)
        if extension is None:
            return None
        direction = direction or extension.direction
        values = _over_all(context, scopes, call, of)
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
    value = taken(value, "float")
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
