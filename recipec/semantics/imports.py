"""`use std.quality.web`: the statements of a standard recipe, or of one next to this recipe, as if written here.

`std.…` is a file of stdlib_recipes/; any other dotted name is a file in the recipe's own folder: `use team.quality`
reads team/quality.recipe. Where a recipe can have only one statement of a kind, its own replaces the imported one.
"""

from __future__ import annotations

from pathlib import Path

from recipec import resources
from recipec.diagnostics import Failure, did_you_mean
from recipec.semantics.context import Context
from recipec.source import Source
from recipec.syntax import ast, load, parse

ONE = (
    ast.Seed,
    ast.Quality,
    ast.Sample,
    ast.Mixture,
    ast.Budget,
    ast.Shortfall,
    ast.Oversize,
    ast.Output,
    ast.Phases,
    ast.Search,
)
"""Statements that a recipe can have only once."""


def expanded(context: Context, tree: ast.Recipe) -> tuple[ast.Statement, ...]:
    """All statements of a recipe, imported ones first, each file once."""
    return _expanded(context, tree.statements, (), set())


def _expanded(
    context: Context, statements: tuple[ast.Statement, ...], chain: tuple[ast.Use, ...], seen: set[str]
) -> tuple[ast.Statement, ...]:
    used: list[ast.Statement] = []
    for statement in statements:
        if isinstance(statement, ast.Use):
            used += _used(context, statement, chain, seen)
    own = tuple(statement for statement in statements if not isinstance(statement, ast.Use))
    stated = {type(statement) for statement in own if isinstance(statement, ONE)}
    return (*(statement for statement in used if type(statement) not in stated), *own)


def _used(context: Context, use: ast.Use, chain: tuple[ast.Use, ...], seen: set[str]) -> tuple[ast.Statement, ...]:
    name = use.path.text
    above = next((other for other in chain if other.path.text == name), None)
    if above is not None:
        also = ((above.span, "first used here"),)
        context.error("R0213", f"`{name}` uses itself", use.span, label="and here again", also=also)
        return ()
    if name in seen:
        return ()
    seen.add(name)
    source = _source(context, use)
    if source is None:
        return ()
    first = (*chain, use)[0]
    if Path(source.path).resolve() == Path(first.span.source.path).resolve():
        by = [(one.span, "by what is used here") for one in chain[:1]]
        context.error("R0213", f"`{name}` uses itself", use.span, also=by)
        return ()
    tree, diagnostics = parse(source)
    context.diagnostics.extend(diagnostics)
    return _expanded(context, tree.statements, (*chain, use), seen)


def _source(context: Context, use: ast.Use) -> Source | None:
    name = use.path.text
    if name.startswith("std."):
        if name in resources.stdlib_names():
            return Source(resources.stdlib(name), name)
        known = (*resources.stdlib_names(),)
        context.error("R0212", f"no standard recipe `{name}`", use.path.span, helps=did_you_mean(name, known))
        return None
    root = context.folder.resolve()
    path = root.joinpath(*name.split(".")).with_suffix(".recipe")
    # Dotted names cannot contain "..", but a symbolic link may lead out of the folder.
    if not path.resolve().is_relative_to(root) or any(not part or "/" in part for part in name.split(".")):
        context.error("R0212", f"`{name}` leaves the recipe's folder", use.path.span)
        return None
    if not path.is_file():
        shown = Path(*name.split(".")).with_suffix(".recipe")
        helps = did_you_mean(name, resources.stdlib_names())
        context.error(
            "R0212", f"`{name}` is neither a standard recipe nor the file {shown}", use.path.span, helps=helps
        )
        return None
    try:
        return load(path)
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None
