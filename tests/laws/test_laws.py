"""The laws of predicted loss, against the golden values of recipec/docs/methods.md section 4."""

from __future__ import annotations

import numpy as np
import pytest

from recipec.arrays import Array
from recipec.laws import fitting, optimum
from recipec.laws.forms import infolaw, infolaw_plus, muennighoff
from recipec.laws.information import absorption, information
from recipec.laws.runs import BANDS, Runs

PUBLISHED = np.array([0.922, 0.018 + 0.140 * np.log(1e9), 0.140, 3.7373, 0.0441])
RATIO = 3.6 * 21.33


def run(params: float, tokens: float, weights: list[float], pool: float | None = None) -> Runs:
    """One run of the paper: bucket d has w_d·K tokens, and min(w_d·K, B_d·S) of them are distinct."""
    drawn = np.array([weights]) * tokens
    unique = np.minimum(drawn, np.array([BANDS]) * (tokens if pool is None else pool))
    return Runs(np.array([params]), drawn, unique, np.array([np.nan]))


@pytest.mark.parametrize(
    ("params", "tokens", "weights", "info", "loss"),
    [
        (7e9, 300e9, [0.548, 0.444, 0.008, 0, 0, 0], 434.204891, 2.859141),
        (1.2e9, RATIO * 1.2e9, [0.8, 0.2, 0, 0, 0, 0], 118.313187, 3.027870),
        (252e6, RATIO * 252e6, [0.5, 0.3, 0.2, 0, 0, 0], 22.867058, 3.255493),
    ],
)
def test_infolaw_golden(params: float, tokens: float, weights: list[float], info: float, loss: float) -> None:
    runs = run(params, tokens, weights)
    assert information(PUBLISHED, runs).sum() == pytest.approx(info, rel=1e-8)
    assert infolaw.loss(PUBLISHED, runs)[0] == pytest.approx(loss, abs=5e-7)


def test_absorption_golden() -> None:
    assert absorption(PUBLISHED, np.array([7e9, 252e6])) == pytest.approx([3.19168, 2.72629], abs=5e-6)


@pytest.mark.parametrize(
    ("params", "tokens", "unique", "loss"),
    [
        (6.34e9, 242e9, 25e9, 2.2256440890),
        (8.67e9, 178e9, 25e9, 2.2269634075),
    ],
)
def test_muennighoff_golden(params: float, tokens: float, unique: float, loss: float) -> None:
    theta = np.array([*np.exp([0.6254804, 6.255414, 7.3049974]), 0.3526596, 0.3526596, 15.387756, 5.309743])
    runs = Runs(np.array([params]), np.array([[tokens]]), np.array([[unique]]), np.array([np.nan]))
    assert muennighoff.loss(theta, runs)[0] == pytest.approx(loss, abs=1e-9)


def test_harm_grows_with_repetition_in_infolaw_plus() -> None:
    theta = np.array([0.9, 3.0, 0.14, 1.0, 10.0, 0.3, 1.0, 0.3, 1e-2, 1.0, 0.1])
    runs = Runs(np.full(3, 1e9), np.array([[1e10], [1e11], [1e12]]), np.full((3, 1), 1e10), np.full(3, np.nan))
    losses = infolaw_plus.loss(theta, runs)
    assert losses[1] < losses[0] < losses[2]


def paper_problem(tokens: float) -> optimum.Allowance:
    unique = np.array([BANDS]) * 300e9
    quality = np.exp(-0.922 * np.arange(6))[None]
    most = np.full_like(unique, tokens)
    lam = float(absorption(PUBLISHED, np.array([7e9]))[0])
    return optimum.Allowance(quality, unique, most, np.zeros(1), np.full(1, tokens), tokens, lam)


@pytest.mark.parametrize(
    ("tokens", "free"),
    [(300e9, [0.5363, 0.4637, 0, 0, 0, 0]), (1000e9, [0.2896, 0.5097, 0.2007, 0, 0, 0])],
)
def test_optimum_golden(tokens: float, free: list[float]) -> None:
    assert optimum.best(paper_problem(tokens))[0] / tokens == pytest.approx(free, abs=5e-5)


def random_problem(seed: int) -> optimum.Allowance:
    rng = np.random.default_rng(seed)
    unique = rng.lognormal(22, 1, (5, 1)) * np.array([BANDS])
    total = float(unique.sum()) * rng.uniform(0.3, 2)
    quality = np.exp(-rng.uniform(0.3, 1.5) * np.arange(6))[None] * np.ones((5, 1))
    return optimum.Allowance(quality, unique, unique * 4, np.full(5, total * 0.02), np.full(5, total * 0.6), total, 3.0)


