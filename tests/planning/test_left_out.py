"""What plans and `apply` say of unreadable rows and of clauses that reject nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipec import pipeline
from recipec.planning import cautions
from tests.conftest import SOURCE, Run, write_parquet

BAD = "unreadable: 9 of 100 rows: 5 × text is null, 4 × tokens are negative"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_parquet(
        tmp_path / "data/0.parquet",
        "SELECT 'd' || i AS id, CASE WHEN i >= 5 THEN 'some text' END AS text, "
        "CASE WHEN i >= 96 THEN -1 ELSE 7 END AS n, 'a' AS topic FROM range(100) AS r(i)",
    )
    return tmp_path / "a.recipe"


def test_unreadable_rows_are_counted_by_reason(recipe: Path, run: Run) -> None:
    recipe.write_text(SOURCE + 'allow bad 10%\nsample all\noutput parquet "out"\n')
    planned = run("plan", recipe)
    assert BAD in planned.out.splitlines()
    applied = run("apply", recipe, "--yes")
    assert f"{BAD}; see {recipe.parent}/out/unreadable" in applied.out.splitlines()
    recipe.write_text(SOURCE + "allow bad 0.1%\nsample all\n")
    said = run("plan", recipe).err
    message = "9 of 100 rows are unreadable, more than the 0.1% that the recipe allows: 5 × text is null, 4 × tokens are negative"
    assert said.startswith(f"error[R0322]: {message}\n")
    assert "fix the shards, or `allow bad 9.5%`" in said


def test_at_most_five_reasons_are_said(recipe: Path) -> None:
    recipe.write_text(SOURCE + "allow bad 10%\nsample all\n")
    selection = pipeline.plan(recipe, {}).plan.selection
    assert selection is not None
    [one, *_] = (reason for reason in selection.reasons if reason.reason == "unreadable")
    many = [one.model_copy(update={"rejected_by": f"reason {n}", "documents": n}) for n in range(1, 9)]
    said = cautions.unreadable(selection.model_copy(update={"reasons": tuple(many)}))
    assert said == "36 of 100 rows: " + ", ".join(f"{n} × reason {n}" for n in range(8, 3, -1)) + ", 3 more reasons"


def test_nothing_is_said_where_every_row_is_read_and_every_clause_rejects(world: Path, run: Run) -> None:
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE + 'where edu > 0.5\nsample all\noutput parquet "out"\n')
    said = run("plan", recipe).out + run("apply", recipe, "--yes").out
    assert "unreadable" not in said
    assert "no document is rejected" not in said


def test_a_clause_that_rejects_nothing_is_said(world: Path, run: Run) -> None:
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE + "where edu > 0.5\nwhere n > 0\nwhere not duplicate(id)\nsample all\n")
    lines = run("plan", recipe).out.splitlines()
    assert "no document is rejected by `where n > 0`, `where not duplicate(id)`" in lines
