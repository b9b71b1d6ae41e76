"""The README, the pages of recipec/docs, the standard recipes and the examples are true: every command in them runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from recipec import pipeline, resources, spec, syntax
from recipec.cli.main import COMMANDS
from recipec.database.sql import literal
from recipec.diagnostics import ExitCode
from recipec.laws import lawfile
from recipec.semantics.functions import FUNCTIONS
from recipec.source import Source
from tests.conftest import REPOSITORY, Run, rows, write_parquet

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "recipec").rglob("*.md")])
WORDS = (REPOSITORY / "recipec/docs/words.md").read_text(encoding="utf-8")
EXAMPLES = sorted(path.name for path in (REPOSITORY / "examples").glob("*.recipe"))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the README's commands need, as the working folder."""
    ignore = shutil.ignore_patterns(".recipec", "out")
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples", ignore=ignore)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_console_command_runs_and_prints_what_the_pages_say(checkout: Path, run: Run) -> None:
    commands = 0
    for block in (block for page in PAGES for block in blocks("console", page.read_text(encoding="utf-8"))):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            words = shlex.split(command)
            assert words[0] == "recipec"
            result = run(*words[1:], *(["--yes"] if words[1:2] == ["apply"] and "--yes" not in words else []))
            assert result.code == 0, (command, result.err)
            if shown.strip():
                assert untimed(result.out) == untimed(shown)
            commands += 1
    assert commands >= 10


def untimed(text: str) -> list[str]:
    """The lines of a text, with the time that a step took replaced: on a busy machine it is another."""
    return [re.sub(r" +~(< )?\d+ s$", "  ~ s", line.rstrip()) for line in text.rstrip("\n").splitlines()]


def test_the_install_commands_are_the_ones_that_ci_runs() -> None:
    install, tests = (block.strip() for block in blocks("sh"))
    assert install == "python3 -m venv .venv && .venv/bin/pip install --quiet . && .venv/bin/recipec quickstart"
    assert tests.endswith(".venv/bin/python -m pytest")
    ci = (REPOSITORY / ".ci/run").read_text()
    assert "README.md" in ci
    assert "pytest" in ci
    assert "quickstart" in ci


SECTIONS: dict[str, str] = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", WORDS, re.MULTILINE | re.DOTALL))
"""Of the page of words, by their titles."""


def row_of(section: str, start: str) -> str:
    """The row of a section's table that begins so."""
    [found] = [line for line in SECTIONS[section].splitlines() if line.startswith(f"| `{start}")]
    return found


def mixers() -> set[str]:
    """Those that a recipe calls by their word."""
    return {word for word in spec.own("mixers") if spec.find("mixers", word).called}


def test_the_page_of_words_names_every_extension_command_and_standard_recipe() -> None:
    for word in spec.own("criteria"):
        one = spec.find("criteria", word)
        section = "Criteria by a language model" if one.wants else "Heuristics"
        assert row_of(section, word + "(").endswith(f"| {one.summary} | {one.source} |"), word
    for word in mixers():
        one = spec.find("mixers", word)
        assert row_of("Mixers", f"{word}`") == f"| `{word}` | {one.summary} | {one.source or 'none'} |"
    for word in spec.own("formats"):
        one = spec.find("formats", word)
        compressions = ", ".join(f"`{compression}`" for compression in one.compressions)
        assert row_of("Output formats", f"{word}`") == f"| `{word}` | {one.summary} | {compressions} |"
    for word in lawfile.law_names():
        law = lawfile.find_law(word)
        assert row_of("Laws of loss", f"{word}`") == f"| `{word}` | {law.summary} | {law.source} |"
    for name, text in COMMANDS.items():
        assert row_of("Commands", f"recipec {name}`") == f"| `recipec {name}` | {text} |"
    for word in FUNCTIONS:
        assert f"`{word}(" in SECTIONS["Expressions"]
    for name in resources.law_names():
        assert f"`{name}`" in SECTIONS["Laws of loss"]
    for code in ExitCode:
        assert f"\n| {int(code)} | " in SECTIONS["Commands"]


def test_the_page_of_words_names_nothing_else() -> None:
    """A word that is gone from the code is gone from the page."""

    def named(*titles: str) -> set[str]:
        return {word for title in titles for word in re.findall(r"^\| `([^`(]+)", SECTIONS[title], re.MULTILINE)}

    assert named("Heuristics", "Criteria by a language model") == set(spec.own("criteria"))
    assert named("Mixers") == mixers()
    assert named("Output formats") == set(spec.own("formats"))
    assert named("Laws of loss") == set(lawfile.law_names())
    assert named("Standard recipes") == set(resources.stdlib_names())
    assert named("Commands") == {f"recipec {name}" for name in COMMANDS}


