"""Limits on the copies of a document: `repeat`, and the limit of a recipe that states none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from recipec import resources
from recipec.ir import model
from recipec.semantics import quantities
from recipec.semantics.columns import Scope, leniently
from recipec.semantics.context import Context
from recipec.semantics.quantities import domain_name
from recipec.semantics.typing import named, over_columns, taken, typed
from recipec.source import Source
from recipec.syntax import ast, parse


def repeats(context: Context, nodes: Sequence[ast.Repeat], scopes: Sequence[Scope]) -> tuple[model.Repeat, ...]:
    """The repetition limits: one general, at most one per domain, and at most one from a column for each of these.

    A recipe without any general statement is read as if it stated that of `std.repeat.epochs`.
    """
    result: dict[tuple[str | None, bool], tuple[model.Repeat, ast.Repeat]] = {}
    for node in nodes:
        repeat = _repeat(context, node, scopes)
        if repeat is None:
            continue
        key = repeat.domain, bool(repeat.per_document)
        if key in result:
            context.duplicate("the repetition limit", node.span, result[key][1].span)
        result[key] = repeat, node
    ordered = sorted(result, key=lambda key: (key[0] or "", key[0] is not None, key[1]))
    default = () if any(node.domain is None for node in nodes) else (standard(),)
    return (*default, *(result[key][0] for key in ordered))


@cache
def standard() -> model.Repeat:
    """The limit of the standard recipe `std.repeat.epochs`; its origin says that it is the default."""
    tree, _ = parse(Source(resources.stdlib(model.STANDARD_LIMIT), model.DEFAULT_LIMIT))
    params = {one.name.text: one.value for one in tree.statements if isinstance(one, ast.Param)}
    [node] = (one for one in tree.statements if isinstance(one, ast.Repeat))
    most = params[node.most.name] if isinstance(node.most, ast.ParamRef) else node.most
    assert isinstance(most, ast.Quantity)
    return model.Repeat(domain=None, most=int(most.value), origin=model.Origin.of(node.span))


def _repeat(context: Context, node: ast.Repeat, scopes: Sequence[Scope]) -> model.Repeat | None:
    domain = domain_name(node.domain) if node.domain is not None else None
    origin = model.Origin.of(node.span)
    if node.most is None:
        return model.Repeat(domain=domain, origin=origin)
    if isinstance(node.most, ast.Quantity):
        # The grammar requires `times` after the number, so a plain number has this unit.
        most = quantities.whole(context, node.most if node.most.unit else _times(node.most), "times")
        return None if most is None else model.Repeat(domain=domain, most=most, origin=origin)
    if isinstance(node.most, ast.Unary) and isinstance(node.most.operand, ast.Quantity):
        context.error("R0210", "expected at least 0 times", node.most.span, label="out of range")
        return None
    values = [over_columns(context, typed(context, scope, node.most), node.most) for scope in leniently(scopes)]
    known = tuple(taken(value, "float") for value in values if value is not None)
    if len(known) < len(scopes):
        return None
    bad = next((value for value in known if value.type not in ("integer", "float", "null")), None)
    if bad is not None:
        label = f"this is {named(bad.type)}"
        context.error("R0206", "a repetition limit needs a number", node.most.span, label=label)
        return None
    return model.Repeat(domain=domain, per_document=known, origin=origin)


def _times(quantity: ast.Quantity) -> ast.Quantity:
    return ast.Quantity(quantity.value, "times", quantity.text, span=quantity.span)
