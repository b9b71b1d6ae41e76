"""The dataset: written whole or not at all, the same bytes after any interruption."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec import dataset
from recipec.database.connection import connect
from recipec.database.sql import literal
from recipec.dataset import columns, derivation, texts
from recipec.ir import logical, model
from recipec.ir.execution import ExecutionPlan
from tests.dataset.small_dataset import (
    ORIGIN,
    SEED,
    World,
    make_world,
    select,
    source,
    sql,
    tree,
    verify,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_a_dataset_holds_what_the_ledger_selects_and_verifies(world: World) -> None:
    made = world.write()
    assert verify(world.out) == []
    assert dataset.read_manifest(world.out) == made
    ledger = sql(f"SELECT source, doc_id, copies, tokens FROM '{world.out}/ledger/*.parquet' WHERE copies > 0")
    data = sql(f"SELECT _source, _doc_id, max(_copy), min(_tokens) FROM '{world.out}/data/*.parquet' GROUP BY 1, 2")
    assert sorted(ledger) == sorted(data)
    assert made.rows == sum(copies for _, _, copies, _ in ledger)
    assert made.tokens == sum(copies * tokens for _, _, copies, tokens in ledger)
    assert len(made.data) > 3
    assert sum(total.rows for total in made.domains) == made.rows
    assert sql(f"SELECT count(*) FROM '{world.out}/unreadable/*.parquet'") == [(18,)]
    order = sql(f"SELECT source, doc_id FROM read_parquet('{world.out}/ledger/part-00000.parquet')")
    assert order == sorted(order)
    assert [path.name for path in world.folder.iterdir() if path.name.startswith(".")] == [".recipec"]


def test_texts_and_columns_of_two_sources_are_those_of_their_rows(world: World) -> None:
    world.write()
    rows = sql(f"SELECT _source, _doc_id, id, text, url, stars FROM '{world.out}/data/*.parquet'")
    for name, doc_id, own, text, url, stars in rows:
        number = int(own.split("-")[1])
        assert doc_id == own
        assert text == f"tëxt {number} " * (1 + number % 13)
        assert (url, stars) == ((f"http://é/{number}", None) if name == "web" else (None, number % 90))


def test_bytes_do_not_depend_on_threads_or_memory(world: World) -> None:
    world.write(threads=1)
    one = tree(world.out)
    shutil.rmtree(world.out)
    world.write(threads=4, memory="300MB")
    assert tree(world.out) == one


def test_the_same_plan_again_does_nothing(world: World) -> None:
    made = world.write()
    times = {path: path.stat().st_mtime_ns for path in world.out.rglob("*")}
    assert world.write() == made
    assert {path: path.stat().st_mtime_ns for path in world.out.rglob("*")} == times


def test_another_plan_replaces_the_dataset(world: World) -> None:
    first = world.write()
    second = world.with_output(shuffle=True).write()
    assert second.plan != first.plan
    assert verify(world.out) == []
    assert sorted(path.name for path in world.folder.iterdir()) == [".recipec", "data", "out", "sampled.parquet"]


@pytest.mark.parametrize("after", [1, 3])
def test_killed_and_resumed_gives_the_same_bytes(world: World, tmp_path: Path, after: int) -> None:
    world = world.with_output(shuffle=True)
    world.write()
    whole = tree(world.out)
    shutil.rmtree(world.out)
    partial = killed(world, str(after))
    finished = {path: path.stat().st_mtime_ns for path in partial.glob("data/part-*")}
    assert len(finished) >= after
    # What is finished is moved, not made again.
    world.write()
    assert tree(world.out) == whole
    assert all((world.out / path.relative_to(partial)).stat().st_mtime_ns == time for path, time in finished.items())
    assert verify(world.out) == []


def killed(world: World, when: str) -> Path:
    """The unfinished folder of a process that was killed while it wrote the world: see `die`."""
    (world.folder / "world.json").write_text(world.plan.model_dump_json())
    command = [sys.executable, __file__, str(world.folder), when]
    ended = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert ended.returncode == -signal.SIGKILL
    assert not world.out.exists()
    (partial,) = world.folder.glob(".out.*.partial")
    return partial


def die(folder: Path, when: str) -> None:
    """What the subprocess does: it writes the world in `folder` and kills itself after a number of parts, or just before
    the folder gets its name."""
    plan = ExecutionPlan.model_validate_json((folder / "world.json").read_text())
    assert plan.recipe.output is not None
    assert plan.selection is not None
    op = logical.Write(input=0, output=plan.recipe.output, seed=SEED, sources=plan.recipe.sources)
    calls = 0

    def progress(task: str, done: float, total: float, unit: str) -> None:
        nonlocal calls
        calls += task == "write"
        if str(calls) == when:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if when == "rename" and event == "os.rename" and str(arguments[1]) == str(folder / "out"):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    World(folder, plan, op, folder / "sampled.parquet", plan.selection).write(progress=progress)


def test_killed_between_manifest_and_rename_only_renames(world: World) -> None:
    partial = killed(world, "rename")
    before = tree(partial)
    world.write()
    assert tree(world.out) == before
    assert verify(world.out) == []


def test_copies_as_a_column_are_one_row_a_document(world: World) -> None:
    made = world.with_output(copies="column").write()
    assert verify(world.out) == []
    assert made.rows == len(sql(f"SELECT DISTINCT _source, _doc_id FROM '{world.out}/data/*.parquet'"))
    assert made.tokens == sql(f"SELECT sum(_tokens * _copies) FROM '{world.out}/data/*.parquet'")[0][0]


def test_shuffle_is_keyed_and_leaves_the_same_documents(world: World) -> None:
    plain = world.write()
    shuffled = world.with_output(shuffle=True, path="other")
    made = shuffled.write()
    assert (made.digest, made.tokens, made.rows) == (plain.digest, plain.tokens, plain.rows)
    rows = [
        row
        for file in made.data
        for row in sql(f"SELECT _source, _doc_id, _copy FROM read_parquet('{shuffled.out / file.path}')")
    ]

    def key(row: tuple[str, str, int]) -> int:
        text = "\x1f".join((str(SEED), row[0], row[1], str(row[2])))
        return int.from_bytes(hashlib.md5(text.encode()).digest()[8:], sys.byteorder)

    keys = [key(row) for row in rows]
    assert keys == sorted(keys)


def test_chosen_columns_come_in_the_order_of_the_choice(world: World) -> None:
    world.with_output(columns=("stars", "text")).write()
    names = [row[0] for row in sql(f"DESCRIBE SELECT * FROM '{world.out}/data/*.parquet'")]
    assert names == ["stars", "text", "_source", "_doc_id", "_domain", "_tokens", "_copy"]
    assert verify(world.out) == []


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_jsonl(world: World, compression: str) -> None:
    world = world.with_output(format="jsonl", compression=compression)
    made = world.write()
    assert verify(world.out) == []
    suffix = {"zstd": ".jsonl.zst", "gzip": ".jsonl.gz", "none": ".jsonl"}[compression]
    assert all(file.path.endswith(suffix) for file in made.data)
    if compression == "none":
        files = [(world.out / file.path).read_text(encoding="utf-8") for file in made.data]
        lines = [json.loads(line) for text in files for line in text.splitlines()]
        assert len(lines) == made.rows
        assert list(lines[0]) == ["id", "text", "stars", "url", "_source", "_doc_id", "_domain", "_tokens", "_copy"]
        assert lines[0]["text"].startswith("tëxt")


# The library itself leaves files open and uses what Python deprecates.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("format_", "compression"), [("parquet", "zstd"), ("jsonl", "zstd")])
def test_the_datasets_library_loads_data_and_folder(
    world: World, format_: str, compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    world = world.with_output(format=format_, compression=compression)
    made = world.write()
    # Lines do not say their types: by itself, the loader stumbles over a column that the first source lacks.
    plain = world.with_output(path="plain", columns=("text",))
    plain.write()
    cache = str(tmp_path / "cache")
    loader = "parquet" if format_ == "parquet" else "json"
    loaded = [
        datasets.load_dataset(loader, data_dir=str(plain.out / "data"), split="train", cache_dir=cache),
        datasets.load_dataset(str(world.out), split="train", cache_dir=cache),
    ]
    for one in loaded:
        assert len(one) == made.rows
        assert sum(one["_tokens"]) == made.tokens


def test_memory_smaller_than_the_data_scatters_and_gives_the_same_bytes(world: World) -> None:
    world = world.with_output(shuffle=True)
    world.write()
    whole = tree(world.out)
    shutil.rmtree(world.out)
    world.write(limits=texts.Limits(memory=0.00002, fan_out=3))
    assert tree(world.out) == whole


def test_row_order_of_the_decisions_changes_nothing(world: World) -> None:
    world.write()
    whole = tree(world.out)
    shutil.rmtree(world.out)
    other = world.folder / "other.parquet"
    sql(f"COPY (FROM '{world.sampled}' ORDER BY hash(doc_id)) TO '{other}' (FORMAT parquet)")
    replace(world, sampled=other).write()
    assert tree(world.out) == whole


def test_an_empty_selection_is_a_dataset_of_no_rows(world: World) -> None:
    empty = world.folder / "empty.parquet"
    sql(
        f"COPY (SELECT * REPLACE (0 :: INTEGER AS copies, 0.0 :: DOUBLE AS scale, CASE WHEN bad IS NULL "
        f"AND rejected_by IS NULL THEN 'quota_zero' ELSE reason END AS reason) FROM '{world.sampled}') TO '{empty}'"
        " (FORMAT parquet)"
    )
    with connect() as connection:
        found = select(connection, empty)
    made = replace(world, sampled=empty, selection=found).write()
    assert (made.rows, made.tokens, len(made.data)) == (0, 0, 1)
    assert verify(world.out) == []
    assert len(sql(f"DESCRIBE SELECT * FROM '{world.out}/data/*.parquet'")) == 9


def altered(world: World, change: str) -> World:
    """The world with a change to the decisions, an SQL `REPLACE` list."""
    path = world.folder / "altered.parquet"
    sql(f"COPY (SELECT * REPLACE ({change}) FROM '{world.sampled}') TO '{path}' (FORMAT parquet)")
    return replace(world, sampled=path)


def test_plan_digest_is_of_what_is_made_not_of_where_or_when(world: World) -> None:
    plan = world.plan
    moved = plan.model_copy(update={"folder": "/elsewhere", "warnings": ("slow",), "selection": None, "exact": False})
    lines = ORIGIN.model_copy(update={"line": 99, "file": "b.recipe"})
    made = world.op.output.model_copy(update={"origin": lines})
    shifted = plan.model_copy(update={"recipe": plan.recipe.model_copy(update={"output": made, "path": "b.recipe"})})
    assert dataset.plan_digest(plan) == dataset.plan_digest(moved) == dataset.plan_digest(shifted)
    reseeded = plan.model_copy(update={"recipe": plan.recipe.model_copy(update={"seed": 8})})
    assert dataset.plan_digest(plan) != dataset.plan_digest(reseeded)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["source", "_x", "_source", "_doc_id", "__tokens", "_copy", "TEXT"]), unique=True))
def test_provenance_columns_never_collide(names: list[str]) -> None:
    schema = tuple((name, "string") for name in names)
    op = logical.Write(input=0, output=model.Output(format="parquet", path="o"), seed=1, sources=(source("s", schema),))
    own = [name for name, _ in columns.provenance(op).types()]
    assert not {name.lower() for name in names} & {name.lower() for name in own}
    assert len(set(own)) == 5


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=6), st.text(max_size=6), st.integers(0, 2**31))
def test_draw_is_the_stated_hash(name: str, doc_id: str, seed: int) -> None:
    if "\0" in name + doc_id:
        return
    digest = hashlib.md5("\x1f".join((str(seed), name, doc_id)).encode()).digest()
    number = int.from_bytes(digest[8:], sys.byteorder)
    row = sql(f"SELECT {derivation.draw(seed)} FROM (SELECT {literal(name)} AS source, {literal(doc_id)} AS doc_id)")
    assert row[0][0] == ((number >> 12) + 0.5) / 2**52


if __name__ == "__main__":
    die(Path(sys.argv[1]), sys.argv[2])
