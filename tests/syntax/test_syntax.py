"""Parsing and formatting: one form for one meaning, comments kept, nothing but diagnostics whatever the text."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recipec import syntax
from recipec.cli import views
from recipec.diagnostics import Failure
from recipec.source import Source
from tests.conftest import REPOSITORY, Run

RECIPES = [
    *sorted((REPOSITORY / "stdlib_recipes").glob("*.recipe")),
    *sorted((REPOSITORY / "examples").glob("*.recipe")),
]

DESIGN = """# science
use std.quality.web            # bundles
needs "acme-filters >= 1.2"
param budget = 30B tokens
seed 42
source web {
  shards  "data/web/*.parquet"
  id      doc_id
  text    text
  tokens  by "smollm2-135m"
  domain  topic
}
target science_qa { examples "targets/a.jsonl", text "{question} {answer}", holdout 10% }
where  lang == "en" and length(text) >= 200
where  not overlaps(science_qa, ngram: 13)          # decontamination
criterion edu = column(edu_score) higher is better
criterion fit = nag(target: science_qa, model: "smollm2-135m", top_k: 20)
quality {
  normalize zscore
  weights { edu 0.5, ppl 0.2, fit 0.3 }
  weights for code { ppl 0.3, fit 0.7 }
}
sample quadmix { curve { lambda 500, omega 0.08, eta 1, epsilon 0.001 }
  curve for science { omega 0.2 } }
