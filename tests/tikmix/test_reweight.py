"""`recipec reweight` on tables: golden values of recipec/docs/methods.md, laws of the optimum against slow solvers, mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.arrays import Array
from recipec.diagnostics import Failure
from recipec.tikmix.problem import InfluenceProblem
from recipec.tikmix.solver import solve
from tests.conftest import Run


def problem(influence: Any, prior: Any = None, **changes: Any) -> InfluenceProblem:
    s = np.asarray(influence, float)
    n, m = s.shape
    prior = np.full(m, 1 / m) if prior is None else np.asarray(prior, float)
    tasks, domains = tuple(f"t{i}" for i in range(n)), tuple(f"d{j}" for j in range(m))
    whole = InfluenceProblem(tasks, domains, s, prior, np.zeros(m), np.ones(m))
    arrays: dict[str, Any] = {name: np.asarray(changes[name]) for name in ("low", "high") if name in changes}
    return replace(whole, **{**changes, **arrays})


def random(seed: int, n: int, m: int) -> InfluenceProblem:
    generator = np.random.default_rng(seed)
    s = generator.normal(size=(n, m)) + 0.5 * (seed % 2)
    return problem(s, generator.dirichlet(np.ones(m)))


def slsqp(p: InfluenceProblem) -> Array:
    """The paper's solver, from the uniform weights."""
    from scipy.optimize import minimize

    scaled, m = p.scaled, len(p.domains)

    def value(w: Array) -> tuple[float, Array]:
        w = np.maximum(w, 1e-300)
        gains = scaled @ w
        slope = (scaled - scaled.mean(axis=0)).T @ (gains - gains.mean()) / len(gains) / max(gains.std(), 1e-12)
        return p.objective(w), p.alpha * slope - p.beta * scaled.sum(axis=0) + p.gamma * (np.log(w) + 1)

    constraints = [
        {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(m)},
        {"type": "ineq", "fun": lambda w: scaled @ (w - p.prior), "jac": lambda w: scaled},
    ]
    bounds = list(zip(np.maximum(p.low, 1e-12), p.high, strict=True))
    found = minimize(
        value,
        np.full(m, 1 / m),
        jac=True,
        method="SLSQP",
        bounds=bounds,
        constraints=constraints,
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return np.asarray(found.x)


@pytest.mark.parametrize(
    ("seed", "n", "m"), [(0, 1, 3), (1, 2, 5), (2, 3, 10), (4, 4, 26), (5, 10, 26), (6, 6, 17), (7, 2, 15)]
)
def test_slsqp_finds_the_same(seed: int, n: int, m: int) -> None:
    p = random(seed, n, m)
    found = solve(p).weights
    assert found == pytest.approx(slsqp(p), abs=1e-6)
    assert p.slack(found).min() > -1e-9


def test_bounds_as_slsqp() -> None:
    p = random(3, 3, 8)
    low, high = np.array([0.2, 0.1, 0, 0, 0, 0, 0, 0.05]), np.array([1, 1, 1, 1, 0.02, 0.1, 0.3, 0.05])
    prior = np.array([0.2, 0.1, 0.3, 0.2, 0.01, 0.05, 0.09, 0.05])
    p = replace(p, low=low, high=high, prior=prior, influence=p.influence + 2)
    found = solve(p)
    assert found.weights == pytest.approx(slsqp(p), abs=1e-6)
    assert ((found.weights >= p.low - 1e-9) & (found.weights <= p.high + 1e-9)).all()
    # What does not bind has no multiplier, and what has one binds.
    inside = (found.weights > p.low + 1e-4) & (found.weights < p.high - 1e-4)
    assert found.at_low[inside] == pytest.approx(0, abs=1e-6)
    assert found.at_high[inside] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("beta", "gamma"), [(1, 1), (2, 0.5), (0.5, 3)])
def test_one_task_is_a_softmax(beta: float, gamma: float) -> None:
    """Where the task's row is slack; its prior is the worst domain alone."""
    s = np.array([[0.3, 1.2, 0.7, -0.4]])
    p = problem(s, [0, 0, 0, 1], beta=beta, gamma=gamma)
    expected = np.exp(beta * s[0] / 1.2 / gamma)
    assert solve(p).weights == pytest.approx(expected / expected.sum(), abs=1e-7)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 9), st.floats(0.01, 100))
