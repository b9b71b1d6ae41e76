"""Names in expressions: columns and what is nested in them, what a source gives a name, places, roles, criteria."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from recipec.ir import expressions as ir
from recipec.ir import model, paths, shapes
from recipec.ir.expressions import Expression
from recipec.ir.paths import Part
from recipec.semantics.context import Context
from recipec.syntax import ast, text

PLACES: Mapping[str, Expression] = {
    "path": ir.Column(name=paths.PATH, type="string"),
    "file": ir.Column(name=paths.FILE, type="string"),
    "row": ir.Column(name=paths.ROW, type="integer"),
}
"""The words for the place of a document, where no column has their name."""


@dataclass(slots=True)
class Scope:
    """The scope of names in expressions over one source: what it names itself, its columns, its roles (`id`, `text`,
    `domain`, `tokens`), `PLACES`, and the recipe's criteria.

    Attributes:
        columns: the shape of each, as text.
        conflict: which shards disagree on a value, by the parts of its reference.
        optional: whether columns that the source lacks are null.
    """

    source: str
    columns: Mapping[str, str]
    conflict: Callable[[Sequence[Part]], str] = lambda _: ""
    own: dict[str, Expression] = field(default_factory=dict)
    roles: Mapping[str, Expression] = field(default_factory=dict)
    criteria: dict[str, Expression] = field(default_factory=dict)  # those defined above
    targets: Mapping[str, ast.Target] = field(default_factory=dict)
    scores: dict[str, model.ScoreCall] = field(default_factory=dict)  # the calls found so far, by canonical text
    optional: frozenset[str] = frozenset()
    text: str = ""  # the reference to the source's text, which is read as text


def leniently(scopes: Sequence[Scope]) -> list[Scope]:
    """Scopes in which a column that only other sources have is null, as for quotas, which hold for parts of a domain."""
    names = frozenset(name for scope in scopes for name in (*scope.columns, *scope.own))
    return [replace(scope, optional=names) for scope in scopes]


def bound(context: Context, scope: Scope, node: ast.Name | ast.Path) -> Expression | None:
    """The value that a name or path stands for, or None (with a diagnostic)."""
    for parts in _readings(node):
        shape = shapes.at(tuple(scope.columns.items()), parts)
        if shape == shapes.CLASH:
            _conflict(context, scope, node, parts)
            return None
        if shape is not None and (len(parts) > 1 or parts[0] not in scope.own):
            return _value(context, scope, parts, shape, node)
    word = node.text if isinstance(node, ast.Name) else text(node)
    for names in (scope.own, scope.roles, PLACES, scope.criteria):
        if word in names:
            return names[word]
    if str(next(iter(_readings(node)))[0]) in scope.optional:
        return ir.Constant(value=None, type="null")
    _unknown(context, scope, node, word)
    return None


def _readings(node: ast.Name | ast.Path) -> Iterator[tuple[Part, ...]]:
    """The parts that a name may stand for: a dotted one is a path, or else a column of that name."""
    if isinstance(node, ast.Path):
        yield node.parts
    elif "." in node.text:
        yield tuple(node.text.split("."))
        yield (node.text,)
    else:
        yield (node.text,)


def _value(
    context: Context, scope: Scope, parts: Sequence[Part], shape: shapes.Shape, node: ast.Expr
) -> Expression | None:
    if 0 in parts:
        context.error("R0204", "elements of a list are numbered from 1", node.span, helps=("the first one is `[1]`",))
        return None
    name = paths.reference(parts)
    return ir.Column(name=name, type="string" if name == scope.text else shapes.language(shape))


def _conflict(context: Context, scope: Scope, node: ast.Expr, parts: Sequence[Part]) -> None:
    message = f"the shards of source `{scope.source}` differ: `{text(node)}` has types that have nothing in common"
    helps = (scope.conflict(parts), "put the shards into two sources, or convert them")
    context.error("R0306", message, node.span, helps=tuple(filter(None, helps)))


def _unknown(context: Context, scope: Scope, node: ast.Name | ast.Path, word: str) -> None:
    nested = [path for path in _nested(scope.columns) if path.rpartition(".")[2] == word.rpartition(".")[2]]
    known = chain(scope.own, scope.columns, scope.roles, scope.criteria)
    helps = ("write `… is null`",) if word == "null" else context.near(word, chain(known, nested[:1]))
    if nested and not helps:
        helps = (f"there is `{nested[0]}`",)
    context.error(
        "R0204",
        f"unknown name `{word}`: source `{scope.source}` has no such column, and there is no criterion of that name",
        node.span,
        label="not known here",
        helps=helps,
    )


def _nested(columns: Mapping[str, str]) -> Iterator[str]:
    """References to the fields of structs."""
    for name, shape in columns.items():
        if "STRUCT" in shape:
            yield from _fields((name,), shapes.parse(shape))


def _fields(parts: tuple[Part, ...], shape: shapes.Shape) -> Iterator[str]:
    for name, inner in shape.fields if shape.word == "STRUCT" else ():
        yield paths.reference((*parts, name))
        yield from _fields((*parts, name), inner)
