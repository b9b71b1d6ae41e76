"""Many small shards: read together they come to what each alone comes to, whatever is between them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from recipec import pipeline
from recipec.database.connection import connect
from recipec.inputs import reading
from recipec.inputs.facts import facts
from recipec.ir import logical
from recipec.ir.execution import ExecutionPlan
from recipec.places.state import Store
from recipec.planning import fingerprints
from tests.conftest import SOURCE, Run, rows, write_parquet

pytestmark = pytest.mark.slow

RECIPE = (
    SOURCE
    + "\nwhere n + 0 >= 3\n\ncriterion edu = column(edu) higher is better\n\nallow bad 50%\n\nbudget 100 tokens\n"
)


def shard(folder: Path, number: int, *, count: int = 7, n: str = "i + 1", more: str = "") -> Path:
    select = f"""
        SELECT '{number}-' || i AS id, if(i = 5, NULL, 'text ' || i) AS text, {n} AS n, 'a' AS topic,
            i / 10 :: DOUBLE AS edu{more} FROM range({count}) AS r(i)
    """
    return write_parquet(folder / f"data/{number:02}.parquet", select)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Alike, empty, of other types and columns, with a name that a scan uses, twice the same bytes, texts without null."""
    for number in range(6):
        shard(tmp_path, number)
    shard(tmp_path, 6, count=0)
    shard(tmp_path, 7, n="CAST(i + 1 AS TINYINT)")
    shard(tmp_path, 8, more=", 100 AS file_index")
    shard(tmp_path, 9, count=5)
    shard(tmp_path, 10, more=", [i] AS nested, {'a': i} AS \"we[i]rd\"")
    (tmp_path / "a.recipe").write_text(RECIPE)
    return tmp_path


def results(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of each result of `Read`, in their order, by the name of its file."""
    found = folder.glob(".recipec/steps/*/*.parquet")
    # Values of texts are stored in files of the same names.
    reads = [path for path in found if ("doc_id",) in rows(f"SELECT column_name FROM (DESCRIBE FROM '{path}')")]
    return {path.name: rows(f"FROM '{path}'") for path in reads}


def read(plan: ExecutionPlan, root: Path, *, alone: bool) -> int:
    """Reads the shards of a plan into a state folder, all together or each alone, and returns how many queries that took
    which write the results of several."""
    folder = Path(plan.folder)
    step = next(step for step in plan.steps if isinstance(step.op, logical.Read))
    assert isinstance(step.op, logical.Read)
    groups = [[shard] for shard in plan.shards] if alone else [plan.shards]
    name = fingerprints.reads(logical.LogicalPlan(ops=(step.op,)), plan.shards, folder).ids[0]
    with connect() as connection:
        connection.execute("CALL enable_logging('QueryLog', storage = 'memory')")
        for shards in groups:
            destinations = [Store(root, "a.recipe").shard_result(name, shard) for shard in shards]
            for _ in reading.read_many(
                connection, facts(step.op).read, shards, folder, folder / ".recipec", destinations
            ):
                pass
        logged = "SELECT count(*) FROM duckdb_logs() WHERE message LIKE 'COPY%PARTITION_BY%'"
        return int(connection.execute(logged).fetchall()[0][0])


def test_together_as_alone(pool: Path, run: Run) -> None:
    first = json.loads(run("plan", pool / "a.recipe", "--json").out)
    found = results(pool)
    assert len(found) == 11
    plan = pipeline.plan(pool / "a.recipe", {}).plan
    assert read(plan, pool / "together/.recipec", alone=False) > 0
    assert results(pool / "together") == found
    shutil.rmtree(pool / ".recipec")
    assert read(plan, pool / ".recipec", alone=True) == 0
    assert results(pool) == found
    second = json.loads(run("plan", pool / "a.recipe", "--json").out)
    assert second["steps"][0]["action"] == "reuse"
    assert second["selection"]["digest"] == first["selection"]["digest"]


def test_shards_of_the_same_bytes_have_one_result(pool: Path, run: Run) -> None:
    shutil.copy(pool / "data/00.parquet", pool / "data/11.parquet")
    result = run("plan", pool / "a.recipe")
    assert "error[R0307]: the id `0-0` of source `web` appears twice" in result.err
    assert len(results(pool)) == 11


def test_a_value_that_overflows_is_one_bad_row(pool: Path, run: Run) -> None:
    shard(pool, 5, n="if(i = 3, 5000000000000000000, 1) :: BIGINT")
    (pool / "a.recipe").write_text(RECIPE.replace("n + 0", "n * 2"))
    reasons = json.loads(run("plan", pool / "a.recipe", "--json").out)["selection"]["reasons"]
    assert [one["documents"] for one in reasons if one["rejected_by"] == "`n * 2` overflows"] == [1]


def test_one_damaged_shard_among_many_is_named(pool: Path, run: Run) -> None:
    (pool / "data/04.parquet").write_bytes(b"PAR1 no footer PAR1")
    result = run("plan", pool / "a.recipe")
    assert "error[R0303]: the shard cannot be read" in result.err
    assert "data/04.parquet" in result.err


def test_one_new_shard_leaves_the_results_of_the_others(pool: Path, run: Run) -> None:
    assert run("plan", pool / "a.recipe").code == 0
    before = {
        path: path.stat().st_mtime_ns for path in pool.glob(".recipec/steps/*/*.parquet") if path.stem != "result"
    }
    shard(pool, 12)
    assert "new shard data/12.parquet" in run("plan", pool / "a.recipe").out
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert not list(pool.glob(".recipec/steps/*/.*"))
