"""The nearest changes that would alter the outcome: one parameter at a time, all else (including the scale) fixed.

A document is in if min(c·S(r), R) > u; each parameter's threshold follows from this in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from recipec.ir import model
from recipec.ir.expressions import Apply, Constant, Expression, Frozen, describe
from recipec.ir.selection import Cell
from recipec.numbers import exact, percent, plain


class Flip(Frozen):
    """One change and its effect.

    Attributes:
        says: "in if omega >= 0.31 (is 0.08)".
        distance: how far the value must move, relative to the larger of the old and new values; smaller is nearer.
        origin: the recipe's line to change.
    """

    says: str
    distance: float
    origin: model.Origin | None = None


def flips(recipe: model.Recipe, row: dict[str, Any], cell: Cell | None) -> tuple[Flip, ...]:
    """Changes that would include a document, or exclude a selected one, nearest first; none for an unreadable one."""
    if row["bad"] is not None:
        return ()
    if row["rejected_by"] is not None:
        return tuple(sorted(_clause(recipe, row), key=lambda flip: flip.distance))
    found = _out(recipe, row, cell) if row["copies"] > 0 else _in(recipe, row, cell)
    return tuple(sorted(found, key=lambda flip: flip.distance))


def curve_of(sample: model.Quadmix, domain: str) -> model.Curve:
    return next((curve for curve in sample.curves[1:] if curve.domain == domain), sample.curves[0])


def repeat_of(recipe: model.Recipe, domain: str) -> model.Repeat | None:
    own = [repeat for repeat in recipe.repeats if repeat.domain == domain]
    return next(iter(own or [repeat for repeat in recipe.repeats if repeat.domain is None]), None)


def copies(scale: float, expected: float, cap: float | None, draw: float) -> int:
    """The number of copies: ⌈min(c·S, R) − u⌉, at least 0."""
    return max(0, math.ceil(min(scale * expected, math.inf if cap is None else cap) - draw))


def expected(curve: model.Curve, rank: float, omega: float) -> float:
    """The expectation S by QuaDMix eq. 3, with another ω."""
    if rank > omega:
        return curve.epsilon
    return float((2 / (1 + math.exp(-curve.lambda_ * (omega - rank)))) ** curve.eta + curve.epsilon)


def _clause(recipe: model.Recipe, row: dict[str, Any]) -> Iterator[Flip]:
    clause = next((c for c in recipe.clauses if c.text == row["rejected_by"]), None)
    if clause is None:
        if row["rejected_by"].startswith("missing "):
            yield Flip(says="in the pool if `quality` had `missing worst`", distance=1.0)
        return
    then = "in the pool, to be judged by the rest,"
    number = next(number for number, source in enumerate(recipe.sources) if source.name == row["source"])
    if isinstance(clause, model.Clause):
        yield from _bounds(clause, clause.conditions[number], row["evidence"] or "", then)
    yield Flip(says=f"{then} without `where {clause.text}`", distance=1.0, origin=clause.origin)


def _bounds(clause: model.Clause, condition: Expression, evidence: str, then: str) -> Iterator[Flip]:
    """Yields the limits in a clause that would let the document pass if moved to its value."""
    found = dict(part.rpartition(" = ")[::2] for part in evidence.split("; "))
    for test in _comparisons(condition):
        subject, limit = test.operands
        value = _number(found.get(describe(subject)))
        if value is None or not isinstance(limit, Constant) or not isinstance(limit.value, int | float):
            continue
        holds = {
            "<": value < limit.value,
            "<=": value <= limit.value,
            ">": value > limit.value,
            ">=": value >= limit.value,
        }
        if not holds[test.function]:
            # The limit as it would have to read: "x <= 9" for a value of 9, "x < 9" for anything above 9.
            beyond = "" if "=" in test.function else ("above " if test.function == "<" else "below ")
            says = (
                f"{then} if `{describe(subject)} {test.function}` said {beyond}{exact(value)} (is {exact(limit.value)})"
            )
            yield Flip(says=says, distance=_distance(limit.value, value), origin=clause.origin)


def _comparisons(condition: Expression) -> Iterator[Apply]:
    match condition:
        case Apply(function="and"):
            for operand in condition.operands:
                yield from _comparisons(operand)
        case Apply(function="<" | "<=" | ">" | ">="):
            yield condition


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _distance(now: float, then: float) -> float:
    return abs(then - now) / max(abs(now), abs(then), 1e-300)


def _in(recipe: model.Recipe, row: dict[str, Any], cell: Cell | None) -> Iterator[Flip]:
    scale, draw = row["scale"], row["draw"]
    if row["reason"] == "oversize":
        yield Flip(says=f"not left out with `oversize stop`, but {row['domain']} may then get less", distance=1.0)
        return
    if row["cap"] == 0:
        limit = repeat_of(recipe, row["domain"])
        yield Flip(says="in if its repetition limit were above 0", distance=1.0, origin=limit.origin if limit else None)
        return
    if row["reason"] == "quota_zero" or scale == 0:
        yield Flip(
            says=f"in if {row['domain']} had a share of the dataset (it has none)",
            distance=1.0,
            origin=recipe.mixture.origin,
        )
        return
    if row["expected"] > 0:
        yield from _scale(recipe, row, cell, draw / row["expected"], "in", "more")
    match recipe.sample:
        case model.Quadmix():
            curve = curve_of(recipe.sample, row["domain"])
            yield from _omega_in(curve, row, draw / scale)
            if row["rank"] > curve.omega and draw / scale > curve.epsilon:
                needed = draw / scale
                says = f"in if epsilon > {plain(needed, 6)} (is {plain(curve.epsilon, 6)})"
                yield Flip(says=says, distance=_distance(curve.epsilon, needed), origin=curve.origin)
        case model.Top(share=share) if row["rank"] > share:
            says = f"in if top >= {row['rank']:.4%} (is {percent(share)})"
            yield Flip(says=says, distance=_distance(share, row["rank"]), origin=recipe.sample.origin)


def _omega_in(curve: model.Curve, row: dict[str, Any], needed: float) -> Iterator[Flip]:
    """Yields the smallest ω at which S exceeds `needed`, if there is one."""
    omega = omega_for(curve, row["rank"], needed)
    if omega is not None and omega <= 1 and omega > curve.omega:
        sign = ">=" if omega == row["rank"] else ">"
        whose = f" for {curve.domain}" if curve.domain else ""
        says = f"in if omega{whose} {sign} {plain(omega, 6)} (is {plain(curve.omega, 6)})"
        yield Flip(says=says, distance=_distance(curve.omega, omega), origin=curve.origin)


def omega_for(curve: model.Curve, rank: float, needed: float) -> float | None:
    """The ω above which S(rank) exceeds `needed`, or None: S rises from 1 + ε at ω = rank to 2^η + ε."""
    above = needed - curve.epsilon
    if above < 1:
        return rank
    root = above ** (1 / curve.eta) if curve.eta > 0 else math.inf
    if root >= 2 or curve.lambda_ == 0:
        return None
    return rank - math.log(2 / root - 1) / curve.lambda_


def _scale(
    recipe: model.Recipe, row: dict[str, Any], cell: Cell | None, needed: float, way: str, word: str
) -> Iterator[Flip]:
    """Yields the required scale, and the approximate change of the domain's tokens that it corresponds to."""
    if cell is None or cell.target is None or row["scale"] == 0:
        return
    tokens = abs(cell.drawn_tokens * (needed / row["scale"] - 1))
    sign = ">" if way == "in" else "<="
    scales = f"a scale {sign} {plain(needed, 6)}, is {plain(row['scale'], 6)}"
    says = f"{way} if {row['domain']} had about {tokens:,.0f} tokens {word} ({scales})"
    quota = next((q.origin for q in recipe.quotas if q.domain == cell.domain), None)
    origin = quota or (recipe.budget.origin if recipe.budget else recipe.mixture.origin)
    yield Flip(says=says, distance=_distance(row["scale"], needed), origin=origin)


