"""The shipped tables of the parser: those of the grammar, the same at every run, never misread."""

from __future__ import annotations

import json
import subprocess
import sys

import lark
import pytest
from lark.exceptions import UnexpectedInput

from recipec import resources
from recipec.syntax import tables

TEXTS = [
    "seed 42",
    "where a == 1 and b in (1, 2)",
    "quota code where stars > 10 at least 5%",
    "where a = 1",
    "where a ==",
    "quality { weights { a 1 b 2 } }",
    "wher a == 1",
    "where a & b",
    "criterion a = b",
    "sample quadmix { curve { lambda 500.. } }",
]


def outcome(parser: lark.Lark, text: str) -> object:
    """The tree of a text, or all that messages are made from."""
    try:
        return parser.parse(text)
    except UnexpectedInput as error:
        return {
            name: getattr(error, name, None)
            for name in ("pos_in_stream", "line", "column", "token", "expected", "allowed", "token_history")
        } | {"kind": type(error), "accepts": getattr(error, "accepts", None)}


def test_the_shipped_tables_are_those_of_the_grammar() -> None:
    message = "run: python -m recipec.syntax.tables"
    shipped = json.loads(resources.parser_tables())
    assert shipped["made_of"]["grammar"] == tables.made_of(resources.grammar())["grammar"], message
    if shipped["made_of"] != tables.made_of(resources.grammar()):
        pytest.skip("made by another lark")
    assert resources.parser_tables() == tables.written(resources.grammar()), message


@pytest.mark.parametrize("text", TEXTS)
def test_loaded_tables_parse_as_built_ones(text: str) -> None:
    built = tables.built(resources.grammar())
    assert outcome(tables.parser(), text) == outcome(built, text)


def test_the_text_of_the_tables_knows_no_hash_seed() -> None:
    script = (
        "from recipec import resources; from recipec.syntax import tables; print(tables.written(resources.grammar()))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("what", ["the grammar", "lark", "a torn file", "another value", "no file"])
def test_tables_of_something_else_are_not_used(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    shipped = resources.parser_tables()
    grammar = resources.grammar()
    if what == "the grammar":
        monkeypatch.setattr(resources, "grammar", lambda: grammar.replace("/seed\\b/", "/sow\\b/"))
    if what == "lark":
        monkeypatch.setattr(lark, "__version__", "1.999.0")
    if what == "a torn file":
        monkeypatch.setattr(resources, "parser_tables", lambda: shipped[:-100])
    if what == "another value":
        monkeypatch.setattr(resources, "parser_tables", lambda: "[]")
    if what == "no file":
        monkeypatch.setattr(resources, "parser_tables", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    monkeypatch.setattr(tables, "_loaded", lambda data, memo: pytest.fail("misread"))
    assert tables.parser().parse("sow 1" if what == "the grammar" else "seed 1").data == "statement"
