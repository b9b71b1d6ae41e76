"""Words of a package that pip has installed: recipes run with them, and versions are part of what is made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from recipec import spec
from tests.conftest import SOURCE, Run
from tests.plugins.plugin_world import RECIPE, OnPath, actions, forget, install, python, recipec, write_law

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Folders with the toy package, by version."""
    folder = tmp_path_factory.mktemp("acme")
    return {version: install(folder, version) for version in ("1.2", "1.3")}


@pytest.fixture
def written(world: Path) -> Path:
    """A recipe with words of the toy package."""
    (world / "a.recipe").write_text(RECIPE)
    write_law(world / "power.json")
    return world


def test_a_recipe_runs_with_the_words_of_an_installed_package(acme: Mapping[str, Path], written: Path) -> None:
    assert recipec(written, "fmt", "--check", "a.recipe", plugins=acme["1.2"]).code == 0
    assert recipec(written, "check", "a.recipe", plugins=acme["1.2"]).out == "1 recipe fine\n"
    planned = recipec(written, "plan", "a.recipe", "-o", "a.plan", plugins=acme["1.2"])
    assert planned.code == 0, planned.err
    assert "power" in planned.out
    assert recipec(written, "apply", "a.plan", "--yes", plugins=acme["1.2"]).code == 0
    assert next((written / "out/data").iterdir()).name.endswith(".csv")
    assert recipec(written, "verify", "out", plugins=acme["1.2"]).out.startswith("ok: ")
    explained = recipec(written, "explain", "out", "doc-17", plugins=acme["1.2"])
    assert "vowels" in explained.out
    assert "by recipec 0.1.0, acme-filters 1.2" in recipec(written, "show", "out", plugins=acme["1.2"]).out
    assert "acme-filters 1.2" in (written / "out/README.md").read_text().replace("\\", "")
    recipe = json.loads((written / "out/manifest.json").read_text())["recipe"]
    assert [(need["package"], need["specifier"], need["version"]) for need in recipe["needs"]] == [
        ("acme-filters", ">=1.2", "1.2")
    ]
    for user in (*recipe["scores"], recipe["mixture"], recipe["output"], recipe["budget"]["law"]):
        assert user["plugin"] == {"package": "acme-filters", "version": "1.2"}


def test_shards_of_a_format_and_an_engine_of_an_installed_package(acme: Mapping[str, Path], written: Path) -> None:
    """The same documents from its format, by its engine, are the same selection."""
    assert recipec(written, "apply", "a.recipe", "--yes", plugins=acme["1.2"]).code == 0
    whole = json.loads((written / "out/manifest.json").read_text())
    duckdb.sql(f"COPY (FROM '{written}/data/*.parquet') TO '{written}/data/0.csv' (HEADER)")
    text = (written / "a.recipe").read_text()
    (written / "b.recipe").write_text(text.replace(".parquet", ".csv").replace('"out"', '"again"'))
    planned = recipec(written, "plan", "b.recipe", "--engine", "inline", "-o", "b.plan", plugins=acme["1.2"])
    said = [line for line in planned.err.splitlines() if line.startswith("inline: ")]
    assert said == ["inline: read", "inline: score", "inline: score"]
    assert {step["engine"] for step in json.loads((written / "b.plan").read_text())["steps"]} == {"inline"}
    shutil.rmtree(written / ".recipec")
    applied = recipec(written, "apply", "b.plan", "--yes", plugins=acme["1.2"])
    assert applied.err.count("inline: ") == 3
    assert json.loads((written / "again/manifest.json").read_text())["digest"] == whole["digest"]
    shutil.rmtree(written / ".recipec")
    assert "inline" not in recipec(written, "apply", "b.plan", "--engine", "local", plugins=acme["1.2"]).err
    assert (
        "error[R0248]: no engine `inlin` is installed"
        in recipec(written, "plan", "b.recipe", "--engine", "inlin", plugins=acme["1.2"]).err
    )


def test_shards_of_a_format_that_the_recipe_does_not_say_it_needs(
    acme: Mapping[str, Path], written: Path, on_path: OnPath, run: Run
) -> None:
    path, shard = written / "a.recipe", written / "data/zz.csv"
    duckdb.sql(f"COPY (FROM '{written}/data/*.parquet') TO '{shard}' (HEADER)")
    on_path(acme["1.2"])
    path.write_text(SOURCE.replace(".parquet", ".csv"))
    assert "error[R0243]: format `csv` is a word of acme-filters 1.2, which the recipe" in run("check", path).err
    path.write_text('needs "acme-filters"\n' + SOURCE.replace(".parquet", "*"))
    assert "zz.csv` of source `web` has a format of acme-filters 1.2, unlike the first\n" in run("plan", path).err


