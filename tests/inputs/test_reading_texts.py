"""Texts in expressions may hold any character, though outputs are named after the expressions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run

pytestmark = pytest.mark.slow

RECIPE = """source web {{ shards "*.jsonl", id id, text text }}
where not contains(text, "{text}")
where length(text) + length("{text}") > 3
sample all
output jsonl "out" {{ compression none }}
"""


@pytest.mark.parametrize("text", ["`", "a`b", "``", "[", "[1]", "a[x]", ".", "a..b", "a.`b", "'", "\\\\", "%", "$1"])
def test_a_clause_compares_with_any_text(tmp_path: Path, run: Run, text: str) -> None:
    value = text.replace("\\\\", "\\")
    rows = [{"id": f"d{n}", "text": f"some words {value} {n}" if n % 2 else f"some words {n}"} for n in range(6)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tmp_path / "a.recipe"
    recipe.write_text(RECIPE.format(text=text))
    assert run("plan", recipe, "-o", tmp_path / "a.plan").code == 0
    assert run("apply", tmp_path / "a.plan").code == 0
    found = "".join(path.read_text() for path in sorted((tmp_path / "out/data").iterdir()))
    assert [json.loads(line)["id"] for line in found.splitlines()] == [
        row["id"] for row in rows if value not in row["text"]
    ]
