"""Mixers: each by plain values, one from outside the package, and what older state and manifests come to."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recipec import pipeline, spec
from recipec.dataset import read_manifest
from recipec.diagnostics import Failure
from recipec.ir import logical, model
from recipec.ir.mixing import Decided, Earlier, identified, word
from recipec.mixers import tikmix
from recipec.selection import mixing
from recipec.selection.allocation import CellTotals, allocate
from recipec.selection.bands import Bands
from recipec.selection.mixing import Problem
from recipec.tikmix.measurement import Measured, Options
from tests.conftest import SOURCE, Run
from tests.plugins.plugin_world import Lay

pytestmark = pytest.mark.slow

POOLS = (
    CellTotals("a", 0, 10, 100, np.inf, 30.0),
    CellTotals("a", 1, 10, 100, np.inf, 30.0),
    CellTotals("b", 0, 10, 600, np.inf, 20.0),
)


def op(mixture: model.Mixture, tokens: int | None = None) -> logical.Sample:
    return logical.Sample(
        input=0,
        sample=model.All(),
        mixture=mixture,
        quotas=(),
        repeats=(),
        tokens=tokens,
        shortfall="error",
        allow_vanishing=False,
    )


def decided(mixture: model.Mixture, tokens: int | None = None) -> Decided:
    return mixing.decide(Problem(op(mixture, tokens), POOLS))


def test_natural_is_what_the_curves_give() -> None:
    found = decided(model.Natural())
    assert found.weights == {"a": 0.75, "b": 0.25}
    assert allocate(op(model.Natural()), POOLS, found).targets is None
    assert allocate(op(model.Natural(), 40), POOLS, found).targets == pytest.approx(
        {("a", 0): 15, ("a", 1): 15, ("b", 0): 10}
    )


def test_proportional_is_what_the_pool_has() -> None:
    found = decided(model.Computed(mixer="proportional"))
    assert found.weights == {"a": 0.25, "b": 0.75}
    # It asks for shares also without a budget: those of what the curves give in all.
    assert allocate(op(model.Computed(mixer="proportional")), POOLS, found).total == 80.0


def test_shares_and_files_are_what_they_say() -> None:
    weights = (("a", 0.1), ("b", 0.9))
    assert decided(model.Shares(weights=weights)).weights == dict(weights)
    assert decided(model.FromFile(weights=weights, path="m.json", digest="0" * 64)).weights == dict(weights)


def test_a_pool_of_nothing_has_no_weights() -> None:
    assert mixing.decide(Problem(op(model.Natural()), ())).weights == {}
    empty = (CellTotals("a", 0, 0, 0, 0.0, 0.0),)
    assert mixing.decide(Problem(op(model.Natural()), empty)).weights == {"a": 0.0}


@dataclass(frozen=True, slots=True)
class Banded(Problem):
    """A problem whose bands are given."""

    given: Bands | None = None

    def bands(self, count: int) -> Bands:
        assert self.given is not None
        assert self.given.unique.shape[1] == count
        return self.given


def test_infolaw_prefers_what_is_better_until_it_repeats() -> None:
    """Of two domains alike the law takes the same; with one of them all in the worst band it takes the other."""
    unique = np.array([[50.0, 50.0], [0.0, 100.0]])
    found = Bands(("a", "b"), (0, 0), unique, unique * 2, unique * 0, unique * 0)
    law = model.LawFacts(digest="0" * 64, theta=3.0, absorption=0.5, bands=2)
    asked = op(model.Computed(mixer="infolaw", law=law), 60)
    weights = mixing.decide(Banded(asked, POOLS, given=found)).weights
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["a"] > 0.9
    even = Bands(("a", "b"), (0, 0), unique[:1].repeat(2, 0), unique[:1].repeat(2, 0) * 2, unique * 0, unique * 0)
    assert mixing.decide(Banded(asked, POOLS, given=even)).weights == pytest.approx({"a": 0.5, "b": 0.5})


@pytest.mark.parametrize("weights", [{"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan")}])
def test_weights_that_are_none_are_a_fault_of_the_mixer(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a mixer gave weights"):
        Decided(weights)


def test_identities_have_the_shape_that_stored_results_are_known_by() -> None:
    origin = model.Origin(file="r", line=1, column=1, length=1, text="m")
    before: dict[str, Any] = {
        "kind": "natural",
        "law": None,
        "params": {},
        "weights": [],
        "path": "",
        "digest": "",
        "origin": None,
    }
    assert identified(model.Natural()) == before
    shares = identified(model.Shares(weights=(("a", 1.0),), origin=origin))
    assert shares == {**before, "kind": "explicit", "weights": [["a", 1.0]], "origin": origin.model_dump()}
    assert identified(model.Computed(mixer="infolaw")) == {**before, "kind": "infolaw"}
    assert word(model.FromFile(weights=(), path="m", digest="0" * 64)) == "explicit"


def test_every_mixer_says_what_it_is() -> None:
    for name in spec.names("mixers"):
        mixer = spec.find("mixers", name)
        assert mixer.name == name
        assert mixer.summary.endswith(".")
    named = {name for name in spec.names("mixers") if spec.find("mixers", name).called}
    assert named == set(spec.names("mixers")) - {"shares", "file"}


TOY = """
from pydantic import BaseModel
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir.mixing import Decided
from recipec.selection.mixing import proportional
from recipec.spec import Mixer