def test_examples_of_a_format_of_another_package(
    acme: Mapping[str, Path], written: Path, on_path: OnPath, run: Run
) -> None:
    on_path(acme["1.2"])
    (written / "examples.csv").write_text("question\nWhy?\n")
    path = written / "a.recipe"
    target = 'target qa {\n  examples "examples.csv"\n  text "{question}"\n}\nwhere overlaps(qa) == ""\n'
    path.write_text(f'needs "acme-filters"\n{SOURCE}{target}')
    assert "error[R0302]: examples cannot be of a format of acme-filters 1.2" in run("plan", path).err


def test_another_version_runs_its_steps_again_and_says_why(
    acme: Mapping[str, Path], written: Path, on_path: OnPath, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written)
    on_path(acme["1.2"])
    assert run("plan", "a.recipe", "-o", "a.plan").code == 0
    assert run("apply", "a.plan", "--yes").code == 0
    assert {action for action, _ in actions(run).values()} == {"reuse"}
    on_path(acme["1.3"])
    stale = run("apply", "a.plan", "--yes")
    assert stale.code == 4
    assert "error[R0708]: the plan is stale: acme-filters 1.2 → 1.3\n" in stale.err
    now = actions(run)
    assert now["read"][0] == "reuse"
    for step in ("vowel_share()", "spaces()", "write"):
        assert now[step] == ("run", "acme-filters 1.2 → 1.3"), step
    assert now["gather"][1].startswith("its input changed: score")


def test_a_law_of_another_version_is_why_the_dataset_is_written_again(
    acme: Mapping[str, Path], written: Path, on_path: OnPath, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written)
    budget = 'budget 2K tokens { model 1M params, law power("power.json") }\noutput parquet "out"\n'
    Path("a.recipe").write_text(f'needs "acme-filters"\n{SOURCE}{budget}')
    on_path(acme["1.2"])
    assert run("apply", "a.recipe", "--yes").code == 0
    on_path(acme["1.3"])
    assert {step: why for step, (action, why) in actions(run).items() if action != "reuse"} == {
        "write": "acme-filters 1.2 → 1.3"
    }


def test_plans_and_datasets_need_their_packages(
    acme: Mapping[str, Path], written: Path, on_path: OnPath, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written)
    gone = (
        "error[R0241]: the package acme-filters 1.2 is not installed\n"
        '  = help: install it: `pip install "acme-filters==1.2"`\n\n'
    )
    with pytest.MonkeyPatch.context() as there:
        there.syspath_prepend(acme["1.2"])
        forget()
        assert run("plan", "a.recipe", "-o", "a.plan").code == 0
        assert run("apply", "a.plan", "--yes").code == 0
    forget()
    refused = run("apply", "a.plan", "--yes")
    assert refused.code == 4
    assert refused.err.endswith(gone)
    assert run("verify", "out").err.endswith(gone)
    assert run("explain", "out", "doc-17").code == 0


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("criteria", "vowel_share"),
        ("criteria", "spaces"),
        ("formats", "csv"),
        ("mixers", "even"),
        ("laws", "power"),
        ("engines", "inline"),
    ],
)
def test_every_kind_is_found(acme: Mapping[str, Path], on_path: OnPath, kind: spec.Kind, word: str) -> None:
    on_path(acme["1.2"])
    assert word in spec.names(kind)
    assert word not in spec.own(kind)
    assert str(spec.origin(kind, word)) == "acme-filters 1.2"
    assert spec.find(kind, word).name == word


def test_nothing_is_imported_before_its_word_is_used(acme: Mapping[str, Path], written: Path) -> None:
    (written / "b.recipe").write_text(RECIPE.replace("where spaces() > 3\n\n", ""))
    script = (
        "import sys; from recipec.cli.main import main; "
        "main(['check', 'b.recipe']); "
        "print(sorted(name for name in sys.modules if name.startswith('acme')), file=sys.stderr)"
    )
    ended = python(written, "-c", script, plugins=acme["1.2"])
    assert (
        ended.err
        == "['acme_filters', 'acme_filters.csv', 'acme_filters.even', 'acme_filters.power', 'acme_filters.vowel_share']\n"
    )
