"""`mixture tikmix(…)`: weights that influence decides while a recipe is planned, with its quotas and limits."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("torch")

from recipec.places import sealed
from recipec.tikmix.lookahead import Labels
from tests import tiny_model
from tests.conftest import SOURCE, Run

pytestmark = pytest.mark.slow

RECIPE = (
    "seed 3\n"
    + SOURCE
    + """target law {
  examples "law.txt"
  holdout 30%
}
target cell {
  examples "cell.txt"
}
where length(text) > 5
budget 4_000 tokens
repeat at most 2 times
quota c at most 20%
output parquet "out"
"""
)

MIXTURE = 'mixture tikmix(checkpoint: "tiny", tokens: 600, length: 30, parts: 3{})\n'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("tikmix") / "tiny")


@pytest.fixture
def world(tmp_path: Path, model: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "tiny").symlink_to(model)
    with duckdb.connect() as connection:
        texts = [tiny_model.text(seed * 3 + seed % 3, 30, least=0.001) for seed in range(300)]
        connection.execute("CREATE TABLE pool AS SELECT unnest($1) AS i, unnest($2) AS text", [list(range(300)), texts])
        connection.execute(
            "COPY (SELECT 'd' || i AS id, text, 40 AS n, ['a', 'b', 'c'][1 + i % 3] AS topic FROM pool) "
            f"TO '{tmp_path}/data/0.parquet'"
        )
    (tmp_path / "law.txt").write_text("\n".join(tiny_model.text(3 * n, 20, least=0.001) for n in range(20)))
    (tmp_path / "cell.txt").write_text("\n".join(tiny_model.text(1 + 18 * n, 20, least=0.001) for n in range(9)))
    (tmp_path / "r.recipe").write_text(RECIPE + MIXTURE.format(""))
    return tmp_path


def test_plan_measures_when_it_scores(world: Path, run: Run) -> None:
    path = world / "r.recipe"
    before = run("plan", path, "--json")
    plan = json.loads(before.out)
    assert not plan["exact"]
    assert plan["reweighting"] is None
    assert plan["selection"]["provisional"]
    assert plan["steps"][-2]["op"]["kind"] == "sample"
    # It is shown, and not found again as if it were decided.
    assert json.loads(run("plan", path, "--json").out)["steps"][-2]["action"] == "run"
    assert "warning[R1312]: influence at `tiny` is not measured yet: the plan has the weights of the pool" in before.err
    asked = {cell["domain"]: cell["asked"] for cell in plan["selection"]["cells"]}
    assert asked == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    shown = run("plan", path, "--score", "--html", world / "plan.html")
    assert shown.code == 0, shown.err
    assert "Influence, by row of the largest" in shown.out
    assert "background:rgb(0,180,0)" in (world / "plan.html").read_text()
    # What is measured is kept: the plan is exact now without being told to.
    plan = json.loads(run("plan", path, "--json").out)
    assert plan["exact"]
    found = plan["reweighting"]
    weights = dict(plan["selection"]["weights"])
    assert weights == dict(zip(found["domains"], found["weights"], strict=True))
    assert weights["c"] <= 0.2 + 1e-9
    again = json.loads(
        run("reweight", path, "--checkpoint", "tiny", "--tokens", 600, "--length", 30, "--parts", 3, "--json").out
    )
    assert again["weights"] == pytest.approx(weights, abs=1e-12)


def elsewhere(world: Path) -> Path:
    """Where the model really is, outside the plan's folder."""
    return (world / "tiny").resolve()


def test_apply_gives_the_same_however_it_is_come_to(world: Path, run: Run) -> None:
    path = world / "r.recipe"
    assert run("plan", path, "-o", world / "early.plan").code == 0
    result = run("apply", world / "early.plan", "--json", "--allow", elsewhere(world))
    assert result.code == 0, result.err
    manifest = json.loads(result.out)
    assert dict(manifest["selection"]["weights"])
    planned = json.loads(run("plan", path, "--json").out)
    assert planned["selection"]["digest"] == manifest["digest"]
    assert planned["steps"][-1]["action"] == "reuse"
    assert run("verify", world / "out").code == 0


def test_method_model_and_smoothing(world: Path, run: Run) -> None:
    (world / "r.recipe").write_text(RECIPE + MIXTURE.format(", method: model, label: influence, prior: quotas"))
    result = run("plan", world / "r.recipe", "--score", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)["reweighting"]
    assert found["used"] == "linear"
    assert found["prior"][2] == pytest.approx(0.2)
    phases = (
        "phases {\n until 2_000 tokens { mixture { a 100% } }\n then { "
        + MIXTURE.format(", window: 2").strip()
        + " }\n}\n"
    )
    (world / "r.recipe").write_text(RECIPE + phases)
    result = run("plan", world / "r.recipe", "--score", "--json")
    assert result.code == 0, result.err
    second = json.loads(result.out)["phases"][1]["reweighting"]
    (world / "r.recipe").write_text(RECIPE + phases.replace(", window: 2", ""))
    alone = json.loads(run("plan", world / "r.recipe", "--score", "--json").out)["phases"][1]["reweighting"]
    halved = [(one + (1.0 if n == 0 else 0.0)) / 2 for n, one in enumerate(alone["weights"])]
    assert second["weights"] == pytest.approx(halved)


