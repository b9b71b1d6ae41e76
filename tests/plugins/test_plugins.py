"""Words of other packages: a recipe says which it needs, their versions are part of what is made, mistakes are diagnostics."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from recipec import spec
from recipec.cli import views
from recipec.diagnostics import Failure
from tests.conftest import SOURCE, Run
from tests.plugins.plugin_world import (
    CRITERION,
    RECIPE,
    Lay,
    OnPath,
    forget,
    install,
    python,
    recipec,
    told,
    write_law,
)


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_shards_of_a_format_and_an_engine_of_an_installed_package(acme: Mapping[str, Path], written: Path) -> None:
    """The same documents from its format, by its engine, are the same selection."""
    assert recipec(written, "apply", "a.recipe", "--yes", plugins=acme["1.2"]).code == 0
    whole = json.loads((written / "out/manifest.json").read_text())
    duckdb.sql(f"COPY (FROM '{written}/data/*.parquet') TO '{written}/data/0.csv' (HEADER)")
    text = (written / "a.recipe").read_text()
    (written / "b.recipe").write_text(text.replace(".parquet", ".csv").replace('"out"', '"again"'))
    planned = recipec(written, "plan", "b.recipe", "--engine", "inline", "-o", "b.plan", plugins=acme["1.2"])
    assert planned.err.startswith("inline: read\ninline: score\ninline: score\n")
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


def actions(run: Run) -> dict[str, tuple[str, str]]:
    """What the plan of a.recipe does with each step, and why."""
    steps = json.loads(run("plan", "a.recipe", "--json").out)["steps"]
    return {
        step["op"].get("call", {}).get("name", step["op"]["kind"]): (step["action"], step["reason"]) for step in steps
    }


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
    assert stale.err.startswith("error[R0708]: the plan is stale: acme-filters 1.2 → 1.3\n")
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
    assert (refused.code, refused.err) == (4, gone)
    assert run("verify", "out").err == gone
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


def test_built_in_words_alone_read_little_metadata(world: Path) -> None:
    (world / "a.recipe").write_text(SOURCE + 'where length(text) > 3\noutput parquet "out"\n')
    script = (
        "import sys; from importlib import metadata; asked = []; real = metadata.entry_points\n"
        "def counted(**kind):\n    asked.append(kind['group'])\n    return real(**kind)\n"
        "metadata.entry_points = counted\n"
        "from recipec.cli.main import main; main(['check', 'a.recipe'])\n"
        "asked = [one for one in asked if one.startswith('recipec')]\n"
        "print(sorted(asked), 'packaging' in sys.modules, file=sys.stderr)"
    )
    ended = python(world, "-c", script, plugins=world)
    assert ended.err == "['recipec.criteria', 'recipec.formats'] False\n"


def test_a_word_without_its_needs(world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    lay("acme-filters", {"criteria": {"vowel_share": "acme_filters"}}, 'raise AssertionError("imported")')
    assert told(world, "where vowel_share() > 0.2\n", monkeypatch) == (
        """error[R0243]: criterion `vowel_share` is a word of acme-filters 1.2, which the recipe does not say it needs
 --> a.recipe:1:7
  |
1 | where vowel_share() > 0.2
  |       ^^^^^^^^^^^
  |
  = help: add the line `needs "acme-filters >= 1.2"`
"""
    )


def test_a_version_that_does_not_serve(world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    lay("acme-filters", {"criteria": {"vowel_share": "acme_filters"}}, 'raise AssertionError("imported")')
    text = 'needs "Acme_Filters >= 1.3"\ncriterion v = vowel_share() higher is better\n'
    assert told(world, text, monkeypatch) == (
        """error[R0242]: acme-filters 1.2 is installed, and the recipe needs >=1.3
 --> a.recipe:1:7
  |
1 | needs "Acme_Filters >= 1.3"
  |       ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: install it: `pip install "Acme_Filters>=1.3"`
