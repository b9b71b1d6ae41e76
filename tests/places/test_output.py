"""Datasets in a store: written, found, replaced, never half there, and never one instead of another unnoticed."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import duckdb
import pytest

from recipec import pipeline
from recipec.dataset import unfinished
from recipec.diagnostics import Failure
from tests.conftest import Run
from tests.places import proxy
from tests.places.store import SECRET, Bucket

pytestmark = pytest.mark.slow

RECIPE = """
source web {{
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}}
budget {budget} tokens
output {format} "{output}"
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    with duckdb.connect() as connection:
        for number in range(2):
            rows = f"SELECT 'd{number}-' || range AS id, repeat('word ', 20) AS text, 20 AS n, 'a' AS topic FROM range(400)"
            connection.execute(f"COPY ({rows}) TO '{tmp_path}/data/{number}.parquet'")
    return tmp_path


def recipe(folder: Path, output: str, budget: str = "4K", format_: str = "parquet") -> Path:
    path = folder / "a.recipe"
    path.write_text(RECIPE.format(output=output, budget=budget, format=format_))
    return path


def keys(bucket: Bucket) -> list[str]:
    found = bucket.client.list_objects_v2(Bucket=bucket.name).get("Contents", [])
    return [one["Key"] for one in found]


def latest(bucket: Bucket) -> dict[str, str]:
    body = bucket.client.get_object(Bucket=bucket.name, Key="mix/latest.json")["Body"].read()
    return dict(json.loads(body))


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_a_dataset_is_written_to_a_store_and_read_there(bucket: Bucket, world: Path, run: Run, format_: str) -> None:
    assert run("apply", recipe(world, "out", format_=format_), "--yes").code == 0
    path = recipe(world, f"{bucket.url}/mix", format_=format_)
    result = run("apply", path, "--yes")
    assert (result.code, result.out.startswith(f"{bucket.url}/mix: 200 rows")) == (0, True)
    current = latest(bucket)["run"]
    members = {key.removeprefix(f"mix/{current}/") for key in keys(bucket) if key != "mix/latest.json"}
    here = {file.relative_to(world / "out").as_posix() for file in (world / "out").rglob("*") if file.is_file()}
    assert members == here
    for member in sorted(here - {"manifest.json", "README.md"}):
        body = bucket.client.get_object(Bucket=bucket.name, Key=f"mix/{current}/{member}")["Body"].read()
        assert body == (world / "out" / member).read_bytes(), member
    assert not list((world / ".recipec/uploads").iterdir())
    assert run("verify", f"{bucket.url}/mix").out.startswith("ok: ")
    assert run("verify", f"{bucket.url}/mix/{current}").out.startswith("ok: ")
    assert "data/0.parquet" in run("show", f"{bucket.url}/mix").out
    assert "d0-1 of web: " in run("explain", f"{bucket.url}/mix", "d0-1").out
    assert run("diff", world / "out", f"{bucket.url}/mix").code == 0
    assert "reuse" in run("plan", path).out
    before = keys(bucket)
    assert run("apply", path, "--yes").code == 0
    assert keys(bucket) == before
    assert run("gc", world).code == 0
    everything = b"".join(file.read_bytes() for file in world.rglob("*") if file.is_file())
    assert SECRET.encode() not in everything


def test_another_plan_takes_the_place(bucket: Bucket, world: Path, run: Run) -> None:
    path = recipe(world, f"{bucket.url}/mix")
    assert run("apply", path, "--yes").code == 0
    first = latest(bucket)
    assert run("apply", recipe(world, f"{bucket.url}/mix", "6K"), "--yes").code == 0
    assert latest(bucket)["run"] != first["run"]
    assert "300 rows" in run("verify", f"{bucket.url}/mix").out
    assert "200 rows" in run("verify", f"{bucket.url}/mix/{first['run']}").out


