"""Draws of parameters select what `apply` would select with them, document by document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from recipec.diagnostics import Failure
from recipec.execution.run import Run
from recipec.ir import logical, model
from recipec.pipeline import compile_recipe, opening
from recipec.progress import silent
from recipec.search.course import NATURAL
from recipec.search.space import Space, bounded
from recipec.selection import kernel, mixing
from tests.selection import by_sql
from tests.selection.by_sql import HEAD

pytestmark = pytest.mark.slow


RECIPES = {
    "natural": "budget 60_000 tokens\n",
    "limits": "budget 100_000 tokens\nrepeat at most 2 times\nrepeat b at most 1 times\nquality {\n  normalize rank\n}\n",
    "own": "budget 90_000 tokens\nrepeat at most cap times\nquota a at most 30%\nquality {\n  normalize minmax\n}\n",
    "nested": "budget 50_000 tokens\nmixture {\n  a 50%\n  b 30%\n  c 20%\n}\nquota a where n > 100 at least 10_000 tokens\n"
    "repeat at most 5 times\n",
    "missing": "budget 50_000 tokens\nmixture proportional\nquality {\n  missing worst\n}\n",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("draws")
    (folder / "data").mkdir()
    duckdb.execute("SELECT setseed(0.3)")
    duckdb.execute(
        f"""COPY (SELECT 'd' || i AS id, 'text ' || i AS text, (20 + hash(i, 1) % 200) :: BIGINT AS n,
        ['a', 'b', 'c'][(1 + hash(i) % 3) :: BIGINT] AS topic, round((hash(i, 2) % 1000) / 100.0, 1) AS one,
        (hash(i, 3) % 1000) / 7.0 AS two, (1 + hash(i, 5) % 4) :: BIGINT AS cap, (hash(i, 4) % 50) :: BIGINT AS three
        FROM range(1500) AS r(i)) TO '{folder}/data/0.parquet'"""
    )
    return folder


@pytest.fixture(params=sorted(RECIPES))
def place(request: pytest.FixtureRequest, world: Path) -> Iterator[tuple[opening.Place, model.Recipe]]:
    path = world / f"{request.param}.recipe"
    text = HEAD + RECIPES[request.param]
    # A recipe compiles with weights; draws bring their own.
    quality = "quality {\n  weights { one 1, two 1, three 1 }\n"
    text = text.replace("quality {\n", quality) if "quality {" in text else text + quality + "}\n"
    path.write_text(text)
    compiled = compile_recipe(path, {})
    with opening.opened(compiled, opening.settings(path), "cpu", silent) as (found, _):
        yield found, compiled.recipe


def ready_for_draws(place: opening.Place, recipe: model.Recipe) -> Run:
    run = place.run(recipe)
    run.read()
    run.score()
    return run


def evaluated(found: kernel.Ranked, op: logical.Sample, table: Any) -> tuple[kernel.Drawn | None, list[str]]:
    rules = replace(found.rules, weights=table[:, :3], curves=table[:, 3:])
    try:
        again = kernel.ranked(found.ready, rules)
        return kernel.draw(again, op, mixing.decide(mixing.Problem(op, again.totals))), []
    except Failure as failure:
        return None, [d.code for d in failure.diagnostics]


def test_a_draw_is_the_selection(place: tuple[opening.Place, model.Recipe]) -> None:
    """Of a pool whose normalised scores are kept in memory, by SQL over a recipe that has the draw's parameters."""
    where, recipe = place
    run = ready_for_draws(where, recipe)
    found = run.ranked()
    found.ready.quality.prepare()
    connection = run.pool.connection
    space = Space(found.ready.columns.domains, tuple(c.name for c in recipe.criteria))
    met = 0
    for number, x in enumerate(space.draw(np.random.default_rng(5), 6)):
        table = x.reshape(3, -1).copy()
        # Wide and narrow curves, flat and steep ones, with and without a tail.
        table[:, 4] *= (1, 4, 10)[number % 3]
        table[:, 3] *= (1, 0.01)[number % 2]
        table[:, 6] *= (1, 50, 0)[number % 3]
        x = table.ravel()
        changed = recipe.model_copy(
            update={
                "quality": space.quality(recipe.quality, x, recipe.sources[0].origin),
                "sample": space.sampling(x),
            }
        )
        other = where.run(changed).pool.plan
        drawn, codes = evaluated(found, run.pool.plan.sample, table)
        ranked = by_sql.ranked(connection, other.one(logical.Rank)[1], run.candidates.relation())
        if drawn is None:
            with pytest.raises(Failure) as same:
                by_sql.ledger(connection, other.sample, ranked)
            assert [d.code for d in same.value.diagnostics] == codes
            continue
        met += 1
        ledger, scales = by_sql.ledger(connection, other.sample, ranked)
        rows = connection.execute(f"SELECT row, copies FROM ({ledger}) ORDER BY row").fetchnumpy()
        copies = np.zeros(1500, np.int64)
        copies[found.ready.columns["number"]] = drawn.copies()
        assert copies[rows["row"]].tolist() == rows["copies"].tolist()
        assert drawn.scales == scales
        assert sum(drawn.tokens().values()) == int((drawn.copies() * found.ready.columns["tokens"]).sum())
    assert met >= 2


def test_natural_sampling(world: Path) -> None:
    path = world / "all.recipe"
    path.write_text(HEAD + "quality {\n  weights { one 1, two 1, three 1 }\n}\nbudget 60_000 tokens\n")
    compiled = compile_recipe(path, {})
    recipe = compiled.recipe
    with opening.opened(compiled, opening.settings(path), "cpu", silent) as (where, _):
        run = ready_for_draws(where, recipe)
        found = run.ranked()
        table = np.hstack([np.ones((3, 3)), [NATURAL] * 3])
        drawn, _ = evaluated(found, run.pool.plan.sample, table)
        assert drawn is not None
        other = where.run(recipe.model_copy(update={"sample": model.All()}))
        assert drawn.copies().tolist() == other.drawn().copies().tolist()


def test_draws_stay_within_their_bounds() -> None:
    generator = np.random.default_rng(1)
    low, high = np.array([[0.2, 0.0, 0.1], [0.0, 0.0, 0.0]]), np.array([[0.3, 1.0, 0.5], [1.0, 1.0, 0.05]])
    found = bounded(generator.uniform(size=(500, 2, 3)), low, high)
    assert np.allclose(found.sum(axis=-1), 1)
    assert (found >= low - 1e-9).all()
    assert (found <= high + 1e-9).all()
    free = generator.uniform(size=(500, 2, 3))
    same = bounded(free, np.zeros((2, 3)), np.ones((2, 3)))
    assert np.allclose(same, free / free.sum(axis=-1, keepdims=True))
