"""What is read as a whole is a regular file of a bounded size: anything else is a diagnostic, at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SOURCE, Run, write_parquet

pytestmark = pytest.mark.slow


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 20 << 30)


MAKE: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "sparse": sparse,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "deep": lambda path: path.write_text("[" * 200_000),
    "digits": lambda path: path.write_text('{"version": ' + "9" * 100_000 + "}"),
}

USES = {
    "x.recipe": 'use x\noutput parquet "out"\n',
    "x.json": 'mixture from "x.json"\nbudget 1K tokens\n',
    "law.json": 'budget 1K tokens { model 1B params, law infolaw("law.json") }\n',
    "x.jsonl": 'target q { examples "x.jsonl", text "{a}" }\nwhere not overlaps(q, ngram: 13)\n',
}


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("name", USES)
def test_what_a_recipe_names_is_bounded(world: Path, run: Run, name: str, kind: str) -> None:
    MAKE[kind](world / name)
    (world / "r.recipe").write_text(SOURCE + USES[name])
    result = run("plan", world / "r.recipe")
    assert result.code == 1
    assert result.err.startswith("error[R")


def test_a_small_file_that_stands_for_very_much_is_refused(world: Path, run: Run) -> None:
    write_parquet(
        world / "runs.parquet", "SELECT 1e8 AS params, 1e9 AS tokens, 1e9 AS unique_tokens FROM range(20000000)"
    )
    result = run("predict", "--law", "std.law.muennighoff_c4", "--runs", world / "runs.parquet")
    assert (result.code, "more than 20,000,000 cells" in result.err) == (1, True)
    write_parquet(world / "x.parquet", "SELECT repeat('a b ', 100000) AS a FROM range(9000)")
    (world / "r.recipe").write_text(SOURCE + USES["x.jsonl"].replace("x.jsonl", "x.parquet"))
    result = run("plan", world / "r.recipe")
    assert (result.code, "bytes in memory, more than" in result.err) == (1, True)


def test_a_line_with_very_many_fields_is_refused(world: Path, run: Run) -> None:
    (world / "data/x.jsonl").write_text(json.dumps({f"c{number}": 1 for number in range(10_001)}) + "\n")
    (world / "r.recipe").write_text('source w { shards "data/x.jsonl", id c0, text c1 }\n')
    result = run("check", world / "r.recipe")
    assert (result.code, "more than 10,000 different fields" in result.err) == (1, True)
