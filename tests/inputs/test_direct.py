"""Large Parquet shards are read where they are used; whatever is stored of a pool, the same documents are selected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipec import pipeline
from recipec.inputs import reading
from recipec.inputs.facts import facts
from recipec.ir import logical
from recipec.ir.execution import ExecutionPlan
from tests.conftest import SOURCE, Run, rows, write_parquet

pytestmark = pytest.mark.slow

COUNT = 2 * reading.FEW_ROWS + 7

ROWS = f"""
    SELECT 'd' || i AS id, 'text ' || i // 3 AS text, if(i % 1000 = 3, NULL, i % 500 + 1) AS n, 'ab'[i % 2 + 1] AS topic,
        if(i % 997 = 0, 'nan' :: DOUBLE, sin(i)) AS edu, if(i % 10 = 0, NULL, 'l' || i % 3) AS lang
    FROM range({COUNT}) AS r(i)
"""

RECIPE = (
    SOURCE
    + """
where n >= 40 and lang != "l2"
where edu > -0.9

criterion edu = column(edu) higher is better

quality { weights { edu 1 } }

sample quadmix { curve { omega 0.2 } }

allow bad 5%

budget 50K tokens
"""
)


def planned(folder: Path, recipe: str = RECIPE) -> ExecutionPlan:
    (folder / "a.recipe").write_text(recipe)
    return pipeline.plan(folder / "a.recipe", {}).plan


def direct(plan: ExecutionPlan) -> int:
    """How many of a plan's shards are read directly."""
    op = plan.steps[0].op
    assert isinstance(op, logical.Read)
    return len(reading.direct(facts(op).read, plan.shards, Path(plan.folder)))


@pytest.mark.parametrize("more", ["", "where not duplicate(n)\n", 'where text != "text 77"\n'])
def test_a_pool_is_selected_the_same_however_it_is_stored(tmp_path: Path, more: str) -> None:
    recipe = RECIPE.replace("where edu", f"{more}where edu")
    found = {}
    for name, parts, kind in (
        ("large", 1, "parquet"),
        ("mixed", 3, "parquet"),
        ("small", 5, "parquet"),
        ("json", 1, "jsonl"),
    ):
        folder = tmp_path / name
        for part in range(parts):
            # Of the mixed ones only the first is large.
            mine = (
                "i < 15000 AND 0 = {0} OR i >= 15000 AND i % 2 + 1 = {0}" if name == "mixed" else f"i % {parts} = {{0}}"
            )
            if name == "json":
                write_parquet(folder / "x/0.parquet", ROWS.replace("'nan' :: DOUBLE", "1e999"))
                lines = rows(f"SELECT id, text, n, topic, edu, lang FROM '{folder}/x/0.parquet'")
                names = ("id", "text", "n", "topic", "edu", "lang")
                text = "\n".join(json.dumps(dict(zip(names, line, strict=True))) for line in lines)
                (folder / "data").mkdir(parents=True)
                (folder / "data/0.jsonl").write_text(text.replace("Infinity", "1e999") + "\n")
            else:
                write_parquet(folder / f"data/{part}.parquet", f"{ROWS} WHERE {mine.format(part)}")
        plan = planned(folder, recipe.replace("data/*.parquet", f"data/*.{kind}"))
        assert direct(plan) == (0 if "text !=" in more else {"large": 1, "mixed": 1}.get(name, 0))
        selection = plan.selection
        assert selection is not None
        reasons = [(one.domain, one.reason, one.rejected_by, one.documents, one.tokens) for one in selection.reasons]
        found[name] = (selection.digest, selection.stats, reasons)
    assert found["large"] == found["mixed"] == found["small"] == found["json"]
    assert found["large"][0]


def test_a_changed_threshold_reads_nothing_again(tmp_path: Path, run: Run) -> None:
    write_parquet(tmp_path / "data/0.parquet", ROWS)
    assert direct(planned(tmp_path)) == 1
    columns = {
        path: path.stat().st_mtime_ns for path in tmp_path.glob(".recipec/steps/*/*.bin") if path.stem != "passing"
    }
    assert columns
    changed = planned(tmp_path, RECIPE.replace("n >= 40", "n >= 60"))
    assert [step.action for step in changed.steps][:3] == ["reuse", "run", "run"]
    assert {path: path.stat().st_mtime_ns for path in columns} == columns
    again = [path for path in tmp_path.glob(".recipec/steps/*/*.bin") if path.stem != "passing"]
    assert set(again) == set(columns)
    fresh = tmp_path / "fresh"
    write_parquet(fresh / "data/0.parquet", ROWS)
    first = planned(fresh, RECIPE.replace("n >= 40", "n >= 60"))
    assert first.selection == changed.selection


def test_a_ledger_of_what_is_read_directly(tmp_path: Path, run: Run) -> None:
    write_parquet(tmp_path / "data/0.parquet", ROWS)
    (tmp_path / "a.recipe").write_text(RECIPE + '\noutput parquet "out"\n')
    assert run("apply", tmp_path / "a.recipe", "--yes").code == 0
    assert run("verify", tmp_path / "out").code == 0
    ledger = f"FROM '{tmp_path}/out/ledger/*.parquet'"
    assert rows(f"SELECT count(*), count(DISTINCT row) {ledger}") == [(COUNT, COUNT)]
    assert rows(f"SELECT bad, rejected_by, evidence {ledger} WHERE doc_id = 'd3'") == [("tokens are null", None, None)]
    assert rows(f"SELECT rejected_by, evidence {ledger} WHERE doc_id = 'd44'") == [
        ('n >= 40 and lang != "l2"', "lang = l2")
    ]
    assert rows(f"SELECT rejected_by, evidence {ledger} WHERE doc_id = 'd1'") == [('n >= 40 and lang != "l2"', "n = 2")]


def test_a_damaged_column_is_made_again(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data/0.parquet", ROWS)
    first = planned(tmp_path).selection
    [mask] = tmp_path.glob(".recipec/steps/*/passing.bin")
    [draws] = tmp_path.glob(".recipec/steps/*/draw.bin")
    for path in (mask, draws):
        path.write_bytes(path.read_bytes()[:-1])
        for facts_ in tmp_path.glob(".recipec/steps/*/result.json"):
            if "digest" in facts_.read_text():
                facts_.unlink()
        assert planned(tmp_path).selection == first
