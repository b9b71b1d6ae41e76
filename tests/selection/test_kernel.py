"""The kernel against the same selection by SQL: documents, copies, ranks, reasons, scales, over pools of many shapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from recipec.execution.run import Run
from recipec.ir import logical
from recipec.ir.selection import Selection
from recipec.pipeline import compile_recipe, opening
from recipec.progress import silent
from recipec.selection.digest import digest
from tests.selection import by_sql

pytestmark = pytest.mark.slow

HEAD = """seed 11
source web {
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}
criterion one = column(one) higher is better
criterion two = column(two) lower is better
criterion three = column(three) higher is better
"""
WEIGHTS = "weights { one 1, two 0.5, three 0.25 }\n"
CURVE = "sample quadmix {\n  curve { lambda 20, omega 0.3, epsilon 0.05 }\n  curve for b { omega 0.9, eta 2, epsilon 0 }\n}\n"

RECIPES = {
    "as the curves give": f"quality {{ {WEIGHTS} missing worst }}\n{CURVE}",
    "budget": f"quality {{ {WEIGHTS} missing worst }}\n{CURVE}budget 60_000 tokens\nrepeat at most 9 times\n",
    "limits": f"quality {{ normalize rank\n{WEIGHTS} missing worst }}\nbudget 100_000 tokens\nrepeat at most 2 times\n"
    "repeat b at most 1 times\n",
    "rank and drop": f"quality {{ normalize rank\n{WEIGHTS} missing drop }}\n{CURVE}budget 50_000 tokens\n"
    "repeat at most 4 times\n",
    "own limits": f"quality {{ normalize minmax\n{WEIGHTS} missing worst }}\nbudget 90_000 tokens\n"
    "repeat at most cap times\nquota a at most 30%\n",
    "nested": f"quality {{ {WEIGHTS} missing drop }}\n{CURVE}budget 50_000 tokens\n"
    "mixture { a 50%, b 30%, c 20% }\nquota a where n > 100 at least 10_000 tokens\nrepeat at most 5 times\n",
    "closed": f"quality {{ {WEIGHTS} missing worst }}\nbudget 20_000 tokens\nmixture {{ a 60%, b 40% }}\n"
    "repeat at most 4 times\nrepeat a at most cap times\n",
    "everything": f"quality {{ {WEIGHTS} missing worst }}\nbudget 300_000 tokens\nshortfall shrink\nrepeat at most 2 times\n",
    "all": "sample all\nmixture proportional\nbudget 40_000 tokens\nrepeat at most 3 times\n",
    "all, ranked": f"quality {{ {WEIGHTS} missing worst }}\nsample all\n",
    "top": "quality { missing worst }\nsample top 20% by one\n",
    "top of two": "quality { missing drop }\nsample top 30% by one, two\nbudget 30_000 tokens\nshortfall shrink\n",
    "top of the merge": f"quality {{ {WEIGHTS} missing worst }}\nsample top 10%\n",
    "own weights": "quality {\n  weights { one 1 }\n  weights for b { two 1 }\n  missing drop\n}\nbudget 30_000 tokens\n"
    "repeat at most 4 times\n",
    "filtered": f"where n > 40 and two < 100\nquality {{ {WEIGHTS} missing worst }}\n{CURVE}budget 30_000 tokens\n"
    "repeat at most 4 times\n",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 documents with many ties, some missing scores, some empty documents, in two shards."""
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "data").mkdir()
    for shard, rows in enumerate(((0, 700), (700, 1500))):
        duckdb.execute(
            f"""COPY (SELECT 'd' || i AS id, 'text ' || i AS text,
            CASE WHEN hash(i, 9) % 40 = 0 THEN 0 ELSE (20 + hash(i, 1) % 200) END :: BIGINT AS n,
            ['a', 'b', 'c'][(1 + hash(i) % 3) :: BIGINT] AS topic, round((hash(i, 2) % 1000) / 100.0, 1) AS one,
            CASE WHEN hash(i, 6) % 30 > 0 THEN (hash(i, 3) % 1000) / 7.0 END AS two, (1 + hash(i, 5) % 4) :: BIGINT AS cap,
            CASE WHEN hash(i, 7) % 20 > 0 THEN (hash(i, 4) % 50) :: BIGINT END AS three
            FROM range({rows[0]}, {rows[1]}) AS r(i)) TO '{folder}/data/{shard}.parquet'"""
        )
    return folder


@pytest.fixture(params=sorted(RECIPES))
def made(request: pytest.FixtureRequest, world: Path) -> Iterator[tuple[Run, Selection]]:
    path = world / "a.recipe"
    path.write_text(HEAD + "allow vanishing\n" + RECIPES[request.param])
    recipe = compile_recipe(path, {}).recipe
    with opening.opened(recipe, opening.settings(path), "cpu", silent) as place:
        run = place.run(recipe)
        run.read()
        run.score()
        yield run, run.select()


COMPARED = (
    "source, doc_id, shard, row, domain, tokens, bad, rejected_by, score_one, merged, rank, draw, nest, expected, scale, "
    "cap, copies, reason"
)


def test_the_kernel_decides_as_the_formulas_in_sql(made: tuple[Run, Selection]) -> None:
    run, selection = made
    connection, plan = run.pool.connection, run.pool.plan
    position, _ = plan.one(logical.Gather)
    _, rank = plan.one(logical.Rank)
    table = by_sql.ranked(connection, rank, run.pool.store.result(run.pool.ids[position]))
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
    _check_figures(connection, selection)


def _names(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]


def _check_figures(connection: duckdb.DuckDBPyConnection, selection: Selection) -> None:
    """The figures that the plan shows are those of the ledger."""
    assert selection.digest == digest(connection, "theirs")
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
