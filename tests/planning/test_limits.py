"""Repetition limits and policies in logical plans, in identities, and in what a plan says."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipec import pipeline, planning
from recipec.cli import plan_view
from recipec.dataset.manifest import plan_digest
from recipec.diagnostics import Failure
from recipec.ir import logical, model
from recipec.planning import domains, fingerprints, reasons
from tests.conftest import MIX, SOURCE, Run

UNSTATED = MIX.replace("repeat at most 3 times\n", "")

DEFAULT = "repetition: at most 4 copies of a document (the default of std.repeat.epochs; `repeat unlimited` lifts it)"


def resolved(folder: Path, text: str) -> model.Recipe:
    path = folder / "a.recipe"
    path.write_text(text)
    return pipeline.compile_recipe(path, {}).recipe


def lowered(folder: Path, text: str) -> logical.LogicalPlan:
    return planning.lower(resolved(folder, text))


LOWERED = [
    ("", [(None, 4)]),
    ("repeat unlimited", []),
    ("repeat unlimited\nrepeat a unlimited", []),
    ("repeat unlimited\nrepeat a at most 2 times", [("a", 2)]),
    ("repeat a unlimited", [(None, 4), ("a", None)]),
    ("repeat at most n times", []),
    ("repeat at most n times\nrepeat a unlimited", []),
    ("repeat a at most n times", [(None, 4)]),
]


@pytest.mark.parametrize(("text", "expected"), LOWERED)
def test_unlimited_is_in_a_plan_only_where_it_lifts_a_limit(
    world: Path, text: str, expected: list[tuple[str | None, int | None]]
) -> None:
    sample = lowered(world, f"{SOURCE}{text}\n").sample
    assert [(repeat.domain, repeat.most) for repeat in sample.repeats] == expected


def test_policies_reach_the_plan(world: Path) -> None:
    text = UNSTATED.replace("quality {", "quality {\n  ties split") + "oversize skip\nallow empty\n"
    plan = lowered(world, text)
    _, rank = plan.one(logical.Rank)
    assert rank.quality.ties == "split"
    assert (plan.sample.oversize, plan.sample.allow_empty, plan.sample.allow_vanishing) == ("skip", True, False)
    shown = planning.text(plan)
    assert "zscore, missing error, ties split; " in shown
    assert "; repeat all at most 4; 2,000 tokens; oversize skip; allow empty" in shown


def identities(folder: Path, text: str) -> tuple[str, ...]:
    return fingerprints.step_ids(lowered(folder, text), (), folder)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("repeat at most 4 times\n", True),
        ("use std.repeat.epochs\n", True),
        ("repeat at most 3 times\n", False),
        ("repeat unlimited\n", False),
        ("repeat a unlimited\n", False),
        ("oversize stop\n", True),
        ("oversize skip\n", False),
        ("allow empty\n", False),
    ],
)
def test_what_selects_the_same_has_the_same_identity(world: Path, text: str, same: bool) -> None:
    assert (identities(world, UNSTATED + text) == identities(world, UNSTATED)) == same


def test_policies_by_default_are_in_no_identity(world: Path) -> None:
    described = [fingerprints.described(op) for op in lowered(world, MIX).ops]
    assert not {"oversize", "allow_empty"} & {field for value in described for field in value}
    [quality] = [value["quality"] for value in described if "quality" in value]
    assert "ties" not in quality


def test_plans_by_default_are_identified_as_before_there_were_policies(mix: Path) -> None:
    plan = pipeline.plan(mix, {}).plan
    changes = ({"oversize": "skip"}, {"allow_empty": True}, {"quality": plan.recipe.quality.model_copy(update=SPLIT)})
    others = {plan_digest(plan.model_copy(update={"recipe": plan.recipe.model_copy(update=one)})) for one in changes}
    assert len({plan_digest(plan), *others}) == 4


SPLIT = {"ties": "split"}


CHANGES = [
    ("", "repeat at most 4 times\n", ""),
    ("", "repeat at most 2 times\n", "limit changed at line 35"),
    ("repeat at most 2 times\n", "", "limit changed at std.repeat.epochs (default):4"),
    ("", "repeat a at most 2 times\n", "repetition limit added at line 35"),
    ("", "repeat unlimited\n", "repetition limit removed"),
    ("", "allow empty\n", "allow empty changed"),
    ("", "oversize skip\n", "oversize changed"),
]


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES)
def test_a_change_is_named_by_its_statement(world: Path, before: str, after: str, expected: str) -> None:
    old, new = (lowered(world, UNSTATED + text).sample.model_dump(mode="json") for text in (before, after))
    assert reasons.difference(old, new) == expected
    # A plan of an earlier version had no such fields.
    for field in ("oversize", "allow_empty"):
        del old[field]
    assert reasons.difference(old, new) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", True),
        ("repeat a at most 2 times\n", True),
        ("repeat a unlimited\n", True),
        ("repeat at most 4 times\n", False),
        ("use std.repeat.epochs\n", False),
        ("repeat unlimited\n", False),
    ],
)
def test_a_plan_says_that_its_limit_is_the_default(world: Path, run: Run, text: str, shown: bool) -> None:
    path = world / "a.recipe"
    path.write_text(UNSTATED + text)
    result = run("plan", path)
    assert result.code == 0
    assert (f"\n{DEFAULT}\n" in result.out) == shown
    plan = pipeline.plan(path, {}).plan
    assert (f"\n- {DEFAULT}\n" in plan_view.markdown(plan)) == shown
    assert ("the default of std.repeat.epochs" in plan_view.page(plan)) == shown


def test_the_default_and_the_same_limit_select_the_same(world: Path) -> None:
    path = world / "a.recipe"
    digests = []
    for text in ("", "repeat at most 4 times\n", "repeat unlimited\n"):
        # 13,000 tokens in all; of a, the best are drawn much more often than four times.
        path.write_text(UNSTATED.replace("budget 2K tokens", "budget 12K tokens") + text)
        selection = pipeline.plan(path, {}).plan.selection
        assert selection is not None
        digests.append(selection.digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(("text", "fits"), [("", False), ("repeat unlimited\n", True)])
def test_a_budget_of_nine_times_the_pool(world: Path, text: str, fits: bool) -> None:
    path = world / "a.recipe"
    path.write_text(f"{SOURCE}budget 120K tokens\n{text}")
    if fits:
        assert pipeline.plan(path, {}).diagnostics[0].code == "R0321"
        return
    with pytest.raises(Failure) as failure:
        pipeline.plan(path, {})
    [found] = failure.value.diagnostics
    assert found.code == "R0507"
    assert found.span is not None
    assert found.span.source.path == "std.repeat.epochs (default)"


WARNED = [
    ("repeat unlimited", {"a": 5.0}, "a document of `a` is drawn up to 5 times"),
    ("repeat unlimited", {"a": 4.0}, ""),
    ("repeat unlimited", {}, ""),
    ("repeat unlimited", {"a": 5.0, "b": 7.0}, "a document of `b` is drawn up to 7 times"),
    ("repeat unlimited\nrepeat b at most 7 times", {"a": 5.0, "b": 7.0}, "a document of `a` is drawn up to 5 times"),
    ("repeat b unlimited", {"a": 9.0, "b": 7.0}, "a document of `b` is drawn up to 7 times"),
    ("repeat at most 9 times", {"a": 9.0}, ""),
    ("repeat at most n times", {"a": 9.0}, ""),
    ("repeat unlimited\nrepeat at most n times", {"a": 9.0}, ""),
    ("repeat unlimited\nrepeat a at most n times", {"a": 9.0, "b": 8.0}, "a document of `b` is drawn up to 8 times"),
    ("", {"a": 9.0}, ""),
]


@pytest.mark.parametrize(("text", "copies", "message"), WARNED)
def test_the_warning_is_about_domains_without_a_limit(
    world: Path, text: str, copies: dict[str, float], message: str
) -> None:
    found = domains.unlimited(resolved(world, f"{SOURCE}{text}\n"), copies)
    assert (found.message if found else "") == message
