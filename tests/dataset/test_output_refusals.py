"""What is not written, and what is not replaced."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from recipec.diagnostics import Failure
from tests.dataset.small_dataset import (
    CODE,
    WEB,
    World,
    make_world,
    source,
    sql,
    verify,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def altered(world: World, change: str) -> World:
    """The world with a change to the decisions, an SQL `REPLACE` list."""
    path = world.folder / "altered.parquet"
    sql(f"COPY (SELECT * REPLACE ({change}) FROM '{world.sampled}') TO '{path}' (FORMAT parquet)")
    return replace(world, sampled=path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("CASE WHEN row = 3 THEN 'lost' ELSE reason END AS reason", "no valid reason"),
        ("CASE WHEN bad IS NOT NULL THEN 1 ELSE copies END AS copies", "a reason that contradicts their outcome"),
        ("CASE WHEN row = 3 THEN 4 ELSE row END AS row", "has 300 rows, but the ledger accounts for 300"),
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
    with pytest.raises(Failure, match="must have") as caught:
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
    with pytest.raises(Failure, match="column `url` has types without a common type: VARCHAR in `data/web-0") as caught:
        other.write()
    assert caught.value.diagnostics[0].code == "R0610"
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
    with pytest.raises(Failure, match="not a recipec dataset") as caught:
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
