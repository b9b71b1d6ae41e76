"""Prints a syntax tree, without comments: expressions with as few parentheses as possible, one setting per line."""

from __future__ import annotations

import re

from recipec.syntax import ast

INDENT = "  "

PRECEDENCE = {"or": 1, "and": 2, "not": 3, "matches": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6}
"""How tightly operators bind: comparisons, `in` and `is null` like `matches`; names and calls bind tightest."""

COMPARISON, FACTOR, ATOM = 4, 7, 8

PLAIN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
WORD = re.compile(r"[^\W\d]\w*")

AWKWARD = frozenset(
    [
        "not",
        "true",
        "false",
        "and",
        "or",
        "in",
        "is",
        "matches",
        "null",
        "at",
        "between",
        "by",
        "from",
        "for",
        "where",
        "then",
        "until",
        "times",
        "unlimited",
    ]
)
"""Words with a special meaning in or after expressions; as names they are back-quoted."""

HIDDEN = re.compile(r"\\u([0-9a-fA-F]{4})")
"""How a back-quoted name spells what nobody would see in it, and a backslash where it would begin such a spelling."""

ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def name(node: ast.Name) -> str:
    """A name, back-quoted unless it is a plain word."""
    plain = PLAIN.fullmatch(node.text) and node.text not in AWKWARD
    return node.text if plain else quoted(node.text)


def quoted(text: str) -> str:
    """A name between back quotes, with escapes for its characters that nobody would see."""
    whole = HIDDEN.sub(lambda match: f"\\u005cu{match[1]}" if _is_hidden(match[1]) else match[0], text)
    return f"`{''.join(char if char.isprintable() else _escape(char) for char in whole)}`"


def unquoted(text: str) -> str:
    """A name from between back quotes, perhaps with halves of surrogate pairs."""
    return HIDDEN.sub(lambda match: chr(int(match[1], 16)) if _is_hidden(match[1]) else match[0], text)


def _is_hidden(digits: str) -> bool:
    """Whether an escape with these digits stands for a character in back-quoted names, where most are just text."""
    char = chr(int(digits, 16))
    return char == "\\" or not char.isprintable()


def path(node: ast.Path) -> str:
    """A path, with back quotes around names that are no plain words, and around one that stands alone."""
    if len(node.parts) == 1:
        return quoted(str(node.parts[0]))
    result = ""
    for part in node.parts:
        if isinstance(part, int):
            result += f"[{part}]"
        else:
            plain = WORD.fullmatch(part) and not (part in AWKWARD and not result)
            result += ("." if result else "") + (part if plain else quoted(part))
    return result


def string(value: str) -> str:
    return '"' + "".join(ESCAPES.get(char) or (char if char.isprintable() else _escape(char)) for char in value) + '"'


def _escape(char: str) -> str:
    # Two halves for a character outside the Basic Multilingual Plane, as in JSON.
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def quantity(node: ast.Quantity) -> str:
    match node.unit:
        case "%":
            return node.text + "%"
        case "":
            return node.text
        case "bytes" if node.text.endswith("B"):
            return node.text
        case unit:
            return f"{node.text} {unit}"


def text(expr: ast.Expr) -> str:
    """The canonical text of an expression."""
    return _text(expr)[0]


