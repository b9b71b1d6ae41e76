"""The shipped tables of the parser: those of the grammar, the same at every run, never misread."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
    text = resources.parser_tables().read_text(encoding="utf-8")
    shipped = json.loads(text)
    assert shipped["made_of"]["grammar"] == tables.made_of(resources.grammar())["grammar"], message
    if shipped["made_of"] != tables.made_of(resources.grammar()):
        pytest.skip("made by another lark")
    assert text == tables.written(resources.grammar()), message


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


@pytest.fixture
def misleading(tmp_path: Path) -> Path:
    """Tables that say they are those of the grammar, and show by an error that they are read."""
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"made_of": tables.made_of(resources.grammar()), "data": {}, "memo": {}}))
    return path


def test_tables_that_say_they_are_of_the_grammar_are_used(misleading: Path) -> None:
    with pytest.raises(KeyError):
        tables.parser_of(resources.grammar(), misleading)


def test_tables_of_another_grammar_are_not_used(misleading: Path) -> None:
    grammar = resources.grammar().replace("/seed\\b/", "/sow\\b/")
    assert tables.parser_of(grammar, misleading).parse("sow 1").data == "statement"


def test_tables_of_another_lark_are_not_used(misleading: Path) -> None:
    assert tables.parser_of(resources.grammar(), misleading, "1.999.0").parse("seed 1").data == "statement"


@pytest.mark.parametrize(
    "bytes_",
    [resources.parser_tables().read_bytes()[:-100], b"[]", b"\xff", b"", None],
    ids=["torn", "another value", "no text", "empty", "no file"],
)
def test_damaged_tables_are_not_used(bytes_: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    if bytes_ is not None:
        path.write_bytes(bytes_)
    assert tables.parser_of(resources.grammar(), path).parse("seed 1").data == "statement"
