"""`source` and `target` blocks."""

from __future__ import annotations

from collections.abc import Sequence

from recipec import spec
from recipec.diagnostics import Failure, Severity
from recipec.ir import expressions as ir
from recipec.ir import model, paths, shapes
from recipec.ir.attributes import Attributes
from recipec.ir.expressions import Expression
from recipec.ir.paths import Part
from recipec.ir.shapes import Columns
from recipec.semantics import attributes, extensions, quantities
from recipec.semantics.blocks import Form, Settings, required, settings
from recipec.semantics.columns import PLACES, Scope
from recipec.semantics.context import Context
from recipec.semantics.typing import named, over_columns, taken, typed
from recipec.source import Span
from recipec.syntax import ast

SOURCE = {
    "shards": Form((1, 64), many=True),
    "attributes": attributes.FORM,
    "column": Form((2, 2), assigned=True, many=True),
    "id": Form((1, 1), assigned=True),
    "text": Form(),
    "tokens": Form((1, 2), assigned=True),
    "domain": Form((1, 1), assigned=True),
}

TARGET = {"examples": Form((1, 64), many=True), "text": Form(), "holdout": Form()}


def source(context: Context, node: ast.Source) -> model.Source | None:
    """The typed source, or None (with diagnostics)."""
    what = f"source `{node.name.text}`"
    found = settings(context, node.block, SOURCE, what)
    # `domain = topic` has its expression as the only value.
    if not required(context, node.block, found, ("shards", "text"), what, node.name.span):
        return None
    shards = _globs(context, found["shards"], "a glob of shards")
    columns = _columns(context, shards, node) if shards else None
    beside = attributes.attributes(context, found["attributes"], columns or (), node.name.text)
    if columns is None or beside is None:
        return None
    scope = _scope(context, node.name.text, shards, columns, beside)
    text = _text(context, scope, found["text"][0], columns)
    scope.text = text or ""
    named_columns = _named_columns(context, scope, found["column"])
    id_ = _as_string(_value(context, scope, found["id"][0])) if found["id"] else _place_as_id(context, node)
    id_ = _of_shards(context, id_, beside, found)
    tokens = _tokens(context, scope, found)
    domain = _as_string(_value(context, scope, found["domain"][0])) if found["domain"] else None
    if domain is None and not found["domain"]:
        domain = ir.Constant(value=node.name.text, type="string")
    if id_ is None or text is None or tokens is None or domain is None:
        return None
    return model.Source(
        name=node.name.text,
        shards=shards,
        schema_=columns,
        named=named_columns,
        id=id_,
        text=text,
        tokens=tokens,
        domain=domain,
        attributes=beside,
        plugin=spec.origin("formats", context.environment.format(shards, context.folder, node.name.span) or ""),
        origin=model.Origin.of(node.name.span),
    )


def _scope(
    context: Context, name: str, shards: tuple[str, ...], columns: Columns, beside: Sequence[Attributes]
) -> Scope:
    def conflict(parts: Sequence[Part]) -> str:
        files = next((one.files for one in beside if parts[0] in dict(one.schema_)), shards)
        return context.environment.conflict(files, context.folder, parts)

    joined = {column: shape for one in beside for column, shape in one.schema_}
    return Scope(name, {**dict(columns), **joined}, conflict)


def scope_of(context: Context, source: model.Source) -> Scope:
    """The scope of names in expressions over a source."""
    scope = _scope(context, source.name, source.shards, source.schema_, source.attributes)
    scope.own.update(source.named)
    scope.text = source.text
    roles: dict[str, Expression] = {
        "id": source.id,
        "text": ir.Column(name=source.text, type="string"),
        "domain": source.domain,
    }
    if source.tokens.column is not None:
        roles["tokens"] = source.tokens.column
    scope.roles = roles
    return scope


def _named_columns(context: Context, scope: Scope, found: Sequence[ast.Setting]) -> tuple[tuple[str, Expression], ...]:
    """`column stars = max_stars_count`: the names that a source gives to values, each of which may use those above it."""
    first: dict[str, ast.Setting] = {}
    for setting in found:
        name, expr = setting.values
        if not isinstance(name, ast.Name) or "." in name.text:
            context.error("R0208", "expected `column NAME = EXPRESSION`", setting.span)
        elif name.text in first:
            context.duplicate(f"column `{name.text}`", setting.span, first[name.text].span)
        elif name.text in scope.columns:
            helps = ("give it another name",)
            context.error("R0202", f"the source has a column `{name.text}`", name.span, helps=helps)
        else:
            first[name.text] = setting
            value = over_columns(context, typed(context, scope, expr), expr)
            if value is not None:
                scope.own[name.text] = value
    return tuple(scope.own.items())