def _text(expr: ast.Expr) -> tuple[str, int]:
    """The text of an expression, and how tightly it binds."""
    match expr:
        case ast.Name():
            return name(expr), ATOM
        case ast.Path():
            return path(expr), ATOM
        case ast.String():
            return string(expr.value), ATOM
        case ast.Quantity():
            return quantity(expr), ATOM
        case ast.Boolean():
            return ("true" if expr.value else "false"), ATOM
        case ast.ParamRef():
            return f"${expr.name}", ATOM
        case ast.Call():
            arguments = ", ".join(_argument(argument) for argument in expr.arguments)
            return f"{name(expr.function)}({arguments})", ATOM
        case ast.Unary(operator="not"):
            return f"not {_within(expr.operand, PRECEDENCE['not'])}", PRECEDENCE["not"]
        case ast.Unary():
            return f"-{_within(expr.operand, FACTOR)}", FACTOR
        case ast.Binary():
            level = PRECEDENCE.get(expr.operator, COMPARISON)
            # Comparisons do not chain, so both operands must bind tighter.
            left = _within(expr.left, level + (level == COMPARISON))
            return f"{left} {expr.operator} {_within(expr.right, level + 1)}", level
        case ast.In():
            items = ", ".join(text(item) for item in expr.items)
            word = "not in" if expr.negated else "in"
            return f"{_within(expr.operand, COMPARISON + 1)} {word} ({items})", COMPARISON
        case ast.IsNull():
            word = "is not null" if expr.negated else "is null"
            return f"{_within(expr.operand, COMPARISON + 1)} {word}", COMPARISON


def _within(expr: ast.Expr, level: int) -> str:
    inner, binds = _text(expr)
    return inner if binds >= level else f"({inner})"


def domain(node: ast.Name | ast.String) -> str:
    return name(node) if isinstance(node, ast.Name) else string(node.value)


def setting_head(node: ast.Setting) -> str:
    """The text of a setting without its block."""
    if node.name.text == "for" and node.domain is not None and node.block is not None and not node.values:
        return f"for {domain(node.domain)}"
    words = [name(node.name)]
    if node.domain is not None:
        words += ["for", domain(node.domain)]
    if node.assigned and len(node.values) == 2:
        return f"{words[0]} {text(node.values[0])} = {text(node.values[1])}"
    if node.assigned:
        words.append("=")
    # The word in `tokens by "…"` or `weights from "…"` needs no quotes there.
    match node.values:
        case (ast.Name(text="by" as word), value) | (ast.Name(text="from" as word), ast.String() as value):
            words += [word, text(value)]
        case (*places, ast.Name(text="by"), key) if places and all(isinstance(place, ast.String) for place in places):
            words += [*map(text, places), "by", text(key)]
        case (ast.Name(text=".."), low, high):
            words += [f"{text(low)}..{text(high)}"]
        case values:
            words += [
                quoted(value.text) if isinstance(value, ast.Name) and _is_unit(value.text, before) else text(value)
                for before, value in zip((None, *values), values, strict=False)
            ]
    return " ".join(words)


def _is_unit(word: str, before: ast.Expr | None) -> bool:
    """Whether a word would be read as the unit of the number before it."""
    return isinstance(before, ast.Quantity) and not before.unit and word in ("tokens", "params", "times", "bytes")


def head(node: ast.Statement) -> str:
    """The first line of a statement, without the brace of its block."""
    match node:
        case ast.Use():
            # Only a plain name may stand there, which no word of the grammar can be mistaken for.
            return f"use {node.path.text}"
        case ast.Needs():
            return f"needs {string(node.requirement.value)}"
        case ast.Param():
            return f"param {name(node.name)} = {text(node.value)}"
        case ast.Seed():
            return f"seed {text(node.value)}"
        case ast.Source():
            return f"source {name(node.name)}"
        case ast.Target():
            return f"target {name(node.name)}"
        case ast.Where():
            return f"where {_of(node.source)}{text(node.condition)}"
        case ast.Criterion():
            direction = f" {node.direction} is better" if node.direction else ""
            source = f" for {domain(node.source)}" if node.source is not None else ""
            return f"criterion {name(node.name)} = {text(node.call)}{direction}{source}"
        case ast.Quality():
            return "quality"
        case ast.Sample():
            words = [f"sample {name(node.method)}"]
            words += [text(node.share)] if node.share is not None else []
            words += ["by " + ", ".join(name(one) for one in node.by)] if node.by else []
            words += [_from(node.origin)] if node.origin is not None else []
            return " ".join(words)
        case ast.Mixture():
            return _mixture(node)
        case ast.Quota():
            condition = f" where {text(node.condition)}" if node.condition is not None else ""
            return f"quota {domain(node.domain)}{condition} {_bounds(node.bounds)}"
        case ast.Repeat():
            where = f" {domain(node.domain)}" if node.domain is not None else ""
            return f"repeat{where} {_limit(node.most)}"
        case ast.Budget():
            return f"budget {text(node.tokens)}"
        case ast.Allow():
            return f"allow {name(node.what)}" + (f" {text(node.value)}" if node.value is not None else "")
        case ast.Shortfall():
            return f"shortfall {name(node.policy)}"
        case ast.Oversize():
            return f"oversize {name(node.policy)}"
        case ast.Output():
            return f"output {name(node.format)} {text(node.path)}"
        case ast.Phases():
            return "phases"
        case ast.Search():
            return "search"


