"""`lower`: from the typed recipe to the simplest equivalent logical plan.

Per source: read every column, compute the score of every use, filter by all clauses; then gather, rank, sample, write.
Nothing is optimised here; `rules` make it fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipec.ir import logical, model
from recipec.ir.expressions import CARRIED, Apply, Column, Constant, Expression, scores_of
from recipec.selection.mixing import mixer_of


def lower(recipe: model.Recipe) -> logical.LogicalPlan:
    """The logical plan of a recipe, before any rewrite."""
    ops: list[logical.Op] = []
    ends = tuple(_source_chain(recipe, index, ops) for index in range(len(recipe.sources)))
    criteria = tuple(
        logical.GatherCriterion(
            name=criterion.name,
            values=tuple(carried(value) for value in criterion.values),
            direction=criterion.direction,
            cascade=_is_cascade(recipe, criterion),
        )
        for criterion in recipe.criteria
    )
    duplicates = tuple(
        clause.model_copy(update={"keys": tuple(_fingerprint(carried(key)) for key in clause.keys)})
        for clause in recipe.duplicates
    )
    caps = tuple(f"cap_{index}" for index in range(len(_limits(recipe))))
    nests = tuple(f"nest_{index}" for index in range(len(_nested(recipe))))
    ops.append(logical.Gather(inputs=ends, criteria=criteria, duplicates=duplicates, caps=caps, nests=nests))
    ops.append(_rank(recipe, len(ops) - 1))
    for phase in recipe.before:
        ops.append(_sample(recipe, len(ops) - 1, phase))
    ops.append(_sample(recipe, len(ops) - 1))
    if recipe.output is not None:
        ops.append(logical.Write(input=len(ops) - 1, output=recipe.output, seed=recipe.seed, sources=recipe.sources))
    return logical.LogicalPlan(ops=tuple(ops))


def _is_cascade(recipe: model.Recipe, criterion: model.Criterion) -> bool:
    calls = {call.name for call in recipe.scores if call.params.get("cascade") is not None}
    return any(scores_of(value) & calls for value in criterion.values)


def _fingerprint(key: Expression) -> Expression:
    """A 128-bit hash of a key, which may be a whole text."""
    return Apply(function="fingerprint", operands=(key,), type="string")


def carried(expression: Expression) -> Expression:
    """An expression over the source's columns, rewritten over the outputs of `Read`."""
    match expression:
        case Column():
            return expression.model_copy(update={"name": CARRIED + expression.name})
        case Apply():
            return expression.model_copy(update={"operands": tuple(carried(o) for o in expression.operands)})
        case _:
            return expression


def _source_chain(recipe: model.Recipe, index: int, ops: list[logical.Op]) -> int:
    """Appends the chain of one source and returns the position of its end."""
    source = recipe.sources[index]
    outputs = [logical.Output(name=CARRIED + one.name, expression=one) for one in _carried_columns(recipe, index)]
    outputs += [
        logical.Output(name=f"cap_{number}", expression=_of_domain(source, limit.domain, limit.per_document[index]))
        for number, limit in enumerate(_limits(recipe))
    ]
    outputs += [
        logical.Output(name=f"nest_{number}", expression=_in_nest(source, quota, index))
        for number, quota in enumerate(_nested(recipe))
    ]
    ops.append(logical.Read(source=source, outputs=tuple(outputs)))
    for name in _uses(recipe, index):
        ops.append(_score(recipe, source, name, len(ops) - 1))
    predicates = tuple(
        logical.Predicate(text=clause.text, condition=carried(clause.conditions[index])) for clause in recipe.where
    )
    ops.append(logical.Filter(input=len(ops) - 1, predicates=predicates))
    return len(ops) - 1


def _carried_columns(recipe: model.Recipe, index: int) -> list[Column]:
    """The values of one source's rows that clauses, criteria and keys of duplicates use."""
    expressions = (
        *(clause.conditions[index] for clause in recipe.where),
        *(criterion.values[index] for criterion in recipe.criteria),
        *(clause.keys[index] for clause in recipe.duplicates),
    )
    found = {one.name: one for expression in expressions for one in _columns(expression)}
    return [found[name] for name in sorted(found)]


