"""The dataset: written whole or not at all, the same bytes after any interruption, verified decision by decision."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec import output, selection, storage
from recipec.cli.main import main
from recipec.database.connection import Settings, connect
from recipec.database.sql import literal
from recipec.diagnostics import Failure
from recipec.ir import logical, model
from recipec.ir.execution import ExecutionPlan, Manifest, Shard
from recipec.ir.expressions import Column, Constant
from recipec.ir.selection import Reason, Selection
from recipec.output import columns, derivation, destination

SEED = 7

ORIGIN = model.Origin(file="a.recipe", line=3, column=1, length=6, text='output parquet "out"')

WEB = (("id", "string"), ("text", "string"), ("url", "string"))
CODE = (("id", "string"), ("text", "string"), ("stars", "integer"))


@dataclass(frozen=True)
class World:
    """A folder with shards and the result of `Sample` over them."""

    folder: Path
    plan: ExecutionPlan
    op: logical.Write
    sampled: Path
    selection: Selection

    def with_output(self, **changes: Any) -> World:
        made = self.op.output.model_copy(update=changes)
        recipe = self.plan.recipe.model_copy(update={"output": made})
        return replace(
            self,
            op=self.op.model_copy(update={"output": made}),
            plan=self.plan.model_copy(update={"recipe": recipe}),
        )

    def write(self, threads: int = 1, memory: str = "1GB", **more: Any) -> Manifest:
        with connect(Settings(memory=memory, threads=threads)) as connection:
            return output.write(connection, self.op, self.sampled, self.selection, self.plan, **more)

    @property
    def out(self) -> Path:
        return self.folder / self.op.output.path


def source(name: str, schema: Any) -> model.Source:
    return model.Source(
        name=name,
        shards=(f"data/{name}*.parquet",),
        schema_=schema,
        id=Column(name="id", type="string"),
        text="text",
        tokens=model.TokenCount(by="estimate"),
        domain=Constant(value=name, type="string"),
        origin=ORIGIN,
    )


def make_world(folder: Path, documents: int = 300, **choices: Any) -> World:
    """Two sources of different columns in three shards; every 50th row has no text, every 7th fails a clause."""
    (folder / "data").mkdir(parents=True)
    shards = []
    with connect(Settings(memory="1GB", threads=1)) as connection:
        for name, number, schema in (("web", 0, WEB), ("web", 1, WEB), ("code", 0, CODE)):
            path = f"data/{name}-{number}.parquet"
            last = "'http://é/' || i AS url" if schema is WEB else "i % 90 AS stars"
            connection.execute(
                f"COPY (SELECT 'd{number}-' || i AS id, CASE WHEN i % 50 <> 0 THEN repeat('tëxt ' || i || ' ', "
                f"1 + i % 13) END AS text, {last} FROM range(1, {documents + 1}) AS t(i)) "
                f"TO {literal(str(folder / path))} (FORMAT parquet)"
            )
            file = folder / path
            stat = file.stat()
            shards.append(
                Shard(
                    source=name,
                    path=path,
                    sha256=storage.sha256_file(file),
                    bytes=stat.st_size,
                    mtime_ns=stat.st_mtime_ns,
                    rows=documents,
                    schema_=schema,
                )
            )
        made = model.Output(**({"format": "parquet", "path": "out", "shard": 6_000, "origin": ORIGIN} | choices))
        recipe = make_recipe(folder, made)
        sampled = folder / "sampled.parquet"
        write_sampled(connection, folder, shards, recipe, sampled)
        found = select(connection, sampled)
    plan = ExecutionPlan(
        recipec="0.1.0", recipe=recipe, folder=str(folder), shards=tuple(shards), steps=(), selection=found, exact=True
    )
    return World(folder, plan, logical.Write(input=0, output=made, seed=SEED, sources=recipe.sources), sampled, found)


def make_recipe(folder: Path, made: model.Output) -> model.Recipe:
    return model.Recipe(
        path="a.recipe",
        folder=str(folder),
        canonical='seed 7\noutput parquet "out"\n',
        params=(),
        seed=SEED,
        sources=(source("code", CODE), source("web", WEB)),
        sample=model.Quadmix(
            curves=(
                model.Curve(domain=None, omega=0.5, epsilon=0.3),
                model.Curve(domain="code", lambda_=20.0, omega=0.6),
            )
        ),
        repeats=(model.Repeat(domain=None, most=4, origin=ORIGIN),),
        output=made,
    )


def write_sampled(
    connection: duckdb.DuckDBPyConnection, folder: Path, shards: list[Shard], recipe: model.Recipe, path: Path
) -> None:
    """What `Sample` gives, by the formulas of the design; `merged` is any number."""
    rows = " UNION ALL ".join(
        f"SELECT {literal(s.source)} AS source, id AS doc_id, {literal(s.path)} AS shard, file_row_number AS row, "
        f"{literal(s.source)} AS domain, coalesce(1 + strlen(text) // 4, 0) AS tokens, "
        f"CASE WHEN text IS NULL THEN 'text is null' END AS bad, "
        f"CASE WHEN text IS NOT NULL AND file_row_number % 7 = 0 THEN 'n > 0' END AS rejected_by "
        f"FROM read_parquet({literal(str(folder / s.path))}, file_row_number = true)"
        for s in shards
    )
    connection.execute(
        f"""
        COPY (
            WITH read AS ({rows}),
            pool AS (SELECT *, hash(doc_id) % 1000 / 1000.0 :: DOUBLE AS merged, {derivation.draw(SEED)} AS draw
                FROM read WHERE bad IS NULL AND rejected_by IS NULL),
            ranked AS (SELECT *, sum(tokens) OVER (PARTITION BY domain ORDER BY merged)
                / CAST(sum(tokens) OVER (PARTITION BY domain) AS DOUBLE) AS rank FROM pool),
            expecting AS (SELECT *, {derivation.expected(recipe)} AS expected, 1.7 :: DOUBLE AS scale,
                4.0 :: DOUBLE AS cap FROM ranked),
            drawn AS (SELECT *, CAST({derivation.COPIES} AS INTEGER) AS copies FROM expecting),
            all_ AS (SELECT * FROM drawn UNION ALL BY NAME
                SELECT *, 0 AS copies FROM read WHERE bad IS NOT NULL OR rejected_by IS NOT NULL)
            SELECT source, doc_id, shard, row, domain, tokens, bad, rejected_by, NULL :: VARCHAR AS evidence,
                merged AS score_q, merged, rank, expected, scale, cap, draw, copies,
                CASE WHEN bad IS NOT NULL THEN 'unreadable' WHEN rejected_by IS NOT NULL THEN 'filtered'
                    WHEN copies > 0 AND rank > CASE domain WHEN 'code' THEN 0.6 ELSE 0.5 END THEN 'selected_tail'
                    WHEN copies > 0 THEN 'selected'
                    WHEN rank > CASE domain WHEN 'code' THEN 0.6 ELSE 0.5 END THEN 'below_threshold'
                    ELSE 'not_drawn' END AS reason
            FROM all_ ORDER BY source, doc_id
        ) TO {literal(str(path))} (FORMAT parquet)
        """
    )


def select(connection: duckdb.DuckDBPyConnection, sampled: Path) -> Selection:
    relation = f"read_parquet({literal(str(sampled))})"
    reasons = connection.execute(
        "SELECT domain, reason, rejected_by, count(*), CAST(sum(tokens) AS BIGINT) "
        f"FROM {relation} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    names = ("domain", "reason", "rejected_by", "documents", "tokens")
    return Selection(
        stats=(),
        cells=(),
        reasons=tuple(Reason(**dict(zip(names, row, strict=True))) for row in reasons),
        candidates=sum(row[3] for row in reasons),
        budget=None,
        allocated=None,
        digest=selection.digest(connection, relation),
    )


def tree(folder: Path) -> dict[str, str]:
    """Every file of a folder with its sha256."""
    return {str(p.relative_to(folder)): storage.sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def sql(query: str) -> list[tuple[Any, ...]]:
    with connect(Settings(memory="1GB", threads=1)) as connection:
        return connection.execute(query).fetchall()


def verify(folder: Path) -> list[str]:
    with connect(Settings(memory="1GB", threads=2)) as connection:
        return [problem.code for problem in output.verify(connection, folder)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_a_dataset_holds_what_the_ledger_selects_and_verifies(world: World) -> None:
    made = world.write()
    assert verify(world.out) == []
    assert output.read_manifest(world.out) == made
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
    assert not [path for path in world.folder.iterdir() if path.name.startswith(".")]


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
    assert sorted(path.name for path in world.folder.iterdir()) == ["data", "out", "sampled.parquet"]


@pytest.mark.parametrize("after", [1, 3])
def test_killed_and_resumed_gives_the_same_bytes(world: World, tmp_path: Path, after: int) -> None:
    world = world.with_output(shuffle=True)
    world.write()
    whole = tree(world.out)
    shutil.rmtree(world.out)
    (tmp_path / "world.json").write_text(world.plan.model_dump_json())
    command = [sys.executable, __file__, str(tmp_path), str(after)]
    ended = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert ended.returncode == -signal.SIGKILL
    assert not world.out.exists()
    (partial,) = tmp_path.glob(".out.*.partial")
    finished = {path: path.stat().st_mtime_ns for path in partial.glob("data/part-*")}
    assert len(finished) >= after
    # What is finished is moved, not made again.
    world.write()
    assert tree(world.out) == whole
    assert all((world.out / path.relative_to(partial)).stat().st_mtime_ns == time for path, time in finished.items())
    assert verify(world.out) == []


def killed(folder: Path, after: int) -> None:
    """What the subprocess does: it writes `after` parts of the world in `folder` and kills itself."""
    plan = ExecutionPlan.model_validate_json((folder / "world.json").read_text())
    assert plan.recipe.output is not None
    assert plan.selection is not None
    op = logical.Write(input=0, output=plan.recipe.output, seed=SEED, sources=plan.recipe.sources)
    calls = 0

    def progress(task: str, done: float, total: float, unit: str) -> None:
        nonlocal calls
        calls += task == "write"
        if calls == after:
            os.kill(os.getpid(), signal.SIGKILL)

    World(folder, plan, op, folder / "sampled.parquet", plan.selection).write(progress=progress)


def test_killed_between_manifest_and_rename_only_renames(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(staging: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "publish_folder", stop)
        with pytest.raises(KeyboardInterrupt):
            world.write()
    (partial,) = world.folder.glob(".out.*.partial")
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
    for dataset in loaded:
        assert len(dataset) == made.rows
        assert sum(dataset["_tokens"]) == made.tokens


def test_memory_smaller_than_the_data_scatters_and_gives_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recipec.output import gathering

    world = world.with_output(shuffle=True)
    world.write()
    whole = tree(world.out)
    shutil.rmtree(world.out)
    monkeypatch.setattr(gathering, "MEMORY_SHARE", 0.00002)
    monkeypatch.setattr(gathering, "FAN_OUT", 3)
    world.write()
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("CASE WHEN row = 3 THEN 'lost' ELSE reason END AS reason", "no reason of the closed set"),
        ("CASE WHEN bad IS NOT NULL THEN 1 ELSE copies END AS copies", "a reason that is not their fate"),
        ("CASE WHEN row = 3 THEN 4 ELSE row END AS row", "has 300 rows, and the ledger accounts for 300"),
    ],
)
def test_figures_that_do_not_add_up_publish_nothing(world: World, change: str, message: str) -> None:
    with pytest.raises(Failure, match=message) as caught:
        altered(world, change).write()
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"R0606"}
    assert not world.out.exists()


def test_a_candidate_too_few_publishes_nothing(world: World) -> None:
    path = world.folder / "fewer.parquet"
    sql(f"COPY (FROM '{world.sampled}' WHERE NOT (source = 'code' AND row = 5)) TO '{path}' (FORMAT parquet)")
    with pytest.raises(Failure, match="299"):
        replace(world, sampled=path).write()
    assert not world.out.exists()


def test_selected_rows_that_the_shard_lacks_publish_nothing(world: World) -> None:
    shard = world.folder / "data/code-0.parquet"
    short = world.folder / "short.parquet"
    sql(f"COPY (FROM '{shard}' LIMIT 100) TO '{short}' (FORMAT parquet)")
    short.replace(shard)
    with pytest.raises(Failure, match="must hold") as caught:
        world.write()
    assert caught.value.diagnostics[0].code == "R0612"
    assert not world.out.exists()


def test_columns_that_no_type_holds_are_an_error(world: World) -> None:
    code = world.folder / "data/code-0.parquet"
    changed = world.folder / "changed.parquet"
    sql(f"COPY (SELECT id, text, stars, stars AS url FROM '{code}') TO '{changed}' (FORMAT parquet)")
    changed.replace(code)
    schema = (*CODE, ("url", "integer"))
    shards = tuple(s.model_copy(update={"schema_": schema}) if s.source == "code" else s for s in world.plan.shards)
    sources = (source("code", schema), source("web", WEB))
    other = replace(
        world,
        plan=world.plan.model_copy(update={"shards": shards}),
        op=world.op.model_copy(update={"sources": sources}),
    )
    with pytest.raises(Failure, match="column `url` has types that no one type can hold: VARCHAR in `data/web-0"):
        other.write()
    assert not world.out.exists()


def test_a_disk_that_is_full_is_said_and_nothing_published(world: World, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs the right to mount")
    try:
        with pytest.raises(Failure) as caught:
            world.write(destination=small / "out")
        assert caught.value.diagnostics[0].code == "R0604"
        assert not (small / "out").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_is_no_dataset_is_not_replaced(world: World) -> None:
    world.out.mkdir()
    (world.out / "thesis.tex").write_text("years of work")
    with pytest.raises(Failure, match="no dataset of recipec") as caught:
        world.write()
    assert caught.value.diagnostics[0].code == "R0602"
    assert (world.out / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../elsewhere", "R0601"),
        (".", "R0601"),
        ("data", "R0605"),
        (".recipec/x", "R0605"),
        ("data/webout.parquet", None),
    ],
)
def test_places_where_no_dataset_may_stand(world: World, path: str, code: str | None) -> None:
    moved = world.with_output(path=path)
    if code is None:
        moved.write()
        assert verify(moved.out) == []
        return
    with pytest.raises(Failure) as caught:
        moved.write()
    assert caught.value.diagnostics[0].code == code


def test_a_killed_replacement_leaves_the_old_dataset(world: World) -> None:
    first = world.write()
    world.out.rename(storage.set_aside(world.out))
    assert world.write() == first
    assert not storage.set_aside(world.out).exists()


def test_plan_digest_is_of_what_is_made_not_of_where_or_when(world: World) -> None:
    plan = world.plan
    moved = plan.model_copy(update={"folder": "/elsewhere", "warnings": ("slow",), "selection": None, "exact": False})
    lines = ORIGIN.model_copy(update={"line": 99, "file": "b.recipe"})
    made = world.op.output.model_copy(update={"origin": lines})
    shifted = plan.model_copy(update={"recipe": plan.recipe.model_copy(update={"output": made, "path": "b.recipe"})})
    assert output.plan_digest(plan) == output.plan_digest(moved) == output.plan_digest(shifted)
    reseeded = plan.model_copy(update={"recipe": plan.recipe.model_copy(update={"seed": 8})})
    assert output.plan_digest(plan) != output.plan_digest(reseeded)


def resealed(folder: Path, file: str, query: str) -> None:
    """Replaces a Parquet file of a dataset by a query over it, and the manifest's sums of it, as a forger would."""
    path, other = folder / file, folder.parent / "forged.parquet"
    quoted = literal(str(path))
    sql(f"COPY ({query.format(quoted)}) TO '{other}' (FORMAT parquet)")
    other.replace(path)
    described = json.loads((folder / "manifest.json").read_text())
    for entry in (*described["data"], *described["ledger"]):
        if entry["path"] == file:
            entry |= {"bytes": path.stat().st_size, "sha256": storage.sha256_file(path)}
    (folder / "manifest.json").write_text(json.dumps(described))


