"""Columns of a pool on disk: made once for many rules, made again where they are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipec import pipeline
from recipec.ir.execution import ExecutionPlan
from tests.conftest import write_parquet

pytestmark = pytest.mark.slow

RECIPE = """source web { shards "data/*.parquet", id id, text text, tokens n, domain topic }
criterion edu = column(edu) higher is better
criterion ppl = column(ppl) lower is better
quality { weights { edu EDU, ppl 0.5 } }
sample quadmix { curve { omega OMEGA } }
quota a at most QUOTA%
repeat at most 4 times
budget 2_000 tokens
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_parquet(
        tmp_path / "data/0.parquet",
        "SELECT 'd' || i AS id, 'text' AS text, 3 + i % 40 AS n, ['a', 'b'][1 + i % 2] AS topic, "
        "hash(i) % 100 / 7.0 AS edu, hash(i, 1) % 100 AS ppl FROM range(500) AS r(i)",
    )
    return tmp_path


def planned(folder: Path, **rules: Any) -> ExecutionPlan:
    text = RECIPE
    for name, value in ({"EDU": 0.5, "OMEGA": 0.3, "QUOTA": 40} | rules).items():
        text = text.replace(name, str(value))
    (folder / "a.recipe").write_text(text)
    return pipeline.plan(folder / "a.recipe", {}).plan


def columns(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(folder.glob(".recipec/steps/*/*.bin"))}


@pytest.mark.parametrize("rules", [{"EDU": 0.9}, {"OMEGA": 0.05}, {"QUOTA": 20}])
def test_other_rules_use_the_same_columns(folder: Path, rules: dict[str, Any]) -> None:
    first = planned(folder)
    made = columns(folder)
    assert len(made) == 5
    second = planned(folder, **rules)
    assert columns(folder) == made
    assert first.selection is not None
    assert second.selection is not None
    assert first.selection.digest != second.selection.digest


@pytest.mark.parametrize("harm", ["cut", "gone", "facts"])
def test_damaged_columns_are_made_again(folder: Path, harm: str) -> None:
    first = planned(folder)
    path = next(iter(columns(folder)))
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    elif harm == "gone":
        path.unlink()
    else:
        (path.parent / "result.json").write_text('{"rows": 3}')
    planned(folder, OMEGA=0.2)
    again = planned(folder)
    assert first.selection == again.selection
