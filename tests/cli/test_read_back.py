"""Files that a command has written and another reads: each field changed in turn is refused, or shown; never a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipec import resources
from recipec.cli import reweight_view, search_show
from recipec.diagnostics import Failure
from recipec.laws import lawfile
from tests.conftest import Run

pytestmark = pytest.mark.slow

Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """The places of all values in a JSON value."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*at, name))


def of(value: Any, place: Place) -> Any:
    for name in place:
        value = value[name]
    return value


def put(value: Any, place: Place, new: Any) -> Any:
    """A copy with another value at a place."""
    if not place:
        return new
    changed = copy.deepcopy(value)
    of(changed, place[:-1])[place[-1]] = new
    return changed


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `reweight` and `search` read."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "S.csv").write_text("task,a,b\nt1,3,1\nt2,-1,2\n")
    (folder / "p.csv").write_text("domain,weight\na,0.4\nb,0.6\n")
    chance = np.random.default_rng(1)
    shares = chance.dirichlet([1, 1, 1], 40)
    lines = [",".join(["run", "a", "b", "c"]), *(f"r{n},{a},{b},{c}" for n, (a, b, c) in enumerate(shares))]
    (folder / "mixtures.csv").write_text("\n".join(lines) + "\n")
    losses = [f"r{n},{2 + a * a - b / 3}" for n, (a, b, _) in enumerate(shares)]
    (folder / "losses.csv").write_text("\n".join(["run,loss", *losses]) + "\n")
    return folder


def weighted(folder: Path, run: Run) -> str:
    result = run("reweight", "--influence", folder / "S.csv", "--prior", folder / "p.csv", "-o", folder / "w.json")
    assert result.code == 0, result.err
    return (folder / "w.json").read_text()


def searched(folder: Path, run: Run) -> str:
    tables = ("--mixtures", folder / "mixtures.csv", "--losses", folder / "losses.csv", "--target", "loss")
    result = run("search", *tables, "--candidates", 500, "--folds", 2, "-o", folder / "s.json")
    assert result.code == 0, result.err
    return (folder / "s.json").read_text()


def law(folder: Path, run: Run) -> str:
    return resources.law("std.law.infolaw_2026")


def refused(read: Callable[[], object]) -> bool:
    """Whether a file is refused with a diagnostic; anything but that is a traceback for the user."""
    try:
        read()
    except Failure as failure:
        return failure.diagnostics[0].code in ("R0705", "R0707", "R0901", "R0903", "R0904")
    return False


FILES: dict[str, tuple[Callable[[Path, Run], str], Callable[[Path], object]]] = {
    "law": (law, lambda path: lawfile.read(path.name, path.parent)),
    "reweighting": (weighted, lambda path: reweight_view.page(reweight_view.read(path))),
    "search": (searched, lambda path: search_show.page(search_show.read(path))),
}


@pytest.mark.parametrize("name", FILES)
def test_every_changed_field_is_refused_or_shown(tables: Path, run: Run, tmp_path: Path, name: str) -> None:
    write, read = FILES[name]
    value = json.loads(write(tables, run))
    path = tmp_path / "f.json"

    def is_refused(changed: Any) -> bool:
        path.write_text(json.dumps(changed))
        return refused(lambda: read(path))

    assert not is_refused(value)
    objects = leaves = 0
    for place in places(value):
        inner = of(value, place)
        if name == "search" and place[:1] == ("runs",) and place[1:2] > (1,):
            # Forty runs have the same form.
            continue
        if isinstance(inner, dict) and not any(one in ("weights", "tables", "parameters") for one in place[-1:]):
            objects += is_refused(put(value, (*place, "extra"), {"x": 1}))
        elif not isinstance(inner, dict | list):
            # No value of another kind is taken for one of this, whatever is in it.
            other: list[Any] = [[[1]], {"x": {}}]
            other += [5, None] if isinstance(inner, str) else ["5", "*/; DROP TABLE x; --", float("nan"), 1e400]
            # A field that may be empty may be that.
            taken = [new for new in other if not is_refused(put(value, place, new))]
            assert taken in ([], [None]), (place, inner, taken)
            leaves += 1
        if isinstance(inner, list):
            assert is_refused(put(value, place, "text")), place
    assert leaves > 20
    assert objects > (10 if name == "search" else 3)
    path.write_text("[" * 100_000)
    if name == "law":
        assert refused(lambda: read(path))


@pytest.mark.parametrize("name", FILES)
def test_words_of_strangers_are_shown_as_words(tables: Path, run: Run, tmp_path: Path, name: str) -> None:
    """Any text where any text may be, any number where any number may be."""
    write, read = FILES[name]
    value = json.loads(write(tables, run))
    path = tmp_path / "f.json"
    shown = 0
    for place in places(value):
        inner = of(value, place)
        if isinstance(inner, str):
            news: list[Any] = ["", "x" * 10_000, "\x1b[31m", "../../etc/passwd", "\ud800"]
        elif isinstance(inner, int | float) and not isinstance(inner, bool):
            news = [0, -1, 1e308, -1e308, 1e-308, 2**70]
        else:
            continue
        if name == "search" and place[:1] == ("runs",) and place[1:2] > (1,):
            continue
        for new in news:
            path.write_text(json.dumps(put(value, place, new)))
            shown += not refused(lambda: read(path))
    assert shown > 30


@pytest.mark.parametrize(
    ("statement", "code", "value"),
    [
        (statement, code, value)
        for statement, code in (
            ('mixture from "f.json"\n', "R0232"),
            ("mixture natural\nquality {\n  weights from \"f.json\"\n}\ncriterion edu = column(edu) higher is better\n", "R1408"),
        )
        for value in (
            '{"weights": {"a": 1e999}}',
            '{"weights": {"a": ' + "9" * 4000 + ', "b": 0.5}}',
            '{"weights": {"a": true}}',
            '{"weights": {"a": "1"}}',
            '{"weights": {"a": NaN}}',
            '{"weights": {"a": null}}',
            '{"weights": [1]}',
            '{"weights": {}}',
            "[1]",
            "[" * 100_000,
        )
    ],
)  # fmt: skip
def test_weights_are_finite_numbers(mix: Path, run: Run, statement: str, code: str, value: str) -> None:
    source = 'source web {\n  shards "data/*.parquet"\n  id id\n  text text\n  tokens n\n  domain topic\n}\n'
    (mix.parent / "f.json").write_text(value)
    path = mix.parent / "own.recipe"
    path.write_text(source + statement)
    result = run("check", path)
    assert result.code == 1
    assert f"error[{code}]" in result.err, result.err
    assert "Traceback" not in result.err