LEDGER = "ledger/part-00000.parquet"
FIRST = "CASE WHEN doc_id = 'd0-9' AND source = 'web' THEN {} ELSE {} END AS {}"


@pytest.mark.parametrize(
    ("change", "codes", "rule"),
    [
        (FIRST.format("draw / 2", "draw", "draw"), {"R0626"}, "draw"),
        (FIRST.format("expected + 0.001", "expected", "expected"), {"R0626"}, "expected"),
        (FIRST.format("rank * 0.999", "rank", "rank"), {"R0626"}, "rank"),
        (FIRST.format("'not_drawn'", "reason", "reason"), {"R0626", "R0628"}, "reason"),
        (FIRST.format("3.0", "cap", "cap"), {"R0626"}, "cap"),
        ("(copies + (copies > 0) :: INTEGER) :: INTEGER AS copies", {"R0625", "R0626", "R0627", "R0628"}, "copies"),
    ],
)
def test_a_forged_ledger_is_found(world: World, change: str, codes: set[str], rule: str) -> None:
    world.write()
    resealed(world.out, LEDGER, f"SELECT * REPLACE ({change}) FROM {{}}")
    with connect() as connection:
        problems = output.verify(connection, world.out)
    assert {problem.code for problem in problems} == codes
    assert f"`{rule}` of" in next(problem.message for problem in problems if problem.code == "R0626")


