"""Standard streams that are narrow, closed, full, or ASCII only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import RECIPEC, SOURCE, write_parquet

pytestmark = pytest.mark.slow


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_parquet(
        tmp_path / "data/0.parquet",
        "SELECT 'd' || i AS id, 'five words are in here' AS text, 5 AS n, '书籍 é ' || i % 9 AS topic FROM range(300) AS r(i)",
    )
    path = tmp_path / "a.recipe"
    path.write_text(SOURCE + "criterion w = word_count() higher is better\nsample top 50% by w\n")
    return path


def shell(words: str, recipe: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", words.replace("RECIPEC", " ".join(RECIPEC))],
        cwd=recipe.parent,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_output_in_any_encoding(recipe: Path, encoding: str) -> None:
    done = subprocess.run(
        [*RECIPEC, "plan", recipe], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert ("书籍" if encoding == "utf-8" else "\\u4e66\\u7c4d") in text
    assert ("5 ... 5" if encoding in ("ascii", "latin-1") else "5 … 5") in text


def test_a_diagnostic_in_ascii(recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + 'quota "书" at most 3\n')
    done = shell("RECIPEC check a.recipe", recipe, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, "\\u4e66" in done.stderr) == (1, True)
    assert done.stderr.startswith("error[R")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("RECIPEC plan a.recipe --full | head -1 >/dev/null; exit $((PIPESTATUS[0] > 1))", 0),
        ("RECIPEC plan a.recipe --json | head -c 1 >/dev/null; exit $((PIPESTATUS[0] > 1))", 0),
        ("RECIPEC plan a.recipe >/dev/full", 1),
        ("RECIPEC plan a.recipe --json >/dev/full", 1),
        ("RECIPEC check a.recipe >/dev/full", 1),
        ("RECIPEC check a.recipe >&-", 0),
        ("RECIPEC plan a.recipe >&-", 0),
        ("RECIPEC plan a.recipe <&-", 0),
        ("RECIPEC plan a.recipe 2>&-", 0),
        ("COLUMNS=1 RECIPEC plan a.recipe", 0),
        ("COLUMNS=0 RECIPEC plan a.recipe", 0),
        ("COLUMNS=wide RECIPEC plan a.recipe", 0),
        ("COLUMNS=-5 RECIPEC plan a.recipe", 0),
        ("TZ=Nowhere/Else LC_ALL=xx_YY.utf9 RECIPEC plan a.recipe", 0),
    ],
)
def test_streams_that_fail_or_are_odd(recipe: Path, words: str, code: int) -> None:
    done = shell(words, recipe)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
