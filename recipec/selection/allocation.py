"""Token targets of domains and of quotas inside them, from the mixture, the bounds and what the pool can provide, and
diagnostics when these conflict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recipec.diagnostics import Diagnostic, ExitCode, Failure, Label
from recipec.ir import logical, model
from recipec.ir.mixing import Decided
from recipec.numbers import exact, plain
from recipec.selection.projection import Node, shared_out

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class CellTotals:
    """The totals of the pool for one cell: (domain, bits of the nested quotas of that domain)."""

    domain: str
    nest: int
    documents: int
    tokens: int
    reachable: float  # the most tokens that the repetition limits allow; inf without limits
    natural: float  # tokens expected from the curves at scale 1, within the limits

    @property
    def key(self) -> Key:
        return self.domain, self.nest


@dataclass(frozen=True, slots=True)
class Allocation:
    """The targets. `targets` is None if nothing requires targets: then every scale is 1.

    `asked` and `weights` are shares of `total`; `binds` is the bound that limits a target ("" for none).
    """

    total: float | None
    targets: Mapping[Key, float] | None
    asked: Mapping[Key, float]
    weights: Mapping[Key, float]
    binds: Mapping[Key, str]


def allocate(op: logical.Sample, pools: Sequence[CellTotals], decided: Decided) -> Allocation:
    """Token targets of all cells, as close to the decided weights as the bounds allow.

    Raises:
        Failure: a weight for a missing domain, partially overlapping quotas, or bounds that cannot all be met.
    """
    if op.allow_empty and not any(pool.documents for pool in pools):
        none = {pool.key: 0.0 for pool in pools}
        return Allocation(None, None, none, none, {})
    asked = _asked(op, pools, decided.weights)
    natural = math.fsum(pool.natural for pool in pools)
    if op.tokens is None and decided.follows_curves and not op.quotas:
        return Allocation(None, None, asked, asked, {})
    total = float(op.tokens) if op.tokens is not None else natural
    if total and op.shortfall == "shrink":
        total = _shrunk(op, pools, asked, total)
    forest = _forest(op, pools, asked, total)
    if total:
        _check(op, pools, asked, total)
    targets = shared_out(forest, total) if total else {pool.key: 0.0 for pool in pools}
    weights = {key: target / total if total else 0.0 for key, target in targets.items()}
    return Allocation(total, targets, asked, weights, _binds(op, pools, targets, total))


def _asked(op: logical.Sample, pools: Sequence[CellTotals], weights: Mapping[str, float]) -> dict[Key, float]:
    """The weight of each cell before any bound; cells share their domain's weight in proportion to `natural`."""
    natural: dict[str, float] = {}
    for pool in pools:
        natural[pool.domain] = natural.get(pool.domain, 0.0) + pool.natural
    _check_known(op, weights, natural)
    return {
        pool.key: weights.get(pool.domain, 0.0) * pool.natural / natural[pool.domain] if natural[pool.domain] else 0.0
        for pool in pools
    }


def _check_known(op: logical.Sample, weights: Mapping[str, float], known: Mapping[str, float]) -> None:
    gone = sorted(domain for domain, weight in weights.items() if weight > 0 and domain not in known)
    if gone and not op.allow_vanishing:
        names = ", ".join(f"`{name}`" for name in gone)
        span = op.mixture.origin.span if op.mixture.origin else None
        message = f"the mixture has a weight for {names}, but the pool has no document there"
        raise Failure(Diagnostic("R0503", message, span, helps=("add `allow vanishing` if this is intended",)))


def bounds(quota: model.Quota, total: float) -> tuple[float, float]:
    """The lower and upper bound of a quota in tokens, for a dataset of `total` tokens."""

    def tokens(amount: model.Amount | None, missing: float) -> float:
        if amount is None:
            return missing
        return amount.value * total if amount.kind == "share" else amount.value

    return tokens(quota.least, 0.0), tokens(quota.most, math.inf)


def nested(op: logical.Sample) -> list[model.Quota]:
    """The quotas inside domains, in the order of their bits."""
    return [quota for quota in op.quotas if quota.conditions]


def mask(op: logical.Sample, domain: str) -> int:
    """The bits of the nested quotas of a domain."""
    return sum(1 << bit for bit, quota in enumerate(nested(op)) if quota.domain == domain)