def test_of_two_publishers_one_wins_and_the_other_says_so(bucket: Bucket, world: Path, tmp_path: Path) -> None:
    plans = [pipeline.plan(recipe(world, f"{bucket.url}/mix", budget), {}).plans[0] for budget in ("4K", "6K")]
    first = threading.Event()
    # Two machines: each with a state of its own.
    other = tmp_path / "other"
    other.mkdir()
    (other / "data").symlink_to(world / "data")
    theirs = pipeline.plan(recipe(other, f"{bucket.url}/mix", "6K"), {}).plans[0]

    def overtake(task: str, done: float, total: float, unit: str) -> None:
        if task == "send dataset" and not first.is_set():
            first.set()
            pipeline.apply(theirs)

    with pytest.raises(Failure) as caught:
        pipeline.apply(plans[0], progress=overtake)
    assert [one.code for one in caught.value.diagnostics] == ["R0617"]
    assert theirs.selection is not None
    assert latest(bucket)["digest"] == theirs.selection.digest
    assert pipeline.apply(plans[0]).rows == 200
    assert latest(bucket)["digest"] != theirs.selection.digest


def test_something_else_at_the_place_is_left_alone(bucket: Bucket, world: Path, run: Run) -> None:
    bucket.put("mix/notes.txt", b"mine")
    result = run("apply", recipe(world, f"{bucket.url}/mix"), "--yes")
    assert (result.code, "error[R0602]: `notes.txt` is at the output's place" in result.err) == (1, True)
    bucket.delete("mix/notes.txt")
    bucket.put("mix/latest.json", b'{"run": "../elsewhere"}')
    result = run("apply", recipe(world, f"{bucket.url}/mix"), "--yes")
    assert (result.code, "error[R0607]: the file does not name a dataset" in result.err) == (1, True)
    assert keys(bucket) == ["mix/latest.json"]


def test_a_dataset_that_is_half_there_is_none(bucket: Bucket, world: Path, run: Run) -> None:
    with proxy.before(bucket.endpoint) as between:
        (world / "recipec.toml").write_text(f'[places."{bucket.url}"]\nendpoint = "{between.endpoint}"\n')
        between.left, between.only = ["503"] * 1000, f"PUT /{bucket.name}/mix/runs/"
        path = recipe(world, f"{bucket.url}/mix")
        result = run("apply", path, "--yes")
        assert (result.code, "error[R0316]: the store cannot be reached" in result.err) == (1, True)
        assert "mix/latest.json" not in keys(bucket)
        assert "R0705" in run("verify", f"{bucket.url}/mix").err
        between.left = []
        assert run("apply", path, "--yes").code == 0
    assert run("verify", f"{bucket.url}/mix").out.startswith("ok: ")


def test_places_that_are_no_places_of_datasets(world: Path, run: Run) -> None:
    found = run("check", recipe(world, "gs://bucket/mix")).err
    assert "error[R0309]: a dataset cannot be written to `gs://`" in found
    assert "error[R0309]: `s3://b*/mix` has a wildcard" in run("check", recipe(world, "s3://b*/mix")).err


def test_what_a_run_left_that_did_not_end_is_removed_after_a_day(
    bucket: Bucket, world: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("apply", recipe(world, f"{bucket.url}/mix"), "--yes").code == 0
    whole = keys(bucket)
    token = "0123456789abcdef" * 2
    bucket.put(f"mix/runs/{token}/data/part-00000.parquet", b"half")
    bucket.put(f"mix/runs/{token}/mine.txt", b"not ours")
    assert run("gc", world).code == 0
    assert len(keys(bucket)) == len(whole) + 2
    # To moto every upload began in 2010.
    words = {"Bucket": bucket.name, "Key": f"mix/runs/{token}/data/part-00001.parquet"}
    bucket.client.create_multipart_upload(**words)
    monkeypatch.setattr(unfinished, "AGE", -24 * 3600)
    dry = run("gc", world, "--dry-run")
    assert "2 objects of runs that did not end, 4 B: " in dry.out
    assert len(keys(bucket)) == len(whole) + 2
    assert run("gc", world).code == 0
    assert keys(bucket) == sorted([*whole, f"mix/runs/{token}/mine.txt"])
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)
    assert run("verify", f"{bucket.url}/mix").code == 0
