"""Damage to the state folder: the same bytes of the dataset, a note where it was met, and never a traceback."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.conftest import LONG, Run
from tests.pipeline import damage
from tests.pipeline.damage import DAMAGES, Damage, apply, flip, stored

pytestmark = pytest.mark.slow


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return damage.make(tmp_path, phases=False)


def kept(recipe: Path, place: Path) -> Path:
    """The copy of the state folder."""
    return Path(shutil.copytree(recipe.parent / ".recipec", place))


def restore(recipe: Path, copy: Path, *without: str) -> None:
    shutil.rmtree(recipe.parent / ".recipec")
    shutil.copytree(copy, recipe.parent / ".recipec")
    for name in without:
        for path in (recipe.parent / ".recipec").glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def trial(run: Run, recipe: Path, whole: dict[str, bytes], name: str, how: Damage, seed: str) -> bool:
    """Damages a file and writes the dataset; returns whether the damage was met."""
    path = recipe.parent / ".recipec" / name
    how(path, random.Random(seed))
    before, started = path.read_bytes() if path.is_file() else None, time.time_ns()
    found, said = apply(run, recipe)
    differing = [file for file in whole if found.get(file) != whole[file]]
    assert not differing, (name, how.__name__, seed, differing)
    assert found.keys() == whole.keys()
    after = path.read_bytes() if path.is_file() else None
    if before == after:
        # Nothing needed it.
        return False
    # A mask is written anew with the columns that it is of, whether it is damaged or not.
    columns = list((path.parent.parent).glob("*/tokens.bin"))
    anew = (path.parent / "passing.bin").exists() and all(one.stat().st_mtime_ns > started for one in columns)
    if how is not damage.gone and name not in UNSAID and not anew:
        assert "is made again" in said or ".put-away-" in str(list(path.parent.iterdir())), (name, how.__name__, seed)
    return True


UNSAID = frozenset({"lock", "lock.json"})
"""Files on whose content nothing depends."""


def test_a_run_after_any_damage_gives_the_same_bytes(tmp_path: Path, run: Run) -> None:
    (tmp_path / "world").mkdir()
    recipe = damage.make(tmp_path / "world", phases=False)
    whole, said = apply(run, recipe)
    assert "made again" not in said
    copy = kept(recipe, tmp_path / "copy")
    chance = random.Random(11)
    names = [str(path.relative_to(recipe.parent / ".recipec")) for path in stored(recipe)]
    met = 0
    for name in chance.sample(names, 6):
        how = chance.choice(DAMAGES)
        met += trial(run, recipe, whole, name, how, f"{name} {how.__name__}")
        restore(recipe, copy)
    assert met


@pytest.mark.parametrize("phases", [False, True] if LONG else [True])
def test_hundreds_of_damages(tmp_path: Path, run: Run, phases: bool) -> None:
    """Every file, with all else stored, and without what is made of it; with CAMPAIGN=1 all of them, else some."""
    (tmp_path / "world").mkdir()
    recipe = damage.make(tmp_path / "world", phases)
    whole, _ = apply(run, recipe)
    copy = kept(recipe, tmp_path / "copy")
    names = [str(path.relative_to(recipe.parent / ".recipec")) for path in stored(recipe)]
    met: set[str] = set()
    step = 1 if LONG else 19
    for name in names[::step]:
        for number, how in enumerate((flip, flip, random.Random(name).choice(DAMAGES))):
            without: tuple[str, ...] = ()
            if number % 2:
                # What is made of it is not stored.
                own = name.split("/")[1] if name.startswith("steps/") else ""
                steps = [path.name for path in (copy / "steps").iterdir()]
                without = tuple(f"steps/{step}" for step in steps if step != own)
            restore(recipe, copy, *without)
            if trial(run, recipe, whole, name, how, f"{name} {number}"):
                met.add(name)
    unmet = sorted({name for name in names[::step] if not name.endswith(("lock", "sums"))} - met)
    assert not unmet


def test_the_plan_says_that_a_damaged_step_runs(recipe: Path, run: Run) -> None:
    apply(run, recipe)

    def actions() -> tuple[dict[str, str], list[str]]:
        found = run("plan", recipe, "--json")
        assert found.code == 0
        said = [line for line in found.err.splitlines() if line.startswith("recipec:")]
        return {step["id"]: step["action"] for step in json.loads(found.out)["steps"]}, said

    before, said = actions()
    assert (set(before.values()), said) == ({"reuse"}, [])
    copy = kept(recipe, recipe.parent / "copy")
    for step, action in before.items():
        path = recipe.parent / ".recipec/steps" / step / "result.json"
        if path.exists():
            flip(path, random.Random(step))
            after, said = actions()
            assert after[step] == "run", (step, action)
            words = f"a stored result of step {step[:12]} is damaged or has no checksum; it is made again"
            assert said == [f"recipec: {words}"]
            assert actions() == (before, [])
    restore(recipe, copy)


def test_columns_that_are_damaged_are_made_again_by_the_plan_that_reads_them(recipe: Path, run: Run) -> None:
    apply(run, recipe)
    column = next((recipe.parent / ".recipec/steps").glob("*/draw.bin"))
    content = column.read_bytes()
    flip(column, random.Random(1))
    recipe.write_text(recipe.read_text().replace("omega 0.8", "omega 0.7"))
    found = run("plan", recipe, "--json")
    assert found.code == 0
    steps = {step["op"]["kind"]: step["action"] for step in json.loads(found.out)["steps"]}
    assert (steps["gather"], steps["sample"]) == ("run", "run")
    assert found.err.count("is made again") == 1
    assert column.read_bytes() == content


def test_strange_folders_and_files_do_not_stop_a_run(recipe: Path, run: Run) -> None:
    whole, _ = apply(run, recipe)
    state = recipe.parent / ".recipec"
    shutil.rmtree(state)
    state.mkdir()
    for name in ("lock", "lock.json", "index.duckdb", "rates.json", "schemas.json"):
        (state / name).mkdir()
    for name in ("steps", "tmp", "repacked", "features"):
        (state / name).write_text("mine")
    assert apply(run, recipe)[0] == whole
    assert (state / "steps.put-away-1").read_text() == "mine"
    state_of = {path.name for path in state.iterdir()}
    assert {"lock.put-away-1", "index.duckdb.put-away-1", "tmp.put-away-1"} <= state_of


@pytest.mark.parametrize("version", [2, 4])
def test_an_index_of_another_version_is_made_again(recipe: Path, run: Run, version: int) -> None:
    from recipec.database.connection import connect

    whole, _ = apply(run, recipe)
    with connect(database=recipe.parent / ".recipec/index.duckdb") as connection:
        connection.execute(f"UPDATE version SET number = {version}; ALTER TABLE shards DROP COLUMN kinds")
    assert apply(run, recipe)[0] == whole


def test_a_repaired_shard_that_is_damaged_is_repaired_again(tmp_path: Path, run: Run) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [b"plain words %d" % number for number in range(30)] + [b"\xff\xfe no text"]
    names = pa.array([f"d{number}" for number in range(31)])
    # Without a check, as others write such files.
    text = pa.Array.from_buffers(pa.string(), 31, pa.array(texts, pa.binary()).buffers())
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"id": names, "text": text, "n": [3] * 31}), tmp_path / "data/0.parquet")
    recipe = tmp_path / "r.recipe"
    recipe.write_text(
        'source web {\n  shards "data/*.parquet"\n  id id\n  text text\n  tokens n\n}\n'
        'allow bad 10%\nsample all\noutput parquet "out"\n'
    )
    first = run("apply", recipe, "--yes")
    assert (first.code, "strings that are not UTF-8" in first.err) == (1, True)
    whole, _ = apply(run, recipe)
    [repaired] = (tmp_path / ".recipec/repacked").glob("*.parquet")
    content, met = repaired.read_bytes(), 0
    for number, how in enumerate(DAMAGES[:3]):
        for path in (tmp_path / ".recipec").glob("steps"):
            shutil.rmtree(path)
        how(repaired, random.Random(number))
        found, said = apply(run, recipe)
        assert found == whole, how.__name__
        assert repaired.read_bytes() == content
        met += "is made again" in said
    assert met == 3
