"""Files that are not what a command expects: each is a diagnostic of that command, and none is waited for."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import RECIPEC, Run

pytestmark = pytest.mark.slow

COMMANDS = {
    "apply": ["apply", "FILE", "--yes"],
    "show": ["show", "FILE"],
    "diff": ["diff", "FILE", "mix.recipe"],
    "explain": ["explain", "FILE", "doc-1"],
    "verify": ["verify", "FILE"],
    "plan": ["plan", "FILE"],
}

WRITE: dict[str, Callable[[Path], object]] = {
    "binary.plan": lambda path: path.write_bytes(os.urandom(900)),
    "binary": lambda path: path.write_bytes(b"PAR1\0\1\2" * 90),
    "empty.plan": lambda path: path.write_text(""),
    "list.plan": lambda path: path.write_text("[1, 2]"),
    "list.json": lambda path: path.write_text("[1, 2]"),
    "object.json": lambda path: path.write_text('{"a": 1}'),
    "report.json": lambda path: path.write_text('{"kind": "strange", "version": 1}'),
    "deep.plan": lambda path: path.write_text("[" * 100_000),
    "number.plan": lambda path: path.write_text('{"steps": [], "version": ' + "9" * 5000 + "}"),
    "words.plan": lambda path: path.write_text("the plan is to win"),
    "folder": lambda path: path.mkdir(),
    "fifo": lambda path: os.mkfifo(path),
    "fifo.plan": lambda path: os.mkfifo(path),
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "zero.plan": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to("loop"),
    "none": lambda path: None,
    "none.plan": lambda path: None,
    "n" * 300: lambda path: None,
}


@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_odd_file_is_a_diagnostic(
    mix: Path, run: Run, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    monkeypatch.chdir(mix.parent)
    WRITE[name](mix.parent / name)
    result = run(*(name if word == "FILE" else word for word in COMMANDS[command]))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error[R")
    recipes = ("R0007", "R0008", "R0009", "R0010")
    if command in ("apply", "show", "diff") and name not in ("none",):
        assert not any(code in result.err for code in recipes), "it is read as a recipe"


def test_what_is_said_of_plan_files(mix: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mix.parent)
    assert run("plan", mix, "-o", "good.plan").code == 0
    good = Path("good.plan").read_text()
    value = json.loads(good)
    made = {
        "binary": ("this is not a plan file: its bytes are not text", os.urandom(99) + b"\xff\0"),
        "empty": ("this is not a plan file: it is empty", b"\n"),
        "words": ("this is not a plan file: not JSON", b"to win"),
        "other": ("this is JSON, but not a plan file", b'{"version": 1}'),
        "report": ("this is a report of `search`, but not a plan file", b'{"kind": "search", "version": 1}'),
        "cut": ("the plan file is cut off or damaged: not JSON", good[:-30].encode()),
        "version": ("the plan file has version 99, expected", json.dumps({**value, "version": 99}).encode()),
        "damaged": ("the plan file is damaged at `seed`", json.dumps({**value, "seed": 3}).encode()),
    }
    for name, (expected, content) in made.items():
        path = Path(f"{name}.plan")
        path.write_bytes(content)
        said = run("apply", path, "--yes").err
        assert said.startswith(f"error[R0707]: {expected}"), said
        assert "= help: " in said
    assert run("apply", "none.plan").err.startswith("error[R0706]: the plan file cannot be read: No such file")


def test_fmt_keeps_permissions_and_symbolic_links(tmp_path: Path, run: Run) -> None:
    real, link = tmp_path / "sub/real.recipe", tmp_path / "link.recipe"
    real.parent.mkdir()
    real.write_text("seed   3\n")
    real.chmod(0o640)
    link.symlink_to("sub/real.recipe")
    assert run("fmt", link).code == 0
    assert link.is_symlink()
    assert (real.read_text(), stat.S_IMODE(real.stat().st_mode)) == ("seed 3\n", 0o640)
    assert [path.name for path in real.parent.iterdir()] == ["real.recipe"]


def test_results_are_written_through_links_and_into_devices(mix: Path, run: Run) -> None:
    """A rename would replace the device, which root may do."""
    mix.with_name("a.plan").symlink_to("b.plan")
    assert run("plan", mix, "-o", mix.with_name("a.plan")).code == 0
    assert mix.with_name("b.plan").is_file()
    assert run("plan", mix, "-o", "/dev/null", "--html", "/dev/null").code == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    done = subprocess.run(
        [*RECIPEC, "plan", mix, "--summary-md", "/dev/stderr"], capture_output=True, text=True, check=True
    )
    assert "## recipec plan" in done.stderr


@pytest.mark.parametrize("option", ["--html", "--summary-md", "-o"])
def test_a_result_that_cannot_be_written_is_a_diagnostic(mix: Path, run: Run, option: str) -> None:
    result = run("plan", mix, option, mix.parent / "data/0.parquet/x")
    assert result.code == 1
    assert "error[R0706]" in result.err