def _forest(
    op: logical.Sample, pools: Sequence[CellTotals], asked: Mapping[Key, float], total: float
) -> tuple[Node[Key], ...]:
    """One tree per domain: its own quota, the quotas inside it by inclusion, and the cells as leaves."""
    by_domain: dict[str, list[CellTotals]] = {}
    for pool in pools:
        by_domain.setdefault(pool.domain, []).append(pool)
    own = {quota.domain: quota for quota in op.quotas if not quota.conditions}
    result = []
    for domain, cells in sorted(by_domain.items()):
        quotas = [(bit, quota) for bit, quota in enumerate(nested(op)) if quota.domain == domain]
        children = _tree(cells, quotas, asked, total)
        low, high = bounds(own[domain], total) if domain in own else (0.0, math.inf)
        result.append(Node(low=low, high=max(high, 0.0), children=children))
    return tuple(result)


def _tree(
    cells: Sequence[CellTotals],
    quotas: Sequence[tuple[int, model.Quota]],
    asked: Mapping[Key, float],
    total: float,
) -> tuple[Node[Key], ...]:
    """The largest quotas over `cells` with their contents, then the cells outside all quotas."""
    members = {bit: frozenset(pool.key for pool in cells if pool.nest >> bit & 1) for bit, _ in quotas}
    _check_laminar(quotas, members)
    nodes: list[Node[Key]] = []
    covered: set[Key] = set()
    for bit, quota in sorted(quotas, key=lambda item: (-len(members[item[0]]), item[0])):
        if not members[bit] or members[bit] & covered:
            continue
        covered |= members[bit]
        inside = [pool for pool in cells if pool.key in members[bit]]
        inner = [(b, q) for b, q in quotas if b != bit and members[b] <= members[bit]]
        low, high = bounds(quota, total)
        nodes.append(Node(low=low, high=high, children=_tree(inside, inner, asked, total)))
    for pool in cells:
        if pool.key not in covered:
            nodes.append(Node(high=pool.reachable, key=pool.key, weight=asked[pool.key]))
    return tuple(nodes)


def _check_laminar(quotas: Sequence[tuple[int, model.Quota]], members: Mapping[int, frozenset[Key]]) -> None:
    for position, (bit, quota) in enumerate(quotas):
        for other_bit, other in quotas[position + 1 :]:
            one, two = members[bit], members[other_bit]
            if one & two and not (one <= two or two <= one):
                raise Failure(
                    Diagnostic(
                        "R0504",
                        f"two quotas of `{quota.domain}` overlap partly: some documents are in both, some in one only",
                        other.origin.span,
                        labels=(Label(quota.origin.span, "the other one"),),
                        helps=("make one contain the other, or make them disjoint",),
                    )
                )


def _shrunk(op: logical.Sample, pools: Sequence[CellTotals], asked: Mapping[Key, float], total: float) -> float:
    """The largest whole number of tokens, at most `total`, that the upper bounds allow."""

    def fits(tokens: float) -> bool:
        forest = _forest(op, pools, asked, tokens)
        return math.fsum(node.most for node in forest) >= tokens * (1 - 1e-12)

    if fits(total):
        return total
    low, high = 0, math.floor(total)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(float(middle)) else (low, middle)
    return float(low)


def _check(op: logical.Sample, pools: Sequence[CellTotals], asked: Mapping[Key, float], total: float) -> None:
    """Raises Failure if the bounds cannot all be met, naming each conflicting one and a change that would do."""
    found = list(_unreachable(op, pools, total))
    forest = _forest(op, pools, asked, total)
    least, most = math.fsum(node.least for node in forest), math.fsum(node.most for node in forest)
    slack = total * 1e-12
    if not found and least > total + slack:
        found.append(_too_much(op, total, least - total))
    if not found and most < total - slack:
        found.append(_too_little(op, pools, total, most))
    if found:
        raise Failure(*found, exit_code=ExitCode.INFEASIBLE)


def _unreachable(op: logical.Sample, pools: Sequence[CellTotals], total: float) -> Iterable[Diagnostic]:
    """The diagnostics for quotas that ask for more than their documents can provide."""
    bits = {id(quota): bit for bit, quota in enumerate(nested(op))}
    for quota in op.quotas:
        low, high = bounds(quota, total)
        bit = bits.get(id(quota))
        members = [p for p in pools if p.domain == quota.domain and (bit is None or p.nest >> bit & 1)]
        reach = math.fsum(pool.reachable for pool in members)
        slack = total * 1e-12
        if low > high + slack:
            yield _conflict(quota, f"at least {_count(low)} and at most {_count(high)} tokens", ())
        elif low > reach + slack:
            unique = sum(pool.tokens for pool in members)
            helps = [f"`at least {_amount(quota.least, reach, total)}` would do"]
            if unique:
                helps.append(f"or let its documents repeat {math.ceil(low / unique)} times")
            yield _conflict(
                quota, f"asks for {_count(low)} tokens, but its documents provide at most {_count(reach)}", helps
            )