def _of_shards(
    context: Context, id_: Expression | None, beside: Sequence[Attributes], found: Settings
) -> Expression | None:
    """An id that is known before attributes are joined, else None (with a diagnostic)."""
    joined = {name for one in beside for name, _ in one.schema_}
    if id_ is not None and any(paths.parts(name)[0] in joined for name in ir.columns_of(id_)):
        context.error("R0233", "an attribute cannot be the id of the documents that it belongs to", found["id"][0].span)
        return None
    return id_


def _place_as_id(context: Context, node: ast.Source) -> Expression:
    """The id of documents of a source without one: `path#row`."""
    message = f"source `{node.name.text}` has no `id`: its documents are called `path#row`"
    helps = (
        "such an id changes when files are moved or rows are added before it; bind `id` to a column if there is one",
    )
    context.error("R0250", message, node.name.span, helps=helps, severity=Severity.WARNING)
    row = ir.Apply(function="string", operands=(PLACES["row"],), type="string")
    begun = ir.Apply(function="concat", operands=(PLACES["path"], ir.Constant(value="#", type="string")), type="string")
    return ir.Apply(function="concat", operands=(begun, row), type="string")


def _columns(context: Context, shards: tuple[str, ...], node: ast.Source) -> Columns | None:
    setting = next(s for s in node.block.settings if s.name.text == "shards")
    try:
        if not _may_be_read(context, shards, setting.span):
            return None
        return context.environment.schema(shards, context.folder, setting.span)
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None


def _may_be_read(context: Context, shards: tuple[str, ...], span: Span) -> bool:
    """Whether the format of the shards is built in, or of a package that the recipe needs."""
    word = context.environment.format(shards, context.folder, span)
    return word is None or extensions.extension(context, "formats", ast.Name(word, span=span)) is not None


def _globs(context: Context, found: tuple[ast.Setting, ...], what: str) -> tuple[str, ...]:
    values = [quantities.place(context, value, what, stores="read") for setting in found for value in setting.values]
    return tuple(value for value in values if value is not None)


def _value(context: Context, scope: Scope, setting: ast.Setting) -> Expression | None:
    return over_columns(context, typed(context, scope, setting.values[0]), setting.values[0])


def _as_string(value: Expression | None) -> Expression | None:
    if value is None or value.type == "string":
        return value
    if value.type == "json":
        return taken(value, "text")
    return ir.Apply(function="string", operands=(value,), type="string")


def _text(context: Context, scope: Scope, setting: ast.Setting, columns: Columns) -> str | None:
    value = _value(context, scope, setting)
    if value is None:
        return None
    # Rows in which a field of several kinds is no string are unreadable.
    if isinstance(value, ir.Column) and value.type in ("string", "json", "null"):
        if shapes.at(columns, paths.parts(value.name)) is None and value.name not in paths.PLACES:
            context.error("R0230", "`text` needs a column of the shards, not an attribute", setting.values[0].span)
            return None
        return value.name
    label = f"this is {named(value.type)}"
    context.error("R0230", "`text` needs a column of strings", setting.values[0].span, label=label)
    return None


def _tokens(context: Context, scope: Scope, found: Settings) -> model.TokenCount | None:
    if not found["tokens"]:
        return model.TokenCount(by="estimate")
    setting = found["tokens"][0]
    first = setting.values[0]
    if len(setting.values) == 2:
        if not (isinstance(first, ast.Name) and first.text == "by"):
            context.error("R0208", 'expected `tokens COLUMN` or `tokens by "TOKENIZER"`', setting.span)
            return None
        tokenizer = quantities.place(context, setting.values[1], "the name or path of a tokenizer")
        return (tokenizer and model.TokenCount(by="tokenizer", tokenizer=tokenizer)) or None
    if isinstance(first, ast.Name) and first.text == "estimate" and "estimate" not in scope.columns:
        return model.TokenCount(by="estimate")
    value = over_columns(context, typed(context, scope, first), first)
    if value is None:
        return None
    value = taken(value, "integer")
    if value.type == "null":
        value = ir.Apply(function="int", operands=(value,), type="integer")
    if value.type != "integer":
        helps = (f"cast it: `tokens = int({first.span.text})`",)
        label = f"this is {named(value.type)}"
        context.error("R0230", "`tokens` needs a column of integers", first.span, label=label, helps=helps)
        return None
    return model.TokenCount(by="column", column=value)


def target(context: Context, node: ast.Target) -> model.Target | None:
    what = f"target `{node.name.text}`"
    found = settings(context, node.block, TARGET, what)
    if not required(context, node.block, found, ("examples",), what, node.name.span):
        return None
    template = "{text}"
    if found["text"]:
        template = quantities.string(context, found["text"][0].values[0], 'a template such as "{question}"') or ""
    holdout = quantities.share(context, found["holdout"][0].values[0]) if found["holdout"] else 0.0
    if holdout is None or not template:
        return None
    return model.Target(
        name=node.name.text,
        examples=_globs(context, found["examples"], "a glob of examples"),
        text=template,
        holdout=holdout,
        origin=model.Origin.of(node.name.span),
    )
