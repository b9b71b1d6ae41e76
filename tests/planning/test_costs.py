"""What operations take: who gets the time of a shared scan, what is observed in plans, and what plans then say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recipec import pipeline, planning
from recipec.ir import logical
from recipec.places.state import Store
from recipec.planning import costs, rates
from recipec.planning.costs import Measured, Setting
from tests.conftest import SOURCE, Run, write_parquet

SETTING = Setting(2, "local", "auto")


def recipe(folder: Path, *lines: str) -> Path:
    path = folder / "a.recipe"
    path.write_text(SOURCE + "\n".join([*lines, 'output parquet "out"']) + "\n")
    return path


def operations(folder: Path, *lines: str) -> list[logical.Op]:
    return list(planning.optimise(planning.lower(pipeline.compile_recipe(recipe(folder, *lines), {}).recipe)).ops)


def observed(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Work and seconds, by operation."""
    histories = rates.load(Store.beside(folder)).histories
    return {one.operation: [(seen.work, seen.seconds) for seen in one.observations] for one in histories}


def planned(run: Run, path: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The costs of a plan, by operation."""
    result = run("plan", path, "--json", *words)
    assert result.code == 0, result.err
    steps = json.loads(result.out)["steps"]
    names = [
        f"score {step['op']['call']['name']}" if step["op"]["kind"] == "score" else step["op"]["kind"] for step in steps
    ]
    return {name: step["cost"] for name, step in zip(names, steps, strict=True)}


def test_a_shared_scan_is_divided_by_what_its_scores_cost(world: Path) -> None:
    ops = operations(world, "where word_count() > 2 and non_ascii_ratio() < 0.5")
    cheap, dear = (
        next(op for op in ops if isinstance(op, logical.Score) and op.call.function == name)
        for name in ("non_ascii_ratio", "word_count")
    )
    one, other = costs.split(9.0, [(cheap, 1e6), (dear, 1e6)])
    assert one.seconds + other.seconds == pytest.approx(9)
    assert other.seconds / one.seconds == pytest.approx(17)  # as their specs say
    one, other = costs.split(9.0, [(cheap, 17e6), (dear, 1e6)])
    assert one.seconds == pytest.approx(other.seconds)
    assert [part.work for part in (one, other)] == [17e6, 1e6]
    assert costs.split(9.0, [(cheap, 0)]) == [Measured(cheap, 0, 9.0)]


def test_time_without_work_counts_for_the_rest_of_the_operation(world: Path) -> None:
    ops = {op.kind: op for op in operations(world)}
    parts = [Measured(ops["sample"], 0, 2.0), Measured(ops["rank"], 50, 1.0), Measured(ops["sample"], 50, 3.0)]
    rank, sample = costs.histories(parts, SETTING)
    assert [one.seconds for one in rank.observations] == [1.0]
    assert [(one.work, one.seconds) for one in sample.observations] == [(50, 5.0)]


def test_each_operation_has_the_unit_on_which_its_time_depends(world: Path) -> None:
    ops = {op.kind: op for op in operations(world, "where word_count() > 2")}
    assert {kind: costs.work(op, 7, 900) for kind, op in ops.items()} == {
        **dict.fromkeys(("read", "filter", "gather", "rank", "sample"), 7),
        **dict.fromkeys(("score", "write"), 900),
    }
    read = ops["read"]
    assert isinstance(read, logical.Read)
    counted = read.source.tokens.model_copy(update={"by": "tokenizer", "tokenizer": "t.json", "column": None})
    tokens = read.model_copy(update={"source": read.source.model_copy(update={"tokens": counted})})
    assert costs.work(tokens, 7, 900) == 900
    assert costs.assumed(tokens) == costs.TOKENS
    score = ops["score"]
    assert isinstance(score, logical.Score)
    by_model = score.call.model_copy(update={"function": "perplexity", "params": {"model": "tiny"}})
    text = score.model_copy(update={"call": by_model})
    assert costs.work(text, 7, 900) == 7
    assert SETTING.of(text) == "2 threads, device auto, source web"


def test_threads_and_source_are_the_setting_and_the_engine_of_its_tasks(world: Path) -> None:
    ops = {op.kind: op for op in operations(world, "where word_count() > 2")}
    assert SETTING.of(ops["rank"]) == "2 threads"
    assert SETTING.of(ops["read"]) == SETTING.of(ops["score"]) == "2 threads, engine local, source web"


def test_a_plan_says_what_its_steps_have_just_taken(mix: Path, run: Run) -> None:
    found = planned(run, mix)
    seen = observed(mix.parent)
    [(rows, took)] = seen["read .parquet, tokens by column"]
    assert rows == 400
    assert found["read"]["seconds"] == {"value": pytest.approx(took), "basis": "measured in earlier runs"}
    assert found["write"]["seconds"]["basis"] == "assumed rate"
    assert set(seen) == {
        "read .parquet, tokens by column",
        "gather with 0 duplicates, 2 criteria",
        "rank by 2 criteria",
        "sample quadmix",
    }
    assert run("apply", mix, "--yes").code == 0
    assert len(observed(mix.parent)["write parquet zstd"]) == 1


def test_what_is_stored_takes_no_time_and_is_not_observed(mix: Path, run: Run) -> None:
    planned(run, mix)
    before = observed(mix.parent)
    found = planned(run, mix)
    assert {name: cost["seconds"]["value"] for name, cost in found.items() if name != "write"} == {
        "read": 0,
        "gather": 0,
        "rank": 0,
        "sample": 0,
    }
    assert observed(mix.parent) == before


def test_only_scores_that_ran_are_observed_with_the_shards_they_saw(world: Path, run: Run) -> None:
    first, second = (f"criterion {name}_ = {name}() lower is better" for name in ("digit_ratio", "word_count"))
    weights = "quality { weights { digit_ratio_ 1 } }"
    planned(run, recipe(world, first, weights, "sample all"))
    write_parquet(world / "data/2.parquet", f"SELECT * REPLACE ('new-' || id AS id) FROM '{world}/data/0.parquet'")
    planned(run, recipe(world, first, second, weights, "sample all"))
    seen = observed(world)
    sizes = [path.stat().st_size for path in sorted((world / "data").iterdir())]
    assert [work for work, _ in seen["score digit_ratio() of .parquet"]] == [sizes[0] + sizes[1], sizes[2]]
    assert [work for work, _ in seen["score word_count() of .parquet"]] == [sum(sizes)]


def test_the_scan_for_a_sample_is_not_taken_for_the_time_of_its_few_documents(world: Path) -> None:
    path = recipe(world, "where word_count() > 2")
    assert not pipeline.plan(path, {}, limit=1000).plan.exact
    assert set(observed(world)) == {"read .parquet, tokens by column"}


def test_a_starved_run_does_not_spoil_the_next_plan(mix: Path, run: Run) -> None:
    store = Store.beside(mix.parent)
    planned(run, mix)
    [reading] = [one for one in rates.load(store).histories if one.operation.startswith("read")]
    took = (0.04, 0.05, 0.04, 0.05, 60.0)
    rates.keep(store, [history_of(reading, 400, took)])
    for path in (mix.parent / "data").iterdir():
        write_parquet(path.with_name(f"more-{path.name}"), f"SELECT * REPLACE ('more-' || id AS id) FROM '{path}'")
    assert 0.01 < planned(run, mix)["read"]["seconds"]["value"] < 0.2


def history_of(like: rates.History, work: float, took: Sequence[float]) -> rates.History:
    observations = tuple(rates.Observation(work=work, seconds=seconds) for seconds in took)
    return like.model_copy(update={"observations": observations})


def test_a_damaged_note_is_made_again_by_the_next_plan(mix: Path, run: Run) -> None:
    (mix.parent / ".recipec").mkdir()
    (mix.parent / ".recipec/rates.json").write_text('{"read": 2e-07, "rank": 1e-06')
    assert planned(run, mix)["read"]["seconds"]["basis"] == "measured in earlier runs"
    assert "rank by 2 criteria" in observed(mix.parent)
