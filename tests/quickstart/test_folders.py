"""`recipec init` on folders of folders: which shards become one source, and what is a domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from recipec.quickstart import folders
from tests.conftest import Run
from tests.quickstart import corpora
from tests.quickstart.reading import settings, statements, todos
from tests.quickstart.test_schemas import started

pytestmark = pytest.mark.slow

Files = Mapping[str, Callable[[int], corpora.Row]]


def written(root: Path, files: Files) -> None:
    """Writes 60 documents to each file, others to each."""
    for number, (name, corpus) in enumerate(files.items()):
        corpora.write(root / name, corpora.rows(corpus, number * 60))


def globs(recipe: str) -> dict[str, list[str]]:
    found = settings(recipe)
    return {
        name: [one.removeprefix("shards ").strip('"') for one in lines if one.startswith("shards")]
        for name, lines in found.items()
    }


def test_folders_with_other_columns_are_sources(tmp_path: Path, run: Run) -> None:
    files = {
        "data/web/a.parquet": corpora.fineweb_edu,
        "data/code/b.json.gz": corpora.the_stack,
        "data/books/x/1.jsonl": corpora.slimpajama,
        "data/books/y/1.jsonl": corpora.slimpajama,
    }
    written(tmp_path, files)
    recipe = started(tmp_path, run, tmp_path / "data")
    assert globs(recipe) == {
        "books": ["data/books/**/*.jsonl"],
        "code": ["data/code/*.json.gz"],
        "web": ["data/web/*.parquet"],
    }
    assert statements(recipe, "where") == [
        "where for books length(text) >= 200",
        "where for code length(content) >= 200",
        "where for web length(text) >= 200",
    ]
    assert statements(recipe, "criterion") == ["criterion score_web = column(score) higher is better for web"]
    assert "without scores, so that chance decides: `books`, `code`" in todos(recipe)
    assert any("add for example `where for web language_score >= 0.65`" in todo for todo in todos(recipe))
    assert "ties split" in recipe


def test_folders_with_the_same_columns_are_one_source(tmp_path: Path, run: Run) -> None:
    written(tmp_path, {f"data/{name}/{number}.jsonl.gz": corpora.dolma for name in ("a", "b") for number in range(2)})
    recipe = started(tmp_path, run, tmp_path / "data")
    assert settings(recipe) == {"data": ['shards "data/**/*.jsonl.gz"', "id id", "text text", "domain source"]}


def test_folders_that_are_the_only_domains_are_sources(tmp_path: Path, run: Run) -> None:
    written(tmp_path, {f"data/{name}/{number}.jsonl": corpora.c4 for name in ("web", "news") for number in range(2)})
    recipe = started(tmp_path, run, tmp_path / "data")
    assert globs(recipe) == {"news": ["data/news/*.jsonl"], "web": ["data/web/*.jsonl"]}
    assert statements(recipe, "where") == ["where length(text) >= 200"]
    assert "a source of its own, so that this folder is a domain: 1 other folder has the same columns" in todos(recipe)
    # Whoever names the domain gets one source.
    assert run("init", tmp_path / "data", "-o", "-", "--domain", "file").out.count("source ") == 1


def test_many_folders_with_the_same_columns_are_one_domain(tmp_path: Path, run: Run) -> None:
    written(tmp_path, {f"data/dump-{number:02}/a.parquet": corpora.c4 for number in range(17)})
    recipe = started(tmp_path, run, tmp_path / "data")
    assert settings(recipe) == {"data": ['shards "data/**/*.parquet"', "id url", "text text"]}


def test_what_folders_state_is_the_domain(tmp_path: Path, run: Run) -> None:
    places = [
        f"pool/dump={dump}/lang={lang}/{number}" for dump in (1, 2) for lang in ("en", "de") for number in range(2)
    ]
    written(tmp_path, {f"{place}.jsonl": corpora.c4 for place in places})
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert settings(recipe) == {"pool": ['shards "pool/**/*.jsonl"', "id url", "text text", "domain lang"]}
    assert "taken as the domain, because of its name: 2 values in the folders" in todos(recipe)
    assert "other candidates: `dump` (2 values)" in todos(recipe)


def test_a_column_comes_before_a_folder_of_its_name(tmp_path: Path, run: Run) -> None:
    written(tmp_path, {f"pool/lang={lang}/0.jsonl": corpora.the_stack for lang in ("en", "de")})
    recipe = started(tmp_path, run, tmp_path / "pool")
    assert settings(recipe)["pool"][-1] == "domain lang"
    assert "taken as the domain, because of its name: 2 values in the sample" in todos(recipe)


def test_files_of_several_kinds(tmp_path: Path, run: Run) -> None:
    files = {
        "data/part-0.jsonl": corpora.c4,
        "data/part-1.parquet": corpora.c4,
        "data/validation-0.parquet": corpora.c4,
    }
    written(tmp_path, {**files, "data/dataset_info.json": lambda _: {"name": "c4"}})
    recipe = started(tmp_path, run, tmp_path / "data")
    # The one JSON document among the shards is none of them.
    assert globs(recipe) == {"data": ["data/*.jsonl", "data/*.parquet"]}
    assert todos(recipe)[:2] == [
        "files of several kinds, .jsonl, .parquet: are they the same documents twice?",
        "leave out what is for evaluation? `validation-0.parquet`",
    ]


def test_files_with_other_columns_in_one_folder(tmp_path: Path, run: Run) -> None:
    files = {"data/arxiv.jsonl": corpora.c4, "data/books.jsonl": corpora.c4, "data/code.jsonl": corpora.the_stack}
    written(tmp_path, {**files, "data/more.parquet": corpora.dolma, "data/questions.jsonl": lambda n: {"question": n}})
    recipe = started(tmp_path, run, tmp_path / "data")
    assert globs(recipe) == {
        "data": ["data/arxiv.jsonl", "data/books.jsonl"],
        "code": ["data/code.jsonl"],
        "more": ["data/more.parquet"],
    }
    assert "domain file" in settings(recipe)["data"]
    assert todos(recipe)[0] == (
        f"left out, because no column is called a text: `{tmp_path}/data/questions.jsonl`; `--text COLUMN` names one"
    )


def test_attributes_beside_documents_are_left_out(tmp_path: Path, run: Run) -> None:
    def attributes(number: int) -> corpora.Row:
        return {"id": f"doc-{number}", "attributes": {"toxic": [[0, 10, 0.5]]}}

    written(tmp_path, {"d/documents/2019/a.jsonl.gz": corpora.dolma, "d/attributes/t/2019/a.jsonl.gz": attributes})
    recipe = started(tmp_path, run, tmp_path / "d")
    assert globs(recipe) == {"documents": ["d/documents/**/*.jsonl.gz"]}
    assert todos(recipe)[0].startswith(f"left out, because no column is called a text: `{tmp_path}/d/attributes`")


def test_several_folders(tmp_path: Path, run: Run) -> None:
    written(tmp_path, {"one/web/a.jsonl": corpora.c4, "two/web/a.jsonl": corpora.c4, "3/a.jsonl": corpora.the_stack})
    recipe = started(tmp_path, run, tmp_path / "one", tmp_path / "two/web", tmp_path / "two", tmp_path / "3")
    assert globs(recipe) == {
        "one": ["one/web/*.jsonl"],
        "web": ["two/web/*.jsonl"],
        "two": ["two/web/*.jsonl"],
        "source": ["3/*.jsonl"],
    }


def test_names_that_mean_something_in_globs_and_recipes(tmp_path: Path, run: Run) -> None:
    names = ["we{b,c}", "co'd\"e$", "where", "WHERE", "[a-z]*", "a=b"]
    written(tmp_path, {f"da ta [x]/{name}/a.jsonl": corpora.c4 for name in names})
    recipe = started(tmp_path, run, tmp_path / "da ta [x]", "--domain", "path")
    assert globs(recipe) == {"da_ta_x": ["da ta [[]x]/**/*.jsonl"]}
    written(tmp_path, {f"da ta [x]/{name}/a.jsonl": corpora.the_stack for name in names[:2]})
    (tmp_path / "a.recipe").unlink()
    recipe = started(tmp_path, run, tmp_path / "da ta [x]")
    assert list(globs(recipe)) == ["WHERE", "a_z", "a", "co_d_e", "we_b_c", "where_2"]


def test_shards_without_rows_belong_to_any_source(tmp_path: Path, run: Run) -> None:
    written(tmp_path, {"data/web/b.jsonl": corpora.dolma, "data/code/b.jsonl": corpora.dolma})
    (tmp_path / "data/web/a.jsonl").write_bytes(b"")
    (tmp_path / "data/code/c.jsonl").write_bytes(b"")
    assert list(globs(started(tmp_path, run, tmp_path / "data"))) == ["data"]


def test_of_many_folders_some_are_looked_into(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_SINGLE", 2)
    monkeypatch.setattr(folders, "MOST_READ", {True: 2, False: 2})
    written(tmp_path, {f"data/{name}/{number}.jsonl": corpora.dolma for name in "abcde" for number in range(2)})
    recipe = started(tmp_path, run, tmp_path / "data")
    assert globs(recipe) == {"data": ["data/**/*.jsonl"]}
    assert todos(recipe)[0] == "3 folders were not looked into: do they have the same columns?"
