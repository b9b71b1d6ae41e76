"""`resolve`: from the syntax tree to the typed recipe, reporting all errors of the file in one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recipec.diagnostics import Diagnostic, has_errors, place
from recipec.ir import model
from recipec.ir.expressions import Score, scores_of
from recipec.semantics import (
    allocation,
    budgets,
    clauses,
    delivery,
    extensions,
    imports,
    mixtures,
    parameters,
    phases,
    repetition,
    sampling,
    search_block,
    sources,
)
from recipec.semantics.columns import Scope
from recipec.semantics.context import Context, Environment
from recipec.source import Span
from recipec.syntax import ast, statement_text, text

N = TypeVar("N", bound=ast.Node)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The recipe, or None if any diagnostic is an error."""

    recipe: model.Recipe | None
    diagnostics: tuple[Diagnostic, ...]


def resolve(
    tree: ast.Recipe, *, path: str, folder: Path, overrides: Mapping[str, str], environment: Environment
) -> Resolved:
    """Binds names, checks types and units, fills in defaults.

    Args:
        path: the recipe's path as shown in messages.
        folder: the folder against which relative paths are resolved.
        overrides: the `--set` values by parameter name.
    """
    context = Context(folder, environment)
    statements = imports.expanded(context, tree)
    params = [statement for statement in statements if isinstance(statement, ast.Param)]
    start = Span(tree.span.source, tree.span.start, tree.span.start)
    values = parameters.values(context, params, overrides, start)
    body = tuple(s for s in statements if not isinstance(s, ast.Param))
    body = parameters.substitute(context, body, values)
    recipe = _recipe(context, body, path, values, start)
    stated = [statement for statement in statements if isinstance(statement, ast.Needs)]
    if recipe is not None and stated:
        extensions.check_used(context, stated, tree.span.source)
    hidden = {code for word in (*tree.broken, *context.mistaken) for code in FOLLOWS.get(word, frozenset())}
    found = tuple(sorted((one for one in context.diagnostics if one.code not in hidden), key=place))
    return Resolved(None if tree.broken or has_errors(found) else recipe, found)


NAMELESS = frozenset({"R0203", "R0204", "R0205", "R0211", "R0214", "R0220", "R0227", "R0235", "R0236", "R0243"})
"""The errors that a statement missing from the tree can cause in other statements."""

FOLLOWS: Mapping[str, frozenset[str]] = {
    "": NAMELESS,
    "use": NAMELESS,
    "needs": frozenset({"R0243"}),
    "package": frozenset({"R0207", "R0222", "R0231", "R0901"}),
    "source": frozenset({"R0203", "R0204", "R0205"}),
    "criterion": frozenset({"R0204", "R0220", "R0235", "R0236"}),
    "target": frozenset({"R0227"}),
    "param": frozenset({"R0211", "R0214"}),
    "quality": frozenset({"R0236"}),
    "value of a criterion": frozenset({"R0220", "R0235", "R0236"}),
}
"""The codes that are not reported if something of a kind could not be read or resolved: they may be consequences."""


def _recipe(
    context: Context,
    body: Sequence[ast.Statement],
    path: str,
    values: Mapping[str, ast.Expr],
    start: Span,
) -> model.Recipe | None:
    needs = extensions.needs(context, _all(body, ast.Needs))
    nodes = _named(context, body, ast.Source, "source")
    if not nodes:
        context.error("R0203", "the recipe has no `source`", start, helps=("name the shards: `source web { … }`",))
    found = [sources.source(context, node) for node in nodes]
    typed_sources = tuple(source for source in found if source is not None)
    complete = len(typed_sources) == len(nodes) and bool(nodes)
    target_nodes = _named(context, body, ast.Target, "target")
    targets = tuple(t for node in target_nodes if (t := sources.target(context, node)) is not None)
    scopes = _scopes(context, typed_sources, target_nodes) if complete else []
    criteria = _criteria(context, body, scopes)
    where = [clauses.where(context, scopes, node) for node in _all(body, ast.Where)] if complete else []
    quality_node = _one(context, body, ast.Quality)
    quality = sampling.quality(context, quality_node, criteria) if complete else model.Quality()
    sample_node = _one(context, body, ast.Sample)
    sample = sampling.sample(context, sample_node, criteria, quality) if complete else model.All()
    if complete:
        sampling.check_ties(context, quality_node, sample_node, criteria)
    names = [node.name.text for node in target_nodes]
    mixture = mixtures.mixture(context, _one(context, body, ast.Mixture), names)
    quotas = allocation.quotas(context, _all(body, ast.Quota), scopes) if complete else ()
    repeats = repetition.repeats(context, _all(body, ast.Repeat), scopes) if complete else ()
    budget = budgets.budget(context, _one(context, body, ast.Budget))
    mixture = mixtures.with_law(context, mixture, _one(context, body, ast.Budget), budget)
    plain = _plain(context, body)
    output = delivery.output(context, _one(context, body, ast.Output), typed_sources)
    if complete:
        _check_cascades(context, scopes, [c for c in where if c is not None], criteria)
    _one(context, body, ast.Phases)
    parts = phases.phases(context, body, phases.Whole(mixture, quotas, budget), scopes, names) if complete else ()
    # A search finds parameters; until a recipe uses them, it has no effect on the dataset.
    silent = (*_of_phases(body), ast.Search)
    search = search_block.search(context, _one(context, body, ast.Search), criteria) if complete else None
    if has_errors(context.diagnostics) or not complete:
        return None
    return model.Recipe(
        path=path,
        folder=str(context.folder),
        canonical=canonical(one for one in body if not isinstance(one, silent)),
        params=tuple(sorted((name, text(value)) for name, value in values.items())),
        sources=tuple(sorted(typed_sources, key=lambda source: source.name)),
        targets=tuple(sorted(targets, key=lambda target: target.name)),
        scores=_scores(scopes),
        where=tuple(sorted((c for c in where if isinstance(c, model.Clause)), key=lambda clause: clause.text)),
        duplicates=tuple(sorted((c for c in where if isinstance(c, model.Duplicates)), key=lambda c: c.text)),
        criteria=criteria,
        quality=quality,
        sample=sample,
        mixture=mixture,
        quotas=quotas,
        repeats=repeats,
        budget=budget,
        output=output,
        phases=parts,
        search=search,
        needs=needs,
        **plain,
    )