def statements() -> list[str]:
    """The statements of the page of words, and those that the README suggests; `…` stands for what is left out."""
    found = re.findall(r"^\| (`.*?`) \|", SECTIONS["Statements"], re.MULTILINE)
    found += re.findall(r"^\| (?:predict the loss|remove documents) \| (.*?) \|$", README, re.MULTILINE)
    return [code for row in found for code in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("statement", statements())
def test_the_statements_of_the_pages_parse(statement: str) -> None:
    assert syntax.parse(Source(statement + "\n", "page"))[1] == ()


def test_the_recipe_in_the_readme_is_the_one_that_is_planned() -> None:
    assert blocks("recipe") == [(REPOSITORY / "examples/mixture_quotas.recipe").read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        other = page.parent / path if path else page
        assert "://" in target or other.exists(), target
        if heading and "://" not in target:
            titles = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_the_examples_for_contributors_are_true() -> None:
    page = (REPOSITORY / "recipec/CONTRIBUTING.md").read_text(encoding="utf-8")
    cases = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests/diagnostics/cases").glob("*.txt")]
    assert blocks("text", page)[0] in cases
    [criterion] = blocks("python", page)
    module: dict[str, Any] = {}
    exec(criterion, module)  # of our own page
    word = module["SPEC"]
    assert rows(f"SELECT {word.sql(literal('no!! '), word.params())}") == [(0.4,)]
    assert word.name not in spec.own("criteria")


def test_pages_that_code_cites_are_in_the_checkout() -> None:
    known = {page.name for page in PAGES} | {path.name for path in (REPOSITORY / "tests").rglob("*.md")}
    for path in sorted([*(REPOSITORY / "recipec").rglob("*.py"), *(REPOSITORY / "tests").rglob("*.py")]):
        for cited in re.findall(r"(?<![\w/\"'])[\w/]*\w\.md\b", path.read_text(encoding="utf-8")):
            assert cited.rpartition("/")[2] in known, (path, cited)
            if "docs/" in cited:
                assert (REPOSITORY / "recipec" / cited.removeprefix("recipec/")).is_file(), (path, cited)


def test_the_pages_ship_in_the_package() -> None:
    """All of recipec/ is in the wheel; this is where the installed package finds them."""
    shipped = files("recipec") / "docs"
    assert {page.name for page in shipped.iterdir()} == {
        "clusters.md",
        "guide.md",
        "methods.md",
        "reading.md",
        "selection.md",
        "stores.md",
        "words.md",
    }


@pytest.mark.parametrize("name", resources.stdlib_names())
def test_standard_recipes_compile_and_are_canonical(name: str, tmp_path: Path) -> None:
    text = resources.stdlib(name)
    tree, diagnostics = syntax.parse(Source(text, name))
    assert diagnostics == ()
    assert syntax.format(tree, Source(text, name)) == text
    write_parquet(
        tmp_path / "data/a.parquet", "SELECT 'a' AS id, 'b' AS text, 1 AS tokens, 'c' AS domain, 0.5 AS score"
    )
    own = "" if name.startswith("std.template.") else 'source a { shards "data/*.parquet", id id, text text }\n'
    needs_criterion = name in ("std.curve.nag", "std.curve.quadmix", "std.mix.quadmix")
    criterion = "criterion score = column(score) higher is better\n" if needs_criterion else ""
    recipe = tmp_path / "a.recipe"
    recipe.write_text(f"use {name}\n{own}{criterion}")
    assert pipeline.compile_recipe(recipe, {}).recipe.sources


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_apply_and_verify(name: str, checkout: Path, run: Run) -> None:
    recipe = checkout / "examples" / name
    assert run("fmt", "--check", recipe).code == 0
    assert run("check", recipe).code == 0
    assert run("apply", recipe, "--yes").code == 0
    dataset = checkout / "examples/out" / recipe.stem
    for one in sorted(dataset.glob("phase-*")) or [dataset]:
        assert run("verify", one).out.startswith("ok: ")
        assert run("explain", one).code == 0


def test_there_are_six_examples() -> None:
    assert len(EXAMPLES) == 6


def test_decontamination_finds_the_overlaps_of_the_example(checkout: Path, run: Run) -> None:
    run("apply", checkout / "examples/decontaminate.recipe", "--yes")
    found = rows(
        f"SELECT evidence FROM '{checkout}/examples/out/decontaminate/ledger/*.parquet' "
        "WHERE rejected_by = 'not overlaps(questions, ngram: 13)'"
    )
    assert len(found) == 6
    evidence = re.compile(r"overlaps\(.*\) = (.*):(\d+): (.*)")
    for row in found:
        file, line, ngram = evidence.fullmatch(row[0]).groups()  # type: ignore[union-attr]
        assert len(ngram.split()) == 13
        example = (checkout / "examples" / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        assert ngram.split()[0] in example.lower()


@pytest.mark.slow
def test_quickstart_runs_as_the_readme_says(tmp_path: Path) -> None:
    folder = tmp_path / "first"
    ended = subprocess.run(
        [sys.executable, "-m", "recipec", "quickstart", "--no-models", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    for said in ("recipec plan", "recipec apply", "recipec verify", "recipec explain"):
        assert f"== {said} {folder}" in ended.stdout
    assert ": in, " in ended.stdout
    assert ": out (" in ended.stdout
    ledger = f"'{folder}/out/first/ledger/*.parquet'"
    documents, domains, selected = rows(
        f"SELECT count(*), count(DISTINCT domain), count(*) FILTER (copies > 0) FROM {ledger}"
    )[0]
    assert documents > 3_000
    assert domains >= 5
    assert 0 < selected < documents
    recipe = folder / "first.recipe"
    text = recipe.read_text()
    tree, _ = syntax.parse(Source(text, "first.recipe"))
    assert syntax.format(tree, Source(text, "first.recipe")) == text


def test_quickstart_leaves_other_folders_alone(tmp_path: Path, run: Run) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = run("quickstart", tmp_path)
    assert result.code == 1
    assert "R0712" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