def _columns(expression: Expression) -> Iterator[Column]:
    if isinstance(expression, Column):
        yield expression
    for operand in expression.operands if isinstance(expression, Apply) else ():
        yield from _columns(operand)


def _uses(recipe: model.Recipe, index: int) -> list[str]:
    """The names of scores in the order of their uses, once per use."""
    expressions: Sequence[Expression] = (
        *(clause.conditions[index] for clause in recipe.where),
        *(criterion.values[index] for criterion in recipe.criteria),
        *(clause.keys[index] for clause in recipe.duplicates),
    )
    return [name for expression in expressions for name in sorted(scores_of(expression))]


def _score(recipe: model.Recipe, source: model.Source, name: str, position: int) -> logical.Score:
    call = next(call for call in recipe.scores if call.name == name)
    target = next((target for target in recipe.targets if target.name == call.params.get("target")), None)
    return logical.Score(input=position, source=source, call=call, target=target)


def _limits(recipe: model.Recipe) -> list[model.Repeat]:
    return [repeat for repeat in recipe.repeats if repeat.per_document]


def _counts(recipe: model.Recipe) -> tuple[model.Repeat, ...]:
    """The limits that are not per document. `unlimited` says something only where it lifts a general limit."""
    stated = [repeat for repeat in recipe.repeats if not repeat.per_document]
    general = any(repeat.domain is None and not repeat.unlimited for repeat in stated)
    return tuple(one for one in stated if not one.unlimited or (general and one.domain is not None))


def _nested(recipe: model.Recipe) -> list[model.Quota]:
    return [quota for quota in recipe.quotas if quota.conditions]


def _of_domain(source: model.Source, domain: str | None, value: Expression) -> Expression:
    """A value that applies to one domain only; null in others."""
    if domain is None:
        return value
    return Apply(function="if", operands=(_is_domain(source, domain), value), type=value.type)


def _in_nest(source: model.Source, quota: model.Quota, index: int) -> Expression:
    return Apply(function="and", operands=(_is_domain(source, quota.domain), quota.conditions[index]), type="boolean")


def _is_domain(source: model.Source, domain: str) -> Expression:
    return Apply(function="==", operands=(source.domain, Constant(value=domain, type="string")), type="boolean")


def _rank(recipe: model.Recipe, position: int) -> logical.Rank:
    return logical.Rank(
        input=position,
        seed=recipe.seed,
        criteria=tuple((criterion.name, criterion.direction) for criterion in recipe.criteria),
        quality=recipe.quality,
        top=recipe.sample.criteria if isinstance(recipe.sample, model.Top) else None,
    )


def _sample(recipe: model.Recipe, position: int, phase: model.Phase | None = None) -> logical.Sample:
    """The sampling of a recipe, or of an earlier phase."""
    tokens = recipe.budget.tokens if recipe.budget else None
    already = recipe.before[-1].until if recipe.before else 0
    if phase is not None:
        tokens, already = phase.tokens, phase.until - phase.tokens
    mixture = phase.mixture if phase is not None else recipe.mixture
    return logical.Sample(
        input=position,
        sample=recipe.sample,
        mixture=mixture,
        quotas=phase.quotas if phase is not None else recipe.quotas,
        repeats=_counts(recipe),
        tokens=tokens,
        shortfall=recipe.shortfall,
        oversize=recipe.oversize,
        allow_vanishing=recipe.allow_vanishing,
        allow_empty=recipe.allow_empty,
        already=already,
        targets=_measured_on(recipe, mixture),
    )


def _measured_on(recipe: model.Recipe, mixture: model.Mixture) -> tuple[model.Target, ...]:
    """The targets that a mixer needs: the one in its arguments, else all."""
    if not mixer_of(mixture).target:
        return ()
    named = mixture.params.get("target") if isinstance(mixture, model.Computed) else None
    return tuple(target for target in recipe.targets if named in (None, target.name))
