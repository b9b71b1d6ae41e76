"""`parse`: from text to the syntax tree, with every syntax error of the file."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from recipec.diagnostics import Diagnostic, did_you_mean
from recipec.source import Source, Span
from recipec.syntax import ast
from recipec.syntax.building import Builder
from recipec.syntax.scanner import DEEPEST, STATEMENTS, Scan, scan

UNITS = ("tokens", "params", "times", "bytes", "K", "M", "B", "T", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB")

NUMBER_BEFORE = re.compile(r"(?<![\w.])\d[\w.]*[ \t]*$")

SHOWN = {
    "$END": "the end of the statement",
    "_NL": "a new line",
    "NAME": "a name",
    "QUOTED": "a back-quoted name",
    "STRING": "a string",
    "QUANTITY": "a number",
    "BOOLEAN": "true or false",
    "PARAM_REF": "a parameter",
    "COMPARE": "a comparison",
    "PLUS": "`+`",
    "MINUS": "`-`",
    "MULTIPLY": "`*`, `/` or `%`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "COLON": "`:`",
}

VALUE = frozenset({"BOOLEAN", "LPAR", "MINUS", "NAME", "PARAM_REF", "PATH", "QUANTITY", "QUOTED", "STRING"})
"""The tokens that begin an expression; messages name them together."""

QUOTES = 'write strings in double quotes: `"…"`'

REMEDIES = {"&": "write `and`", "|": "write `or`", "!": "write `not`", ";": "a statement ends with its line"}
REMEDIES |= dict.fromkeys("'“”‘’„", QUOTES)
"""Characters that have a meaning in other languages -> what to write here."""

SEPARATORS = frozenset({"COMMA", "_NL", "RBRACE"})
"""The tokens that may follow a complete line of a block."""

LONGEST_WORD = 40
"""The most characters of a word that a message shows."""

MOST_EXPECTED = 5
"""The most expected tokens that a message lists; nobody reads a longer list."""


@cache
def grammar() -> Lark:
    """The parser of one statement; loaded once."""
    # Imported here, so that `python -m recipec.syntax.tables` does not load that module twice.
    from recipec.syntax import tables

    return tables.parser()


def parse(source: Source) -> tuple[ast.Recipe, tuple[Diagnostic, ...]]:
    """The tree of a recipe, without the statements that have errors, and its diagnostics in text order."""
    scanned = scan(source)
    diagnostics = list(scanned.diagnostics)
    statements: list[ast.Statement] = []
    broken: list[str] = [""] if diagnostics else []
    for start, end in scanned.statements:
        before = len(diagnostics)
        statement = _statement(source, scanned, start, end, diagnostics)
        if statement is not None and len(diagnostics) == before:
            statements.append(statement)
        else:
            word = _word_at(source.text, start)
            broken.append(word if word in STATEMENTS else next(iter(get_close_matches(word, STATEMENTS, n=1)), ""))
    diagnostics.sort(key=lambda diagnostic: diagnostic.span.start if diagnostic.span else 0)
    span = Span(source, 0, len(source.text))
    return ast.Recipe(tuple(statements), tuple(broken), span=span), tuple(diagnostics)


def _statement(
    source: Source, scanned: Scan, start: int, end: int, diagnostics: list[Diagnostic]
) -> ast.Statement | None:
    text = scanned.text[start:end]
    try:
        tree = grammar().parse(text)
    except UnexpectedInput as error:
        diagnostics.append(_explained(source, start, end, error))
        return None
    if _depth(tree) > DEEPEST:
        span = Span(source, start, start + len(_word_at(source.text, start)))
        helps = ("write several statements, or `in (…)`",)
        diagnostics.append(Diagnostic("R0006", f"an expression with more than {DEEPEST} levels", span, helps=helps))
        return None
    builder = Builder(source, start)
    statement = builder.statement(tree)
    diagnostics.extend(builder.diagnostics)
    return statement


def _depth(tree: Tree[Token]) -> int:
    """The number of levels of a tree; later stages walk it recursively."""
    deepest, stack = 0, [(tree, 1)]
    while stack:
        node, level = stack.pop()
        deepest = max(deepest, level)
        stack += [(child, level + 1) for child in node.children if isinstance(child, Tree)]
    return deepest


def _explained(source: Source, start: int, end: int, error: UnexpectedInput) -> Diagnostic:
    """The diagnostic for input that the grammar did not expect."""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        place = Span(source, start + (error.token.start_pos or 0), start + (error.token.end_pos or 0))
        return _unexpected_token(source, start, place, error)
    if isinstance(error, UnexpectedCharacters):
        offset = start + (error.pos_in_stream or 0)
        place = Span(source, offset, offset + 1)
        return _unexpected_text(source, start, place, error.allowed or set())
    # The end-of-input token has no position.
    place = Span(source, end, end)
    expected = error.expected if isinstance(error, UnexpectedToken) else set()
    return Diagnostic("R0009", "the statement ends too early", place, _expected(set(expected)))


def _unexpected_text(source: Source, start: int, place: Span, allowed: set[str]) -> Diagnostic:
    """The diagnostic for text that begins none of the tokens allowed here: mostly a word that is not a keyword."""
    word = _word_at(source.text, place.start)
    if not word:
        remedy = (REMEDIES[place.text],) if place.text in REMEDIES else ()
        shown = "".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in place.text)
        return Diagnostic("R0008", f"unexpected character `{_clipped(shown)}`", place, _expected(allowed), helps=remedy)
    span = Span(source, place.start, place.start + len(word))
    before = source.text[start : place.start]
    if NUMBER_BEFORE.search(before) and (before[-1].isalnum() or get_close_matches(word.lower(), UNITS, n=1)):
        helps = did_you_mean(word, UNITS) or ("counts may end in K, M, B or T, sizes in KB to TB or KiB to TiB",)
        return Diagnostic("R0011", f"unknown unit `{_clipped(word)}`", span, helps=helps)
    if place.start == start:
        helps = did_you_mean(word, STATEMENTS) or ("a statement begins with one of: " + ", ".join(STATEMENTS),)
        return Diagnostic("R0007", f"`{_clipped(word)}` does not begin a statement", span, helps=helps)
    helps = _remedy(source, start, span, allowed)
    return Diagnostic("R0010", f"unexpected `{_clipped(word)}`", span, _expected(allowed), helps=helps)


def _unexpected_token(source: Source, start: int, place: Span, error: UnexpectedToken) -> Diagnostic:
    token: Token = error.token
    before = error.token_history[-1] if error.token_history else None
    written = source.text[start : place.start]
    # LALR merges states: the tokens that end a line of a block are also expected outside blocks.
    inside = written.count("{") > written.count("}")
    expected = error.expected if inside else error.expected - SEPARATORS
    if place.start == start or (token.type in ("NAME", "QUOTED") and before is None):
        return _unexpected_text(source, start, place, expected)
    if before is not None and before.type == "QUANTITY" and token.type == "NAME":
        return _unexpected_text(source, start, place, expected)
    if token.type == "COMPARE" and "AND" in error.expected and not error.expected & {"COMPARE", "NAME"}:
        return Diagnostic("R0015", "comparisons do not chain", place, helps=("join two with `and`",))
    if token.type == "_NL":
        place = Span(source, place.start, place.start)
        return Diagnostic("R0009", "the line ends too early", place, _expected(error.expected))
    helps = _remedy(source, start, place, expected)
    return Diagnostic("R0010", f"unexpected `{_clipped(token)}`", place, _expected(expected), helps=helps)


def _remedy(source: Source, start: int, place: Span, expected: set[str]) -> tuple[str, ...]:
    """Help lines with what was probably meant by a word or sign that is not allowed here."""
    before = source.text[max(0, place.start - 1) : place.start]
    word = place.text
    if word == "=" and "COMPARE" in expected:
        return ("write `==` to compare",)
    if before + word == "<>":
        return ("write `!=`",)
    if before == "/" and word in ("*", "/"):
        return (QUOTES,)
    if expected == {"LPAR"} and (name := re.search(r"=\s*(\w+)\s*$", source.text[start : place.start])):
        return (f"write `column({name[1]})` for a column",)
    keywords = [name.strip("_").lower() for name in expected if name not in SHOWN]
    near = get_close_matches(word, keywords, n=1, cutoff=0.7)
    if near:
        return (f"did you mean `{near[0]}`?",)
    return ("put `,` or a new line before it",) if expected >= SEPARATORS and re.match(r'[\w"`]', word) else ()


def _word_at(text: str, position: int) -> str:
    end = position
    while end < len(text) and (text[end].isalnum() or text[end] in "_."):
        end += 1
    return text[position:end].rstrip(".")


def _clipped(word: str) -> str:
    """A word as a message shows it, shortened; its line is shown below anyway."""
    return word if len(word) <= LONGEST_WORD else word[: LONGEST_WORD - 1] + "…"


def _expected(terminals: set[str]) -> str:
    """ "expected a name, `{` or a string"; empty if too many tokens could follow."""
    known = dict(SHOWN)
    if terminals >= VALUE:
        known |= dict.fromkeys((*VALUE, "NOT"), "a value")
    elif "NAME" in terminals:
        known["QUOTED"] = known["NAME"]
    names = sorted({known.get(name, f"`{name.strip('_').lower()}`") for name in terminals})
    if not 0 < len(names) <= MOST_EXPECTED:
        return ""
    return "expected " + (" or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0])