def _plain(context: Context, body: Sequence[ast.Statement]) -> dict[str, Any]:
    """The fields of the recipe from statements that are a word or a number."""
    allowed = delivery.allowed(context, _all(body, ast.Allow))
    return {
        "seed": delivery.seed(context, _one(context, body, ast.Seed)),
        "shortfall": delivery.shortfall(context, _one(context, body, ast.Shortfall)),
        "oversize": delivery.oversize(context, _one(context, body, ast.Oversize)),
        "allow_bad": allowed.bad,
        "allow_vanishing": allowed.vanishing,
        "allow_empty": allowed.empty,
    }


def _of_phases(body: Sequence[ast.Statement]) -> tuple[type[ast.Node], ...]:
    """The statement types that each phase has its own text of, in a recipe with phases."""
    return (ast.Phases, ast.Budget, ast.Mixture) if _all(body, ast.Phases) else ()


def _check_cascades(
    context: Context,
    scopes: Sequence[Scope],
    where: Sequence[model.Clause | model.Duplicates],
    criteria: Sequence[model.Criterion],
) -> None:
    """Reports cascades outside criteria: a predicted score is accurate enough only for ranking."""
    cascaded = {call.name for call in _scores(scopes) if call.params.get("cascade") is not None}
    helps = ("make it a separate `criterion`, and filter by another one",)
    for clause in where:
        values = clause.conditions if isinstance(clause, model.Clause) else clause.keys
        if any(scores_of(value) & cascaded for value in values):
            context.error("R0233", "a cascade is not allowed in a filter", clause.origin.span, helps=helps)
    for criterion in criteria:
        if any(scores_of(value) & cascaded and not isinstance(value, Score) for value in criterion.values):
            context.error("R0233", "a cascade is not allowed inside an expression", criterion.origin.span, helps=helps)


def canonical(statements: Iterable[ast.Statement]) -> str:
    """The normalised text of statements: independent of comments, order and parameters."""
    return "".join(sorted(statement_text(statement).rstrip("\n") + "\n" for statement in statements))


def _scopes(context: Context, typed_sources: Sequence[model.Source], targets: Sequence[ast.Target]) -> list[Scope]:
    """The scopes of all sources, sorted by name like the recipe's sources; they share the calls found so far."""
    scores: dict[str, model.ScoreCall] = {}
    known = {target.name.text: target for target in targets}
    scopes = [sources.scope_of(context, source) for source in sorted(typed_sources, key=lambda source: source.name)]
    for scope in scopes:
        scope.targets, scope.scores = known, scores
    return scopes


def _scores(scopes: Sequence[Scope]) -> tuple[model.ScoreCall, ...]:
    return tuple(scopes[0].scores[name] for name in sorted(scopes[0].scores)) if scopes else ()


def _criteria(context: Context, body: Sequence[ast.Statement], scopes: list[Scope]) -> tuple[model.Criterion, ...]:
    """The criteria by name; each may use those above it."""
    result = []
    for node in _named(context, body, ast.Criterion, "criterion"):
        criterion = clauses.criterion(context, scopes, node) if scopes else None
        if criterion is None:
            context.mistaken.add("value of a criterion")
        else:
            result.append(criterion)
            for scope, value in zip(scopes, criterion.values, strict=True):
                scope.criteria[criterion.name] = value
    return tuple(sorted(result, key=lambda criterion: criterion.name))


def _all(body: Sequence[ast.Statement], kind: type[N]) -> list[N]:
    return [statement for statement in body if isinstance(statement, kind)]


def _one(context: Context, body: Sequence[ast.Statement], kind: type[N]) -> N | None:
    """The only statement of a kind; a second one is an error that shows both."""
    found = _all(body, kind)
    for again in found[1:]:
        context.duplicate(f"`{kind.__name__.lower()}`", again.span, found[0].span)
    return found[0] if found else None


def _named(context: Context, body: Sequence[ast.Statement], kind: type[N], what: str) -> list[N]:
    """The named statements of a kind; a duplicate name is an error."""
    result: dict[str, N] = {}
    for node in _all(body, kind):
        name: ast.Name = node.name  # type: ignore[attr-defined]  # all of `kind` have a name
        if name.text in result:
            first: ast.Name = result[name.text].name  # type: ignore[attr-defined]
            context.error(
                "R0202",
                f"{what} `{name.text}` is defined twice",
                name.span,
                label="again here",
                also=((first.span, "first here"),),
            )
        else:
            result[name.text] = node
    return list(result.values())
