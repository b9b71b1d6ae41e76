"""`attributes "scores/*.parquet" by id { columns edu topic }` in a source: columns that stand in files beside the shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from recipec.diagnostics import Failure
from recipec.ir import model, shapes
from recipec.ir.attributes import ID, ROW, Attributes
from recipec.ir.shapes import Columns
from recipec.semantics import quantities
from recipec.semantics.blocks import Form, Settings, settings
from recipec.semantics.context import Context
from recipec.source import Span
from recipec.syntax import ast

FORM = Form((1, 66), many=True, maybe_block=True)

BLOCK = {"id": Form((1, 1)), "columns": Form((1, 4096))}

WRITTEN = 'expected `attributes "FILES" by id` or `attributes "FILES" by row`'

KEYS = frozenset({"string", "integer", "json", "null"})
"""The types of a column that may hold ids."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the files of a setting have.

    Attributes:
        arrays: whether their columns have no names.
    """

    setting: ast.Setting
    files: tuple[str, ...]
    by: Literal["id", "row"]
    columns: Columns
    arrays: bool


def attributes(
    context: Context, found: Sequence[ast.Setting], shards: Columns, source: str
) -> tuple[Attributes, ...] | None:
    """The attributes of a source, or None (with diagnostics).

    Args:
        shards: the columns of its shards, whose names no attribute may have.
    """
    result = [_attributes(context, setting) for setting in found]
    known = tuple(one for one in result if one is not None)
    if len(known) < len(result) or not _check_names(context, known, shards, source):
        return None
    return known


def _attributes(context: Context, setting: ast.Setting) -> Attributes | None:
    block = settings(context, setting.block, BLOCK, "`attributes`")
    found = _found(context, setting)
    if found is None or _is_broken(setting, block):
        return None
    id_ = _id(context, found, block) if found.by == "id" else ""
    if found.by == "row" and block["id"]:
        context.error("R0208", "`by row` takes no `id`: rows are joined by their numbers", block["id"][0].span)
        return None
    columns = _columns(context, found, block, id_ or ID)
    if id_ is None or columns is None:
        return None
    return Attributes(files=found.files, by=found.by, id=id_, schema_=columns, origin=model.Origin.of(_head(setting)))


def _is_broken(setting: ast.Setting, block: Settings) -> bool:
    """Whether a setting of the block has an error, which is already reported."""
    return setting.block is not None and sum(map(len, block.values())) < len(setting.block.settings)


def _head(setting: ast.Setting) -> Span:
    """The span of a setting without its block."""
    return Span(setting.span.source, setting.span.start, setting.values[-1].span.end)


def _found(context: Context, setting: ast.Setting) -> _Found | None:
    *globs, by, key = setting.values if len(setting.values) > 2 else (setting.name,) * 3
    if not (isinstance(by, ast.Name) and by.text == "by" and isinstance(key, ast.Name) and key.text in (ID, ROW)):
        context.error("R0208", WRITTEN, _head(setting))
        return None
    places = [quantities.place(context, value, "a glob of files", stores="read") for value in globs]
    files = tuple(place for place in places if place is not None)
    if len(files) < len(places):
        return None
    try:
        columns, arrays = context.environment.attributes(files, context.folder, globs[0].span)
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None
    if arrays and key.text == ID:
        helps = ('`attributes "FILES" by row` joins the n-th row of the n-th file with that of the n-th shard',)
        context.error("R0208", "arrays have no ids", key.span, helps=helps)
        return None
    return _Found(setting, files, "id" if key.text == ID else "row", columns, arrays)


def _id(context: Context, found: _Found, block: Settings) -> str | None:
    """The column with the ids of documents, or None (with a diagnostic)."""
    stated = block["id"][0].values[0] if block["id"] else None
    name = _name(context, stated) if stated is not None else ID
    if name is None:
        return None
    span = stated.span if stated is not None else found.setting.values[-1].span
    shape = dict(found.columns).get(name)
    if shape is None:
        helps = context.near(name, dict(found.columns)) if stated is not None else ()
        helps = helps or ("name the column with the ids: `attributes … by id { id NAME }`",)
        context.error("R0205", f"the attributes have no column `{name}`", span, helps=helps)
        return None
    if shapes.language(shapes.parse(shape)) not in KEYS:
        context.error("R0230", f"`{name}` of the attributes must be a string or an integer to be an id", span)
        return None
    return name


def _columns(context: Context, found: _Found, block: Settings, id_: str) -> Columns | None:
    """The columns that come in, or None (with a diagnostic): those that are listed, or all but ids and row numbers."""
    listed = _listed(context, block)
    if listed is None:
        return None
    if found.arrays:
        return _named(context, found, listed)
    known = dict(found.columns)
    for name, node in listed.items():
        if name not in known:
            context.unknown("R0205", "column", name, node.span, known)
    if listed:
        return tuple((name, known[name]) for name in listed) if listed.keys() <= known.keys() else None
    result = tuple((name, shape) for name, shape in found.columns if name not in (id_, ROW))
    if not result:
        context.error("R0340", "the attributes have no columns besides ids and row numbers", _head(found.setting))
    return result or None


def _listed(context: Context, block: Settings) -> Mapping[str, ast.Expr] | None:
    result: dict[str, ast.Expr] = {}
    for value in block["columns"][0].values if block["columns"] else ():
        name = _name(context, value)
        if name is None:
            return None
        if name in result:
            context.duplicate(f"column `{name}`", value.span, result[name].span)
        result[name] = value
    return result


def _named(context: Context, found: _Found, listed: Mapping[str, ast.Expr]) -> Columns | None:
    """The columns of arrays under the names that the recipe gives them."""
    count = len(found.columns)
    if len(listed) == count:
        return tuple((name, shape) for name, (_, shape) in zip(listed, found.columns, strict=True))
    if not listed:
        helps = ("`attributes … by row { columns NAME … }` names them in order",)
        context.error("R0203", "the columns of arrays need names", _head(found.setting), helps=helps)
    else:
        message = f"the arrays have {count:,} column{'s' * (count != 1)}, and {len(listed):,} names are listed"
        context.error("R0340", message, next(iter(listed.values())).span)
    return None


def _name(context: Context, value: ast.Expr) -> str | None:
    name = value.text if isinstance(value, ast.Name) else value.value if isinstance(value, ast.String) else ""
    if not name:
        context.error("R0208", "expected the name of a column", value.span)
    return name or None


def _check_names(context: Context, found: Sequence[Attributes], shards: Columns, source: str) -> bool:
    """Whether no two columns of a source have the same name."""
    own = {name for name, _ in shards}
    seen: dict[str, Attributes] = {}
    fine = True
    for one in found:
        for name, _ in one.schema_:
            other = "the shards have it" if name in own else ""
            if name in seen:
                other = f"the attributes of line {seen[name].origin.line} have it"
            if other:
                helps = ("list the columns that shall come in: `attributes … { columns NAME … }`",)
                message = f"source `{source}` would have two columns `{name}`: {other} too"
                context.error("R0202", message, one.origin.span, helps=helps)
                fine = False
            seen[name] = one
    return fine