class Params(BaseModel):
    favour: str = "a"
    by: float = 0.5

def decide(problem, params):
    file = problem.documents.folder / "decided.txt"
    if problem.now:
        file.write_text("x")
    if not file.is_file():
        return Decided(proportional(problem.pools), waiting="a toy is not measured yet")
    others = sorted({pool.domain for pool in problem.pools} - {params.favour})
    return Decided({params.favour: params.by, **{name: (1 - params.by) / len(others) for name in others}})

def identity(params, folder, span):
    if not (folder / "toy.txt").is_file():
        raise Failure(Diagnostic("R1101", "the toy is not here", span))
    return (folder / "toy.txt").read_text()

SPEC = Mixer(name="toy", summary="A toy.", source="", params=Params, decide=decide, identity=identity, measures=True)
"""


@pytest.fixture
def toy(world: Path, lay: Lay) -> Path:
    """A mixer of a package beside recipec, and a folder of shards."""
    lay("toy", {"mixers": {"toy": "toy"}}, TOY)
    (world / "toy.txt").write_text("1")
    return world


def recipe(folder: Path, mixture: str) -> Path:
    path = folder / "r.recipe"
    needs = 'needs "toy"\n' if "toy" in mixture else ""
    path.write_text(
        f"{needs}{SOURCE}{mixture}\nbudget 3_000 tokens\nrepeat at most 99 times\nallow vanishing\n"
        + 'output parquet "out"\n'
    )
    return path


def shares(selection: dict[str, list[dict[str, float]]]) -> dict[object, float]:
    found: dict[object, float] = {}
    for cell in selection["cells"]:
        found[cell["domain"]] = found.get(cell["domain"], 0.0) + cell["weight"]
    return found


def test_a_mixer_from_outside_plans_and_applies(toy: Path, run: Run) -> None:
    path = recipe(toy, "mixture toy(favour: b, by: 0.8)")
    early = run("plan", path, "--json", "-o", toy / "early.plan")
    assert early.code == 0, early.err
    assert "warning[R1312]: a toy is not measured yet: the plan has the weights of the pool" in early.err
    assert not json.loads(early.out)["exact"]
    applied = run("apply", toy / "early.plan", "--json")
    assert applied.code == 0, applied.err
    manifest = json.loads(applied.out)
    assert shares(manifest["selection"])["b"] == pytest.approx(0.8)
    assert dict(manifest["selection"]["weights"])["b"] == 0.8
    plan = json.loads(run("plan", path, "--json").out)
    assert plan["exact"]
    assert plan["selection"]["digest"] == manifest["digest"]
    assert plan["steps"][-1]["action"] == "reuse"
    assert "mixture toy" in run("show", path).out
    # Budgets that a law is asked about have the weights that were measured.
    law = ("--law", "std.law.infolaw_2026", "--params", "1B", "--budget", "1K..2K")
    predicted = run("predict", path, *law)
    assert predicted.code == 0, predicted.err
    # What it depends on is part of the identity.
    (toy / "toy.txt").write_text("2")
    later = json.loads(run("plan", path, "--json").out)
    assert [step["action"] for step in later["steps"]][-2:] == ["run", "run"]
    assert later["steps"][-2]["id"] != plan["steps"][-2]["id"]
    stale = run("apply", toy / "early.plan")
    assert "R0708" in stale.err


def test_a_mixer_from_outside_knows_mistakes_and_phases(toy: Path, run: Run) -> None:
    wrong = run("check", recipe(toy, "mixture toy(favor: b)"))
    assert "`toy` takes no argument `favor`" in wrong.err
    assert "did you mean `favour`?" in wrong.err
    assert "did you mean `toy`?" in run("check", recipe(toy, "mixture toi")).err
    (toy / "toy.txt").unlink()
    phases = "phases {\n until 1_000 tokens { mixture natural }\n then { mixture toy }\n}"
    planned = run("plan", recipe(toy, phases))
    assert "phase 2 and what follows it cannot be planned yet: the toy is not here" in planned.err
    (toy / "toy.txt").write_text("1")
    result = run("apply", recipe(toy, phases), "--yes")
    assert result.code == 0, result.err
    assert run("verify", toy / "out/phase-2").code == 0
    assert "error[R1409]: `mixture toy` decides" in run("search", recipe(toy, "mixture toy")).err


@pytest.mark.parametrize(
    ("mixer", "expected"),
    [
        ("proportional", "the plan file is damaged: unknown mixture `gone`"),
        ("toy", "error[R0248]: no mixer `gone` is installed"),
    ],
)
def test_a_plan_file_whose_mixer_is_gone_is_refused(mixer: str, expected: str, toy: Path, run: Run) -> None:
    """One of recipec's own is nobody's; of a package, another version may have it."""
    path = recipe(toy, f"mixture {mixer}")
    assert run("plan", path, "-o", toy / "p.plan").code == 0
    (toy / "p.plan").write_text((toy / "p.plan").read_text().replace(f'"mixer": "{mixer}"', '"mixer": "gone"'))
    refused = run("apply", toy / "p.plan")
    assert expected in refused.err
    assert not (toy / "out").exists()


def test_an_estimate_measures_the_whole_pool(toy: Path, run: Run) -> None:
    """Weights are those of all documents also where a plan looks at a part; what waits is asked again."""
    path = recipe(toy, "mixture toy(favour: b, by: 0.8)\nwhere word_count() >= 0")
    early = pipeline.plan(path, {}, limit=200).plan
    assert "documents, by keyed hash" in early.sample
    assert early.selection is not None
    assert early.selection.waiting == "a toy is not measured yet"
    (toy / "decided.txt").write_text("x")
    later = pipeline.plan(path, {}, limit=200).plan
    assert "documents, by keyed hash" in later.sample
    assert later.selection is not None
    assert not later.selection.provisional
    assert dict(later.selection.weights)["b"] == 0.8


def test_tikmix_is_the_mean_over_its_window() -> None:
    """Of phases that state their weights; those of curves count for nothing, and a window may be longer than training."""
    params = {"checkpoint": "c", "window": 4}
    later = op(model.Computed(mixer="tikmix", params=params), 100)
    whole = model.Recipe(
        path="r", folder="/", canonical="", params=(), seed=0, sources=(), sample=model.All(), mixture=later.mixture
    )
    measured = Measured(
        options=Options(checkpoint="c"),
        tasks=("t",),
        domains=("a", "b"),
        shards=(((1.0, 1.0),), ((1.0, 1.0),)),
        pool=(200, 600),
        task_tokens=(1,),
        domain_tokens=(1, 1),
    )
    stated = model.Shares(weights=(("a", 1.0),))
    before = (
        Earlier(stated, 10, Decided({"a": 1.0})),
        Earlier(model.Natural(), 10, Decided({"b": 1.0})),
        Earlier(stated, 10, Decided({"a": 1.0})),
    )
    problem = Problem(later, POOLS, documents=SimpleNamespace(recipe=whole), stated=later)
    arguments = mixing.params_of(later.mixture, mixing.mixer_of(later.mixture))
    waiting = tikmix.weighed(problem, arguments, None)
    assert waiting.waiting == "influence at `c` is not measured yet"
    assert waiting.weights == {"a": 0.25, "b": 0.75}
    alone = tikmix.weighed(problem, arguments, measured)
    assert not alone.waiting
    assert alone.evidence is not None
    smoothed = tikmix.weighed(replace(problem, before=before), arguments, measured)
    assert smoothed.weights == pytest.approx({"a": (2 + alone.weights["a"]) / 3, "b": alone.weights["b"] / 3})


OLD: dict[str, object] = {"law": None, "params": {}, "weights": [], "path": "", "digest": "", "origin": None}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"kind": "natural"}, model.Natural()),
        ({"kind": "explicit", "weights": [["a", 1.0]]}, model.Shares(weights=(("a", 1.0),))),
        (
            {"kind": "explicit", "weights": [["a", 1.0]], "path": "m.json", "digest": "0" * 64},
            model.FromFile(weights=(("a", 1.0),), path="m.json", digest="0" * 64),
        ),
        ({"kind": "proportional"}, model.Computed(mixer="proportional")),
        (
            {"kind": "tikmix", "params": {"tokens": 9}, "weights": [["a", 1.0]]},
            model.Computed(mixer="tikmix", params={"tokens": 9}),
        ),
    ],
)
def test_manifests_of_the_earlier_shape_are_read(
    world: Path, run: Run, old: dict[str, object], new: model.Mixture
) -> None:
    assert run("apply", recipe(world, "mixture natural"), "--yes").code == 0
    place = world / "out/manifest.json"
    value = json.loads(place.read_text())
    value["version"] = 1
    value["recipe"]["mixture"] = {**OLD, **old}
    del value["selection"]["weights"], value["selection"]["evidence"]
    del value["selection"]["waiting"], value["selection"]["provisional"]
    place.write_text(json.dumps(value))
    manifest = read_manifest(world / "out")
    assert manifest.recipe.mixture == new
    assert manifest.selection.weights == ((("a", 1.0),) if old["kind"] == "tikmix" else ())
    value["recipe"]["mixture"] = {"kind": "natural", "zz": 1}
    value["version"] = 2
    place.write_text(json.dumps(value))
    with pytest.raises(Failure, match="damaged"):
        read_manifest(world / "out")


def test_datasets_of_the_earlier_shape_are_known_by_their_plans(world: Path, run: Run) -> None:
    """A published dataset whose manifest is of version 1 needs no second run."""
    path = recipe(world, "mixture { a 50%, b 30%, c 20% }")
    assert run("apply", path, "--yes").code == 0
    place = world / "out/manifest.json"
    value = json.loads(place.read_text())
    mixture = value["recipe"]["mixture"]
    value["version"] = 1
    value["recipe"]["mixture"] = {**OLD, "kind": "explicit", "weights": mixture["weights"], "origin": mixture["origin"]}
    place.write_text(json.dumps(value))
    assert json.loads(run("plan", path, "--json").out)["steps"][-1]["action"] == "reuse"
