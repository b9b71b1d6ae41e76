"""Rewrites of logical plans: each leaves the selection unchanged and makes the run cheaper.

    split_conjunctions   `a and b` becomes two predicates with the same text, so that each can move separately
    drop_trivial         removes predicates that are always true, filters without predicates, and unused scores
    share_scores         one score for all uses of a call in a source
    push_filters         predicates without scores are evaluated while reading
    order_by_cost        cheap scores and the filters over them come before expensive ones
    compute_in_read      expressions over columns are computed while reading, so that columns need not be kept
    prune_columns        columns that no later step needs are dropped

The order of predicates decides which one is named for a document that fails several: `order_by_cost` derives it from
the predicates alone (cost, then text), so that the order in the recipe does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from recipec import spec
from recipec.ir import logical
from recipec.ir.expressions import CARRIED, HIDDEN, Apply, Column, Constant, Expression, columns_of, scores_of
from recipec.places.digests import canonical_json
from recipec.planning.chains import Chain, Link, assembled, chains, gather, rebuilt, tail

Rule = Callable[[logical.LogicalPlan], logical.LogicalPlan]


def split_conjunctions(plan: logical.LogicalPlan) -> logical.LogicalPlan:
    def split(predicate: logical.Predicate) -> list[logical.Predicate]:
        condition = predicate.condition
        if not (isinstance(condition, Apply) and condition.function == "and"):
            return [predicate]
        parts = (predicate.model_copy(update={"condition": operand}) for operand in condition.operands)
        return [piece for part in parts for piece in split(part)]

    def change(chain: Chain, index: int) -> Chain:
        return Chain(chain.read, tuple(_with_predicates(link, split) for link in chain.links))

    return rebuilt(plan, change)


def drop_trivial(plan: logical.LogicalPlan) -> logical.LogicalPlan:
    def keep(predicate: logical.Predicate) -> list[logical.Predicate]:
        return [] if predicate.condition == Constant(value=True, type="boolean") else [predicate]

    def change(chain: Chain, index: int) -> Chain:
        links = tuple(_with_predicates(link, keep) for link in chain.links)
        used = _scores_used(Chain(chain.read, links), gather(plan), index)
        kept = (
            link for link in links if (link.call.name in used if isinstance(link, logical.Score) else link.predicates)
        )
        return Chain(chain.read, tuple(kept))

    return rebuilt(plan, change)


def share_scores(plan: logical.LogicalPlan) -> logical.LogicalPlan:
    def change(chain: Chain, index: int) -> Chain:
        seen: set[str] = set()
        kept: list[Link] = []
        for link in chain.links:
            if isinstance(link, logical.Filter) or link.call.name not in seen:
                kept.append(link)
            if isinstance(link, logical.Score):
                seen.add(link.call.name)
        return Chain(chain.read, tuple(kept))

    return rebuilt(plan, change)


def push_filters(plan: logical.LogicalPlan) -> logical.LogicalPlan:
    def change(chain: Chain, index: int) -> Chain:
        every = [predicate for filter_ in chain.filters for predicate in filter_.predicates]
        always = Constant(value=True, type="boolean")
        mine = [predicate for predicate in every if predicate.condition != always]
        early = [_over_columns(predicate) for predicate in mine if not scores_of(predicate.condition)]
        if not early:
            return chain
        predicates = sorted({*chain.read.predicates, *early}, key=_predicate_key)
        read = chain.read.model_copy(update={"predicates": tuple(predicates)})

        def late(predicate: logical.Predicate) -> list[logical.Predicate]:
            return [predicate] if scores_of(predicate.condition) else []

        return Chain(read, tuple(_with_predicates(link, late) for link in chain.links))

    return rebuilt(plan, change)


def order_by_cost(plan: logical.LogicalPlan) -> logical.LogicalPlan:
    """The plan with scores in tiers (SQL over the text, code over batches of texts, models), each tier's filter before
    the next tier; scores needed only by criteria come last, for the remaining documents."""

    def change(chain: Chain, index: int) -> Chain:
        scores = {score.call.name: score for score in chain.scores}
        predicates = [predicate for filter_ in chain.filters for predicate in filter_.predicates]
        links: list[Link] = []
        done: set[str] = set()
        for tier in sorted({_tier(scores, scores_of(predicate.condition)) for predicate in predicates}):
            here = [p for p in predicates if _tier(scores, scores_of(p.condition)) == tier]
            needed = sorted({name for p in here for name in scores_of(p.condition)} - done)
            done.update(needed)
            links += [scores[name] for name in needed]
            links.append(logical.Filter(input=0, predicates=tuple(sorted(here, key=_predicate_key))))
        links += [scores[name] for name in sorted(scores.keys() - done)]
        return Chain(chain.read, tuple(links))

    return rebuilt(plan, change)


def compute_in_read(plan: logical.LogicalPlan) -> logical.LogicalPlan:
    """The plan in which every maximal subexpression over columns without scores becomes an output of `Read`."""
    gathering = gather(plan)
    parts: list[Chain] = []
    criteria = [list(criterion.values) for criterion in gathering.criteria]
    keys = [list(clause.keys) for clause in gathering.duplicates]
    for index, chain in enumerate(chains(plan)):
        outputs = {output.name: output for output in chain.read.outputs}

        def lifted(expression: Expression, outputs: dict[str, logical.Output] = outputs) -> Expression:
            return _lifted(expression, outputs)

        def lift(
            predicate: logical.Predicate, lifted: Callable[[Expression], Expression] = lifted
        ) -> list[logical.Predicate]:
            return [predicate.model_copy(update={"condition": lifted(predicate.condition)})]

        links = tuple(_with_predicates(link, lift) for link in chain.links)
        for values in (*criteria, *keys):
            values[index] = lifted(values[index])
        parts.append(Chain(chain.read.model_copy(update={"outputs": tuple(outputs.values())}), links))
    changed = gathering.model_copy(
        update={
            "criteria": tuple(
                old.model_copy(update={"values": tuple(new)})
                for old, new in zip(gathering.criteria, criteria, strict=True)
            ),
            "duplicates": tuple(
                old.model_copy(update={"keys": tuple(new)}) for old, new in zip(gathering.duplicates, keys, strict=True)
            ),
        }
    )
    return assembled(parts, changed, tail(plan))


def prune_columns(plan: logical.LogicalPlan) -> logical.LogicalPlan:
    gathering = gather(plan)

    def change(chain: Chain, index: int) -> Chain:
        used = {*gathering.caps, *gathering.nests}
        for expression in _late_expressions(chain, gathering, index):
            used |= columns_of(expression)
        outputs = sorted((o for o in chain.read.outputs if o.name in used), key=lambda output: output.name)
        return Chain(chain.read.model_copy(update={"outputs": tuple(outputs)}), chain.links)

    return rebuilt(plan, change)


RULES: tuple[Rule, ...] = (
    split_conjunctions,
    push_filters,
    share_scores,
    order_by_cost,
    drop_trivial,
    compute_in_read,
    prune_columns,
)


def _with_predicates(link: Link, change: Callable[[logical.Predicate], Iterable[logical.Predicate]]) -> Link:
    if isinstance(link, logical.Score):
        return link
    return link.model_copy(update={"predicates": tuple(new for old in link.predicates for new in change(old))})


def _predicate_key(predicate: logical.Predicate) -> tuple[str, str]:
    return predicate.text, predicate.condition.model_dump_json()


def _over_columns(predicate: logical.Predicate) -> logical.Predicate:
    """A predicate over outputs of `Read`, rewritten over the source's own columns."""
    return predicate.model_copy(update={"condition": _raw(predicate.condition)})