@pytest.mark.slow
def test_laws(seed: int, n: int, m: int, factor: float) -> None:
    """A row's scale changes nothing, an order of domains orders weights, nobody is worse off, nothing near is better."""
    p = random(seed, n, m)
    found = solve(p).weights
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert (p.scaled @ (found - p.prior)).min() > -1e-8
    assert p.objective(found) <= p.objective(p.prior) + 1e-8
    rows = p.influence.copy()
    rows[seed % n] *= factor
    # The guard 1e-8 is not scaled along.
    assert solve(replace(p, influence=rows)).weights == pytest.approx(found, abs=2e-6)
    order = np.random.default_rng(seed).permutation(m)
    shuffled = replace(p, influence=p.influence[:, order], prior=p.prior[order])
    assert solve(shuffled).weights == pytest.approx(found[order], abs=1e-6)
    step = np.random.default_rng(seed + 1).dirichlet(np.ones(m), 200)
    near = found + 0.01 * (step - found)
    fair = (near @ p.scaled.T >= p.scaled @ p.prior).all(axis=1)
    assert all(p.objective(w) >= p.objective(found) - 1e-9 for w in near[fair])


def test_multipliers_are_the_price_of_a_demand() -> None:
    """The derivative of the optimum by what a task must gain."""
    p = problem([[1, 0.2, 0.1], [0.1, 0.3, 1]], [0.8, 0.1, 0.1])
    found = solve(p)
    assert found.multipliers[0] > 0.1
    assert found.multipliers[1] == pytest.approx(0, abs=1e-6)
    # A prior that asks the first task for a little less, and no more of the second.
    step = 1e-6
    less = replace(p, prior=p.prior + np.array([-step, step, 0]))
    change = p.objective(solve(less).weights) - p.objective(found.weights)
    asked = float(p.scaled[0] @ (less.prior - p.prior))
    assert change / asked == pytest.approx(found.multipliers[0], rel=1e-2)


def test_no_room_at_all() -> None:
    """Opposed tasks leave nothing but the prior."""
    p = problem([[1, -1, 0.0], [-1, 1, 0.0]], [0.5, 0.3, 0.2])
    found = solve(p).weights
    assert p.slack(found) == pytest.approx([0, 0], abs=1e-7)


def test_a_task_that_all_harm_is_scaled_by_its_size() -> None:
    p = problem([[-1, -2, -4]])
    assert p.scaled == pytest.approx(np.array([[-0.25, -0.5, -1]]), abs=1e-7)
    assert p.harmed == ("t0",)
    weights = solve(replace(p, prior=np.array([0, 0, 1.0]))).weights
    assert weights[0] > weights[1] > weights[2]


def test_infeasible_bounds() -> None:
    p = problem([[1, 0.1], [0.2, 1]], [0.5, 0.5], low=[0.9, 0])
    with pytest.raises(Failure) as caught:
        solve(p)
    assert caught.value.exit_code == 6
    assert "`t1` must do worse" in caught.value.diagnostics[0].message
    assert "`d0` 0.9 … 1" in caught.value.diagnostics[0].helps[0]
    with pytest.raises(Failure):
        solve(problem([[1, 1]], low=[0.7, 0.7]))


S = "task,code,web,wiki\nqa,0.2,0.5,1\nprog,2,0.1,0.3\n"
W = "domain,weight\nweb,0.6\ncode,0.3\nwiki,0.1\n"


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Any, ...]:
    (tmp_path / "S.csv").write_text(S)
    (tmp_path / "w.csv").write_text(W)
    return ("reweight", "--influence", tmp_path / "S.csv", "--prior", tmp_path / "w.csv")


def test_the_command(run: Run, tables: tuple[Any, ...], tmp_path: Path) -> None:
    result = run(*tables, "-o", tmp_path / "weights.json")
    assert result.code == 0, result.err
    assert "effective domains of 3" in result.out
    found = json.loads(run(*tables, "--json").out)
    p = problem([[0.2, 0.5, 1], [2, 0.1, 0.3]], [0.3, 0.6, 0.1])
    expected = slsqp(p)
    assert list(found["weights"]) == ["code", "web", "wiki"]
    assert list(found["weights"].values()) == pytest.approx(expected, abs=1e-6)
    assert found["objective"] == pytest.approx(p.objective(expected), abs=1e-9)
    assert list(found["slack"].values()) == pytest.approx(p.slack(expected).tolist(), abs=1e-6)
    assert found["effective_domains"] == pytest.approx(np.exp(-(expected * np.log(expected)).sum()), abs=1e-5)
    assert found["warnings"] == []
    written = json.loads((tmp_path / "weights.json").read_text())
    assert written["weights"] == found["weights"]
    assert (written["version"], set(written["tables"])) == (1, {"S.csv", "w.csv"})


