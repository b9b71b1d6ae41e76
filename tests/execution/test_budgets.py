"""A budget's law in a plan: evaluated on what is drawn, `require`, the best mixture, `mixture infolaw`, `predict RECIPE`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import numpy as np
import pytest

from recipec import pipeline
from recipec.arrays import Array
from recipec.ir.forecast import Forecast
from recipec.ir.selection import Stats
from recipec.laws import forecasting, lawfile
from recipec.laws.forms import infolaw
from recipec.laws.runs import BANDS, Runs
from recipec.selection import kernel
from recipec.selection.bands import bands, edges
from recipec.selection.columns import Columns, DomainRange, Layout
from recipec.selection.parts import parts
from recipec.selection.quality import Quality
from tests.benchmarks.simulated_runs import TRUE
from tests.conftest import Run, write_parquet

pytestmark = pytest.mark.slow

DOCUMENTS = 900


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """900 documents of 80M to 170M tokens: code 20 %, sci 10 %, web 70 %; 112B tokens in all."""
    for number in range(2):
        write_parquet(
            tmp_path / f"data/{number}.parquet",
            f"""
            SELECT 'doc-' || i AS id, 't' AS text, 80000000 + (i * 7919 * 1009) % 90000000 AS n,
                CASE WHEN i % 10 < 2 THEN 'code' WHEN i % 10 = 2 THEN 'sci' ELSE 'web' END AS topic,
                hash(i) :: DOUBLE AS edu
            FROM range({number * 450}, {number * 450 + 450}) AS r(i)
            """,
        )
    return tmp_path


SOURCE = """source web {
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}
"""

CRITERION = "criterion edu = column(edu) higher is better\n"

LAW = "  model 1B params\n  law std.law.infolaw_2026\n"


def recipe(folder: Path, body: str, budget: str = LAW, tokens: str = "60B") -> Path:
    path = folder / "a.recipe"
    path.write_text(f"{SOURCE}{body}budget {tokens} tokens {{\n{budget}}}\n")
    return path


MIX = CRITERION + "sample quadmix {\n  curve {\n    omega 0.5\n  }\n}\nmixture {\n  code 30%\n  sci 20%\n  web 50%\n}\n"


def forecast(path: Path) -> Forecast:
    found = pipeline.plan(path, {}).plan.forecast
    assert found is not None
    return found


def by_hand(path: Path) -> tuple[list[str], Array, Array, Array]:
    """(domains, unique, drawn, fresh) from the stored ledger, document by document: the slow oracle of `bands`."""
    ledger = pipeline.decided(pipeline.plan(path, {}, judge=False).plan)
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT domain, rank, tokens, copies FROM '{ledger}'").fetchall()
    domains = sorted({row[0] for row in rows})
    totals = {domain: sum(row[2] for row in rows if row[0] == domain) for domain in domains}
    upper = edges(6)
    sums = np.zeros((3, len(domains), 6))
    for domain, rank, tokens, copies in rows:
        start = rank - tokens / totals[domain]
        for band, (low, high) in enumerate(zip((0.0, *upper[:-1]), upper, strict=True)):
            part = max(0.0, min(rank, high) - max(start, low)) / (rank - start) * tokens
            sums[:, domains.index(domain), band] += [part, part * copies, part * (copies > 0)]
    return domains, *sums


def test_the_plan_evaluates_what_is_drawn(pool: Path) -> None:
    path = recipe(pool, MIX)
    found = forecast(path)
    domains, _, drawn, fresh = by_hand(path)
    information = sum(
        np.exp(-TRUE[0] * band) * fresh[d, band] / 1e9 * np.log(drawn.sum())
        * (1 - np.exp(-(TRUE[1]) * drawn[d, band] / fresh[d, band] / np.log(drawn.sum())))
        for d in range(3) for band in range(6) if drawn[d, band] > 0
    )  # fmt: skip
    assert found.info == pytest.approx(information, rel=1e-9)
    assert found.loss == pytest.approx(TRUE[3] * information ** -TRUE[4], rel=1e-9)
    assert found.low < found.loss < found.high
    assert [one.domain for one in found.domains] == domains
    assert [one.tokens for one in found.domains] == pytest.approx(drawn.sum(axis=1), rel=1e-9)
    assert [one.unique for one in found.domains] == pytest.approx(fresh.sum(axis=1), rel=1e-9)
    assert found.repetition == pytest.approx((drawn.sum(axis=1) / fresh.sum(axis=1)).max(), rel=1e-9)
    assert found.wasted is not None
    assert 0 < found.wasted < 1
    lost = sum(one.lost or 0.0 for one in found.domains)
    assert found.wasted == pytest.approx(lost / (lost + information), rel=1e-9)
    assert all(one.more_read < 0 and one.more_found <= 0 for one in found.domains)
    assert sum(band.share for band in found.bands) == pytest.approx(1)


def test_an_estimated_plan_has_an_estimated_forecast(pool: Path) -> None:
    body = "criterion words = word_count() higher is better\nsample quadmix {\n  curve {\n    omega 0.5\n  }\n}\n"
    path = recipe(pool, body)
    planned = pipeline.plan(path, {}, limit=sum(file.stat().st_size for file in pool.glob("data/*")) // 2).plan
    assert not planned.exact
    assert planned.forecast is not None
    assert sum(one.tokens for one in planned.forecast.domains) == pytest.approx(60e9, rel=0.1)
    exact = pipeline.plan(path, {}, score=True).plan
    assert exact.exact
    assert exact.forecast is not None
    assert planned.forecast.loss == pytest.approx(exact.forecast.loss, rel=0.02)


def test_ties_and_missing_ranks_lie_in_all_bands_alike(pool: Path) -> None:
    for body in ("sample all\n", MIX.replace("column(edu)", "column(n * 0)")):
        path = recipe(pool, body)
        found = forecast(path)
        assert [band.share for band in found.bands] == pytest.approx(BANDS, abs=0.02)


def test_no_random_mixture_beats_the_best(pool: Path) -> None:
    path = recipe(pool, MIX + "quota sci at least 15%\nrepeat at most 3 times\n")
    found = forecast(path)
    assert found.best_loss is not None
    assert found.regret == pytest.approx(found.loss - found.best_loss)
    assert found.best_loss < found.loss
    domains, unique, drawn, _ = by_hand(path)
    best = {one.domain: one.best or 0.0 for one in found.domains}
    assert sum(best.values()) == pytest.approx(1)
    assert best["sci"] >= 0.15 - 1e-9
    rng, tried = np.random.default_rng(0), 0
    file = lawfile.read("std.law.infolaw_2026", Path())
    for weights in rng.dirichlet(np.full(18, 0.4), 4000).reshape(-1, 3, 6):
        tokens = weights * drawn.sum()
        if np.all(tokens <= unique * 3) and tokens[domains.index("sci")].sum() >= 0.15 * drawn.sum():
            tried += 1
            assert forecasting.loss(file, 1e9, tokens, np.minimum(tokens, unique)) >= found.best_loss - 1e-12
    assert tried > 3


def test_quotas_inside_domains_bind_the_best(pool: Path) -> None:
    free = forecast(recipe(pool, MIX))
    held = forecast(recipe(pool, MIX + "quota web where n > 100_000_000 at most 5%\nquota sci at most 20%\n"))
    assert free.best_loss is not None
    assert held.best_loss is not None
    assert held.best_loss > free.best_loss + 1e-4
    assert held.best_loss <= held.loss
    assert sum(one.best or 0.0 for one in held.domains) == pytest.approx(1)


def test_mixture_infolaw_is_the_optimum(pool: Path) -> None:
    body = MIX[: MIX.index("mixture")] + "mixture infolaw\nquota sci at least 15%\n"
    found = forecast(recipe(pool, body))
    for one in found.domains:
        assert one.share == pytest.approx(one.best, abs=0.005)
    other = forecast(recipe(pool, MIX + "quota sci at least 15%\n"))
    assert found.loss < other.loss


def test_mixture_infolaw_applies_and_verifies(pool: Path, run: Run) -> None:
    body = CRITERION + 'mixture infolaw\nrepeat at most 4 times\noutput parquet "out"\n'
    path = recipe(pool, body, tokens="12B")  # what is written must fit on small disks
    assert run("apply", path, "--yes").code == 0
    assert run("verify", pool / "out").code == 0


def test_a_law_of_the_recipes_folder(pool: Path) -> None:
    (pool / "laws").mkdir()
    text = lawfile.text(lawfile.read("std.law.infolaw_2026", Path()))
    (pool / "laws/ours.json").write_text(text)
    own = forecast(recipe(pool, MIX, LAW.replace("std.law.infolaw_2026", 'infolaw("laws/ours.json")')))
    assert own.loss == forecast(recipe(pool, MIX)).loss


@pytest.mark.parametrize(
    ("require", "code", "words"),
    [
        ("loss <= 4", 0, ""),
        ("loss <= 2.9", 6, "predicted loss of 3."),
        ("wasted <= 50%", 0, ""),
        ("wasted <= 0.1%", 6, "information lost to repetition of "),
        ("repetition <= 20 times", 0, ""),
        ("repetition <= 1.01", 6, "repetition of "),
        ("regret <= 1", 0, ""),
        ("regret <= 0.0001", 6, "a regret of 0.0"),
        ("regret <= 0.01%", 6, "a regret of "),
    ],
)
def test_requirements_stop_the_plan(require: str, code: int, words: str, pool: Path, run: Run) -> None:
    path = recipe(pool, MIX + "quota sci at least 30%\n", f"{LAW}  require {require}\n")
    result = run("plan", path)
    assert result.code == code, result.err
    if code:
        assert result.out == ""
        assert f"error[R1210]: the plan has a {words}" in result.err or words in result.err
        lines = re.findall(r"^ *(\d+) \|", result.err, re.MULTILINE)
        text = path.read_text().splitlines()
        shown = {text[int(line) - 1].strip() for line in lines}
        assert f"require {require}" in shown
        assert "quota sci at least 30%" in shown


def test_a_requirement_met_by_less_than_the_interval_is_a_warning(pool: Path, run: Run) -> None:
    result = run("plan", recipe(pool, MIX, f"{LAW}  require loss <= 3.3\n"))
    assert result.code == 0
    assert "warning[R1213]: the predicted loss of 3." in result.err


def test_diff_of_plans_has_the_predicted_losses(pool: Path, run: Run) -> None:
    for name, tokens in (("a.plan", "40B"), ("b.plan", "60B")):
        assert run("plan", recipe(pool, MIX, tokens=tokens), "-o", pool / name).code == 0
    result = run("diff", pool / "a.plan", pool / "b.plan")
    found = re.search(r"predicted loss (\S+) -> (\S+) \((\S+)\)", result.out)
    assert found is not None
    assert float(found[2]) < float(found[1])
    assert float(found[3]) < 0


def test_the_limit_of_repetition_is_shown_where_it_binds(pool: Path, run: Run) -> None:
    mixture = MIX.replace("code 30%", "code 10%").replace("sci 20%", "sci 40%")
    path = recipe(pool, mixture + "repeat sci at most 2 times\n", f"{LAW}  require repetition <= 1.5 times\n")
    result = run("plan", path)
    assert result.code == 6
    assert "repeat sci at most 2 times" in result.err
    assert "holds `sci` at its repetition limit" in result.err


def test_the_plan_shows_the_law(pool: Path, run: Run) -> None:
    path = recipe(pool, MIX)
    result = run("plan", path)
    for words in ("Loss of a model of 1B parameters under infolaw", "lost to repetition", "Domains under the law",
                  "1B more found", "Quality bands", "not fitted on your data"):  # fmt: skip
        assert words in result.out, words
    assert "warning[R1207]: infolaw: published constants" in result.err
    value = json.loads(run("plan", path, "--json").out)
    assert value["forecast"]["law"] == "infolaw"
    assert "Domains under the law" in run("plan", path, "--summary-md", "-").out


@pytest.mark.parametrize("law", ["std.law.muennighoff_c4", "std.law.chinchilla"])
def test_laws_without_bands_tell_no_mixtures_apart(law: str, pool: Path) -> None:
    found = forecast(recipe(pool, MIX, f"  model 1B params\n  law {law}\n"))
    assert found.best_loss is None
    assert found.regret is None
    assert found.info is None
    assert (found.wasted is None) == (law == "std.law.chinchilla")


def plus(folder: Path) -> str:
    """A law file of infolaw+ in which repetition does harm."""
    theta = [0.9, 3.0, 0.14, 1.0, 10.0, 0.3, 1.0, 0.3, 1e-2, 1.0, 0.1]
    law = lawfile.find_law("infolaw+")
    wide = lawfile.Range(low=1, high=1e15)
    file = lawfile.LawFile(
        law="infolaw+", fitted=True, source="made up", params=wide, tokens=wide, repetition=wide, error=0.02,
        parameters={
            one.name: lawfile.Parameter(value=value, low=value, high=value, unit=one.unit)
            for one, value in zip(law.parameters, theta, strict=True)
        },
    )  # fmt: skip
    lawfile.write(file, folder / "plus.json")
    return '  model 1B params\n  law infolaw_plus("plus.json")\n'


def test_harm_by_repetition_lowers_the_repetition_of_the_best(pool: Path) -> None:
    unlimited = MIX + "repeat unlimited\n"
    found = forecast(recipe(pool, unlimited, plus(pool)))
    assert found.best_loss is not None
    assert found.best_loss <= found.loss
    pure = forecast(recipe(pool, unlimited))
    assert (found.bands[0].best or 0.0) < (pure.bands[0].best or 0.0)


def test_the_best_mixture_has_an_interval(pool: Path, run: Run) -> None:
    """A law whose samples disagree about θ disagrees about the best bands and domains."""
    content = json.loads(lawfile.text(lawfile.read("std.law.infolaw_2026", Path())))
    content["samples"] = [[theta, *TRUE[1:]] for theta in (0.3, 0.6, 0.922, 1.2, 2.0)]
    (pool / "ours.json").write_text(json.dumps(content))
    path = recipe(
        pool,
        MIX + "repeat unlimited\nrepeat sci at most 1 times\n",
        LAW.replace("std.law.infolaw_2026", 'infolaw("ours.json")'),
    )
    found = forecast(path)
    for one in found.domains:
        assert one.best_low is not None
        assert one.best_high is not None
        assert one.best_low <= one.best_high
    sci = next(one for one in found.domains if one.domain == "sci")
    assert sci.best_high - sci.best_low > 0.001  # type: ignore[operator]  # numbers, as seen above
    assert " to " in run("plan", path).out.partition("Domains under the law")[2]


@pytest.mark.parametrize("threads", [1, 4])
def test_the_forecast_does_not_depend_on_files_or_threads(threads: int, pool: Path, tmp_path: Path) -> None:
    expected = forecast(recipe(pool, MIX))
    other = tmp_path / "other"
    with duckdb.connect() as connection:
        (other / "data").mkdir(parents=True)
        for number in range(3):
            connection.execute(
                f"COPY (SELECT * FROM '{pool}/data/*.parquet' WHERE hash(id) % 3 = {number} ORDER BY hash(id, 1)) "
                f"TO '{other}/data/{number}.parquet' (FORMAT parquet)"
            )
    path = recipe(other, MIX)
    found = pipeline.plan(path, {}, settings=pipeline.settings(path, threads=threads)).plan.forecast
    assert found == expected


def test_predict_of_a_recipe(pool: Path, run: Run) -> None:
    path = recipe(pool, MIX, f"{LAW}  require loss <= 1\n")
    result = run("predict", path, "--json")
    assert result.code == 0, result.err
    value = json.loads(result.out)
    assert value["runs"][0]["loss"] == forecast(recipe(pool, MIX)).loss
    assert list(value["runs"][0]) == ["loss", "low", "high", "info", "warnings"]
    assert "Domains under the law" in run("predict", path, "--law", "std.law.muennighoff_c4", "--params", "2B").out


def test_predict_of_a_recipe_over_budgets(pool: Path, run: Run) -> None:
    path = recipe(pool, MIX + "repeat at most 8 times\n")
    plot = pool / "range.svg"
    words = ("--budget", "20B..2000B", "--points", 5, "--plot", plot)
    value = json.loads(run("predict", path, "--json", *words).out)
    losses = [one["loss"] for one in value["runs"] if one]
    assert len(losses) < 5
    assert losses == sorted(losses, reverse=True)
    assert value["runs"][-1] is None
    assert value["forecasts"][-1]["diagnostics"][0]["code"] == "R0507"
    again = forecast(recipe(pool, MIX + "repeat at most 8 times\n", tokens="20B"))
    assert again.loss == losses[0]
    result = run("predict", path, *words)
    assert "infeasible at" in result.out
    assert "best mixture" in result.out
    assert plot.read_text().count("<polyline") == 3


def test_predict_of_a_recipe_without_a_law(pool: Path, run: Run) -> None:
    path = recipe(pool, MIX, "")
    assert "error[R1206]: the recipe has no `law`" in run("predict", path).err
    assert "error[R1206]: the recipe has no `model`" in run("predict", path, "--law", "std.law.chinchilla").err


def eight() -> kernel.Ranked:
    """Eight documents of one token in one domain, each better than the next, that may be drawn twice."""
    layout = Layout(
        rows=8,
        candidates=8,
        domains=(DomainRange(name="a", start=0, stop=8),),
        stats=(Stats(criterion="q", count=8, missing=0, mean=0.0, std=1.0, low=0.0, high=7.0),),
        rejected=(),
        columns=(),
    )
    values: dict[str, Array] = {
        "tokens": np.ones(8, np.uint8),
        "draw": (np.arange(8) + 0.5) / 8,
        "score_0": np.arange(8.0),
    }
    curves = np.array([[500.0, 0.08, 1.0, 0.001]])
    rules = kernel.Rules(np.ones((1, 1)), True, curves, None, 1.0, (2.0,), (0,), "zscore", False, "share")
    quality = Quality(Columns(layout, values), ("lower",), "zscore")
    ready = kernel.Arranged(quality.columns, parts(quality.columns, (2.0,), (0,)), quality, None, None, 1)
    return kernel.ranked(ready, rules)


def test_bands_of_any_number_cover_the_pool() -> None:
    for count in (1, 2, 5, 6, 7):
        assert len(edges(count)) == count
        assert edges(count)[-1] == 1.0
    found = bands(eight(), None, 3, nested=False)
    assert found.unique[0] == pytest.approx([8 / 3] * 3, abs=1e-5)
    assert found.most[0] == pytest.approx([16 / 3] * 3, abs=1e-5)
    assert found.drawn[0].tolist() == [0.0] * 3


def test_cells_of_domains_are_cells_of_bands() -> None:
    """Splitting each band among domains of equal repetition changes nothing."""
    drawn = np.array([[4e10, 2e10, 0], [2e10, 1e10, 0]])
    fresh = np.array([[1e10, 1e10, 0], [5e9, 5e9, 0]])
    split = infolaw.loss(TRUE, forecasting.runs(1e9, drawn, fresh))
    whole = Runs(np.array([1e9]), drawn.sum(axis=0)[None], fresh.sum(axis=0)[None], np.ones(1))
    assert split == pytest.approx(infolaw.loss(TRUE, whole))
