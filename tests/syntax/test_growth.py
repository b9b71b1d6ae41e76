"""Time grows with the length of a recipe, not with its square: counted in calls, as a clock would tell of the machine."""

from __future__ import annotations

import cProfile
import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from recipec import semantics, syntax
from recipec.cli import views
from recipec.diagnostics import Diagnostic, Label, did_you_mean
from recipec.inputs import environment
from recipec.source import Source, Span
from tests.conftest import Run

pytestmark = pytest.mark.slow

SOURCE = 'source web {{\n  shards "{shard}"\n  id doc_id\n  text text\n}}\n'

KINDS: dict[str, Callable[[int], str]] = {
    "conditions": lambda i: f"where length(text) == {i}  # note {i}",
    "criteria": lambda i: f"criterion c{i} = column(length(text)) higher is better",
    "params": lambda i: f"param p{i} = {i}",
    "quotas": lambda i: f"quota d{i} at most 5 tokens",
    "unknown names": lambda i: f"where nosuch{i} == 1",
    "unknown params": lambda i: f"where length(text) == $q{i}",
    "stated again": lambda i: "seed 1",
    "defined again": lambda i: "param p = 1",
    "broken": lambda i: f"where x = {i}",
    "no calls": lambda i: f"criterion c{i} = edu",
    "no statements": lambda i: f"wher{i} x == 1",
    "bracket": lambda i: f"where (x == {i}",
}
"""What a long recipe may consist of."""

BLOCKS: dict[str, Callable[[int], str]] = {
    "globs": lambda n: "source other {\n" + "\n".join(f'shards "{i}"' for i in range(n)) + "\n}",
    "weights": lambda n: "quality { weights { " + ", ".join(f"w{i} 1" for i in range(n)) + " } }",
    "settings": lambda n: "quality {\n" + "\n".join(f"set{i} 1" for i in range(n)) + "\n}",
    "comments": lambda n: "mixture {\n" + "\n".join(f"  # {i}\n  d{i} 1%  # {i}" for i in range(n)) + "\n}",
    "items": lambda n: "where length(text) in (" + ", ".join(map(str, range(n))) + ")",
    "names": lambda n: "sample top 20% by " + ", ".join(f"c{i}" for i in range(n)),
}
"""One statement that is long."""


def calls(action: Callable[[], object]) -> int:
    """How many functions an action calls, those of C with them: the same at every run. (A copy that C makes is one.)

    Without the collector of garbage: what other tests left would be ended, and counted, whenever it happens to run.
    """
    profile = cProfile.Profile()
    gc.disable()
    try:
        profile.runcall(action)
    finally:
        gc.enable()
    return sum(entry.callcount for entry in profile.getstats())


def work(text: str, folder: Path) -> None:
    """All that `fmt` and `check` do."""
    source = Source(text, "a.recipe")
    tree, diagnostics = syntax.parse(source)
    syntax.format(tree, source)
    files = environment.Files()
    resolved = semantics.resolve(tree, path="a.recipe", folder=folder, overrides={}, environment=files)
    for one in (*diagnostics, *resolved.diagnostics)[:100]:
        views.render(one)


@pytest.mark.parametrize("kind", [*KINDS, *BLOCKS])
def test_twice_the_recipe_is_twice_the_work(kind: str, mix: Path) -> None:
    head = SOURCE.format(shard=next(mix.parent.rglob("*.parquet")))

    def made(count: int) -> Callable[[], None]:
        body = BLOCKS[kind](count) if kind in BLOCKS else "\n".join(KINDS[kind](i) for i in range(count))
        return lambda: work(head + body + "\n", mix.parent)

    made(200)()  # what is done once: modules, caches
    first, second, third = (calls(made(count)) for count in (200, 400, 800))
    # Of a square of one call a pair, the second difference would be 4 times the first; of a line it is twice.
    assert third - second < 2.2 * (second - first)


def test_a_sum_is_typed_once(mix: Path) -> None:
    head = SOURCE.format(shard=next(mix.parent.rglob("*.parquet")))
    short, long = (calls(partial(work, f"{head}where {' + '.join(['1'] * n)} > 1\n", mix.parent)) for n in (20, 40))
    assert long < 2 * short


def test_a_line_as_long_as_the_recipe_is_kept_once() -> None:
    source = Source("x" * 10_000, "a.recipe")
    assert source.line(1) is source.line(1)


def test_near_names_are_not_looked_for_among_very_many() -> None:
    taken = 0

    def names() -> Any:
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield f"name{number}"

    assert did_you_mean("nam", names()) == ()
    assert taken < 10_000


def test_beyond_a_thousand_diagnostics_their_number_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "a.recipe"
    path.write_text("where x = 1\n" * 1_003)  # and no source
    shown = run("check", path).err
    assert shown.count("error[") == 1_000
    assert shown.endswith("\n\nand 4 more\n")


def test_a_place_in_a_long_line_is_shown_as_in_a_short_one() -> None:
    source = Source("a" * 5_000 + "\n" + "b" * 1_000 + "文c" + "d" * 5_000, "a.recipe")
    span = Span(source, 6_001, 6_003)
    drawn = views.render(Diagnostic("R0204", "m", span, labels=(Label(Span(source, 0, 5_000), "l"),))).splitlines()
    assert drawn[3] == "2 | " + "b" * 80 + "文c" + "d" * 78
    assert drawn[4] == "  | " + " " * 80 + "^^^"
    assert drawn[7] == "  | " + "-" * 160 + " l"
