"""Numbers on the command line: what is none, or out of range, is a usage error that says what is expected."""

from __future__ import annotations

import pytest

from recipec.cli import options
from tests.conftest import Run

RECIPE = ["plan", "a.recipe"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([*RECIPE, "--memory=x"], "argument --memory: `x` is not a size; write for example 4GB, 512MB or 50%"),
        ([*RECIPE, "--memory=-1"], "`-1` is not a size"),
        ([*RECIPE, "--memory=0"], "`0` is not a size"),
        ([*RECIPE, "--memory=4"], "`4` is not a size"),
        ([*RECIPE, "--memory=nan"], "`nan` is not a size"),
        ([*RECIPE, "--memory=0%"], "`0%` is not a size"),
        ([*RECIPE, "--memory=101%"], "`101%` is not a size"),
        ([*RECIPE, "--memory=2PB"], "2PB is more than any machine has; at most 1PB"),
        ([*RECIPE, "--threads=0"], "argument --threads: 0 is out of range; expected 1 to 1,024"),
        ([*RECIPE, "--threads=-1"], "-1 is out of range"),
        ([*RECIPE, "--threads=abc"], "`abc` is not a whole number; expected 1 to 1,024"),
        ([*RECIPE, "--threads=1.5"], "`1.5` is not a whole number"),
        ([*RECIPE, "--threads=٣"], "`٣` is not a whole number"),
        ([*RECIPE, "--threads=100000"], "100000 is out of range"),
        (["apply", "a.recipe", "--memory", "10XB"], "`10XB` is not a size"),
        (["diff", "a", "b", "--documents=0"], "0 is out of range; expected 1 to 1,000,000,000"),
        (["search", "--candidates=99999999999"], "99999999999 is out of range"),
        (["search", "--seed=-1"], "-1 is out of range; expected 0 to 9,223,372,036,854,775,807"),
        (["search", "--floor=nan"], "`nan` is not a finite number"),
        (["search", "--floor=x"], "`x` is not a number"),
        (["fit", "chinchilla", "--fit-seed=1e3"], "`1e3` is not a whole number"),
        (["fit", "chinchilla", "--compute=inf"], "`inf` is too large"),
        (["fit", "chinchilla", "--compute=0"], "`0` is not above zero"),
        (["fit", "chinchilla", "--noise=x"], "`x` is not a percentage"),
        (["fit", "chinchilla", "--params=2B..1B"], "2B..1B ends before it begins"),
        (["reweight", "--alpha=inf"], "`inf` is not a finite number"),
        (["reweight", "--rate=0"], "0 is not above zero"),
        (["predict", "--points=-3"], "-3 is out of range"),
        (["probe", "a.recipe", "--documents=x"], "`x` is not a whole number"),
    ],
)
def test_what_is_no_number_is_a_usage_error(run: Run, words: list[str], expected: str) -> None:
    result = run(*words)
    assert result.code == 64
    assert expected in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4GB", "4000000000B"),
        ("512MiB", "536870912B"),
        ("4g", "4000000000B"),
        ("1.5 GB", "1500000000B"),
        ("1e3MB", "1000000000B"),
        ("100B", "100B"),
        ("1PB", "1000000000000000B"),
        ("50%", "50%"),
        ("100%", "100%"),
        ("0.5%", "0.5%"),
    ],
)
def test_sizes_of_memory(text: str, expected: str) -> None:
    assert options.memory(text) == expected