def _raw(expression: Expression) -> Expression:
    match expression:
        case Column():
            return expression.model_copy(update={"name": expression.name.removeprefix(CARRIED)})
        case Apply():
            return expression.model_copy(update={"operands": tuple(_raw(operand) for operand in expression.operands)})
        case _:
            return expression


def _tier(scores: dict[str, logical.Score], names: frozenset[str]) -> int:
    """The tier of the most expensive score in an expression; 0 for one without scores."""
    return max((tier_of(scores[name]) for name in names), default=0)


def tier_of(score: logical.Score) -> int:
    extension = spec.find("criteria", score.call.function)
    return 1 if extension.sql is not None else 2 if extension.cost < 1 else 3


def _scores_used(chain: Chain, gathering: logical.Gather, index: int) -> set[str]:
    return {name for expression in _late_expressions(chain, gathering, index) for name in scores_of(expression)}


def _late_expressions(chain: Chain, gathering: logical.Gather, index: int) -> list[Expression]:
    """The expressions that are evaluated after `Read`."""
    return [
        *(predicate.condition for filter_ in chain.filters for predicate in filter_.predicates),
        *(criterion.values[index] for criterion in gathering.criteria),
        *(clause.keys[index] for clause in gathering.duplicates),
    ]


def _lifted(expression: Expression, outputs: dict[str, logical.Output]) -> Expression:
    if isinstance(expression, Apply) and scores_of(expression):
        return expression.model_copy(update={"operands": tuple(_lifted(o, outputs) for o in expression.operands)})
    if not isinstance(expression, Apply) or not columns_of(expression) or expression.type == "null":
        return expression
    raw = _raw(expression)
    if raw == expression:
        return expression
    # Named by content, so that the same expression is the same output in every plan.
    digest = hashlib.sha256(canonical_json(raw.model_dump(mode="json")).encode()).hexdigest()[:16]
    name = f"{HIDDEN}{digest}"
    outputs.setdefault(name, logical.Output(name=name, expression=raw))
    return Column(name=name, type=expression.type)
