"""What the typed recipe says of repetition, ties, documents that do not fit, and empty pools."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipec import pipeline
from recipec.ir import model
from recipec.semantics import repetition
from tests.conftest import MIX, SOURCE


def resolved(folder: Path, text: str) -> model.Recipe:
    path = folder / "a.recipe"
    path.write_text(text)
    return pipeline.compile_recipe(path, {}).recipe


def said(repeat: model.Repeat) -> str:
    most = "column" if repeat.per_document else "unlimited" if repeat.unlimited else str(repeat.most)
    return f"{repeat.domain or 'all'} {most}{' by default' if repeat.by_default else ''}"


LIMITS = [
    ("", ["all 4 by default"]),
    ("repeat at most 4 times", ["all 4"]),
    ("repeat at most 9", ["all 9"]),
    ("use std.repeat.epochs", ["all 4"]),
    ("use std.repeat.epochs\nparam epochs = 2", ["all 2"]),
    ("param epochs = 9", ["all 4 by default"]),
    ("repeat unlimited", ["all unlimited"]),
    ("repeat a at most 2 times", ["all 4 by default", "a 2"]),
    ("repeat a at most 9 times", ["all 4 by default", "a 9"]),
    ("repeat a unlimited", ["all 4 by default", "a unlimited"]),
    ("repeat unlimited\nrepeat a at most 2 times", ["all unlimited", "a 2"]),
    ("repeat at most 3 times\nrepeat a unlimited", ["all 3", "a unlimited"]),
    # Whoever states a limit for all documents, be it per document, has no default.
    ("repeat at most n times", ["all column"]),
    ("repeat a at most n times", ["all 4 by default", "a column"]),
    ("repeat a at most n times\nrepeat a unlimited", ["all 4 by default", "a unlimited", "a column"]),
    ("repeat unlimited\nrepeat at most n times", ["all unlimited", "all column"]),
]


@pytest.mark.parametrize(("text", "expected"), LIMITS)
def test_the_limits_of_a_recipe(world: Path, text: str, expected: list[str]) -> None:
    assert [said(repeat) for repeat in resolved(world, f"{SOURCE}{text}\n").repeats] == expected


@pytest.mark.parametrize(
    ("text", "domain", "expected"),
    [
        ("", "a", 4),
        ("repeat a at most 2 times", "a", 2),
        ("repeat a at most 2 times", "b", 4),
        ("repeat a unlimited", "a", None),
        ("repeat a unlimited", "b", 4),
        ("repeat a at most n times", "a", 4),
    ],
)
def test_the_limit_of_a_domain(world: Path, text: str, domain: str, expected: int | None) -> None:
    limit = resolved(world, f"{SOURCE}{text}\n").limit(domain)
    assert limit is not None
    assert limit.most == expected


def test_only_a_limit_per_document_limits_no_domain(world: Path) -> None:
    assert resolved(world, f"{SOURCE}repeat at most n times\n").limit("a") is None


def test_the_default_is_the_standard_recipe(world: Path) -> None:
    [stated] = resolved(world, f"{SOURCE}use std.repeat.epochs\n").repeats
    assert repetition.standard().model_copy(update={"origin": stated.origin}) == stated
    assert str(repetition.standard().origin) == "std.repeat.epochs (default):4"


def test_the_default_is_not_written_into_the_recipe(world: Path) -> None:
    assert "repeat" not in resolved(world, SOURCE).canonical


POLICIES = [
    ("", "share", "stop", False, False),
    ("quality { ties share, weights { edu 1, ppl 1 } }", "share", "stop", False, False),
    ("quality { ties split, weights { edu 1, ppl 1 } }", "split", "stop", False, False),
    ("oversize stop", "share", "stop", False, False),
    ("oversize skip", "share", "skip", False, False),
    ("allow vanishing", "share", "stop", True, False),
    ("allow empty", "share", "stop", False, True),
    ("allow empty\nallow vanishing\nallow bad 1%", "share", "stop", True, True),
]

PLAIN = MIX.replace(MIX[MIX.index("quality {") : MIX.index("sample quadmix")], "")


@pytest.mark.parametrize(("text", "ties", "oversize", "vanishing", "empty"), POLICIES)
def test_policies(world: Path, text: str, ties: str, oversize: str, vanishing: bool, empty: bool) -> None:
    recipe = resolved(world, (PLAIN if "quality" in text else MIX) + text + "\n")
    found = recipe.quality.ties, recipe.oversize, recipe.allow_vanishing, recipe.allow_empty
    assert found == (ties, oversize, vanishing, empty)


def test_a_recipes_own_policy_replaces_an_imported_one(world: Path) -> None:
    (world / "team.recipe").write_text("oversize skip\nquality { ties split, weights { edu 1, ppl 1 } }\n")
    imported = resolved(world, f"{PLAIN}use team\n")
    assert (imported.oversize, imported.quality.ties) == ("skip", "split")
    own = resolved(world, f"{MIX}use team\noversize stop\n")
    assert (own.oversize, own.quality.ties) == ("stop", "share")


@pytest.mark.parametrize("text", ["criterion w = word_count() higher is better\n", "sample quadmix\ncriterion w = n\n"])
def test_ties_of_a_criterion_can_be_split(world: Path, text: str) -> None:
    text = text.replace("= n", "= column(n) lower is better")
    assert resolved(world, f"{SOURCE}{text}quality {{ ties split }}\n").quality.ties == "split"
