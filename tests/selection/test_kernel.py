"""The kernel against the same selection by SQL: documents, copies, ranks, reasons, scales, over pools of many shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recipec.arrays import Array
from recipec.execution.run import Run
from recipec.ir import logical
from recipec.ir.selection import Selection
from recipec.pipeline import compile_recipe, opening
from recipec.progress import silent
from recipec.selection import scales
from recipec.selection.columns import Columns, DomainRange, Layout
from recipec.selection.digest import digest
from recipec.selection.exact import dot, rounded, weighted
from recipec.selection.heads import Head
from recipec.selection.parts import parts
from recipec.selection.small import is_short, scales_of
from tests.selection import by_sql
from tests.selection.by_sql import HEAD

pytestmark = pytest.mark.slow

WEIGHTS = "weights { one 1, two 0.5, three 0.25 }\n"
CURVE = "sample quadmix {\n  curve { lambda 20, omega 0.3, epsilon 0.05 }\n  curve for b { omega 0.9, eta 2, epsilon 0 }\n}\n"

RECIPES = {
    "as the curves give": f"quality {{ {WEIGHTS} missing worst }}\n{CURVE}",
    "budget": f"quality {{ {WEIGHTS} missing worst }}\n{CURVE}budget 3100_000 tokens\nrepeat at most 9 times\n",
    "limits": f"quality {{ normalize rank\n{WEIGHTS} missing worst }}\nbudget 530_000 tokens\nrepeat at most 2 times\n"
    "repeat b at most 1 times\n",
    "rank and drop": f"quality {{ normalize rank\n{WEIGHTS} missing drop }}\n{CURVE}budget 270_000 tokens\n"
    "repeat at most 4 times\n",
    "own limits": f"quality {{ normalize minmax\n{WEIGHTS} missing worst }}\nbudget 480_000 tokens\n"
    "repeat at most cap times\nquota a at most 30%\n",
    "nested": f"quality {{ {WEIGHTS} missing drop }}\n{CURVE}budget 270_000 tokens\n"
    "mixture { a 80%, b 12%, c 8% }\nquota a where n > 100 at least 60_000 tokens\nrepeat at most 5 times\n",
    "closed": f"quality {{ {WEIGHTS} missing worst }}\nbudget 100_000 tokens\nmixture {{ a 80%, b 20% }}\n"
    "repeat at most 4 times\nrepeat a at most cap times\n",
    "everything": f"quality {{ {WEIGHTS} missing worst }}\nbudget 9_000_000 tokens\nshortfall shrink\nrepeat at most 2 times\n",
    "all": "sample all\nmixture proportional\nbudget 210_000 tokens\nrepeat at most 3 times\n",
    "all, ranked": f"quality {{ {WEIGHTS} missing worst }}\nsample all\n",
    "top": "quality { missing worst }\nsample top 20% by one\n",
    "top of two": "quality { missing drop }\nsample top 30% by one, two\nbudget 160_000 tokens\nshortfall shrink\n",
    "top of the merge": f"quality {{ {WEIGHTS} missing worst }}\nsample top 10%\n",
    "own weights": "quality {\n  weights { one 1 }\n  weights for b { two 1 }\n  missing drop\n}\nbudget 160_000 tokens\n"
    "repeat at most 4 times\n",
    "ties split": f"quality {{ {WEIGHTS} missing worst\nties split }}\n{CURVE}budget 270_000 tokens\nrepeat at most 4 times\n",
    "filtered": f"where n > 40 and two < 100\nquality {{ {WEIGHTS} missing worst }}\n{CURVE}budget 160_000 tokens\n"
    "repeat at most 4 times\n",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8,000 documents, most in one domain, with many ties, some missing scores, some empty documents, in two shards."""
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "data").mkdir()
    for shard, rows in enumerate(((0, 3700), (3700, 8000))):
        duckdb.execute(
            f"""COPY (SELECT 'd' || i AS id, 'text ' || i AS text,
            CASE WHEN hash(i, 9) % 40 = 0 THEN 0 ELSE (20 + hash(i, 1) % 200) END :: BIGINT AS n,
            ['b', 'c', 'a', 'a', 'a', 'a', 'a', 'a'][(1 + hash(i) % 8) :: BIGINT] AS topic,
            round((hash(i, 2) % 1000) / 100.0, 1) AS one,
            CASE WHEN hash(i, 6) % 30 > 0 THEN (hash(i, 3) % 1000) / 7.0 END AS two, (1 + hash(i, 5) % 4) :: BIGINT AS cap,
            CASE WHEN hash(i, 7) % 20 > 0 THEN (hash(i, 4) % 50) :: BIGINT END AS three
            FROM range({rows[0]}, {rows[1]}) AS r(i)) TO '{folder}/data/{shard}.parquet'"""
        )
    return folder


