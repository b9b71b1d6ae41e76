"""Other inputs made of given ones, by the grammar of what they are: words of a recipe, values of JSON, cells of a table."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

Mutator = Callable[[bytes, Sequence[bytes], random.Random], bytes]
"""Maps an input, all seeds and chance to another input."""

TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`\n]+`|#[^\n]*|[\w.$%]+|\s+|[^\w\s]')

PIECES = (
    *(
        '"',
        "`",
        "{",
        "}",
        "(",
        ")",
        ",",
        "\n",
        "#",
        "\\",
        "$x",
        "..",
        "1..2",
        "9" * 400,
        "1e999",
        "0x1",
        "-1",
        "100%",
        "1.5.2",
    ),
    *(
        "\x00",
        "\ufeff",
        "\u202e",
        "\u2028",
        "\t",
        "\x7f",
        "é",
        "\ud7ff",
        "`a\tb`",
        '"\\u0000"',
        '"a\\nb"',
        "``",
        "true",
    ),
    *(
        "not",
        "and",
        "in (",
        "is null",
        "by",
        "for",
        "then",
        "until",
        "between",
        "at least",
        "30B tokens",
        "512MiB",
        "std.mix.quadmix",
    ),
)

VALUES: tuple[Any, ...] = (
    *(
        None,
        0,
        -1,
        1e308,
        -1e308,
        10**30,
        0.5,
        "",
        "x",
        "\x1b[31m",
        "../../x",
        "/etc/passwd",
        [],
        {},
        [[]],
        True,
        "NaN",
        1e-320,
    ),
    *("a" * 5000, "'; drop", "%s", "\u202e", float("nan"), float("inf"), 2**63, -(2**63), "\ud800", "a\0b"),
)

CELLS = (
    *(
        "",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-1",
        "0",
        "x",
        "1,2",
        '"',
        "'",
        "\x00",
        "é",
        "1e-400",
        "NULL",
        "true",
        "9" * 400,
        "0x10",
    ),
    *(
        "1_0",
        " ",
        "\ufeff",
        "%",
        "2026-01-01",
        "loss",
        "params",
        "tokens_0",
        "tokens_99999999999999999999",
        "{}",
        "[1, 2]",
    ),
)


def some_bytes(data: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Flips, inserts, removes and cuts off bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 | 1 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                changed[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                del changed[at : at + chance.randint(1, 50)]
            case 4 if at < len(changed):
                changed[at] = chance.choice(b'\x00\xff\x7f\x80\n"{')
            case 5 if chance.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def recipe(data: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Replaces, inserts, removes and exchanges words; takes words, lines and runs of lines of other recipes."""
    if chance.random() < 0.1:
        return some_bytes(data, seeds, chance)
    other = chance.choice(seeds).decode("utf-8", "replace")
    if chance.random() < 0.2:
        mine, theirs = data.decode("utf-8", "replace").splitlines(True), other.splitlines(True)
        at, start = chance.randrange(len(mine) + 1), chance.randrange(len(theirs) + 1)
        mine[at : at + chance.randint(0, 3)] = theirs[start : start + chance.randint(1, 8)]
        return "".join(mine).encode("utf-8", "replace")
    words, theirs = TOKEN.findall(data.decode("utf-8", "replace")), TOKEN.findall(other)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at, to = chance.randrange(len(words) + 1), chance.randrange(len(words) + 1)
        new = chance.choice(theirs) if theirs and chance.random() < 0.7 else chance.choice(PIECES)
        match chance.randrange(5):
            case 0:
                words[at : at + 1] = [new]
            case 1:
                words.insert(at, new)
            case 2:
                del words[at : at + chance.randint(1, 6)]
            case 3:
                words[to:to] = words[at : at + chance.randint(1, 12)]
            case 4 if max(at, to) < len(words):
                words[at], words[to] = words[to], words[at]
    return "".join(words).encode("utf-8", "replace")


def value(data: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Replaces, removes, adds and exchanges values of a JSON document."""
    if chance.random() < 0.15:
        return some_bytes(data, seeds, chance)
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        whole = json.loads(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        _change(whole, chance)
    if chance.random() < 0.01:
        depth = chance.choice((100, 5000))
        whole = {**whole, "deep": "@"} if isinstance(whole, dict) else whole
        return json.dumps(whole).replace('"@"', "[" * depth + "]" * depth).encode()
    return json.dumps(whole).encode()


def _change(whole: Any, chance: random.Random) -> None:
    """Changes one value somewhere inside."""
    inside = whole
    while isinstance(inside, dict | list) and inside:
        holder = inside
        key: Any = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        inside = holder[key]
        if chance.random() < 0.15:
            break
    else:
        if inside is whole:
            return
    match chance.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(holder[key])
        case 2 if isinstance(holder, dict):
            holder[chance.choice(("kind", "op", "name", "version", "x"))] = chance.choice(VALUES)
        case 3:
            holder[key] = -inside if isinstance(inside, int | float) else [inside]
        case _:
            holder[key] = chance.choice(VALUES)


def table(data: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Replaces cells and names of columns; repeats, cuts and removes rows."""
    if chance.random() < 0.2:
        return some_bytes(data, seeds, chance)
    rows = [line.split(",") for line in data.decode("utf-8", "replace").splitlines()] or [[""]]
    for _ in range(chance.choice((1, 2, 6))):
        row = chance.randrange(len(rows))
        at = chance.randrange(len(rows[row])) if rows[row] else 0
        match chance.randrange(8):
            case 0:
                rows.insert(row, list(rows[row]))
            case 1:
                rows[row] = rows[row][:-1]
            case 2:
                rows[row].append("1")
            case 3 if rows[0]:
                rows[0][chance.randrange(len(rows[0]))] = chance.choice(CELLS)
            case 4 if len(rows) > 1 and chance.random() < 0.3:
                del rows[chance.randrange(1, len(rows)) :]
            case _ if rows[row]:
                rows[row][at] = chance.choice(CELLS)
    return ("\n".join(map(",".join, rows)) + "\n").encode("utf-8", "replace")


def lines(data: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Changes one line as JSON, or bytes anywhere."""
    if chance.random() < 0.4:
        return some_bytes(data, seeds, chance)
    rows = data.splitlines() or [b"{}"]
    at = chance.randrange(len(rows))
    rows[at] = value(rows[at], [b"{}", *seeds[0].splitlines()], chance)
    return b"\n".join(rows) + b"\n"


MUTATORS: dict[str, Mutator] = {
    **dict.fromkeys(("parser", "formatter", "resolver"), recipe),
    **dict.fromkeys(("plan", "manifest", "law"), value),
    "table": table,
    "lines": lines,
}