def test_quotas_are_constraints(run: Run, tables: tuple[Any, ...]) -> None:
    found = json.loads(run(*tables, "--quota", "web=20%..35%", "--quota", "wiki=..0.3", "--json").out)
    assert 0.2 - 1e-9 <= found["weights"]["web"] <= 0.35
    assert found["weights"]["wiki"] <= 0.3 + 1e-9
    assert found["binding"]
    result = run(*tables, "--quota", "web=90%..")
    assert result.code == 6
    assert "must do worse than under the prior" in result.err


@pytest.mark.slow
def test_model(run: Run, tables: tuple[Any, ...], tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    found = json.loads(run(*tables, "--method", "model", "--json").out)
    assert found["model"]["used"] == "linear"
    assert found["model"]["gain"] >= found["model"]["gain_of_direct"]
    assert all(slack >= -1e-9 for slack in found["slack"].values())
    for name, weight in found["weights"].items():
        assert 0.5 - 1e-6 <= weight / found["direct"][name] <= 2 + 1e-6
    path = tmp_path / "try.csv"
    assert run(*tables, "--method", "model", "--candidates", path).code == 0
    lines = path.read_text().splitlines()
    assert lines[0] == "run,code,web,wiki"
    assert len(lines) == 257
    # A gain that trees see and lines do not: near equal parts of code and wiki.
    rows = [[float(value) for value in line.split(",")] for line in lines[1:]]
    gains = [-abs(code - wiki) for _, code, _, wiki in rows]
    path.write_text(
        "\n".join([lines[0] + ",gain", *(f"{a},{g}" for a, g in zip(lines[1:], gains, strict=True))]) + "\n"
    )
    found = json.loads(run(*tables, "--method", "model", "--labels", path, "--json").out)
    assert found["model"]["used"] == "lightgbm"
    assert abs(found["weights"]["code"] - found["weights"]["wiki"]) < 0.02


@pytest.mark.parametrize(
    ("s", "w", "more", "message"),
    [
        (S.replace("wiki", "wikki"), W, (), "has the domain `wikki`, which is not in"),
        (S, W.replace("0.6", "0.7"), (), "the weights sum to 1.1, not to 1"),
        (S, W.replace("0.6", "-0.6"), (), "a weight is negative, missing or not a number"),
        (S.replace("0.5", "nan"), W, (), "1 influences are missing or not numbers, for example of `web` on `qa`"),
        (S.replace("0.5", "x"), W, (), "row 1: web is `x`, but must be a number"),
        (S.replace("task", "tusk"), W, (), "has no column `task`"),
        (S.replace("prog", "qa"), W, (), "has more than one row of task `qa`"),
        (S, W.replace("weight", "share"), (), "expected `domain` and `weight`"),
        (S, W, ("--quota", "webb=1%..2%"), "names no known domain"),
        (S, W, ("--quota", "web"), "`web` is not a quota"),
        (S, W, ("--quota", "web=30%..20%"), "shares rise from 0 to 1"),
        (S, W, ("--alpha", "-1"), "--alpha, --beta and --gamma must be at least 0"),
        (S, W, ("--labels", "x.csv"), "go with `--method model`"),
    ],
)
def test_mistakes(
    run: Run, tables: tuple[Any, ...], tmp_path: Path, s: str, w: str, more: tuple[str, ...], message: str
) -> None:
    (tmp_path / "S.csv").write_text(s)
    (tmp_path / "w.csv").write_text(w)
    result = run(*tables, *more)
    assert result.code == 1
    assert message in result.err
    assert "Traceback" not in result.err


def test_what_calls_for_care(run: Run, tables: tuple[Any, ...], tmp_path: Path) -> None:
    (tmp_path / "S.csv").write_text("task,code,web,wiki\nqa,-0.2,-0.5,-1\n")
    assert "every domain harms task `qa`" in run(*tables).err
    (tmp_path / "S.csv").write_text("task,code,web,wiki\nqa,1,-1,0\nprog,-1,1,0\nboth,0,0,1\nless,0,0,-1\n")
    assert "the answer is the prior itself" in run(*tables).err