@pytest.fixture(params=sorted(RECIPES))
def made(request: pytest.FixtureRequest, world: Path) -> Iterator[tuple[Run, Selection]]:
    path = world / "a.recipe"
    path.write_text(HEAD + "allow vanishing\n" + RECIPES[request.param])
    compiled = compile_recipe(path, {})
    with opening.opened(compiled, opening.settings(path), "cpu", silent) as (place, _):
        run = place.run(compiled.recipe)
        run.read()
        run.score()
        yield run, run.select()


COMPARED = (
    "source, doc_id, shard, row, domain, tokens, bad, rejected_by, score_one, merged, rank, draw, nest, scale, "
    "cap, copies, reason"
)


def test_the_kernel_decides_as_the_formulas_in_sql(made: tuple[Run, Selection]) -> None:
    run, selection = made
    connection, plan = run.pool.connection, run.pool.plan
    _, rank = plan.one(logical.Rank)
    table = by_sql.ranked(connection, rank, run.candidates.relation())
    expected, scales = by_sql.ledger(connection, plan.sample, table)
    assert run.drawn().scales == scales
    connection.execute(f"CREATE OR REPLACE TEMP TABLE ours AS {run.ledger()}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE theirs AS {expected}")
    names = [name for name in COMPARED.split(", ") if name != "score_one" or "score_one" in _names(connection, "ours")]
    columns = ", ".join(names)
    for one, other in (("ours", "theirs"), ("theirs", "ours")):
        left = connection.execute(
            f"SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other} LIMIT 3"
        ).fetchall()
        assert left == [], f"{one} but not {other}"
    assert _names(connection, "ours") == _names(connection, "theirs")
    # Two libraries' `exp` may differ in the last bit, and then S by one step.
    [(apart,)] = connection.execute(
        "SELECT max(abs(o.expected - t.expected)) FROM ours AS o JOIN theirs AS t USING (source, shard, row)"
    ).fetchall()
    assert apart <= 2.0**-40
    _check_figures(connection, selection, run.pool.recipe.seed)


def _names(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]


