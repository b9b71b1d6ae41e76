"""What is fuzzed: readers of texts and files that strangers write. Each takes any bytes, and raises only `Failure`.

A target is a function from bytes; what else it raises is a fault of recipec. `prepared` gives it a folder for its files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from recipec import dataset, semantics, syntax
from recipec.dataset import manifest
from recipec.diagnostics import Failure, has_errors
from recipec.inputs import environment, shards
from recipec.ir.shapes import Columns
from recipec.laws import lawfile, tables
from recipec.planning import planfile
from recipec.source import Source, Span
from recipec.syntax import ast
from recipec.syntax.scanner import STATEMENTS
from tests.campaign import world
from tests.campaign.world import REPOSITORY

Target = Callable[[bytes, Path], object]
"""A target with the folder in which it may write."""

COLUMNS: Columns = (
    ("id", "VARCHAR"),
    ("text", "VARCHAR"),
    ("topic", "VARCHAR"),
    ("n", "BIGINT"),
    ("edu", "DOUBLE"),
    ("flag", "BOOLEAN"),
    ("tags", "VARCHAR[]"),
    ("meta", "STRUCT(source VARCHAR, score DOUBLE)"),
)


class Fixed(environment.Files):
    """The files that a recipe refers to, all of which are there and the same: nothing is read of the disk."""

    def schema(self, globs: Sequence[str], folder: Path, span: Span) -> Columns:
        return COLUMNS

    def attributes(self, globs: Sequence[str], folder: Path, span: Span) -> tuple[Columns, bool]:
        return (COLUMNS, False)

    def format(self, globs: Sequence[str], folder: Path, span: Span) -> str | None:
        return "parquet"

    def read_text(self, path: Path, span: Span) -> str:
        return '{"science": 0.4, "code": 0.6}'

    def digest(self, path: Path) -> str:
        return "0" * 64


def source_of(data: bytes) -> Source | None:
    """The text of a recipe, read as `syntax.load` reads it; None if it is not UTF-8."""
    try:
        return Source(data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n"), "a.recipe")
    except UnicodeDecodeError:
        return None


def parser(data: bytes, folder: Path) -> None:
    """Every diagnostic has a place inside the text."""
    if (source := source_of(data)) is not None:
        for diagnostic in syntax.parse(source)[1]:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(source.text)
            assert diagnostic.span.line >= 1


def formatter(data: bytes, folder: Path) -> None:
    """The canonical text has the same tree, but for the order of kinds of statements, and its own is itself."""
    if (source := source_of(data)) is None:
        return
    tree, diagnostics = syntax.parse(source)
    if has_errors(diagnostics):
        return
    first = Source(syntax.format(tree, source), "a.recipe")
    again, mistakes = syntax.parse(first)
    assert not mistakes, f"the canonical text has mistakes: {mistakes[0].message}"
    assert _sorted(again) == _sorted(tree), "the canonical text has another tree"
    assert syntax.format(again, first) == first.text, "the canonical text is not its own"


def _sorted(tree: ast.Recipe) -> list[ast.Statement]:
    return sorted(tree.statements, key=lambda one: STATEMENTS.index(type(one).__name__.lower()))


def resolver(data: bytes, folder: Path) -> None:
    """A recipe is resolved, or there is an error."""
    if (source := source_of(data)) is None:
        return
    tree, diagnostics = syntax.parse(source)
    resolved = semantics.resolve(tree, path="a.recipe", folder=folder, overrides={}, environment=_environment())
    assert resolved.recipe is not None or has_errors((*diagnostics, *resolved.diagnostics)), "no recipe and no error"


@cache
def _environment() -> Fixed:
    return Fixed()


def plan(data: bytes, folder: Path) -> None:
    planfile.read(_written(folder / "f.plan", data))


def manifests(data: bytes, folder: Path) -> None:
    _written(folder / manifest.NAME, data)
    dataset.read_manifest(folder)


def law(data: bytes, folder: Path) -> None:
    """A law that is read has its parameters, and can be written."""
    _written(folder / "law.json", data)
    file = lawfile.read("law.json", folder)
    assert len(file.theta) == len(file.form.names)
    assert lawfile.parse(lawfile.text(file), "law.json") == file


def table(data: bytes, folder: Path) -> None:
    tables.read(_written(folder / "runs.csv", data), {}, need_loss=True)


def lines(data: bytes, folder: Path) -> None:
    """Every unreadable line is counted, and a reason is given for no other."""
    path = _written(folder / "s.jsonl", data)
    found = shards.structure(path, folder)
    shards.schema(path, folder)
    assert len(shards.faults_of(path, folder)) <= found.unreadable <= found.rows


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


TARGETS: dict[str, Target] = {
    "parser": parser,
    "formatter": formatter,
    "resolver": resolver,
    "plan": plan,
    "manifest": manifests,
    "law": law,
    "table": table,
    "lines": lines,
}

COST = {"parser": 30, "formatter": 30, "resolver": 20, "plan": 6, "manifest": 6, "law": 6, "table": 1, "lines": 1}
"""The share of each target in all executions, by how many of it a second has."""


def recipes() -> list[bytes]:
    """Recipes that are right, those that the tests of diagnostics have, and each of their statements alone: what is small
    is tried many times in the time of a whole recipe."""
    files = (*REPOSITORY.glob("tests/golden/*.recipe"), *REPOSITORY.glob("stdlib_recipes/*.recipe"))
    cases = (path.read_text("utf-8").split("\n----")[0] for path in REPOSITORY.glob("tests/diagnostics/cases/*.txt"))
    ours = (world.ONE, world.PHASES, world.PLAIN)
    whole = [path.read_text("utf-8") for path in sorted(files)] + [*ours, *sorted(cases)]
    statements = {one.strip() for text in whole for one in re.split(r"\n(?=[a-z])", text)}
    return [text.encode() for text in (*whole, *sorted(statements))]


def seeds(name: str, machine: world.Machine) -> list[bytes]:
    """Inputs of a target from which others are made: right ones, written by recipec where it writes them."""
    if name in ("parser", "formatter", "resolver"):
        return recipes()
    if name == "law":
        return [path.read_bytes() for path in sorted(REPOSITORY.glob("stdlib_recipes/law.*.json"))]
    if name == "table":
        rows = [
            f"{1e8 * k:.0f},{1e9 * (k % 5 + 1):.0f},1e9,{3.5 - 0.05 * k:.3f},{'ab'[k % 2]},{k % 3}"
            for k in range(1, 13)
        ]
        bands = "params,tokens_0,unique_0,tokens_1,unique_1,loss\n1e8,1e9,1e8,2e9,1e8,3.1\n2e8,1e9,1e8,0,0,2.9\n"
        return [("params,tokens,unique,loss,recipe,seed\n" + "\n".join(rows) + "\n").encode(), bands.encode()]
    if name == "lines":
        found = ({**row, "meta": {"a": [1, None, {"b": "é"}]}, "x": None} for row in world.documents(4))
        return ["".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found).encode()]
    with world.scratch() as folder:
        return [_of_recipec(name, recipe, folder / str(number), machine) for number, recipe in enumerate(MADE)]


MADE = (world.ONE, world.PLAIN)


def _of_recipec(name: str, recipe: str, folder: Path, machine: world.Machine) -> bytes:
    folder.mkdir()
    world.project(folder, recipe, count=40)
    words = ("plan", "r.recipe", "-o", "a.plan") if name == "plan" else ("apply", "r.recipe", "--yes")
    ended = machine.call(folder, *words)
    assert ended.code == 0, ended.err
    return (folder / ("a.plan" if name == "plan" else "o/out/manifest.json")).read_bytes()


def fault(name: str, data: bytes, folder: Path) -> Exception | None:
    """What a target raises that it must not raise."""
    try:
        TARGETS[name](data, folder)
    except Failure:
        return None
    except Exception as error:
        return error
    return None
