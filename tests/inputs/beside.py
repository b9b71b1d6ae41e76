"""A pool with files of attributes beside it, and recipes over both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from recipec import pipeline
from recipec.diagnostics import Failure
from recipec.ir.execution import ExecutionPlan
from recipec.pipeline import Planned
from tests.conftest import write_parquet

COUNT = 60

RECIPE = """source web {
  shards "data/*"
  ATTRIBUTES
  id id
  text text
  tokens n
  domain = coalesce(topic, "none")
}

where edu > 0.1 or edu is null
criterion edu = column(edu) higher is better
quality { missing worst, weights { edu 1 } }
sample top 50% by edu
quota a where edu > 3 at least 10%
repeat at most 1 times
budget 200 tokens
output parquet "out"
"""

INSIDE = RECIPE.replace("  ATTRIBUTES\n", "")
"""The same, with the attributes in the shards."""

PLAIN = RECIPE.replace("quota a where edu > 3 at least 10%\n", "").replace("200 tokens", "20 tokens")
PLAIN += "shortfall shrink\nallow vanishing\n"

Row = Mapping[str, Any]


def documents(folder: Path, shards: int = 3, more: str = "") -> None:
    for number in range(shards):
        start, stop = number * COUNT // shards, (number + 1) * COUNT // shards
        select = f"SELECT 'd' || i AS id, 'text ' || i AS text, 10 AS n{more} FROM range({start}, {stop}) AS r(i)"
        write_parquet(folder / f"data/{number}.parquet", select)


def scores(count: int = COUNT) -> list[Row]:
    return [{"id": f"d{i}", "edu": i % 17 / 4, "topic": "ab"[i % 2]} for i in range(count)]


def write(path: Path, values: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path if path.suffix == ".jsonl" else path.with_name("lines.tmp")
    lines.write_text("".join(json.dumps(value) + "\n" for value in values))
    if lines != path:
        write_parquet(path, f"SELECT * FROM read_ndjson('{lines}')")
        lines.unlink()


def planned(folder: Path, attributes: str, recipe: str = RECIPE) -> Planned:
    (folder / "a.recipe").write_text(recipe.replace("ATTRIBUTES", attributes))
    return pipeline.plan(folder / "a.recipe", {})


def digest(plan: ExecutionPlan) -> str:
    assert plan.selection is not None
    assert plan.exact
    return plan.selection.digest


def mistake(folder: Path, attributes: str, recipe: str = RECIPE) -> str:
    with pytest.raises(Failure) as raised:
        planned(folder, attributes, recipe)
    return "; ".join(f"{one.code} {one.message} {one.place}" for one in raised.value.diagnostics)


def warned(found: Planned) -> list[str]:
    return [one.message for one in found.diagnostics if one.code in ("R0342", "R0308")]