def _check_figures(connection: duckdb.DuckDBPyConnection, selection: Selection, seed: int) -> None:
    """The figures that the plan shows are those of the ledger."""
    assert selection.digest == digest(connection, "theirs", seed)
    reasons = connection.execute(
        "SELECT coalesce(domain, ''), reason, coalesce(bad, rejected_by), count(*), "
        "sum(CASE WHEN tokens > 0 THEN tokens ELSE 0 END) :: BIGINT FROM theirs GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert [(r.domain, r.reason, r.rejected_by, r.documents, r.tokens) for r in selection.reasons] == reasons
    drawn = connection.execute(
        "SELECT domain, nest, count(*) FILTER (copies > 0), sum(copies) :: BIGINT, sum(tokens * copies) :: BIGINT "
        "FROM theirs WHERE bad IS NULL AND rejected_by IS NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    stated = [(c.domain, c.nest, c.drawn_documents, c.drawn_copies, c.drawn_tokens) for c in selection.cells]
    assert stated == drawn


def cell_of(t: list[int], s: list[float], limits: list[float], epsilon: float, seed: int) -> scales.RankedCell:
    """A cell of some documents within ω and as many again beyond it, with two limits."""
    generator = np.random.default_rng(seed)
    count = 2 * len(t)
    tokens = np.array([*t, *t], np.uint16)
    layout = Layout(
        rows=count,
        candidates=count,
        domains=(DomainRange(name="a", start=0, stop=count),),
        stats=(),
        rejected=(),
        columns=(),
    )
    cap = np.array(limits)[generator.integers(0, len(limits), count)]
    values: dict[str, Array] = {"tokens": tokens, "draw": np.sort(generator.uniform(size=count)), "cap": cap}
    (part,) = parts(Columns(layout, values), [math.inf], [0])
    rows = np.sort(generator.choice(count, len(t), replace=False))
    (cell,) = scales.cells(part, "a", Head(rows, rounded(np.array(s))), epsilon)
    return cell


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0.001, 4)), min_size=1, max_size=12),
    st.sampled_from([[4.0], [math.inf], [2.0, 0.0], [1.0, math.inf]]),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.floats(0.5, 2_000),
    st.integers(0, 5),
)
@example([(0, 1.0), (0, 1.0), (1, 4.0)], [1.0, math.inf], 0.0, 1.0, 0)  # what has no limit has no tokens, either
@example([(0, 1.0), (0, 1.0), (1, 4.0)], [1.0, math.inf], 0.25, 2_000.0, 0)
def test_scales_of_small_cells_are_those_of_large_ones(
    documents: list[tuple[int, float]], limits: list[float], epsilon: float, target: float, seed: int
) -> None:
    """One function bisects many small cells at once, another a large one by cumulative sums."""
    cell = cell_of([t for t, _ in documents], [s for _, s in documents], limits, epsilon, seed)
    natural = cell.totals().natural
    [found] = scales_of([cell], [target], [natural])
    assert found.scale == cell.scale(target, natural)
    if not found.scale:
        return
    assert cell.drawn(found.scale) <= target
    every = np.arange(cell.part.size)
    given = scales.copies(found.scale, cell.expected(every), cell.part.limits(every), cell.part.draws)
    assert cell.drawn(found.scale) == int((cell.part.tokens * given).sum())
    above = math.nextafter(found.scale, math.inf)
    more = scales.copies(above, cell.expected(every), cell.part.limits(every), cell.part.draws)
    assert cell.blocking(found.scale).tolist() == np.flatnonzero(more > given).tolist()
    assert cell.drawn(above) > target or not len(cell.blocking(found.scale))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0.01, 4)), min_size=2, max_size=12),
    st.integers(1, 300),
    st.integers(0, 5),
)
def test_skipping_ends_near_the_target_or_with_nothing_left(
    documents: list[tuple[int, float]], target: int, seed: int
) -> None:
    cell = cell_of([t for t, _ in documents], [s for _, s in documents], [2.0], 0.1, seed)
    natural = cell.totals().natural
    [stopped], [found] = (scales_of([cell], [target], [natural], skip=skip) for skip in (False, True))
    after = replace(cell, out=found.out)
    assert cell.drawn(stopped.scale) <= after.drawn(found.scale) + 50 * 2 * len(found.out)
    assert after.drawn(found.scale) <= target
    assert not is_short(target, after.drawn(found.scale)) or not len(after.blocking(found.scale))
    if not is_short(target, cell.drawn(stopped.scale)):
        assert not len(found.out)
        assert found.scale == stopped.scale


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**63))))
def test_exact_sums_are_those_of_whole_numbers(pairs: list[tuple[int, int]]) -> None:
    left, right = (np.array([pair[n] for pair in pairs], np.uint64) for n in (0, 1))
    assert dot(left, right) == sum(a * b for a, b in pairs)


@given(st.lists(st.tuples(st.integers(0, 2**33), st.integers(0, 2**50))))
def test_weighted_sums_are_rounded_once(pairs: list[tuple[int, int]]) -> None:
    tokens, amounts = np.array([t for t, _ in pairs]), np.array([n / 2**40 for _, n in pairs])
    assert weighted(tokens, amounts) == float(sum(Fraction(n, 2**40) * t for t, n in pairs))
