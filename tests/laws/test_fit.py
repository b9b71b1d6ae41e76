"""`recipec fit`: tables, the fit, its report, designs of runs, and every mistake on the way."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from recipec.cli import options
from recipec.diagnostics import Failure
from recipec.laws import design, doubts, fitting, lawfile, paper, report, tables
from recipec.laws.runs import Runs
from tests.benchmarks.simulated_runs import TRUE, simulated
from tests.conftest import REPOSITORY, Run

pytestmark = pytest.mark.slow

SHARED = REPOSITORY.parent / "shared/data/datablations"
FIT_SET = (
    next((path for path in (SHARED, Path("/work/shared/data/datablations")) if path.is_dir()), SHARED)
    / "datablations_c4_182_fit_set.csv"
)

needs_datablations = pytest.mark.skipif(not FIT_SET.is_file(), reason="../shared/data is not there")


def write_runs(path: Path, runs: Runs, **more: list[object]) -> Path:
    """Runs as a CSV table, with further columns."""
    bands = range(runs.tokens.shape[1])
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = [name for band in bands for name in (f"tokens_{band}", f"unique_{band}")]
        writer.writerow(["params", *names, "loss", *more])
        for i in range(len(runs)):
            cells = [value for band in bands for value in (runs.tokens[i, band], runs.unique[i, band])]
            writer.writerow([runs.params[i], *cells, runs.loss[i], *(column[i] for column in more.values())])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_runs(tmp_path_factory.mktemp("runs") / "runs.csv", simulated(40, noise=0.0015, seed=3))


QUICK = ("--starts", 2, "--bootstrap", 8)


def test_a_fit_writes_a_law_that_predicts(table: Path, tmp_path: Path, run: Run) -> None:
    law, plot = tmp_path / "law.json", tmp_path / "fit.svg"
    result = run("fit", "infolaw", table, "-o", law, "--plot", plot, *QUICK)
    assert result.code == 0, result.err
    for words in ("Columns of 40 runs", "95% interval", "in-sample", "held out by size", "held out by repetition",
                  "held out by recipe", "no runs differ in seed alone", "Fitted range"):  # fmt: skip
        assert words in result.out, words
    file = lawfile.read("law.json", tmp_path)
    assert file.fitted
    assert file.count == 40
    assert file.runs == tables.read(table, {}, need_loss=True).digest
    theta = file.parameters["theta"]
    assert theta.low <= theta.value <= theta.high
    assert theta.value == pytest.approx(TRUE[0], abs=0.2)
    assert {one.split for one in file.errors} == {"in-sample", "size", "repetition", "recipe"}
    assert plot.read_text().startswith("<svg ")
    assert plot.read_text().count("<circle") == 40
    predicted = json.loads(run("predict", "--law", law, "--runs", table, "--json").out)["runs"]
    assert len(predicted) == 40
    assert all(one["low"] < one["loss"] < one["high"] and one["warnings"] == [] for one in predicted)


def test_the_same_fit_gives_the_same_bytes(tmp_path: Path, run: Run) -> None:
    (tmp_path / "runs.csv").write_text(small())
    words = ("--fix", "alpha=0.34", "--fix", "beta=0.28", *QUICK, "--json")
    for name in ("a.json", "b.json"):
        assert run("fit", "chinchilla", tmp_path / "runs.csv", "-o", tmp_path / name, *words).code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_the_kind_of_file_and_names_of_columns_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(small())
    expected = tables.read(tmp_path / "runs.csv", {}, need_loss=True)
    with duckdb.connect() as connection:
        renamed = f"SELECT * RENAME (params AS model_size) FROM '{tmp_path}/runs.csv'"
        connection.execute(f"COPY ({renamed}) TO '{tmp_path}/runs.parquet' (FORMAT parquet)")
        connection.execute(f"COPY ({renamed}) TO '{tmp_path}/runs.jsonl' (FORMAT json)")
    for kind in ("parquet", "jsonl"):
        found = tables.read(tmp_path / f"runs.{kind}", {"params": "model_size"}, need_loss=True)
        assert found.columns["params"] == "model_size"
        assert np.array_equal(found.runs.params, expected.runs.params)
        assert np.array_equal(found.runs.tokens, expected.runs.tokens)
        assert np.array_equal(found.runs.loss, expected.runs.loss)


def test_columns_of_bands_are_mapped(table: Path, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * RENAME (tokens_0 AS best, unique_0 AS best_once) FROM '{table}') TO '{tmp_path}/a.csv'"
        )
    mapping = options.columns(["tokens_0=best", "unique_0=best_once"])
    found = tables.read(tmp_path / "a.csv", mapping, need_loss=True)
    assert np.array_equal(found.runs.tokens, tables.read(table, {}, need_loss=True).runs.tokens)
    with pytest.raises(Failure):
        tables.read(tmp_path / "a.csv", {}, need_loss=True)


@needs_datablations
@pytest.mark.parametrize("law", ["chinchilla", "infolaw"])
def test_datablations_fit_as_they_are(law: str, run: Run) -> None:
    result = run("fit", law, FIT_SET, *QUICK, "--json")
    assert result.code == 0, result.err
    file = json.loads(result.out)["law"]
    errors = {one["split"]: one["mean"] for one in file["errors"]}
    assert errors.keys() == {"in-sample", "size", "repetition", "recipe"}
    assert 0.01 < errors["size"] < 0.15
    assert any("blind" in text or "one quality band" in text for text in file["warnings"])


@needs_datablations
def test_muennighoff_golden_objective() -> None:
    """Fitting (R*_D, R*_N) with the published rest: the published point is a local optimum of 0.0158259."""
    runs = tables.read(FIT_SET, {}, need_loss=True).runs
    file = lawfile.read("std.law.muennighoff_c4", Path())
    fixed = {name: one.value for name, one in file.parameters.items() if name not in ("R_D", "R_N")}
    published = fitting.huber(fitting.residuals(file.form, runs, file.theta))
    found = fitting.fit(file.form, runs, starts=12, fixed=fixed)
    assert found.objective <= 0.0158259
    assert found.objective <= published


def test_theta_is_recovered_from_two_pool_sizes() -> None:
    """recipec/docs/methods.md, section 4, with 0.15 % noise."""
    found = [fitting.refit(lawfile.find_law("infolaw"), simulated(60, noise=0.0015, seed=s), TRUE) for s in range(8)]
    thetas = np.array([one.theta[0] for one in found])
    assert thetas.mean() == pytest.approx(0.922, abs=0.05)
    assert thetas.std() < 0.08


def test_the_paper_method_reproduces_the_search() -> None:
    runs = simulated(27, noise=0.0, seed=1)
    found = paper.fit(runs)
    law = lawfile.find_law("infolaw")
    info = law.info(found, runs).sum(axis=1)  # type: ignore[misc]  # infolaw has it
    ranks = paper.spearman(info[None], runs.loss)[0]
    assert ranks < -0.97
    assert np.abs(law.loss(found, runs) / runs.loss - 1).max() < 0.02
    assert paper.fit(runs) == pytest.approx(found)


def test_the_paper_method_by_its_command(tmp_path: Path, run: Run) -> None:
    table = write_runs(tmp_path / "runs.csv", simulated(12, noise=0.0015, seed=3))
    result = run("fit", "infolaw", table, "--method", "paper", "--bootstrap", 10, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["law"]["method"] == "paper"


def test_repeated_seeds_tell_the_noise(tmp_path: Path) -> None:
    runs = simulated(12, noise=0.0, seed=2)
    twice = runs.take(np.tile(np.arange(len(runs)), 2))
    noisy = Runs(twice.params, twice.tokens, twice.unique, twice.loss * np.repeat([0.99, 1.01], 12))
    table = tables.read(write_runs(tmp_path / "a.csv", noisy), {}, need_loss=True)
    fitted = report.fit_law(lawfile.find_law("infolaw"), table, report.Options(samples=5, starts=2), source="test")
    assert fitted.file.seed_noise == pytest.approx(0.01 * np.sqrt(2), rel=1e-3)


@pytest.mark.parametrize(
    ("law", "change", "words"),
    [
        ("infolaw", {"pools": (1.0,)}, "theta and lambda are barely identified"),
        ("infolaw", {"one_level": True}, "one repetition level (1)"),
        ("infolaw", {"flat": True}, "too little to tell a floor from a slope"),
        ("infolaw", {"one_size": True}, "one model size"),
        ("chinchilla", {}, "chinchilla is blind to repetition"),
    ],
)
def test_what_the_runs_cannot_tell(law: str, change: dict[str, Any], words: str, tmp_path: Path) -> None:
    runs = simulated(16, noise=0.001, seed=4, pools=change.get("pools", (0.3, 1.0)))
    if "one_level" in change:
        runs = Runs(runs.params, runs.tokens, runs.tokens, runs.loss)
    if "flat" in change:
        runs = Runs(runs.params, runs.tokens, runs.unique, 3 + 0.001 * runs.loss)
    if "one_size" in change:
        runs = Runs(np.full(16, 1e9), runs.tokens, runs.unique, runs.loss)
    table = tables.read(write_runs(tmp_path / "a.csv", runs), {}, need_loss=True)
    found = [*doubts.design_doubts(lawfile.find_law(law), table), *doubts.loss_doubts(table.runs)]
    assert any(words in text for text in found)


def test_warnings_of_a_fit_are_shown(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.csv").write_text(small())
    result = run("fit", "chinchilla", tmp_path / "a.csv", "--fix", "alpha=0.34", "--fix", "beta=0.28", *QUICK)
    assert result.code == 0, result.err
    assert "warning[R1207]: chinchilla is blind to repetition, and the runs repeat up to 16 times" in result.err


def small(loss: str = "3.0", **columns: str) -> str:
    """A table of eight runs in which one cell is something else."""
    rows = [
        {
            "params": f"{1e8 * (1 + i % 3)}",
            "tokens": f"{2e9 * (1 + i)}",
            "unique_tokens": "1e9",
            "loss": f"{3.5 - i / 9}",
        }
        for i in range(8)
    ]
    rows[2] |= {"loss": loss, **columns}
    names = list(rows[2])
    return "\n".join([",".join(names), *(",".join(row.get(name, "gpt2") for name in names) for row in rows)]) + "\n"


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        ("R0907", small("-1"), ()),
        ("R0907", small("0"), ()),
        ("R0907", small("nan"), ()),
        ("R0907", small("much"), ()),
        ("R0907", small(tokens="-5"), ()),
        ("R0907", small(tokens="0"), ()),
        ("R0907", small(params="0"), ()),
        ("R0907", small(unique_tokens="9e12"), ()),
        ("R0906", "params,tokens,unique_tokens\n1,2,1\n", ()),
        ("R0906", small(), ("--column", "loss=lose")),
        ("R0905", "params,tokens\n", ()),
        ("R0906", "\0\0\0\n\0", ()),
        ("R1201", small(tokenizer="llama"), ()),
        ("R1202", "params,tokens,unique_tokens,loss\n1e8,2e9,1e9,3\n1e8,4e9,1e9,2.9\n", ()),
        ("R1203", small(), ("--fix", "gama=1")),
        ("R1203", small(), ("--fix", "E=1000")),
        ("R1203", small(), ("--fix", "E")),
        ("R1204", small(), ("--method", "paper")),
        ("R1205", small(), ("--column", "loss")),
        ("R1205", small(), ("--column", "los=loss")),
        ("R0706", small(), ("-o", "/proc/no/law.json", "--fix", "beta=0.3", "--fix", "alpha=0.3")),
    ],
)
def test_bad_tables_and_options(code: str, text: str, words: tuple[str, ...], tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.csv").write_text(text)
    result = run("fit", "chinchilla", tmp_path / "a.csv", *words, *QUICK)
    assert result.code == 1
    assert f"error[{code}]" in result.err
    assert result.out == ""


def test_further_mistakes_of_the_command(tmp_path: Path, run: Run) -> None:
    assert "error[R0901]" in run("fit", "infolav", tmp_path / "a.csv").err
    assert "did you mean `infolaw`?" in run("fit", "infolav", tmp_path / "a.csv").err
    assert "error[R0905]" in run("fit", "infolaw", tmp_path / "none.csv").err
    assert "error[R1206]" in run("fit", "infolaw").err
    assert "error[R1206]" in run("fit", "infolaw+", "--design").err
    assert "error[R1202]" in run("fit", "infolaw", "--design", "--compute", "1e15").err
    assert run("fit", "infolaw", "--design", "--params", "2B..1B").code == 64


def test_all_mistakes_of_a_table_in_one_run(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.csv").write_text(small("-1", tokens="-3", params="-1"))
    assert run("fit", "chinchilla", tmp_path / "a.csv").err.count("error[R0907]") >= 4


def test_a_design_is_worth_more_than_the_published_one(tmp_path: Path, run: Run) -> None:
    out = tmp_path / "next.csv"
    words = ("--compute", "2e20", "--most", 24, "--simulations", 30, "--json", "-o", out)
    value = json.loads(run("fit", "infolaw", "--design", *words).out)
    ours, published = value["expected"]["this design"], value["expected"]["as published"]

    def width(one: dict[str, dict[str, float]], name: str) -> float:
        return one[name]["high"] - one[name]["low"]

    for name in ("theta", "lambda_ref"):
        assert width(ours, name) < 0.5 * width(published, name)
    assert sum(one["flop"] for one in value["runs"]) <= 2e20
    proposed = tables.read(out, {}, need_loss=False).runs
    assert len(proposed) == len(value["runs"]) == 24
    assert len(np.unique(proposed.params)) > 1
    assert len(np.unique(np.round(proposed.repetition, 2))) > 1


def test_runs_made_already_count_in_a_design(table: Path, run: Run) -> None:
    words = ("--design", "--compute", "5e19", "--most", 4, "--simulations", 20, "--starts", 4, "--json")
    value = json.loads(run("fit", "infolaw", table, *words).out)
    assert value["expected"].keys() == {"this design", "your runs alone", "as published"}
    assert len(value["runs"]) == 4


def test_the_derivatives_of_a_design_are_those_of_the_loss() -> None:
    law = lawfile.find_law("infolaw")
    runs = design.grid(law, np.array([1e8, 1e9])).runs
    slopes = design.jacobian(law, TRUE, runs)
    # log L = log α − β·log info, so that the derivative by log α is 1, in units of the box of log α.
    assert slopes[:, 3] == pytest.approx(np.log(1e3 / 1e-2), rel=1e-6)