"""
    )


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("criteria", "where vowel_shar() > 0.2\n"),
        ("criteria", "criterion v = vowel_shar() higher is better\n"),
        ("formats", 'output vowel_shar "out"\n'),
        ("mixers", "mixture vowel_shar\n"),
        ("mixers", "mixture vowel_shar(n: 2)\n"),
    ],
)
def test_words_of_plug_ins_are_what_may_have_been_meant(
    world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch, kind: str, text: str
) -> None:
    lay("acme-filters", {kind: {"vowel_share": "acme_filters"}})
    assert "did you mean `vowel_share`?" in told(world, text, monkeypatch)


CLASHES = [
    (
        {"criteria": {"word_count": "other"}},
        "where word_count() > 0.2\n",
        "`word_count` is a criterion of recipec and a criterion of other 0.3",
    ),
    (
        {"criteria": {"length": "other"}},
        "where length(text) > 2\n",
        "`length` is a function of recipec and a criterion of other 0.3",
    ),
    (
        {"criteria": {"column": "other"}},
        "criterion e = column(edu) higher is better\n",
        "`column` is a criterion of recipec and a criterion of other 0.3",
    ),
    (
        {"formats": {"jsonl": "other"}},
        'output jsonl "out"\n',
        "`jsonl` is a format of recipec and a format of other 0.3",
    ),
    (
        {"mixers": {"natural": "other"}},
        "mixture natural\n",
        "`natural` is a mixer of recipec and a mixer of other 0.3",
    ),
    (
        {"laws": {"chinchilla": "other"}},
        "budget 2K tokens { model 1B params, law std.law.chinchilla }\n",
        "`chinchilla` is a law of recipec and a law of other 0.3",
    ),
]


@pytest.mark.parametrize(("words", "text", "expected"), CLASHES, ids=[text for _, text, _ in CLASHES])
def test_a_built_in_word_that_a_package_gives_too(
    world: Path,
    lay: Lay,
    monkeypatch: pytest.MonkeyPatch,
    words: Mapping[str, Mapping[str, str]],
    text: str,
    expected: str,
) -> None:
    lay("other", words, version="0.3")
    assert told(world, text, monkeypatch).startswith(f"error[R0244]: {expected}\n --> a.recipe:1:")
    assert told(world, "where n > 2\n", monkeypatch) == ""


def test_a_word_that_two_packages_give(world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    lay("acme-filters", {"criteria": {"vowel_share": "acme_filters"}})
    lay("other", {"criteria": {"vowel_share": "other"}}, version="0.3")
    assert told(world, 'needs "other"\nwhere vowel_share() > 0.2\n', monkeypatch) == (
        """error[R0244]: `vowel_share` is a criterion of acme-filters 1.2 and a criterion of other 0.3
 --> a.recipe:2:7
  |
2 | where vowel_share() > 0.2
  |       ^^^^^^^^^^^
  |
  = help: uninstall the plug-in whose word is not meant
"""
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "`broken_one` has no `SPEC`"),
        ("SPEC = {}", "its `SPEC` is a dict, expected a Criterion"),
        (CRITERION.replace('name="vowel_share"', 'name="vowels"'), "its `SPEC` is called `vowels`"),
        (
            CRITERION.replace("sql=", "nql="),
            "TypeError: Criterion.__init__() got an unexpected keyword argument 'nql'",
        ),
        (
            CRITERION.replace(', sql=lambda text, params: "1.0"', ""),
            "TypeError: criterion `vowel_share` needs exactly one of `sql`, `batch` and `features`",
        ),
        (
            CRITERION.replace("params=Params", "params=Params()"),
            "TypeError: the `params` of criterion `vowel_share` are no pydantic model",
        ),
        (
            CRITERION.replace("params=Params", 'params=Params, type="double"'),
            "TypeError: criterion `vowel_share` has values of the type `double`, which none can have",
        ),
    ],
)
def test_a_broken_plug_in(world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    lay("broken-one", {"criteria": {"vowel_share": "broken_one"}}, code)
    assert told(world, 'needs "broken-one"\nwhere vowel_share() > 0.2\n', monkeypatch) == (
        f"""error[R0245]: criterion `vowel_share` of broken-one 1.2 cannot be used: {reason}
 --> a.recipe:2:7
  |
2 | where vowel_share() > 0.2
  |       ^^^^^^^^^^^
"""
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('sql=lambda text, params: f"no_function({text})"', "CatalogException: Catalog Error: Scalar Function"),
        ("batch=lambda texts, params: 1 / 0", "ZeroDivisionError: division by zero"),
        ("batch=lambda texts, params: [0.5]", "ValueError: values of shape (1,) for 200 texts"),
    ],
)
def test_a_plug_in_that_fails_at_work(
    world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch, run: Run, value: str, reason: str
) -> None:
    lay("failing", {"criteria": {"vowel_share": "failing"}}, CRITERION.replace('sql=lambda text, params: "1.0"', value))
    assert told(world, 'needs "failing"\nwhere vowel_share() > 0.2\n', monkeypatch) == ""
    result = run("plan", "a.recipe")
    assert result.code == 1
    first, place, *_ = result.err.splitlines()
    assert first.startswith(f"error[R0247]: criterion `vowel_share` of failing 1.2 failed: {reason}")
    assert place == " --> a.recipe:2:7"


def test_needs_may_stand_in_a_recipe_that_is_used(world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    lay("acme-filters", {"criteria": {"vowel_share": "acme_filters"}})
    (world / "team.recipe").write_text('needs "acme-filters >= 1.0"\nneeds "numpy"\nwhere vowel_share() > 0.2\n')
    assert told(world, "use team\n", monkeypatch) == ""


def test_an_extension_that_is_not_there() -> None:
    with pytest.raises(Failure) as failed:
        spec.find("formats", "parqet")
    assert views.render(failed.value.diagnostics[0]) == (
        "error[R0248]: no format `parqet` is installed\n  = help: did you mean `parquet`?\n"
    )


def test_parameters_that_are_called_as_our_own_fields_are(
    world: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    code = CRITERION.replace("    pass", "    origin: str = ''\n    plugin: str = ''")
    lay("other", {"criteria": {"vowel_share": "other"}}, code)
    for arguments, changed in (("plugin: a", "first run"), ("plugin: b", "new step"), ("origin: b", "new step")):
        text = f'needs "other"\nwhere vowel_share({arguments}) > 0.2\n'
        assert told(world, text, monkeypatch) == ""
        found = {name: why for name, why in actions(run).items() if name.startswith("vowel_share")}
        assert found == {f"vowel_share({arguments})": ("run", changed)}
