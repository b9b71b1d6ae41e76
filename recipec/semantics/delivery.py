"""The output and the tolerances: `output`, `seed`, `shortfall`, `oversize`, `allow`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recipec import spec
from recipec.ir import model
from recipec.semantics import extensions, quantities
from recipec.semantics.blocks import Form, settings
from recipec.semantics.context import Context
from recipec.syntax import ast

OUTPUT = {
    "shard": Form(),
    "compression": Form(),
    "shuffle": Form((0, 0)),
    "copies": Form(),
    "columns": Form((1, 4096)),
}

SMALLEST_SHARD = 1_000


def output(context: Context, node: ast.Output | None, sources: Sequence[model.Source]) -> model.Output | None:
    if node is None:
        return None
    path = quantities.place(context, node.path, "the path of the output folder", stores="written")
    if not spec.known("formats", node.format.text):
        context.unknown("R0231", "output format", node.format.text, node.format.span, spec.names("formats"))
        return None
    format_ = extensions.extension(context, "formats", node.format)
    if format_ is None:
        return None
    found = settings(context, node.block, OUTPUT, "`output`")
    compressions = format_.compressions
    values: dict[str, object] = {"compression": compressions[0], "shuffle": bool(found["shuffle"])}
    values["plugin"] = spec.origin("formats", node.format.text)
    if found["compression"]:
        word = quantities.word(context, found["compression"][0].values[0], compressions, "compression")
        values["compression"] = word or compressions[0]
    if found["shard"]:
        size = quantities.whole(context, found["shard"][0].values[0], "bytes", SMALLEST_SHARD)
        values["shard"] = size or SMALLEST_SHARD
    if found["copies"]:
        word = quantities.word(context, found["copies"][0].values[0], ("rows", "column"), "way to write copies")
        values["copies"] = word or "rows"
    if found["columns"]:
        values["columns"] = _columns(context, found["columns"][0], sources)
    if path is None:
        return None
    return model.Output.model_validate(
        {"format": node.format.text, "path": path, "origin": model.Origin.of(node.span), **values}
    )


def _columns(context: Context, setting: ast.Setting, sources: Sequence[model.Source]) -> tuple[str, ...]:
    """The chosen columns; each must exist in at least one source."""
    known = {name for source in sources for name, _ in source.schema_}
    result: dict[str, ast.Expr] = {}
    for value in setting.values:
        name = value.text if isinstance(value, ast.Name) else value.value if isinstance(value, ast.String) else ""
        if not name:
            context.error("R0208", "expected the name of a column", value.span)
        elif name in result:
            context.duplicate(f"column `{name}`", value.span, result[name].span)
        elif sources and name not in known:
            context.unknown("R0205", "column", name, value.span, known)
        else:
            result[name] = value
    return tuple(result)


def seed(context: Context, node: ast.Seed | None) -> int:
    value = quantities.whole(context, node.value, "") if node is not None else 0
    return value or 0


def shortfall(context: Context, node: ast.Shortfall | None) -> Literal["error", "shrink"]:
    word = quantities.word(context, node.policy, ("error", "shrink"), "shortfall policy") if node is not None else None
    return "shrink" if word == "shrink" else "error"


def oversize(context: Context, node: ast.Oversize | None) -> Literal["stop", "skip"]:
    """What happens at a document that is too large for what is left of its domain's tokens."""
    what = "way to treat documents that do not fit"
    word = quantities.word(context, node.policy, ("stop", "skip"), what) if node is not None else None
    return "skip" if word == "skip" else "stop"


@dataclass(frozen=True, slots=True)
class Allowed:
    """`bad`: the share of rows that may be unreadable, in [0, 1]; whether a domain may vanish, the pool be empty."""

    bad: float
    vanishing: bool
    empty: bool


def allowed(context: Context, nodes: Sequence[ast.Allow]) -> Allowed:
    """What the `allow` statements permit."""
    bad = 0.001
    stated: dict[str, ast.Allow] = {}
    for node in nodes:
        what = quantities.word(context, node.what, ("bad", "vanishing", "empty"), "permission")
        if what is None:
            continue
        if what in stated:
            context.duplicate(f"`allow {what}`", node.span, stated[what].span)
        stated[what] = node
        if what != "bad":
            if node.value is not None:
                context.error("R0208", f"`allow {what}` takes no value", node.value.span)
        elif node.value is None:
            context.error("R0203", "`allow bad` has no share", node.span, helps=("write for example `allow bad 0.1%`",))
        else:
            bad = quantities.share(context, node.value) or 0.0
    return Allowed(bad, "vanishing" in stated, "empty" in stated)
