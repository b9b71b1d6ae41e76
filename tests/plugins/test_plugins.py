"""Words of other packages: a recipe says which it needs, and mistakes are diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from recipec import spec
from recipec.cli import views
from recipec.diagnostics import Failure
from tests.conftest import SOURCE, Run
from tests.plugins.plugin_world import CRITERION, Lay, actions, python, told


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
        """error[R0243]: criterion `vowel_share` is a word of acme-filters 1.2, which the recipe does not list in `needs`
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
        """error[R0242]: acme-filters 1.2 is installed, but the recipe needs >=1.3
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
  = help: uninstall the plug-in whose word you do not need
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
            "TypeError: the `params` of criterion `vowel_share` are not a pydantic model",
        ),
        (
            CRITERION.replace("params=Params", 'params=Params, type="double"'),
            "TypeError: criterion `vowel_share` has the unknown value type `double`",
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
