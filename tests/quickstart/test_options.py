"""The options of `recipec init`, and its errors, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.quickstart import corpora
from tests.quickstart.reading import settings, todos
from tests.quickstart.test_schemas import started

pytestmark = pytest.mark.slow


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`pool/`: documents with nested, dotted and odd columns."""

    def document(n: int) -> corpora.Row:
        meta = {"source": ("a", "b")[n % 2], "odd key": ("x", "y")[n % 2], "key": f"k{n}", "count": n + 1}
        tags = [f"tag-{n % 3}"]
        return {"id": n, "text": corpora.prose(n), "body": corpora.prose(n + 1), "a.b": "z", "meta": meta, "tags": tags}

    corpora.write(tmp_path / "pool/part=1/x.jsonl", corpora.rows(document))
    corpora.write(tmp_path / "pool/part=2/y.jsonl", corpora.rows(document, 60))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--id", "meta.key"], "id meta.key"),
        (["--text", "body"], "text body"),
        (["--tokens", "meta.count"], "tokens meta.count"),
        (["--domain", "meta.source"], "domain meta.source"),
        (["--domain", "meta.odd key"], "domain meta.`odd key`"),
        (["--domain", "meta.`odd key`"], "domain meta.`odd key`"),
        (["--domain", "tags[1]"], "domain tags[1]"),
        (["--domain", "a.b"], "domain `a.b`"),
        (["--domain", "part"], "domain part"),
        (["--domain", "path"], "domain path"),
        (["--domain", "file"], "domain file"),
        (["--domain", "id"], "domain id"),
    ],
    ids=str,
)
def test_an_option_names_a_column(pool: Path, run: Run, words: list[str], expected: str) -> None:
    recipe = started(pool, run, "pool", *words)
    lines = settings(recipe)["pool"]
    assert expected in lines
    above = recipe.partition(f"  {expected}\n")[0].splitlines()[-1]
    assert "#" not in above, "what is stated is no guess"


def test_a_stated_domain_that_is_null_at_times(tmp_path: Path, run: Run) -> None:
    corpora.write(tmp_path / "pool/a.jsonl", [{**corpora.wikipedia(n), "c": n % 3 or None} for n in range(60)])
    recipe = started(tmp_path, run, tmp_path / "pool", "--domain", "c")
    assert 'domain = coalesce(string(c), "unknown")' in settings(recipe)["pool"]
    assert todos(recipe)[0] == "null in 20 of 60 documents: `unknown`"


def test_an_option_holds_for_the_sources_that_have_the_column(tmp_path: Path, run: Run) -> None:
    corpora.write(tmp_path / "data/code/a.jsonl", corpora.rows(corpora.the_stack))
    corpora.write(tmp_path / "data/wiki/a.jsonl", corpora.rows(corpora.wikipedia))
    recipe = started(tmp_path, run, tmp_path / "data", "--domain", "ext", "--tokens", "size")
    assert settings(recipe) == {
        "code": ['shards "data/code/*.jsonl"', "id hexsha", "text content", "tokens size", "domain ext"],
        "wiki": ['shards "data/wiki/*.jsonl"', "id id", "text text"],
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--domain", "meta.sorce"], "`--domain meta.sorce` names no column\n  = help: did you mean `meta.source`?"),
        (
            ["--id", "nothing"],
            "`--id nothing` names no column\n  = help: known: `part`, `id`, `text`, `body`, `a.b`, `meta.source`, "
            "`meta.odd key`, `meta.key`, `meta.count`",
        ),
        (["--id", "path"], "`--id path` names no column\n  = help: did you mean `part`?"),
        (["--text", "meta"], "`--text meta` is a list or struct, and a text is a string"),
        (["--text", "id"], "`--text id` is an integer, and a text is a string"),
        (["--tokens", "body"], "`--tokens body` is a string, and a number of tokens is an integer"),
        (["--tokens", "id"], "`--tokens id` is null or not above zero in some documents of `pool`"),
        (["--id", "a.b"], "`--id a.b` is no id in `pool`: `a.b` has 1 value in 120 documents"),
        (["--domain", "tags"], "`--domain tags` is a list or struct, and a domain is a string"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_error_of_an_option(pool: Path, run: Run, words: list[str], expected: str) -> None:
    result = run("init", "pool", *words, "-o", "a.recipe")
    assert (result.code, result.err) == (1, f"error[R0711]: {expected}\n\n")
    assert not (pool / "a.recipe").exists()


def test_error_without_a_text(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpora.write(tmp_path / "pool/a.jsonl", [{"title": "A title", "n": 1, "meta": {"note": "short"}}] * 3)
    assert run("init", "pool").err == (
        "error[R0711]: no column can be the text: none is called one, and no string is long\n"
        "  = help: the strings of `pool`: `title` (7 characters on average), `meta.note` (5 characters on average)\n"
        "  = help: `--text COLUMN` names the text\n\n"
    )
    # Whoever names it gets it.
    recipe = started(tmp_path, run, "pool", "--text", "meta.note")
    assert settings(recipe)["pool"][1:] == ["text meta.note"]


def test_error_of_folders(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("none", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "none/notes.txt").write_text("no shard")
    (tmp_path / "empty/a.jsonl").write_bytes(b"")
    corpora.write(tmp_path / "pool/a.jsonl", corpora.rows(corpora.c4))
    assert run("init", "pool", "absent").err == (
        "error[R0711]: `absent` is not a folder\n  = help: name the folder that holds the shards\n\n"
    )
    assert run("init", "none").err == (
        "error[R0711]: `none` holds no shards\n  = help: shards are .parquet, or .jsonl, .ndjson and .json, which may "
        "end in .gz, .zst, .bz2, .xz or .lz4\n\n"
    )
    assert run("init", "empty").err == "error[R0711]: the shards of `empty` hold no documents\n\n"
    assert run("init", "pool").code == 0
    assert run("init", "pool").err == (
        "error[R0711]: `pool.recipe` already exists\n  = help: name another file with `-o`, or remove it\n\n"
    )
    (tmp_path / "pool/b.jsonl").write_bytes(b"[1, 2]\n")
    assert "error[R0303]: the shard cannot be read: it is one JSON array" in run("init", "pool", "-o", "-").err


def test_a_column_that_no_recipe_can_name(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpora.write(tmp_path / "pool/a.jsonl", [{"a`b": n, "text": corpora.prose(n)} for n in range(60)])
    assert run("init", "pool", "--id", "a`b").err == (
        "error[R0711]: `--id a`b` cannot be written in a recipe\n"
        "  = help: rename the column: recipes cannot quote a back quote or a line break\n\n"
    )
    assert settings(started(tmp_path, run, "pool"))["pool"][1:] == ["text text"]


def test_a_started_recipe_is_applied(tmp_path: Path, run: Run) -> None:
    corpora.write(tmp_path / "pool/a.jsonl", corpora.rows(corpora.odd))
    started(tmp_path, run, tmp_path / "pool")
    assert run("apply", tmp_path / "a.recipe", "--yes").code == 0
    assert run("verify", tmp_path / "out/pool").code == 0


def test_the_recipe_says_how_many_guesses_there_are(tmp_path: Path, run: Run) -> None:
    corpora.write(tmp_path / "pool/a.jsonl", corpora.rows(corpora.dolma))
    path = tmp_path / "deep/b.recipe"
    written = run("init", tmp_path / "pool", "-o", path).out
    assert written == f"wrote {path} (6 guesses to check: `# TODO`); next: recipec plan {path}\n"
    assert settings(path.read_text())["pool"][0] == 'shards "../pool/*.jsonl"'
