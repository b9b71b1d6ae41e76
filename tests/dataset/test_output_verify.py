"""A dataset is verified decision by decision: every forgery and every damage is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recipec import dataset
from recipec.cli.main import main
from recipec.database.connection import connect
from recipec.database.sql import literal
from recipec.dataset import destination
from recipec.diagnostics import Failure
from recipec.places import digests
from tests.dataset.small_dataset import (
    World,
    make_world,
    reseal,
    sql,
    verify,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def resealed(folder: Path, file: str, query: str) -> None:
    """Replaces a Parquet file of a dataset by a query over it, and the manifest's sums of it, as a forger would."""
    path, other = folder / file, folder.parent / "forged.parquet"
    quoted = literal(str(path))
    sql(f"COPY ({query.format(quoted)}) TO '{other}' (FORMAT parquet)")
    other.replace(path)
    described = json.loads((folder / "manifest.json").read_text())
    for entry in (*described["data"], *described["ledger"]):
        if entry["path"] == file:
            entry |= {"bytes": path.stat().st_size, "sha256": digests.sha256_file(path)}
    reseal(folder, described)


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
        problems = dataset.verify(connection, world.out)
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


PHASES = '{"version": 1, "recipe": {"phases": 0, "before": true}, "selection": {}}'


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1}', PHASES, "[" * 100_000])
def test_a_damaged_manifest_is_a_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Failure) as caught:
        dataset.read_manifest(tmp_path)
    assert caught.value.diagnostics[0].code == "R0607"


def test_a_manifest_that_leads_out_of_its_folder_is_found(world: World) -> None:
    world.write()
    path = world.out / "manifest.json"
    described = json.loads(path.read_text())
    described["unreadable"][0]["path"] = "../sampled.parquet"
    reseal(world.out, described)
    with pytest.raises(Failure, match="not the path of a file inside a dataset") as caught:
        verify(world.out)
    assert caught.value.diagnostics[0].code == "R0607"


def test_the_card_survives_any_recipe_text(world: World) -> None:
    recipe = world.plan.recipe.model_copy(update={"canonical": '````\nwhere x == "``"\n'})
    replace(world, plan=world.plan.model_copy(update={"recipe": recipe})).write()
    text = (world.out / "README.md").read_text()
    assert "`````text\n````\n" in text
    assert "data/*.parquet" in text
    assert "| web | " in text


def test_is_whole_sees_a_lost_file(world: World) -> None:
    made = world.write()
    assert destination.is_whole(world.out, made)
    (world.out / made.data[-1].path).unlink()
    assert not destination.is_whole(world.out, made)
    assert world.write() == made
    assert verify(world.out) == []