def random_recipes(problem: optimum.Allowance, rng: np.random.Generator) -> list[Array]:
    """Recipes within the bounds, by drawing and keeping the feasible ones."""
    draws = (rng.dirichlet(np.full(problem.unique.size, 0.5)).reshape(problem.unique.shape) for _ in range(3000))
    scaled = [draw * problem.total for draw in draws]
    return [
        tokens
        for tokens in scaled
        if np.all(tokens <= problem.most)
        and np.all(tokens.sum(axis=1) >= problem.least_domain)
        and np.all(tokens.sum(axis=1) <= problem.most_domain)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_no_random_recipe_beats_the_optimum(seed: int) -> None:
    problem = random_problem(seed)
    best = optimum.best(problem)
    assert best.sum() == pytest.approx(problem.total, rel=1e-12)
    assert np.all(best <= problem.most * (1 + 1e-12))
    assert np.all(best.sum(axis=1) <= problem.most_domain * (1 + 1e-12))
    assert np.all(best.sum(axis=1) >= problem.least_domain * (1 - 1e-12))
    found = optimum.gain(problem, best)
    for tokens in random_recipes(problem, np.random.default_rng(seed)):
        assert optimum.gain(problem, tokens) <= found * (1 + 1e-12)


def nested_problem(seed: int) -> optimum.Allowance:
    """Six rows in two domains of three parts, bounds on a domain, on a part, and on two parts together."""
    rng = np.random.default_rng(seed)
    unique = rng.lognormal(22, 1, (6, 1)) * np.array([BANDS])
    total = float(unique.sum()) * 0.7
    quality = np.exp(-0.9 * np.arange(6))[None] * np.ones((6, 1))
    share = unique.sum(axis=1) / unique.sum()
    groups = (
        optimum.Group(frozenset({0, 1, 2}), 0.0, total * float(share[:3].sum()) * rng.uniform(0.8, 1.1)),
        optimum.Group(frozenset({0, 1}), total * float(share[:2].sum()) * rng.uniform(0.5, 0.8), np.inf),
        optimum.Group(frozenset({0}), 0.0, total * float(share[0]) * rng.uniform(0.6, 0.9)),
        optimum.Group(frozenset({4}), total * float(share[4]) * rng.uniform(0.9, 1.2), np.inf),
    )
    return optimum.Allowance(quality, unique, unique * 3, np.zeros(6), np.full(6, np.inf), total, 2.9, groups=groups)


@pytest.mark.parametrize("seed", range(6))
def test_bounds_inside_bounds_hold_and_no_exchange_between_cells_helps(seed: int) -> None:
    """A concave problem is solved when no small exchange of tokens that keeps the bounds gains anything."""
    problem = nested_problem(seed)
    best = optimum.best(problem)
    assert best.sum() == pytest.approx(problem.total, rel=1e-9)
    slack = problem.total * 1e-9

    def kept(tokens: Array) -> bool:
        sums = [tokens[sorted(group.rows)].sum() for group in problem.groups]
        held = [g.least - slack <= has <= g.most + slack for g, has in zip(problem.groups, sums, strict=True)]
        return all(held) and bool(np.all((tokens >= -1e-6) & (tokens <= problem.most + slack)))

    assert kept(best)
    found = optimum.gain(problem, best)
    step = problem.total * 1e-5
    tried = 0
    for giver in np.ndindex(best.shape):
        for taker in np.ndindex(best.shape):
            moved = best.copy()
            moved[giver] -= step
            moved[taker] += step
            if giver != taker and kept(moved):
                tried += 1
                assert optimum.gain(problem, moved) <= found * (1 + 1e-12)
    assert tried > 50


def test_a_fit_recovers_what_made_the_runs() -> None:
    """Exact losses of two pool sizes and several recipes determine all five parameters."""
    rng = np.random.default_rng(5)
    weights = -np.sort(-rng.dirichlet(np.ones(6), 30), axis=1)
    params = rng.choice([2.5e8, 6e8, 1.2e9], 30)
    tokens = weights * (RATIO * params)[:, None]
    pool = (RATIO * params * rng.choice([0.3, 1.0], 30))[:, None] * np.array([BANDS])
    unknown = Runs(params, tokens, np.minimum(tokens, pool), np.full(30, np.nan))
    runs = Runs(params, tokens, unknown.unique, infolaw.loss(PUBLISHED, unknown))
    found = fitting.fit(infolaw.SPEC, runs, starts=8)
    assert found.theta == pytest.approx(PUBLISHED, rel=1e-3)
