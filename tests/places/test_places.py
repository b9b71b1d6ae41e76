"""Places are local so far: a path with a scheme is a diagnostic wherever it is written, never a folder `s3:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipec.places import scheme
from tests.conftest import SOURCE, Run, write_parquet

HELP = "  = help: copy the files to a folder of this machine, or mount their place, and write its path\n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/a", "s3"),
        ("FILE:///a", "file"),
        ("git+ssh://host/a", "git+ssh"),
        ("a/b://c", ""),
        ("c:/a", ""),
        ("c://a", ""),
        ("s3:/a", ""),
        ("/s3://a", ""),
        ("é3://a", ""),
    ],
)
def test_a_scheme_is_letters_before_a_colon_and_two_slashes(text: str, expected: str) -> None:
    assert scheme.of(text) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["init", "URL"],
        ["init", "data", "-o", "URL"],
        ["init", "data", "-oURL"],
        ["init", "data", "--output=URL"],
        ["check", "mix.recipe", "URL"],
        ["fmt", "URL"],
        ["plan", "URL"],
        ["plan", "mix.recipe", "-o", "URL"],
        ["plan", "mix.recipe", "--html", "URL"],
        ["apply", "URL", "--yes"],
        ["probe", "URL"],
        ["fit", "chinchilla", "URL"],
        ["fit", "chinchilla", "runs.csv", "-o", "URL"],
        ["predict", "--runs", "URL", "--law", "std.law.chinchilla_2024"],
        ["search", "--mixtures", "URL", "--losses", "losses.csv"],
        ["reweight", "--influence", "URL"],
        ["model", "add", "ours", "--from", "URL"],
        ["model", "add", "URL"],
        ["quickstart", "URL"],
    ],
    ids=" ".join,
)
def test_an_argument_with_a_scheme(mix: Path, run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(mix.parent)
    before = sorted(mix.parent.rglob("*"))
    result = run(*(word.replace("URL", "s3://bucket/web") for word in words))
    message = "error[R0309]: `s3://bucket/web` is not a local path, and the scheme `s3` is not supported here\n"
    assert (result.code, result.out, result.err) == (1, "", message + HELP)
    assert sorted(mix.parent.rglob("*")) == before


def test_an_id_of_a_document_may_be_a_url(tmp_path: Path, run: Run) -> None:
    row = "SELECT 'https://host/a' AS id, 'some text' AS text, 2 AS n, 'a' AS topic"
    write_parquet(tmp_path / "data/0.parquet", row)
    recipe = tmp_path / "a.recipe"
    recipe.write_text(SOURCE + 'sample all\noutput parquet "out"\n')
    assert run("apply", recipe, "--yes").code == 0
    assert run("explain", tmp_path / "out", "https://host/a").out.startswith("https://host/a of web: in")


def test_a_value_that_is_set_may_be_no_url_either(world: Path, run: Run) -> None:
    recipe = world / "a.recipe"
    recipe.write_text('param data = "data/*.parquet"\n' + SOURCE.replace('"data/*.parquet"', "$data"))
    assert run("check", recipe).code == 0
    assert "R0309" in run("plan", recipe, "--set", 'data="s3n://bucket/*.parquet"').err
