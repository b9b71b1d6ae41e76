"""`recipec explain`: the derivation is right, and each named change really flips the outcome."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from recipec.audit import flips
from recipec.ir import model
from tests.conftest import SOURCE, Run, rows

ORIGIN = model.Origin(file="a.recipe", line=1, column=1, length=1, text="")


def applied(folder: Path, run: Run, text: str, name: str = "a") -> Path:
    recipe = folder / f"{name}.recipe"
    recipe.write_text(text + f'\noutput parquet "out/{name}"\n')
    result = run("apply", recipe, "--yes")
    assert result.code == 0, result.err
    return folder / "out" / name


def copies_of(dataset: Path, doc_id: str) -> int:
    found = rows(f"SELECT copies FROM '{dataset}/ledger/*.parquet' WHERE doc_id = '{doc_id}'")
    return int(found[0][0])


CURVE = """criterion edu = column(edu) higher is better
sample quadmix {{ curve {{ lambda 30, omega {omega!r}, epsilon {epsilon!r} }} }}
"""


@pytest.mark.parametrize("reason", ["below_threshold", "selected", "selected_tail"])
@pytest.mark.slow
def test_the_nearest_changes_of_omega_and_epsilon_flip_the_outcome(world: Path, run: Run, reason: str) -> None:
    dataset = applied(world, run, SOURCE + CURVE.format(omega=0.3, epsilon=0.05))
    documents = rows(f"SELECT doc_id FROM '{dataset}/ledger/*.parquet' WHERE reason = '{reason}' ORDER BY rank LIMIT 6")
    assert documents
    tried = 0
    for number, (document,) in enumerate(documents):
        (one,) = json.loads(run("explain", dataset, document, "--json").out)
        assert one["reason"] == reason
        for flip in one["flips"]:
            found = re.match(r"(in|out) if (omega|epsilon) (>=|>|<=|<) (\S+) ", flip["says"])
            if found is None:
                continue
            way, word, sign, text = found.groups()
            # The printed limit has six digits: step a little beyond it.
            value = min(float(text) * (1.0001 if ">" in sign else 0.9999), 1.0)
            changed = {"omega": 0.3, "epsilon": 0.05, word: value}
            again = applied(world, run, SOURCE + CURVE.format(**changed), f"flip_{number}_{tried}")
            assert (copies_of(again, document) > 0) == (way == "in"), flip["says"]
            tried += 1
        if tried >= 3:
            break
    assert tried


def test_a_rejected_document_shows_its_clause_its_value_and_the_limit_that_would_pass(world: Path, run: Run) -> None:
    dataset = applied(world, run, SOURCE + 'where length(text) >= 100 and topic != "b"\n')
    ledger = f"'{dataset}/ledger/*.parquet'"
    (document, evidence) = rows(
        f"SELECT doc_id, evidence FROM {ledger} WHERE evidence LIKE 'length%' ORDER BY 1 LIMIT 1"
    )[0]
    length = int(evidence.removeprefix("length(text) = "))
    result = run("explain", dataset, document)
    assert "out (filtered)" in result.out
    assert f'rejected by  where length(text) >= 100 and topic != "b"; found: {evidence}' in result.out
    assert f"if `length(text) >=` said {length} (is 100)" in result.out
    assert f"{world}/a.recipe:8" in result.out
    recipe = SOURCE + f'where length(text) >= {length} and topic != "b"\n'
    again = applied(world, run, recipe, "b")
    (found,) = rows(f"SELECT rejected_by FROM '{again}/ledger/*.parquet' WHERE doc_id = '{document}'")
    assert found[0] is None or "topic" in evidence


def test_a_duplicate_names_the_document_that_stays(world: Path, run: Run) -> None:
    dataset = applied(world, run, SOURCE + "where not duplicate(text)\n")
    found = rows(f"SELECT doc_id, evidence FROM '{dataset}/ledger/*.parquet' WHERE rejected_by = 'not duplicate(text)'")
    assert found
    for _, evidence in found[:3]:
        stays = re.fullmatch(r"same as (\S+) of web", evidence)
        assert stays
        assert copies_of(dataset, stays[1]) == 1


def test_an_unknown_document_is_a_diagnostic_with_a_near_id(world: Path, run: Run) -> None:
    dataset = applied(world, run, SOURCE)
    result = run("explain", dataset, "doc-9999")
    assert result.code == 1
    assert "error[R0801]: the dataset has no candidate document `doc-9999`" in result.err
    assert "= help: did you mean `doc-399`?" in result.err
    assert run("explain", dataset, "doc-9", "--source", "other").code == 1


def test_explain_of_no_dataset(world: Path, run: Run) -> None:
    result = run("explain", world / "data", "doc-1")
    assert result.code == 1
    assert "R0705" in result.err


def test_the_summary_adds_up(mix: Path, run: Run) -> None:
    assert run("apply", mix, "--yes").code == 0
    summary = json.loads(run("explain", mix.parent / "out", "--json").out)
    assert sum(reason["documents"] for reason in summary["reasons"]) == 400
    assert {decided["criterion"] for decided in summary["decided"]} == {"edu", "ppl"}
    assert all(decided["selected"] > 0 for decided in summary["decided"])
    shown = run("explain", mix.parent / "out").out
    assert "Documents by reason" in shown
    assert "What each criterion decided alone" in shown


def test_where_a_quota_bound_is_told_with_its_line(mix: Path, run: Run) -> None:
    mix.write_text(mix.read_text() + "\nquota c at least 30%\n")
    assert run("apply", mix, "--yes").code == 0
    bounds = json.loads(run("explain", mix.parent / "out", "--json").out)["bounds"]
    (bound,) = (bound for bound in bounds if bound["domain"] == "c")
    assert bound["binds"] == "at least"
    assert bound["origin"]["text"] == "quota c at least 30%"
    assert bound["asked"] == pytest.approx(0.2)
    assert bound["planned"] == pytest.approx(0.3)


@pytest.mark.parametrize("rank", [0.01, 0.2, 0.7])
@pytest.mark.parametrize("needed", [0.01, 0.9, 1.3, 1.9])
def test_the_omega_for_a_sampling_value_is_a_threshold(rank: float, needed: float) -> None:
    curve = model.Curve(domain=None, lambda_=50.0, omega=0.1, eta=1.0, epsilon=0.02, origin=ORIGIN)
    omega = flips.omega_for(curve, rank, needed)
    assert omega is not None
    above, below = flips.expected(curve, rank, omega + 1e-9), flips.expected(curve, rank, omega - 1e-9)
    if needed > curve.epsilon:
        assert below <= needed <= above + 1e-6
    assert above >= needed - 1e-6


def test_no_omega_reaches_more_than_the_curve_has() -> None:
    curve = model.Curve(domain=None, lambda_=50.0, omega=0.1, eta=1.0, epsilon=0.02, origin=ORIGIN)
    assert flips.omega_for(curve, 0.5, 2.1) is None