def _out(recipe: model.Recipe, row: dict[str, Any], cell: Cell | None) -> Iterator[Flip]:
    scale, draw, rank = row["scale"], row["draw"], row["rank"]
    yield from _scale(recipe, row, cell, draw / row["expected"], "out", "fewer")
    match recipe.sample:
        case model.Quadmix():
            curve = curve_of(recipe.sample, row["domain"])
            if rank > curve.omega:
                needed = draw / scale
                says = f"out if epsilon <= {plain(needed, 6)} (is {plain(curve.epsilon, 6)})"
                yield Flip(says=says, distance=_distance(curve.epsilon, needed), origin=curve.origin)
            elif copies(scale, curve.epsilon, row["cap"], draw) == 0:
                omega = omega_for(curve, rank, draw / scale)
                omega = rank if omega is None or omega < rank else omega
                sign = "<" if omega == rank else "<="
                says = f"out if omega {sign} {plain(omega, 6)} (is {plain(curve.omega, 6)})"
                yield Flip(says=says, distance=_distance(curve.omega, omega), origin=curve.origin)
        case model.Top(share=share):
            says = f"out if top < {rank:.4%} (is {percent(share)})"
            yield Flip(says=says, distance=_distance(share, rank), origin=recipe.sample.origin)
    limit = repeat_of(recipe, row["domain"])
    yield Flip(says="out if its repetition limit were 0", distance=1.0, origin=limit.origin if limit else None)
