"""`param` and `--set`: every `$name` is replaced by its value before anything is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from recipec.diagnostics import Diagnostic, did_you_mean, has_errors
from recipec.semantics.context import Context
from recipec.source import Source, Span
from recipec.syntax import ast, parse

T = TypeVar("T")


def values(
    context: Context, params: Iterable[ast.Param], overrides: Mapping[str, str], where: Span
) -> dict[str, ast.Expr]:
    """The value of each parameter: from `--set`, else from the recipe.

    A later `param` of the same name (the recipe's own after an imported one) replaces the earlier.
    """
    stated: dict[str, ast.Param] = {}
    for param in params:
        first = stated.get(param.name.text)
        if first is not None and first.span.source is param.span.source:
            context.duplicate(f"parameter `{param.name.text}`", param.span, first.span)
        stated[param.name.text] = param
    for name in overrides:
        if name not in stated:
            context.error(
                "R0214", f"`--set {name}=…`: the recipe has no such param", where, helps=did_you_mean(name, stated)
            )
    result: dict[str, ast.Expr] = {}
    for name, param in stated.items():
        value = _override(context, name, overrides[name], param) if name in overrides else param.value
        # A parameter may use those above it.
        result[name] = substitute(context, value, result)
    return result


def _override(context: Context, name: str, written: str, param: ast.Param) -> ast.Expr:
    """The value of `--set name=written`. A missing unit is taken from the recipe's own value."""
    source = Source(f"param {name} = {written}\n", f"--set {name}")
    tree, diagnostics = parse(source)
    statements = tree.statements
    if has_errors(diagnostics) or len(statements) != 1 or not isinstance(statements[0], ast.Param):
        if "$" not in written and '"' not in written and isinstance(param.value, ast.String):
            # Shells remove quotes: for a string parameter, a bare word is that string.
            return ast.String(written, span=param.value.span)
        value = Span(source, source.text.index("=") + 2, len(source.text) - 1)
        shown = tuple(diagnostics) or (Diagnostic("R0215", f"`--set {name}=…`: expected one value", value),)
        context.diagnostics.extend(shown)
        return param.value
    new = statements[0].value
    if isinstance(new, ast.Name) and isinstance(param.value, ast.String):
        return ast.String(new.text, span=new.span)
    if isinstance(new, ast.Quantity) and not new.unit and isinstance(param.value, ast.Quantity):
        return replace(new, unit=param.value.unit)
    return new


def substitute(context: Context, node: T, values: Mapping[str, ast.Expr]) -> T:
    """The tree with every `$name` replaced. A value gets the span of its `$name`, where errors in it are shown."""
    changed: T = _substituted(context, node, values)
    return changed


def _substituted(context: Context, node: Any, values: Mapping[str, ast.Expr]) -> Any:
    if isinstance(node, tuple):
        return tuple(_substituted(context, item, values) for item in node)
    if isinstance(node, ast.ParamRef):
        if node.name not in values:
            context.unknown("R0211", "parameter", f"${node.name}", node.span, (f"${name}" for name in values))
            return node
        value = values[node.name]
        return replace(value, span=node.span) if is_dataclass(value) else value
    if not isinstance(node, ast.Node):
        return node
    changed = {
        field.name: new
        for field in fields(node)
        if field.name != "span" and (new := _substituted(context, old := getattr(node, field.name), values)) is not old
    }
    return replace(node, **changed) if changed else node
