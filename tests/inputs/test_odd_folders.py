"""Folders whose names mean something to DuckDB, to globs or to a shell are folders like others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SOURCE, Run, rows, write_parquet

pytestmark = pytest.mark.slow

NAMES = ["a?b", "a\\b", "a*b", "a[0]b", "a{1,2}", 'it\'s "q"; --', "?memory_limit=1MB", "~", "ünï 中", "%20", "$HOME"]


@pytest.mark.parametrize("name", NAMES)
def test_a_project_in_an_odd_folder(tmp_path: Path, run: Run, name: str) -> None:
    folder = tmp_path / name
    for number in range(2):
        select = (
            "SELECT 'd' || i AS id, repeat('word ', i :: INTEGER % 9 + 1) AS text, 3 AS n, 'a' AS topic "
            f"FROM range({number * 50}, {number * 50 + 50}) AS r(i)"
        )
        write_odd(folder / f"data/{number}.parquet", select, tmp_path)
    recipe = folder / "a.recipe"
    recipe.write_text(
        SOURCE + "where not duplicate(id)\ncriterion words = word_count() higher is better\nsample top 50% by words\n"
        'output parquet "out" { shuffle }\n'
    )
    first = run("apply", recipe, "--yes", "--json")
    assert first.code == 0, first.err
    assert run("apply", recipe, "--yes", "--json").out == first.out
    assert run("verify", folder / "out").code == 0
    assert run("explain", folder / "out", "d1").out.startswith("d1 of web: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert sorted(path.name for path in folder.iterdir()) == [".recipec", "a.recipe", "data", "out"]


def write_odd(path: Path, select: str, plain: Path) -> None:
    """The rows of a query as a Parquet file in a folder of any name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(plain / "x.parquet", select).rename(path)


@pytest.mark.parametrize(
    ("output", "code"),
    [("/", "R0601"), ("//", "R0601"), ("a\\u0000b", "R0208"), (".", "R0601"), ("", "R0601"), ("a/..", "R0601")],
)
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_an_output_that_cannot_be(world: Path, run: Run, command: str, output: str, code: str) -> None:
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE + f'sample all\noutput parquet "{output}"\n')
    result = run(command, recipe, *(["--yes"] if command == "apply" else []))
    assert result.code == 1
    assert result.err.startswith(f"error[{code}]"), result.err


@pytest.mark.parametrize("glob", [".", "ou*/", "{data,out}/**/*.parquet", "./", "out/data"])
def test_an_output_that_a_glob_would_read_as_shards(world: Path, run: Run, glob: str) -> None:
    recipe = world / "a.recipe"
    recipe.write_text(
        SOURCE.replace('"data/*.parquet"', f'"data/*.parquet" "{glob}"') + 'sample all\noutput parquet "out"\n'
    )
    result = run("apply", recipe, "--yes")
    assert result.code == 1
    assert f"error[R0605]: the glob `{glob}` of source `web` would read the output as shards" in result.err


def test_a_folder_of_shards_and_a_folder_of_examples(world: Path, run: Run) -> None:
    """They mean what globs of all their files mean; examples may be plain text too."""
    (world / "qa/deep").mkdir(parents=True)
    (world / "qa/deep/lines.txt").write_text(
        "what is said here is an example of a text that stands alone in this file\n"
    )
    (world / "qa/README.md").write_text("no examples")
    digests = []
    for shards, examples in (("data/*.parquet", "qa/deep/lines.txt"), ("data", "qa/"), ("{data,data/}", "q{a,b}")):
        recipe = world / "a.recipe"
        recipe.write_text(
            SOURCE.replace("data/*.parquet", shards)
            + f'target qa {{ examples "{examples}" }}\nwhere not overlaps(qa, ngram: 5)\nsample all\noutput parquet "out"\n'
        )
        assert run("apply", recipe, "--yes").code == 0
        digests.append(rows(f"SELECT count(*), sum(hash(doc_id)) FROM '{world}/out/ledger/*.parquet'"))
    assert digests[0][0][0] == 400
    assert digests[0] == digests[1] == digests[2]
