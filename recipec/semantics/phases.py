"""`phases { until 200B tokens { mixture … } then { … } }`: stages of training, each with its own mixture and quotas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipec.ir import model
from recipec.semantics import allocation, mixtures, quantities
from recipec.semantics.columns import Scope
from recipec.semantics.context import Context
from recipec.syntax import ast, statement_text


@dataclass(frozen=True, slots=True)
class Whole:
    """What a phase inherits from the recipe unless it states it itself."""

    mixture: model.Mixture
    quotas: tuple[model.Quota, ...]
    budget: model.Budget | None


def phases(
    context: Context, body: Sequence[ast.Statement], whole: Whole, scopes: Sequence[Scope], targets: Sequence[str]
) -> tuple[model.Phase, ...]:
    """The phases of a recipe, in training order; empty for a recipe without phases."""
    node = next((one for one in body if isinstance(one, ast.Phases)), None)
    budget = next((one for one in body if isinstance(one, ast.Budget)), None)
    if node is None:
        return ()
    if budget is None:
        helps = ("state how long training is: `budget 300B tokens`",)
        context.error("R1503", "`phases` need a budget", node.span, helps=helps)
    if budget is None or whole.budget is None:
        return ()
    total = whole.budget.tokens
    found: list[model.Phase] = []
    start = 0
    for number, phase in enumerate(node.phases):
        end = _end(context, phase, last=number == len(node.phases) - 1, start=start, budget=budget, total=total)
        mixture, quotas = _stated(context, phase, scopes, targets, whole, budget)
        if end is None:
            continue
        found.append(
            model.Phase(
                until=end,
                tokens=end - start,
                mixture=mixture,
                quotas=quotas,
                canonical=_canonical(phase, body),
                origin=model.Origin.of(phase.span),
            )
        )
        start = end
    return tuple(found) if len(found) == len(node.phases) else ()


def _canonical(phase: ast.Phase, body: Sequence[ast.Statement]) -> str:
    """The text of the statements of a phase; the mixture of the whole recipe is one of them, unless it has its own."""
    stated = any(isinstance(one, ast.Mixture) for one in phase.statements)
    kept = () if stated else (one for one in body if isinstance(one, ast.Mixture))
    return "".join(sorted(statement_text(one).rstrip("\n") + "\n" for one in (*phase.statements, *kept)))


def _end(context: Context, phase: ast.Phase, *, last: bool, start: int, budget: ast.Budget, total: int) -> int | None:
    """The tokens at which a phase ends, which is after its start; the last phase ends with the budget."""
    if phase.until is None:
        if not last:
            helps = ("write `until 200B tokens { … } then { … }`",)
            context.error("R1502", "only the last phase has no `until`", phase.span, helps=helps)
            return None
        end = total
    else:
        found = quantities.whole(context, phase.until, "tokens")
        if found is None:
            return None
        end = found
    span = phase.until.span if phase.until is not None else phase.span
    also = [(budget.tokens.span, "the budget")]
    if end > total or (last and end != total):
        context.error("R1502", f"the phase ends at {end:,} tokens, and the budget at {total:,}", span, also=also)
        return None
    if end <= start:
        context.error("R1502", f"the phase ends at {end:,} tokens, and the one before it at {start:,}", span)
        return None
    return end


def _stated(
    context: Context,
    phase: ast.Phase,
    scopes: Sequence[Scope],
    targets: Sequence[str],
    whole: Whole,
    budget: ast.Budget,
) -> tuple[model.Mixture, tuple[model.Quota, ...]]:
    """A phase's mixture and quotas; a quota of a domain replaces the recipe's."""
    stated = [one for one in phase.statements if isinstance(one, ast.Mixture)]
    quotas = [one for one in phase.statements if isinstance(one, ast.Quota)]
    for other in phase.statements:
        if not isinstance(other, ast.Mixture | ast.Quota):
            word = other.span.text.split()[0]
            helps = ("the recipe's other statements apply to all of training",)
            context.error("R1501", f"a phase has a `mixture` and `quota`s, but no `{word}`", other.span, helps=helps)
    for again in stated[1:]:
        context.duplicate("`mixture`", again.span, stated[0].span)
    for nested in quotas:
        if nested.condition is not None:
            helps = ("state it for all of training, outside of `phases`",)
            context.error("R1501", "a quota of part of a domain is not allowed in a phase", nested.span, helps=helps)
    mixture = whole.mixture
    if stated:
        mixture = mixtures.mixture(context, stated[0], targets)
        mixture = mixtures.with_law(context, mixture, budget, whole.budget)
    own = allocation.quotas(context, [one for one in quotas if one.condition is None], scopes)
    replaced = {quota.domain for quota in own}
    kept = [quota for quota in whole.quotas if quota.conditions or quota.domain not in replaced]
    return mixture, tuple(sorted((*kept, *own), key=lambda quota: (quota.domain, quota.text)))