def test_forged_data_are_found(world: World) -> None:
    made = world.write()
    resealed(world.out, made.data[0].path, "SELECT * REPLACE ('d0-1' AS _doc_id) FROM {}")
    assert "R0627" in verify(world.out)


def test_damaged_missing_and_foreign_files_are_found(world: World) -> None:
    made = world.write()
    first, second = (world.out / file.path for file in made.data[:2])
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.unlink()
    (world.out / "data/extra.parquet").write_bytes(b"")
    assert verify(world.out) == ["R0622", "R0623", "R0621"]


def test_the_command_says_ok_or_what_is_wrong(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    made = world.write()
    assert main(["verify", str(world.out)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"ok: {len(made.data) + 2} files, {made.rows:,} rows, ")
    assert made.digest[:16] in shown
    (world.out / made.data[0].path).unlink()
    assert main(["verify", str(world.out), "--json"]) == 1
    assert [one["code"] for one in json.loads(capsys.readouterr().out)["diagnostics"]] == ["R0621"]
    assert main(["verify", str(world.folder)]) == 1
    assert "error[R0705]" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1}', "[" * 100_000])
def test_a_damaged_manifest_is_a_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Failure) as caught:
        output.read_manifest(tmp_path)
    assert caught.value.diagnostics[0].code == "R0607"


def test_a_manifest_that_leads_out_of_its_folder_is_found(world: World) -> None:
    world.write()
    path = world.out / "manifest.json"
    described = json.loads(path.read_text())
    described["unreadable"][0]["path"] = "../sampled.parquet"
    path.write_text(json.dumps(described))
    assert "R0621" in verify(world.out)


def test_the_card_survives_any_recipe_text(world: World) -> None:
    recipe = world.plan.recipe.model_copy(update={"canonical": '````\nwhere x == "``"\n'})
    replace(world, plan=world.plan.model_copy(update={"recipe": recipe})).write()
    text = (world.out / "README.md").read_text()
    assert "`````text\n````\n" in text
    assert "data/*.parquet" in text
    assert "| web | " in text


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


def test_is_whole_sees_a_lost_file(world: World) -> None:
    made = world.write()
    assert destination.is_whole(world.out, made)
    (world.out / made.data[-1].path).unlink()
    assert not destination.is_whole(world.out, made)
    assert world.write() == made
    assert verify(world.out) == []


if __name__ == "__main__":
    killed(Path(sys.argv[1]), int(sys.argv[2]))
