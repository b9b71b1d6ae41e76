"""Shards in a store: planned, applied, verified and explained as the same files on the disk; and what goes wrong there."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import duckdb
import pytest
import zstandard

from recipec import pipeline
from recipec.diagnostics import Failure
from tests.conftest import Run
from tests.places.store import SECRET, Bucket

pytestmark = pytest.mark.slow

PLAIN = """
source web {{
  shards "{place}/web/*.parquet"
  id id
  text text
  tokens n
  domain topic
}}

source lines {{
  shards "{place}/lines" "{place}/dumps/dump=*/*.jsonl"
  id id
  text text
  tokens n
  domain topic
}}

where length(text) > 120

budget 30K tokens

output parquet "out"
"""


def rows(start: int, count: int) -> str:
    return (
        f"SELECT 'd' || (range + {start}) AS id, 'A text about ' || range || repeat(' word', 20 + range % 17) AS text, "
        f"20 + range % 17 AS n, CASE WHEN range % 3 = 0 THEN 'sci' ELSE 'web' END AS topic FROM range({count})"
    )


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder of Parquet and of plain and compressed lines of JSON, with partitions and names that are not plain."""
    folder = tmp_path / "data"
    for name in ("web", "lines/deep", "dumps/dump=2024-10", "dumps/dump=2024-18"):
        (folder / name).mkdir(parents=True)
    with duckdb.connect() as connection:
        for number, name in enumerate(("a", "b [1]", "c")):
            connection.execute(f"COPY ({rows(number * 1000, 700)}) TO '{folder}/web/{name}.parquet'")
        found = connection.execute(rows(10_000, 900)).fetchall()
    lines = [json.dumps(dict(zip(("id", "text", "n", "topic"), row, strict=True))) + "\n" for row in found]
    parts = ["".join(lines[start : start + 200]).encode() for start in range(0, 900, 200)]
    (folder / "lines/a.jsonl").write_bytes(parts[0])
    (folder / "lines/deep/b.jsonl.gz").write_bytes(gzip.compress(parts[1]))
    (folder / "lines/deep/c.jsonl.zst").write_bytes(zstandard.compress(parts[2]))
    (folder / "dumps/dump=2024-10/d.jsonl").write_bytes(parts[3])
    (folder / "dumps/dump=2024-18/e.jsonl").write_bytes(parts[4])
    (folder / "lines/_SUCCESS").write_bytes(b"")
    return folder


def recipe(folder: Path, place: str, text: str = PLAIN) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "a.recipe"
    path.write_text(text.format(place=place))
    return path


def shown(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_store_gives_the_same_dataset_as_the_disk(world: Path, bucket: Bucket, tmp_path: Path, run: Run) -> None:
    bucket.fill(world, "corpus/")
    here = recipe(tmp_path / "here", str(world))
    there = recipe(tmp_path / "there", f"{bucket.url}/corpus")
    local = pipeline.apply(pipeline.plan(here, {}).plans[0])
    assert run("plan", there, "-o", there.with_suffix(".plan")).code == 0
    refused = run("apply", there.with_suffix(".plan"))
    assert (refused.code, f"--allow {bucket.url}/corpus" in refused.err) == (1, True)
    assert run("apply", there.with_suffix(".plan"), "--allow", f"{bucket.url}/corpus").code == 0
    out = tmp_path / "there/out"
    remote = json.loads((out / "manifest.json").read_text())
    assert remote["digest"] == local.digest
    assert [file["sha256"] for file in remote["data"]] == [file.sha256 for file in local.data]
    assert shown(out / "data") == shown(tmp_path / "here/out/data")
    # What differs is where the shards are, and how their versions are known.
    changed = {"path", "sha256", "mtime_ns"}
    facts = [{k: v for k, v in shard.items() if k not in changed} for shard in remote["shards"]]
    assert facts == [json.loads(shard.model_dump_json(exclude=changed)) for shard in local.shards]
    assert all(shard["sha256"].startswith("etag ") for shard in remote["shards"])
    assert "ok: " in run("verify", out).out
    assert f"{bucket.url}/corpus/web/b [1].parquet" in run("show", out).out
    explained = run("explain", out, "d1005", "--source", "web")
    assert f"row 5 of {bucket.url}/corpus/web/b [1].parquet" in explained.out
    assert not [name for name, data in shown(tmp_path / "there").items() if SECRET.encode() in data]


def test_what_is_planned_again_is_only_listed(world: Path, bucket: Bucket, tmp_path: Path, run: Run) -> None:
    bucket.fill(world)
    path = recipe(tmp_path / "there", bucket.url)
    assert run("plan", path).code == 0
    assert "4 stored    reuse" in run("plan", path).out.replace("5 stored", "4 stored")
    bucket.put("web/c.parquet", (world / "web/a.parquet").read_bytes())
    again = run("plan", path)
    assert "R0307" in again.err  # the same documents in two shards: what was read is what is there now


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_an_object_that_changed_makes_a_plan_stale(
    how: str, world: Path, bucket: Bucket, tmp_path: Path, run: Run
) -> None:
    bucket.fill(world)
    path = recipe(tmp_path / "there", bucket.url)
    plan = path.with_suffix(".plan")
    assert run("plan", path, "-o", plan).code == 0
    if how == "replaced":
        bucket.put("web/a.parquet", (world / "web/c.parquet").read_bytes())
    else:
        bucket.delete("web/a.parquet")
    found = run("apply", plan, "--allow", bucket.url)
    said = "has changed" if how == "replaced" else "is gone"
    assert (found.code, f"the shard `{bucket.url}/web/a.parquet` {said}" in found.err) == (4, True)
    assert not (tmp_path / "there/out").exists()


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_an_object_that_changes_while_it_is_read_stops_the_run(
    how: str, world: Path, bucket: Bucket, tmp_path: Path
) -> None:
    bucket.fill(world)
    plan = pipeline.plan(recipe(tmp_path / "there", bucket.url), {}).plans[0]
    shutil.rmtree(tmp_path / "there/.recipec")
    begun: list[str] = []

    def interfere(task: str, done: float, total: float, unit: str) -> None:
        if task.startswith("read") and not begun:
            begun.append(task)
            if how == "replaced":
                bucket.put("web/c.parquet", (world / "web/a.parquet").read_bytes())
            else:
                bucket.delete("web/c.parquet")

    with pytest.raises(Failure) as caught:
        pipeline.apply(plan, progress=interfere)
    assert begun
    assert {one.code for one in caught.value.diagnostics} == {"R0304"}
    assert f"{bucket.url}/web/c.parquet" in str(caught.value.diagnostics[0].place)
    assert not (tmp_path / "there/out").exists()
