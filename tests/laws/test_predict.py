"""`recipec predict` for tables: golden values, intervals, ranking, ranges; law files good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec import resources
from recipec.laws import lawfile, prediction, ranges
from recipec.laws.runs import Runs
from tests.conftest import Run

PAPER = """params,tokens_0,unique_0,tokens_1,unique_1,tokens_2,unique_2
7e9,164.4e9,15e9,133.2e9,45e9,2.4e9,2.4e9
1.2e9,73.71648e9,4.60728e9,18.42912e9,13.82184e9,0,0
252e6,9.675288e9,0.9675288e9,5.8051728e9,2.9025864e9,3.8701152e9,3.8701152e9
"""
"""The golden runs of recipec/docs/methods.md: the bands' shares of pools as large as the run."""


def predict(run: Run, tmp_path: Path, text: str, law: str, *words: object) -> list[dict[str, object]]:
    (tmp_path / "runs.csv").write_text(text)
    result = run("predict", "--law", law, "--runs", tmp_path / "runs.csv", "--json", *words)
    assert result.code == 0, result.err
    value = json.loads(result.out)["runs"]
    assert all(list(one) == ["loss", "low", "high", "info", "warnings"] for one in value)
    return list(value)


def test_golden_infolaw(run: Run, tmp_path: Path) -> None:
    found = predict(run, tmp_path, PAPER, "std.law.infolaw_2026")
    assert [one["loss"] for one in found] == pytest.approx([2.859141, 3.027870, 3.255493], abs=5e-7)
    assert [one["info"] for one in found] == pytest.approx([434.204891, 118.313187, 22.867058], rel=1e-8)
    assert all(one["low"] < one["loss"] < one["high"] for one in found)  # type: ignore[operator]  # numbers
    said = [" ".join(one["warnings"]) for one in found]  # type: ignore[arg-type]  # a list of words
    assert all("not fitted on your data" in words for words in said)
    assert ["outside the fitted range" in words for words in said] == [True, False, False]


def test_golden_muennighoff(run: Run, tmp_path: Path) -> None:
    text = "params,tokens,unique_tokens\n6.34e9,242e9,25e9\n8.67e9,178e9,25e9\n"
    found = predict(run, tmp_path, text, "std.law.muennighoff_c4")
    assert [one["loss"] for one in found] == pytest.approx([2.2256440890, 2.2269634075], abs=1e-9)
    assert [one["info"] for one in found] == [None, None]


def test_chinchilla_is_as_published(run: Run, tmp_path: Path) -> None:
    found = predict(run, tmp_path, "params,tokens\n7e10,1.4e12\n", "std.law.chinchilla")
    assert found[0]["loss"] == pytest.approx(1.69 + 406.4 / 7e10**0.34 + 410.7 / 1.4e12**0.28, rel=1e-12)


@pytest.mark.parametrize("name", resources.law_names())
def test_standard_laws_say_that_they_are_published(name: str) -> None:
    file = lawfile.read(name, Path())
    assert not file.fitted
    assert "not fitted on your data" in file.source
    assert all(one.low == one.value == one.high for one in file.parameters.values())
    assert lawfile.text(file) == resources.law(name)


