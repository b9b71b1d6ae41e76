"""Names: any word in any place, and characters that nobody sees."""

from __future__ import annotations

import re

import pytest

from recipec import syntax
from recipec.source import Source
from recipec.syntax import ast
from tests.conftest import REPOSITORY

SOME_WORDS = sorted(
    {*re.findall(r"/([a-z]+)\\b/", (REPOSITORY / "grammar/recipe.lark").read_text(encoding="utf-8"))}
    | {
        "tokens",
        "params",
        "times",
        "bytes",
        "KB",
        "if",
        "a b",
        "a.b",
        "a[1]",
        "[1]",
        "a-b",
        "\x07",
        "\u202e",
        "\U000e0041",
    }
    | {"\\u0007", "\\u005c", "\\u0041", "\\u005cu0007", "1", "30B", "20%", "$a", "std.x"}
)

PLACES = [
    "use {}",
    "needs {}",
    "param {} = 3",
    "where a == {} and f({}) is null",
    "where for {} meta.{} == 1 and {}.x[2] in (1, {})",
    "criterion {} = column({}) higher is better",
    "criterion c = {}(x) lower is better for {}",
    "sample top 50% by {}, {}",
    "mixture {{ {} 40%, {} 60% }}",
    "quota {} where {} == 1 at most {}",
    "repeat {} at most {}",
    "budget {} {{ law {}.x, {} {} }}",
    "allow {} {}",
    "phases {{ until {} {{ seed {} }} then {{ seed 1 }} }}",
    'output {} "x" {{ columns {} b, c, {}, shard 5 {}, columns {} }}',
    'source {} {{ shards "a" {} b, column {} = {}, for {} {{ id {} }}, attributes "s" by {} {{ columns a, {}, b {} }} }}',
]


@pytest.mark.parametrize("place", PLACES)
def test_any_word_in_any_place_is_formatted_as_what_it_is(place: str) -> None:
    parsed = 0
    for word in SOME_WORDS:
        for written in (word, f"`{word}`"):
            for number in range(place.count("{}")):
                words = ["w"] * place.count("{}")
                words[number] = written
                source = Source(place.format(*words) + "\n", "a.recipe")
                tree, diagnostics = syntax.parse(source)
                if not diagnostics:
                    parsed += 1
                    once = syntax.format(tree, source)
                    assert once.replace("\n", "").isprintable()
                    assert syntax.parse(Source(once, "a.recipe")) == (tree, ())
    assert parsed or place == "needs {}"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("`a\\u001bb`", "a\x1bb"),
        ("`a\\u0041`", "a\\u0041"),
        ("`a\\u005cu001b`", "a\\u001b"),
        ("`\\udb40\\udc41`", "\U000e0041"),
        ("`C:\\users`", "C:\\users"),
    ],
)
def test_a_name_between_back_quotes_spells_what_nobody_sees(written: str, name: str) -> None:
    source = Source(f"param {written} = 1\n", "a.recipe")
    tree, diagnostics = syntax.parse(source)
    assert diagnostics == ()
    (statement,) = tree.statements
    assert isinstance(statement, ast.Param)
    assert statement.name.text == name
    assert syntax.format(tree, source) == f"param {written} = 1\n"