def _conflict(quota: model.Quota, words: str, helps: Iterable[str]) -> Diagnostic:
    part = f"`{quota.domain}`" + (f" where {quota.text}" if quota.text else "")
    return Diagnostic("R0505", f"the quota of {part} cannot be met: {words}", quota.origin.span, helps=tuple(helps))


def _too_much(op: logical.Sample, total: float, excess: float) -> Diagnostic:
    """The diagnostic for lower bounds that together exceed the budget."""
    asking = [quota for quota in op.quotas if bounds(quota, total)[0] > 0]
    helps = []
    for quota in asking:
        low = bounds(quota, total)[0]
        if low >= excess:
            helps.append(f"`{quota.domain}` at least {_amount(quota.least, low - excess, total)} would do")
    first, *rest = asking
    return Diagnostic(
        "R0506",
        f"the quotas ask for {_count(excess)} tokens more than the {_count(total)} of the budget",
        first.origin.span,
        labels=tuple(Label(quota.origin.span, "and this") for quota in rest),
        helps=tuple(helps),
    )


def _too_little(op: logical.Sample, pools: Sequence[CellTotals], total: float, most: float) -> Diagnostic:
    """The diagnostic for upper bounds that are too low: of quotas, or of the pool under the repetition limits."""
    gap = total - most
    capping = [quota for quota in op.quotas if bounds(quota, total)[1] < math.inf]
    helps = []
    for quota in capping:
        reach = math.fsum(pool.reachable for pool in pools if pool.domain == quota.domain)
        high = bounds(quota, total)[1]
        if high + gap <= reach and not quota.conditions:
            helps.append(f"`{quota.domain}` at most {_amount(quota.most, high + gap, total, up=True)} would do")
    unique = sum(pool.tokens for pool in pools)
    if not capping and unique:
        helps.append(
            f"the pool has {_count(unique)} unique tokens: they would have to repeat {plain(total / unique, 2)} times"
        )
    if any(repeat.by_default for repeat in op.repeats):
        helps.append(
            f"`repeat unlimited` lifts the limit of {model.STANDARD_LIMIT}, which holds where a recipe states none"
        )
    # Bounds that are shares shrink with the budget, so a smaller budget does not help.
    if op.tokens is not None and not any(quota.most and quota.most.kind == "share" for quota in capping):
        helps.append(f"a budget of {_count(most)} tokens would do, or `shortfall shrink`")
    spans = [quota.origin.span for quota in capping] + [repeat.origin.span for repeat in op.repeats]
    return Diagnostic(
        "R0507",
        f"{_count(total)} tokens are requested, but the pool provides at most {_count(most)} "
        f"under the quotas and repetition limits",
        spans[0] if spans else None,
        labels=tuple(Label(span, "and this") for span in spans[1:]),
        helps=tuple(helps),
    )


def _amount(like: model.Amount | None, tokens: float, total: float, up: bool = False) -> str:
    """A bound in the unit used in the recipe, rounded to the safe side."""
    if like is not None and like.kind == "share":
        step = (math.ceil if up else math.floor)(tokens / total * 1e4) / 100
        return f"{exact(step)}%"
    return f"{(math.ceil if up else math.floor)(tokens):,} tokens".replace(",", "_")


def _count(tokens: float) -> str:
    return f"{tokens:,.0f}"


def _binds(
    op: logical.Sample, pools: Sequence[CellTotals], targets: Mapping[Key, float], total: float
) -> dict[Key, str]:
    """The bound that limits each cell: a quota's, or what its documents can provide."""
    result: dict[Key, str] = {}
    own = {quota.domain: quota for quota in op.quotas if not quota.conditions}
    slack = max(total * 1e-9, 1e-9)
    sums: dict[str, float] = {}
    for (domain, _), target in targets.items():
        sums[domain] = sums.get(domain, 0.0) + target
    for pool in pools:
        held = []
        groups = [(own[pool.domain], sums[pool.domain])] if pool.domain in own else []
        for bit, quota in enumerate(nested(op)):
            if quota.domain == pool.domain and pool.nest >> bit & 1:
                inside = (t for (d, n), t in targets.items() if d == pool.domain and n >> bit & 1)
                groups.append((quota, math.fsum(inside)))
        for quota, amount in groups:
            low, high = bounds(quota, total)
            if low and amount <= low + slack:
                held.append("at least")
            elif amount >= high - slack:
                held.append("at most")
        if targets[pool.key] >= pool.reachable - slack:
            held.append("repetition")
        result[pool.key] = held[0] if held else ""
    return result
