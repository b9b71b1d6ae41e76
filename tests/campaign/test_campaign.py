"""The short form of the campaign, a minute or two of one core; by hand: `python -m tests.campaign`.

The campaign itself is tested, too: each kind of it notices what is wrong.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from recipec.places import local
from tests.campaign import faults, fuzz, injection, kills, targets, world
from tests.campaign.strings import SECRET
from tests.campaign.works import WORKS
from tests.campaign.world import Figures, Machine

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")]

QUICK = ("apply over another", "fmt")
"""Commands that import no libraries for models."""


def test_killed_commands_leave_nothing_torn() -> None:
    found = kills.piece(0, 1, 1, QUICK)
    assert found.wrong == []
    assert {f"{name}: kills by moment" for name in QUICK} <= found.tried.keys()


def test_faults_are_survived_or_said() -> None:
    found = faults.piece(0, 1, 1)
    assert found.wrong == []
    # Where disks cannot be mounted, none is full.
    kinds = {trial.kind for trial in faults.trials()}
    assert found.tried.keys() == (kinds - {"full disk"} if found.notes else kinds)


def test_readers_raise_failures_only(tmp_path: Path) -> None:
    with Machine() as machine:
        for name, cost in targets.COST.items():
            folder = tmp_path / name
            folder.mkdir()
            found = fuzz.by_chance(name, max(100, 12 * cost), "short", machine, folder)
            assert found.wrong == []


@pytest.mark.parametrize(("pieces", "names"), [(2, ["data"]), (12, ["recipe", "documents", "tables", "words"])])
def test_strings_do_nothing(pieces: int, names: list[str]) -> None:
    """Of 12 strings 6 as data, and one everywhere else."""
    found = injection.piece(0, pieces, 12, names)
    assert found.wrong == []
    assert set(found.tried.values()) == {12 // pieces}


# The campaign notices faults.


def test_a_torn_file_is_noticed(tmp_path: Path) -> None:
    [work] = (work for work in WORKS if work.name == "fmt")
    with Machine() as machine:
        stand = kills.made(work, machine, tmp_path)
        stand.reset()
        assert stand.torn() == ""
        text = stand.destination.read_text()
        stand.destination.write_text(text[:-1])
        assert stand.torn() == "torn: "
        stand.destination.unlink()
        assert stand.torn() == "what was there is gone"


def test_other_bytes_are_noticed(tmp_path: Path) -> None:
    with Machine() as machine:
        bench = faults.Bench(tmp_path, machine, world.PLAIN, count=20, shards=2)
        ended = bench.call("verify", "o/out")
        assert bench.same(ended) == ""
        faults.damage([path for path in bench.out.rglob("*") if path.is_file()], random.Random(1))
        assert bench.same(ended) == "exit code 0, but other bytes"


def test_a_read_secret_a_written_file_and_a_control_character_are_noticed(tmp_path: Path) -> None:
    figures = Figures()
    with Machine() as machine:
        yard = injection.Yard(tmp_path, machine, figures)
        (yard.folder / "o/x").write_text(SECRET)
        (yard.outside / "w").touch()
        yard.run("place", "string", "--version")
    assert [one.split(": ")[1].split(":")[0].split(";")[0] for one in figures.wrong] == [
        "something outside was changed",
        "a file outside is in the dataset",
    ]
    assert not (yard.outside / "w").exists()


def test_an_exception_is_found_and_its_input_is_made_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def target(data: bytes, folder: Path) -> None:
        if b"repeat" in data:
            raise KeyError(0)

    monkeypatch.setitem(targets.TARGETS, "parser", target)
    with Machine() as machine:
        found = fuzz.by_chance("parser", 1000, "short", machine, tmp_path)
    assert [one.rpartition(": ")[2] for one in found.wrong] == ["b'repeat'"]


def test_a_piece_is_recorded_wholly_or_not(tmp_path: Path) -> None:
    """What the long form goes on with."""
    from tests.campaign.__main__ import _read

    state = tmp_path / "campaign.json"
    assert _read(state) == {}
    local.write_text(state, '{"fuzz 0 1": {"tried": {"x": 1}, "wrong": [], "notes": []}}')
    assert _read(state)["fuzz 0 1"].tried == {"x": 1}
