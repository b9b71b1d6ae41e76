"""What the grammar, which sees one symbol at a time, reads in another way than it is meant."""

from __future__ import annotations

from dataclasses import replace

from recipec.source import Span
from recipec.syntax import ast

WORDS = (ast.Name, ast.Path, ast.String)


def times(most: ast.Expr) -> ast.Expr:
    if isinstance(most, ast.Quantity):
        return replace(most, unit=most.unit or "times")
    # The lexer reads `times` as the unit of the last number: `a + 1 times` means the sum, not `a` plus `1 times`.
    return _without_times(most)


def _without_times(expr: ast.Expr) -> ast.Expr:
    match expr:
        case ast.Binary():
            return replace(expr, right=_without_times(expr.right))
        case ast.Unary():
            return replace(expr, operand=_without_times(expr.operand))
        case ast.Quantity(unit="times"):
            return replace(expr, unit="")
        case _:
            return expr


def with_columns(setting: ast.Setting) -> ast.Setting:
    """`attributes … { columns edu, topic }`: names after commas are columns as well, rather than settings."""
    if setting.block is None:
        return setting
    result: list[ast.Setting] = []
    for one in setting.block.settings:
        bare = not one.values and one.block is None and one.domain is None
        listed = (
            bool(result)
            and result[-1].name.text == "columns"
            and all(isinstance(value, WORDS) for value in result[-1].values)
        )
        if bare and listed and not result[-1].assigned:
            span = Span(one.span.source, result[-1].span.start, one.span.end)
            result[-1] = replace(result[-1], values=(*result[-1].values, value(one.name)), span=span)
        else:
            result.append(one)
    return replace(setting, block=replace(setting.block, settings=tuple(result)))


def value(name: ast.Name) -> ast.Name | ast.Path:
    """A name where a value stands: between back quotes, what looks like a path is one name."""
    quoted = name.span.text.startswith("`") and any(mark in name.text for mark in ".[]")
    return ast.Path((name.text,), span=name.span) if quoted else name