def test_mixtures_are_labelled_by_looking_ahead(world: Path, run: Run) -> None:
    """Each is trained on for a few steps, once; what targets gain is real, and a plan without them says that it waits."""
    path = world / "r.recipe"
    more = ", method: model, candidates: 16, ahead: 960, rate: 0.01"
    path.write_text(RECIPE + MIXTURE.format(more))
    result = run("plan", path, "--score", "--json", "--device", "cpu")
    assert result.code == 0, result.err
    found = json.loads(result.out)["reweighting"]
    assert {one["kind"] for one in found["predictors"]} == {"lightgbm", "linear"}
    assert -1 <= found["agreement"] <= 1
    [labels] = (world / ".recipec/measured").glob("*-labels.json")
    gains = sealed.read_value(labels, Labels).gains
    assert len(gains) == 16
    # A few steps on such text help, and not every mixture the same.
    assert all(gain is not None and gain > 0 for gain in gains)
    assert len(set(gains)) > 4
    assert json.loads(run("plan", path, "--json").out)["reweighting"] == found
    path.write_text(RECIPE + MIXTURE.format(more.replace("960", "480")))
    later = run("plan", path, "--json")
    assert json.loads(later.out)["reweighting"] is None
    assert "R1312" in later.err


def test_a_phase_waits_for_its_checkpoint(world: Path, run: Run) -> None:
    later = MIXTURE.format("").replace('"tiny"', '"later"').strip()
    phases = "phases {\n until 2_000 tokens { mixture natural }\n then { " + later + " }\n}\n"
    (world / "r.recipe").write_text(RECIPE + phases)
    result = run("apply", world / "r.recipe", "--yes")
    assert result.code == 0, result.err
    assert (
        "warning[R1504]: phase 2 and what follows it cannot be planned yet: the model `later` is not on this machine"
        in result.err
    )
    assert [path.name for path in (world / "out").iterdir()] == ["phase-1"]
    first = (world / "out/phase-1/manifest.json").read_bytes()
    (world / "later").symlink_to((world / "tiny").resolve())
    assert run("apply", world / "r.recipe", "--yes").code == 0
    assert (world / "out/phase-1/manifest.json").read_bytes() == first
    assert (world / "out/phase-2/manifest.json").is_file()


def test_plans_of_phases_that_influence_has_not_decided(world: Path, run: Run) -> None:
    mixture = MIXTURE.format("").strip()
    phases = f"phases {{\n until 2_000 tokens {{ {mixture} }}\n then {{ {mixture} }}\n}}\n"
    (world / "r.recipe").write_text(RECIPE + phases)
    assert run("plan", world / "r.recipe", "-o", world / "p.plan").code == 0
    assert run("apply", world / "p.plan", "--allow", elsewhere(world)).code == 0
    for number in (1, 2):
        assert run("verify", world / f"out/phase-{number}").code == 0
    planned = json.loads(run("plan", world / "r.recipe", "--json").out)["phases"]
    digests = [json.loads((world / f"out/phase-{n}/manifest.json").read_text())["digest"] for n in (1, 2)]
    assert [one["selection"]["digest"] for one in planned] == digests


@pytest.mark.parametrize(
    ("mixture", "change", "code", "message"),
    [
        (MIXTURE.format(", target: lw"), {}, 1, "R0227]: unknown target `lw`"),
        (
            MIXTURE.format(", method: fast"),
            {},
            1,
            "R0208]: argument `method` of `tikmix`: expected 'direct' or 'model'",
        ),
        (MIXTURE.format("").replace("tiny", "none"), {}, 1, "the model `none` is not on this machine"),
        (MIXTURE.format(", noise: refuse"), {}, 1, "R1311]: the order of domains for `cell` is within noise"),
        (MIXTURE.format(""), {"quota c": "quota b"}, 6, "R1305]: within the bounds"),
        (MIXTURE.format("").replace("600", "60"), {}, 1, "has too little text: 60 tokens"),
    ],
)
def test_mistakes(world: Path, run: Run, mixture: str, change: dict[str, str], code: int, message: str) -> None:
    text = RECIPE
    for old, new in change.items():
        text = text.replace(old, new)
    (world / "r.recipe").write_text(text + mixture)
    result = run("plan", world / "r.recipe", "--score")
    assert message in result.err
    assert result.code == code
    assert "Traceback" not in result.err
    if code == 6:
        # Both sides of the conflict.
        assert "quota b at most 20%" in result.err
        assert "mixture tikmix" in result.err


def test_a_mixture_by_influence_needs_a_target(world: Path, run: Run) -> None:
    text = RECIPE[: RECIPE.index("target law")] + RECIPE[RECIPE.index("where length") :]
    (world / "r.recipe").write_text(text + "mixture tikmix\n")
    result = run("check", world / "r.recipe")
    assert "error[R0237]: mixture `tikmix` needs a target" in result.err
