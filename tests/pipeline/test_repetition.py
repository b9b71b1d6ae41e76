"""Repetition limits from the recipe to the dataset: drawn, written, verified, explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import SOURCE, Run, rows

SKEWED = SOURCE + 'mixture { a 90%, b 5%, c 5% }\nbudget BUDGET tokens\noutput parquet "out"\n'
"""Of a there are 4,300 tokens: at most 19,000 tokens of this mixture with four copies of each document."""


@pytest.mark.parametrize(
    ("text", "budget", "most", "explained"),
    [
        ("", "18K", 4, "4 copies  [std.repeat.epochs (default):4]"),
        ("repeat at most 4 times\n", "18K", 4, "4 copies  [a.recipe:11]"),
        ("repeat unlimited\n", "36K", 8, ""),
        ("repeat unlimited\nrepeat at most n times\n", "36K", 8, "20 copies  [a.recipe:11]"),
        ("repeat a unlimited\n", "36K", 8, ""),
    ],
)
def test_a_limit_holds_until_it_is_lifted(
    world: Path, run: Run, monkeypatch: pytest.MonkeyPatch, text: str, budget: str, most: int, explained: str
) -> None:
    monkeypatch.chdir(world)
    Path("a.recipe").write_text(SKEWED.replace("BUDGET", budget) + text)
    assert run("apply", "a.recipe", "--yes").code == 0
    verified = run("verify", "out")
    assert verified.code == 0, verified.out + verified.err
    [(copies, document)] = rows("SELECT max(copies), min(doc_id) FROM 'out/ledger/*.parquet' WHERE domain = 'a'")
    assert copies == most
    shown = run("explain", "out", document).out
    found = re.search(r"^  repetition limit +at most (.*)$", shown, re.MULTILINE)
    assert (found[1] if found else "") == explained