def _of(source: ast.Name | ast.String | None) -> str:
    return f"for {domain(source)} " if source is not None else ""


def _from(node: ast.FromFile) -> str:
    return f"from {string(node.path.value)}"


def _mixture(node: ast.Mixture) -> str:
    match node.value:
        case ast.Name():
            return f"mixture {name(node.value)}"
        case ast.Call():
            return f"mixture {text(node.value)}"
        case ast.FromFile():
            return f"mixture {_from(node.value)}"
        case _:
            return "mixture"


def _bounds(node: ast.Bounds) -> str:
    least = _within(node.least, PRECEDENCE["+"]) if node.least is not None else None
    most = _within(node.most, PRECEDENCE["+"]) if node.most is not None else None
    if least is not None and most is not None:
        return f"between {least} and {most}"
    return f"at least {least}" if least is not None else f"at most {most}"


def _limit(most: ast.Expr | None) -> str:
    if most is None:
        return "unlimited"
    times = "" if isinstance(most, ast.Quantity) and most.unit else " times"
    return f"at most {_within(most, PRECEDENCE['+'])}{times}"


def share(node: ast.Share) -> str:
    return f"{domain(node.domain)} {_within(node.share, PRECEDENCE['+'])}"


Item = ast.Setting | ast.Share | ast.Phase | ast.Statement


def items(node: Item) -> tuple[Item, ...] | None:
    """The contents of the braces of a statement or setting; None if it has no braces."""
    match node:
        case ast.Source() | ast.Target() | ast.Quality() | ast.Search():
            return node.block.settings
        case ast.Sample() | ast.Budget() | ast.Output() | ast.Setting():
            return node.block.settings if node.block is not None else None
        case ast.Mixture(value=tuple() as shares):
            return shares
        case ast.Phases():
            return node.phases
        case ast.Phase():
            return node.statements
        case _:
            return None


def first_line(node: Item) -> str:
    """The text of an item without its braces and their contents."""
    match node:
        case ast.Setting():
            return setting_head(node)
        case ast.Share():
            return share(node)
        case ast.Phase():
            return f"until {text(node.until)}" if node.until is not None else ""
        case _:
            return head(node)


def statement_text(node: ast.Statement) -> str:
    """The text of a statement without comments, with a trailing newline."""
    return "\n".join(_lines(node, 0)) + "\n"


def _lines(node: Item, depth: int) -> list[str]:
    pad, inside = INDENT * depth, items(node)
    opening = f"{pad}{first_line(node)}"
    if inside is None:
        return [opening]
    if not inside:
        return [f"{opening} {{}}" if opening.strip() else f"{pad}{{}}"]
    lines = [f"{opening} {{" if opening.strip() else f"{pad}{{"]
    for number, item in enumerate(inside):
        found = _lines(item, depth + 1)
        if isinstance(item, ast.Phase) and number:
            # Phases are joined by `} then {`.
            found[0] = f"{INDENT * (depth + 1)}then {found[0].strip()}"
        lines += found
    return [*lines, f"{pad}}}"]


def _argument(argument: ast.Argument) -> str:
    name = f"{argument.name}: " if argument.name else ""
    word = f"{argument.word} " if argument.word else ""
    return f"{name}{word}{text(argument.value)}"