def test_the_table_is_ranked_for_people(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(PAPER)
    result = run("predict", "--law", "std.law.infolaw_2026", "--runs", tmp_path / "runs.csv")
    lines = [line for line in result.out.splitlines() if line[:1].isdigit()]
    assert [line.split()[1] for line in lines] == ["1:", "2:", "3:"]
    assert "published constants, not fitted on your data" in result.err


TWO = """params,recipe,tokens_0,unique_0,tokens_1,unique_1
1e9,best twice,20e9,10e9,0,0
1e9,mixed,10e9,10e9,10e9,10e9
"""


def test_a_range_of_budgets_tells_where_the_best_changes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(TWO)
    plot = tmp_path / "range.svg"
    words = ("--budget", "10B..1000B", "--plot", plot)
    value = json.loads(
        run("predict", "--law", "std.law.infolaw_2026", "--runs", tmp_path / "runs.csv", "--json", *words).out
    )["range"]
    assert value["values"][0] == 1e10
    assert value["values"][-1] == pytest.approx(1e12)
    (change,) = value["changes"]
    assert (change["before"], change["after"]) == (0, 1)
    at = prediction.scaled(
        Runs(np.full(2, 1e9), np.array([[2e10, 0], [1e10, 1e10]]), np.array([[1e10, 0], [1e10, 1e10]]), np.ones(2)),
        change["at"],
    )
    equal = prediction.predict(lawfile.read("std.law.infolaw_2026", Path()), at).loss
    assert equal[0] == pytest.approx(equal[1], rel=1e-9)
    assert value["repetition_stops_paying"][0] < value["repetition_stops_paying"][1]
    assert plot.read_text().count("<polyline") == 2
    result = run("predict", "--law", "std.law.infolaw_2026", "--runs", tmp_path / "runs.csv", *words)
    assert "the best run is 2: mixed, below 1: best twice" in result.out
    assert "repetition stops paying at" in result.out


def test_chinchilla_never_tires_of_repetition() -> None:
    file = lawfile.read("std.law.chinchilla", Path())
    runs = Runs(np.array([1e9]), np.array([[1e12]]), np.array([[1e9]]), np.ones(1))
    assert ranges.worth(file, runs) == pytest.approx([1.0])


def test_muennighoff_tires_of_repetition() -> None:
    file = lawfile.read("std.law.muennighoff_c4", Path())
    unique = 1e9
    start = Runs(np.array([1e8]), np.array([[unique]]), np.array([[unique]]), np.ones(1))
    swept = ranges.sweep(file, lambda value: prediction.scaled(start, value), 1e9, 1e12, 20)
    epochs = (swept.stops[0] or 0) / unique
    assert 8 < epochs < 45


@settings(max_examples=25, deadline=None)
@given(
    st.floats(1e7, 1e11),
    st.lists(st.tuples(st.floats(1e6, 1e12), st.floats(1, 50)), min_size=1, max_size=6),
    st.sampled_from(["std.law.infolaw_2026", "std.law.muennighoff_c4", "std.law.chinchilla"]),
)
def test_intervals_hold_the_prediction_and_repetition_never_helps(
    params: float, bands: list[tuple[float, float]], name: str
) -> None:
    tokens = np.array([[amount for amount, _ in bands]])
    unique = np.array([[amount / epochs for amount, epochs in bands]])
    file = lawfile.read(name, Path())
    once = prediction.predict(file, Runs(np.array([params]), tokens, tokens, np.ones(1)))
    again = prediction.predict(file, Runs(np.array([params]), tokens, unique, np.ones(1)))
    assert np.all((again.low < again.loss) & (again.loss < again.high))
    assert again.loss[0] >= once.loss[0] * (1 - 1e-12)


GOOD = json.loads(resources.law("std.law.infolaw_2026"))


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("R0902", None),
        ("R0903", "{"),
        ("R0903", "[" * 100_000),
        ("R0903", "[]"),
        ("R0903", json.dumps(GOOD)[:-40]),
        ("R0903", json.dumps(GOOD | {"error": -1})),
        ("R0903", json.dumps(GOOD | {"parameters": {}})),
        ("R0903", json.dumps(GOOD | {"samples": [[1, 2]]})),
        ("R0903", json.dumps(GOOD | {"surprise": 1})),
        ("R0903", json.dumps(GOOD).replace("0.922", "NaN")),
        ("R0904", json.dumps(GOOD | {"version": 2})),
        ("R0901", json.dumps(GOOD | {"law": "infolav"})),
    ],
)
def test_bad_law_files(code: str, content: str | None, run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(PAPER)
    if content is not None:
        (tmp_path / "law.json").write_text(content)
    result = run("predict", "--law", tmp_path / "law.json", "--runs", tmp_path / "runs.csv")
    assert result.code == 1
    assert f"error[{code}]" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "R1206"),
        (("--runs", "runs.csv"), "R1206"),
        (("a.recipe", "--runs", "runs.csv", "--law", "std.law.chinchilla"), "R1206"),
        (("--runs", "runs.csv", "--law", "std.law.chinchilla", "--plot", "a.svg"), "R1206"),
        (("--runs", "runs.csv", "--law", "std.law.c", "--budget", "1B"), "R0902"),
        (
            ("--runs", "runs.csv", "--law", "std.law.chinchilla", "--budget", "1B..2B", "--params", "1B..2B"),
            "R1206",
        ),
    ],
)
def test_arguments_that_do_not_go_together(
    words: tuple[str, ...], code: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text(PAPER)
    result = run("predict", *words)
    assert result.code == 1
    assert f"error[{code}]" in result.err


@pytest.mark.parametrize("budget", ["", "B", "10B..", "2B..1B", "-1B", "1e400", "1X"])
def test_budgets_that_are_none(budget: str, run: Run) -> None:
    assert run("predict", "--runs", "a.csv", f"--budget={budget}").code == 64


def test_runs_of_other_bands_than_the_law(run: Run, tmp_path: Path) -> None:
    one_band = GOOD | {"fitted": True, "bands": 1}
    (tmp_path / "law.json").write_text(json.dumps(one_band))
    found = predict(run, tmp_path, PAPER, str(tmp_path / "law.json"))
    assert "the law was fitted on 1 quality band, and the runs have 3 quality bands" in found[1]["warnings"]  # type: ignore[operator]
