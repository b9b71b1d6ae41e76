"""What a `Read` derives from texts is stored, and thresholds are compared anew without them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recipec import pipeline
from recipec.inputs.facts import facts
from recipec.inputs.kept import keeping
from recipec.ir import logical
from tests.conftest import RECIPEC, REPOSITORY, rows, write_parquet

pytestmark = pytest.mark.slow

SOURCE = """source web {
  shards "data/*"
  id id
  text text
  TOKENS
  domain topic
}
"""

ROWS = (
    "SELECT 'd' || i AS id, CASE WHEN i % 11 = 0 THEN NULL WHEN i % 5 = 0 THEN '  Word ' || i "
    "ELSE repeat('ab c ', i % 7) || i END AS text, 3 + i % 4 AS n, ['a', 'b'][1 + i % 2] AS topic FROM range(200) AS r(i)"
)

CLAUSES = [
    "length(text) >= 9",
    "length(text) >= 12 and n > 3",
    "length(text) / n > 3.0",
    'text matches "b c"',
    'not (contains(text, "Word"))',
    'lower(text) != "  word 5" and length(trim(text)) < 30',
    'starts_with(text, "ab") or n == 4',
    'length(text) % 2 == 0 or text == "12"',
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_parquet(tmp_path / "data/0.parquet", ROWS)
    return tmp_path


def decided(folder: Path, clause: str, tokens: str = "tokens n") -> list[tuple[Any, ...]]:
    """What a recipe with a clause decides about every document, with what the clause compared."""
    recipe = folder / "a.recipe"
    recipe.write_text(SOURCE.replace("TOKENS", tokens) + f"where {clause}\nallow bad 20%\nsample all\n")
    path = pipeline.decided(pipeline.plan(recipe, {}).plan)
    assert path is not None
    return rows(f"SELECT doc_id, tokens, bad, rejected_by, evidence FROM '{path}' ORDER BY doc_id")


@pytest.mark.parametrize("tokens", ["", "tokens n"])
def test_stored_values_decide_as_texts_do(folder: Path, tokens: str) -> None:
    """One shard is read by stored values, many small ones are read together without."""
    kept = {clause: decided(folder, clause, tokens) for clause in (*CLAUSES, *CLAUSES)}
    shutil.rmtree(folder / ".recipec")
    (folder / "data/0.parquet").unlink()
    for part in range(3):
        write_parquet(folder / f"data/{part}.parquet", f"SELECT * FROM ({ROWS}) WHERE hash(id) % 3 = {part}")
    assert kept == {clause: decided(folder, clause, tokens) for clause in CLAUSES}


@pytest.mark.parametrize(
    ("clause", "texts"),
    [
        ("length(text) >= 9", False),
        ("length(text) / n > 3.0 and n < 9", False),
        ('text matches "b c" or text is null', False),
        ('lower(text) == "x"', True),
        ('text == "x"', True),
    ],
)
def test_what_needs_no_text_a_second_time(folder: Path, clause: str, texts: bool) -> None:
    recipe = folder / "a.recipe"
    recipe.write_text(SOURCE.replace("TOKENS", "") + f"where {clause}\nallow bad 20%\nallow empty\nsample all\n")
    [read] = [step.op for step in pipeline.plan(recipe, {}).plan.steps if isinstance(step.op, logical.Read)]
    assert keeping(facts(read).read, folder, nulls=True).texts is texts


def test_a_changed_threshold_tokenises_nothing(folder: Path) -> None:
    """The second plan runs where the tokenizers' package cannot be imported."""
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(folder / "words.json"))
    first = decided(folder, "length(text) >= 9", 'tokens by "words.json"')
    (folder / "none").mkdir()
    (folder / "none/tokenizers.py").write_text("raise ImportError")
    recipe = folder / "a.recipe"
    recipe.write_text(recipe.read_text().replace(">= 9", ">= 12"))
    said = subprocess.run(
        [*RECIPEC, "plan", "a.recipe"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "none"), str(REPOSITORY)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    second = decided(folder, "length(text) >= 12", 'tokens by "words.json"')
    assert [row[:2] for row in first] == [row[:2] for row in second]
    assert first != second
