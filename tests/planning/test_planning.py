"""Rewrites, fingerprints, the index, estimates: cheaper plans with the same selection."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipec import pipeline, planning
from recipec.inputs import catalog
from recipec.ir import logical
from recipec.pipeline import opening
from recipec.planning import fingerprints, rules
from recipec.progress import silent
from tests.conftest import MIX, SOURCE, Run, rows, write_parquet


def lowered(folder: Path, text: str) -> logical.LogicalPlan:
    recipe = folder / "a.recipe"
    recipe.write_text(SOURCE + text)
    return planning.lower(pipeline.compile_recipe(recipe, {}).recipe)


def kinds(plan: logical.LogicalPlan) -> list[str]:
    names: dict[str, Callable[[Any], str]] = {
        "score": lambda op: f"score {op.call.function}",
        "filter": lambda op: f"filter {len(op.predicates)}",
    }
    return [names.get(op.kind, lambda op: op.kind)(op) for op in plan.ops]


def read(plan: logical.LogicalPlan) -> logical.Read:
    return next(op for op in plan.ops if isinstance(op, logical.Read))


def test_conjunctions_are_split_and_keep_their_text(world: Path) -> None:
    plan = rules.split_conjunctions(lowered(world, "where n > 1 and edu > 0.1 and word_count() > 2\n"))
    (filter_,) = (op for op in plan.ops if isinstance(op, logical.Filter))
    assert len(filter_.predicates) == 3
    assert {predicate.text for predicate in filter_.predicates} == {"n > 1 and edu > 0.1 and word_count() > 2"}


def test_filters_over_columns_are_decided_while_reading(world: Path) -> None:
    plan = rules.push_filters(rules.split_conjunctions(lowered(world, "where n > 1 and word_count() > 2\n")))
    assert [predicate.text for predicate in read(plan).predicates] == ["n > 1 and word_count() > 2"]
    assert "filter 1" in kinds(plan)


def test_equal_scores_are_shared(world: Path) -> None:
    text = "where word_count() > 2\nwhere word_count() < 90\ncriterion w = word_count() higher is better\n"
    plan = lowered(world, text)
    assert kinds(plan).count("score word_count") == 3
    assert kinds(rules.share_scores(plan)).count("score word_count") == 1


def test_cheap_scores_and_their_filters_come_before_dear_ones(world: Path) -> None:
    text = 'where language() == "en"\nwhere word_count() > 2\ncriterion w = duplicate_ngram_ratio() lower is better\n'
    ordered = kinds(planning.optimise(lowered(world, text)))
    assert ordered[:6] == [
        "read",
        "score word_count",
        "filter 1",
        "score language",
        "filter 1",
        "score duplicate_ngram_ratio",
    ]


def test_what_is_always_true_and_what_nobody_reads_goes(world: Path) -> None:
    assert kinds(planning.optimise(lowered(world, "where true\n"))) == ["read", "gather", "rank", "sample"]


def test_only_needed_columns_are_carried(world: Path) -> None:
    plan = lowered(world, "criterion edu = column(edu + ppl) higher is better\n")
    assert [output.name for output in read(plan).outputs] == ["column:edu", "column:ppl"]
    optimised = planning.optimise(plan)
    (output,) = read(optimised).outputs
    assert output.name.startswith("expression:")


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_each_rule_settles(world: Path, rule: rules.Rule) -> None:
    text = 'where language() == "en" and n > 3\nwhere true\nwhere word_count() > 2\n'
    text += "criterion w = column(edu * ppl) lower is better\n"
    once = rule(lowered(world, text))
    assert rule(once) == once


def test_optimised_and_unoptimised_plans_select_the_same(mix: Path) -> None:
    mix.write_text(
        MIX + "where word_count() > 11 and n > 22 and true\nwhere not duplicate(text + id)\nrepeat a at most 1 times\n"
    )
    compiled = pipeline.compile_recipe(mix, {})
    with opening.opened(compiled, opening.settings(mix), "cpu", silent) as (place, exact):
        assert exact is compiled
        recipe = exact.recipe
        optimised, plan = place.run(recipe), planning.lower(recipe)
        ids = fingerprints.step_ids(plan, place.shards, place.folder)
        reads = fingerprints.reads(plan, place.shards, place.folder)
        plain = replace(optimised, pool=replace(optimised.pool, plan=plan, ids=ids, reads=reads))
        assert plain.pool.plan.ops != optimised.pool.plan.ops
        selections = []
        for run in (optimised, plain):
            run.read()
            run.score()
            selections.append(run.select())
    assert selections[0].digest == selections[1].digest
    assert selections[0].cells == selections[1].cells


def test_white_space_comments_and_order_of_blocks_cause_no_run(mix: Path, run: Run) -> None:
    assert run("apply", mix, "--yes").code == 0
    blocks = mix.read_text().strip().split("\n\n")
    mix.write_text("# another comment\n" + "\n\n\n".join(reversed(blocks)) + "\n")
    result = run("plan", mix, "--detailed-exitcode")
    assert result.code == 0, result.out


def test_a_new_shard_is_read_alone(mix: Path, run: Run) -> None:
    assert run("plan", mix).code == 0
    steps = {path: path.stat().st_mtime_ns for path in (mix.parent / ".recipec/steps").rglob("*.parquet")}
    write_parquet(
        mix.parent / "data/2.parquet",
        "SELECT 'new-' || i AS id, 'text' AS text, 10 AS n, 'a' AS topic, 0.5 AS edu, 1.0 AS ppl FROM range(9) AS r(i)",
    )
    result = run("plan", mix)
    assert "new shard data/2.parquet" in result.out
    assert "partial" in result.out
    assert all(path.stat().st_mtime_ns == before for path, before in steps.items())


def test_the_index_keeps_identities_and_totals(mix: Path) -> None:
    recipe = pipeline.compile_recipe(mix, {}).recipe
    shards = catalog.refresh(recipe.sources, mix.parent, mix.parent / ".recipec")
    assert [(shard.path, shard.rows) for shard in shards] == [("data/0.parquet", 200), ("data/1.parquet", 200)]
    assert len({shard.sha256 for shard in shards}) == 2
    assert catalog.refresh(recipe.sources, mix.parent, mix.parent / ".recipec") == shards
    assert not catalog.stale(shards, mix.parent)
    (mix.parent / "data/0.parquet").unlink()
    assert len(catalog.stale(shards, mix.parent)) == 1


def test_an_estimate_is_marked_and_scoring_makes_it_exact(world: Path, run: Run) -> None:
    recipe = world / "a.recipe"
    recipe.write_text(
        SOURCE + "criterion w = distinct_word_ratio() higher is better\nsample quadmix { curve { omega 0.5 } }\n"
    )
    planned = pipeline.plan(recipe, {}, limit=2_000).plan
    assert not planned.exact
    assert "by keyed hash" in planned.sample
    assert planned.selection is not None
    assert planned.selection.candidates == 400
    drawn = sum(cell.drawn_documents for cell in planned.selection.cells)
    exact = pipeline.plan(recipe, {}, limit=2_000, score=True).plan
    assert exact.exact
    assert exact.selection is not None
    real = sum(cell.drawn_documents for cell in exact.selection.cells)
    assert drawn == pytest.approx(real, rel=0.6)


def test_tokens_by_column_by_tokenizer_or_by_estimate(world: Path, run: Run) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(world / "words.json"))
    counted = {}
    for how, line in (("column", "tokens n"), ("tokenizer", 'tokens by "words.json"'), ("estimate", "")):
        recipe = world / f"{how}.recipe"
        recipe.write_text(SOURCE.replace("tokens n", line))
        plan = pipeline.plan(recipe, {}).plan
        path = pipeline.decided(plan)
        counted[how] = dict(rows(f"SELECT doc_id, tokens FROM '{path}'"))
        assert (how if how != "column" else "column n") in run("plan", recipe).out
    texts = dict(rows(f"SELECT id, text FROM '{world}/data/*.parquet'"))
    assert counted["tokenizer"] == {doc: len(text.split()) for doc, text in texts.items()}
    assert counted["estimate"] == {doc: -(-len(text.encode()) // 4) for doc, text in texts.items()}


def test_a_shard_that_changes_while_it_is_read(mix: Path, run: Run) -> None:
    """It is touched all the time, and too large to be read between two touches."""
    shard = write_parquet(
        mix.parent / "data/0.parquet",
        "SELECT md5(i :: VARCHAR) AS id, md5('t' || i) AS text, 9 AS n, 'a' AS topic, 0.5 AS edu, 0.5 AS ppl "
        "FROM range(400_000) AS r(i)",
    )
    enough = threading.Event()

    def touch() -> None:
        while not enough.is_set():
            os.utime(shard, ns=(time.time_ns(), time.time_ns()))

    with ThreadPoolExecutor(1) as pool:
        touching = pool.submit(touch)
        result = run("plan", mix)
        enough.set()
        touching.result()
    assert result.code == 1
    assert "error[R0304]: the shard changed while it was read" in result.err