mixture tikmix(target: science_qa, method: direct)
quota  science  between 20% and 40%
quota  code     at most 5B tokens
quota  code where stars > 10 at least 5%
repeat at most 4 times
repeat code at most 2 times
budget $budget {
  model  1.7B params
  law    infolaw("laws/ours.json")
  require loss   <= 2.45
}
output parquet "out/science" { shard 512MB, compression zstd, shuffle }
phases { until 100B tokens { mixture natural } then { mixture proportional } }
"""


def parsed(text: str) -> object:
    tree, diagnostics = syntax.parse(Source(text, "a.recipe"))
    assert diagnostics == ()
    return tree


def formatted(text: str) -> str:
    source = Source(text, "a.recipe")
    tree, diagnostics = syntax.parse(source)
    assert diagnostics == ()
    return syntax.format(tree, source)


EXPRESSIONS = [
    ("a==1", "a == 1"),
    ("(a+b)*c", "(a + b) * c"),
    ("a+(b*c)", "a + b * c"),
    ("a-(b-c)", "a - (b - c)"),
    ("not (a and b)", "not (a and b)"),
    ("(not a) and b", "not a and b"),
    ("a or (b and c)", "a or b and c"),
    ("(a or b) and c", "(a or b) and c"),
    ("a in (1,2 , 3)", "a in (1, 2, 3)"),
    ("a not in (1)", "a not in (1)"),
    ("a is not null", "a is not null"),
    ('a matches "x.*"', 'a matches "x.*"'),
    ("-a + -3", "-a + -3"),
    ("length( text )>=20%", "length(text) >= 20%"),
    ("f(a , n:3)", "f(a, n: 3)"),
    ("`my col` == `from`", "`my col` == `from`"),
    ('a == "q\\"\\n\\u00e9"', 'a == "q\\"\\né"'),
    ("a.b > 1_000.50e-3", "a.b > 1_000.50e-3"),
    ("lower(higher) == upper(lower)", "lower(higher) == upper(lower)"),
]


@pytest.mark.parametrize(("written", "canonical"), EXPRESSIONS)
def test_expressions_have_one_form(written: str, canonical: str) -> None:
    assert formatted(f"where {written}\n") == f"where {canonical}\n"


STATEMENTS = [
    ("use   std.quality.web", "use std.quality.web"),
    ('needs   "acme-filters>=1.2"', 'needs "acme-filters>=1.2"'),
    ("param p=30B   tokens", "param p = 30B tokens"),
    ("where a\n  and b\n  or c", "where a and b or c"),
    ("where a in (\n 1,\n 2,\n)", "where a in (1, 2)"),
    ("criterion c=f( n : 3 )lower is better", "criterion c = f(n: 3) lower is better"),
    ("criterion c = f()", "criterion c = f()"),
    ("source s {}", "source s {}"),
    ('source s { shards "a" "b", id i }', 'source s {\n  shards "a" "b"\n  id i\n}'),
    ("source s { domain=lower(t) }", "source s {\n  domain = lower(t)\n}"),
    ("quality { weights for `a b` { x 1 } }", "quality {\n  weights for `a b` {\n    x 1\n  }\n}"),
    ("sample top 20% by c", "sample top 20% by c"),
    ('sample quadmix from "s.json"', 'sample quadmix from "s.json"'),
    ('mixture from "m.json"', 'mixture from "m.json"'),
    ("mixture tikmix(target: t)", "mixture tikmix(target: t)"),
    ("mixture {}", "mixture {}"),
    ('mixture { "a\\"b" 50%, `c d` 50% }', 'mixture {\n  "a\\"b" 50%\n  `c d` 50%\n}'),
    ("quota `at` at most 5%", "quota `at` at most 5%"),
    ("quota a where (b or c) at least 5%", "quota a where b or c at least 5%"),
    ("quota a between 1K tokens and 2K tokens", "quota a between 1K tokens and 2K tokens"),
    ("repeat at most 4 times", "repeat at most 4 times"),
    ("repeat `times` at most (a + 1) times", "repeat `times` at most a + 1 times"),
    ("budget $b { model 1B params }", "budget $b {\n  model 1B params\n}"),
    ("repeat at most -(n % 2 times) times", "repeat at most -(n % 2) times"),
    ("repeat   unlimited", "repeat unlimited"),
    ("repeat `a b`   unlimited", "repeat `a b` unlimited"),
    ("repeat `unlimited` unlimited", "repeat `unlimited` unlimited"),
    ('repeat "unlimited" at most 2 times', 'repeat "unlimited" at most 2 times'),
    ("repeat at most unlimited times", "repeat at most `unlimited` times"),
    ("repeat   unlimited_a at most 2 times", "repeat unlimited_a at most 2 times"),
    ("where unlimited and oversize > 1", "where `unlimited` and oversize > 1"),
    (
        "search { omega 0.01 .. 0.5,lambda 0..1000, for `a b` { eta 1 } }",
        "search {\n  omega 0.01..0.5\n  lambda 0..1000\n  for `a b` {\n    eta 1\n  }\n}",
    ),
    (
        "search { runs $n, edu $a..$b, proxy { tokens 2M tokens } }",
        "search {\n  runs $n\n  edu $a..$b\n  proxy {\n    tokens 2M tokens\n  }\n}",
    ),
    ("allow vanishing", "allow vanishing"),
    ("allow   empty", "allow empty"),
    ("shortfall   shrink", "shortfall shrink"),
    ("oversize   skip", "oversize skip"),
    ("quality { ties   split,missing drop }", "quality {\n  ties split\n  missing drop\n}"),
    ("where tête == 数", "where tête == 数"),
    ('where `a"b` == 1', 'where `a"b` == 1'),
    ('where a == "\\u0000`\U0001f600"', 'where a == "\\u0000`\U0001f600"'),
]


@pytest.mark.parametrize(("written", "canonical"), STATEMENTS)
def test_statements_have_one_form(written: str, canonical: str) -> None:
    assert formatted(written) == canonical + "\n"
    tree, _ = syntax.parse(Source(written, "a.recipe"))
    assert [syntax.statement_text(statement) for statement in tree.statements] == [canonical + "\n"]
    assert parsed(canonical) == tree


LAYOUTS = [
    ("seed 1 # a\n# b\n", "seed 1  # a\n\n# b\n"),
    ("# top\n\n# seed\nseed 1\n", "# top\n\n# seed\nseed 1\n"),
    ("# only", "# only\n"),
    ("where a # one\n  and b # two\n", "# one\nwhere a and b  # two\n"),
    ("where a in ( # one\n  1, # two\n  2)\n", "# one\n# two\nwhere a in (1, 2)\n"),
    (
        "quality { # q\n  # n\n  normalize rank # r\n  # end\n} # after\n",
        "quality {  # q\n  # n\n  normalize rank  # r\n  # end\n}  # after\n",
    ),
    ("source s { # none\n}\n", "# none\nsource s {}\n"),
    ('where a == "# no comment" # c\n', 'where a == "# no comment"  # c\n'),
    ("quota b at most 1%\n# a\nseed 1\n", "# a\nseed 1\n\nquota b at most 1%\n"),
    (
        "allow empty\noversize skip # o\nshortfall shrink\nrepeat unlimited\n",
        "repeat unlimited\n\nshortfall shrink\n\noversize skip  # o\n\nallow empty\n",
    ),
]


@pytest.mark.parametrize(("written", "canonical"), LAYOUTS)
def test_comments_stay_with_what_they_are_about(written: str, canonical: str) -> None:
    assert formatted(written) == canonical
    assert formatted(canonical) == canonical


def comments(text: str) -> list[str]:
    return sorted(re.findall("# [0-9]+", text))


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, DESIGN.count("\n") - 1)), st.booleans())
@pytest.mark.slow
def test_no_comment_is_lost(lines: set[int], above: bool) -> None:
    plain = [line.partition("#")[0] for line in DESIGN.splitlines()]
    text = ""
    for number, line in enumerate(plain):
        comment = f"# {number}" if number in lines else ""
        text += f"{comment}\n{line}\n" if above else f"{line} {comment}\n"
    once = formatted(text)
    assert comments(once) == comments(text)
    assert formatted(once) == once


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_shipped_recipes_round_trip_and_are_canonical(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


def test_the_recipe_of_the_design_formats_once_and_keeps_its_comments() -> None:
    once = formatted(DESIGN)
    assert formatted(once) == once
    assert parsed(once) == parsed(formatted(once))
    for comment in ("# science", "# bundles", "# decontamination"):
        assert once.count(comment) == 1


def test_words_that_begin_statements_are_names_in_blocks() -> None:
    text = "quality {\n  weights {\n    quality 0.5\n    seed 0.5\n  }\n}\n"
    assert formatted(text) == text


def test_the_order_of_blocks_means_nothing() -> None:
    blocks = ["seed 1\n", "where a > 1\n", "repeat at most 2 times\n", 'output parquet "o"\n', "budget 3K tokens\n"]
    assert {formatted("".join(random.Random(seed).sample(blocks, len(blocks)))) for seed in range(10)} == {
        formatted("".join(blocks))
    }


names = st.sampled_from(["a", "topic", "my col", "from", "x.y", "héé", "not", "a\u202eb", "\\u001b"]).map(
    lambda name: name if name.isidentifier() and name not in ("from", "not") else f"`{name}`"
)
numbers = st.sampled_from(["0", "1", "2.50", "30B", "1e-3", "20%", "4 times", "512MB", "1_000"])
strings = st.text(max_size=8).map(
    lambda text: '"' + "".join(c for c in text if c.isprintable() and c not in '"\\') + '"'
)
atoms = names | numbers | strings | st.just("true")
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
        st.tuples(atoms, st.sampled_from(["==", "<", ">="]), atoms).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda e: f"(not ({e}))"),
        inner.map(lambda e: f"f({e}, n: {e})"),
        inner.map(lambda e: f"(({e}) is null)"),
    ),
    max_leaves=6,
)
statements = st.one_of(
    expressions.map(lambda e: f"where {e}"),
    st.tuples(names, names).map(lambda t: f"criterion {t[0]} = column({t[1]}) lower is better"),
    st.tuples(names, expressions).map(lambda t: f"param {t[0]} = {t[1]}"),
    st.tuples(names, numbers, numbers).map(lambda t: f"quota {t[0]} between {t[1]} and {t[2]}"),
    st.tuples(names, strings, names).map(lambda t: f"source {t[0]} {{ shards {t[1]}, id {t[2]} # c\n}}"),
    st.lists(st.tuples(names, numbers), max_size=3).map(
        lambda ts: "mixture { " + ", ".join(" ".join(t) for t in ts) + " }"
    ),
    st.just("# a comment"),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(statements, max_size=5).map("\n".join))
def test_formatting_keeps_the_meaning(text: str) -> None:
    source = Source(text + "\n", "a.recipe")
    tree, diagnostics = syntax.parse(source)
    if diagnostics:
        return
    once = syntax.format(tree, source)
    again, none = syntax.parse(Source(once, "a.recipe"))
    assert none == ()
    # Equality of nodes ignores their spans.
    assert sorted(again.statements, key=syntax.statement_text) == sorted(tree.statements, key=syntax.statement_text)
    assert syntax.format(again, Source(once, "a.recipe")) == once


@settings(max_examples=200, deadline=None)
@example("`\x1f`")
@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from([*DESIGN.split(), "\n", "{", "}", "(", '"']), max_size=40).map(" ".join)
)
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    tree, diagnostics = syntax.parse(Source(text, "a.recipe"))
    assert diagnostics or formatted(text) is not None
    for one in diagnostics:
        assert one.code.startswith("R00")
        assert one.span is not None
        assert 0 <= one.span.start <= one.span.end <= len(text)
    assert isinstance(tree.statements, tuple)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(DESIGN) - 1), st.characters(), st.booleans())
def test_a_changed_character_gives_a_tree_or_diagnostics(place: int, character: str, insert: bool) -> None:
    text = DESIGN[:place] + character + DESIGN[place + (0 if insert else 1) :]
    syntax.parse(Source(text, "a.recipe"))


WORDS = re.findall(r"\w+|\s+|.", "".join(path.read_text(encoding="utf-8") for path in RECIPES))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(RECIPES), st.integers(0, 10_000), st.integers(0, 3), st.lists(st.sampled_from(WORDS), max_size=3)
)
def test_a_changed_example_gives_a_tree_or_diagnostics(path: Path, place: int, cut: int, words: list[str]) -> None:
    pieces = re.findall(r"\w+|\s+|.", path.read_text(encoding="utf-8"))
    place %= len(pieces)
    text = "".join([*pieces[:place], *words, *pieces[place + cut :]])
    tree, diagnostics = syntax.parse(Source(text, "a.recipe"))
    if not diagnostics:
        once = formatted(text)
        assert formatted(once) == once
        assert len(tree.statements) == len(syntax.parse(Source(once, "a.recipe"))[0].statements)
    for one in diagnostics:
        assert views.render(one)


def failed(path: Path) -> tuple[str, ...]:
    try:
        source = syntax.load(path)
    except Failure as failure:
        return tuple(one.code for one in failure.diagnostics)
    return tuple(one.code for one in syntax.parse(source)[1])


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"seed 1\xff\n", ("R0002",)),
        (b"\xef\xbb\xbfseed 1\r\nseed\t2\r\n", ()),
        (b"where " + b"(" * 10_000 + b"a" + b")" * 10_000 + b"\n", ("R0006",)),
        (b"where a == 1" + b" and a == 1" * 3_000 + b"\n", ("R0006",)),
        (b"seed \x00 1\n", ("R0008",)),
        (b"", ()),
        (b"where " + b"not " * 10_000 + b"a\n", ("R0006",)),
        (b"where " + b"-" * 10_000 + b"a\n", ("R0006",)),
        (b"quality " + b"{ a " * 10_000 + b"}" * 10_000 + b"\n", ("R0006",)),
        (b"seed 1\rseed 2\r", ()),
        ("where h\u00e9\u0301 == 1\n".encode(), ("R0008",)),
        (b"where `a\nb` == 1\n", ("R0008", "R0007")),
    ],
    ids=[
        "not UTF-8",
        "BOM and CRLF",
        "deep",
        "long chain",
        "NUL",
        "empty",
        "many not",
        "many minus",
        "deep blocks",
        "CR",
        "combining mark",
        "newline in a name",
    ],
)
def test_awkward_files(tmp_path: Path, content: bytes, codes: tuple[str, ...]) -> None:
    path = tmp_path / "a.recipe"
    path.write_bytes(content)
    assert failed(path) == codes


def test_a_literal_of_100_megabytes_is_refused_at_once(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.recipe"
    with path.open("wb") as file:
        file.write(b'where a == "')
        file.seek(100_000_000)
        file.write(b'"\n')
    assert failed(path) == ("R0014",)
    result = run("check", path)
    assert result.code == 1
    assert "R0014" in result.err


@pytest.mark.parametrize("text", ["{}", "where 1 {}", "where a {}", 'where a "{}"', "seed 1{}", "where `{}"])
def test_a_long_word_gives_a_short_text(text: str) -> None:
    _, diagnostics = syntax.parse(Source(text.format("x" * 100_000), "a.recipe"))
    assert diagnostics
    assert all(len(views.render(one)) < 1_000 for one in diagnostics)


def test_a_recipe_that_is_not_there(tmp_path: Path, run: Run) -> None:
    result = run("check", tmp_path / "none.recipe")
    assert result.code == 1
    assert "error[R0001]" in result.err
