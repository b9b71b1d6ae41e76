"""What a screen may get: text of strangers in which nothing steers a terminal, is invisible, or changes the order of reading.

Ids, domains, paths, recipes and files of other people may hold any character. Those that `str.isprintable` or Unicode's
list of ignorable characters says nobody sees are written as escapes: `\\x1b`, `\\u202e`, `\\U000e0001`. In JSON they are
JSON's own escapes, so that the values stay exact.
"""

from __future__ import annotations

from collections.abc import Callable

IGNORABLE = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, 0xFFA0))
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""Characters that count as printable but have no width of their own: fillers and variation selectors."""

SHORT = {"\t": "\\t", "\r": "\\r"}


def visible(text: str) -> str:
    """Text for a screen or a page, with escapes for what nobody would see; its lines stay lines."""
    return text.translate(TEXT)


def one_line(text: str) -> str:
    """A value within a line: as `visible`, with escapes for its newlines too."""
    return text.translate(LINE)


def json(text: str) -> str:
    """JSON text with escapes for what nobody would see, which JSON has within strings only."""
    return text.translate(JSON)


def json_escape(char: str) -> str:
    """The escape of a character in a JSON string: two halves for one outside the Basic Multilingual Plane."""
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _escape(char: str) -> str:
    return SHORT.get(char) or char.encode("ascii", "backslashreplace").decode("ascii").replace(
        char, f"\\x{ord(char):02x}"
    )


class Table(dict[int, str]):
    """A table of `str.translate` that finds what stands for a character when it is met first."""

    def __init__(self, escape: Callable[[str], str], known: dict[str, str]) -> None:
        super().__init__({ord(char): other for char, other in known.items()})
        self._escape = escape

    def __missing__(self, code: int) -> str:
        char = chr(code)
        hidden = not char.isprintable() or char in IGNORABLE
        return self.setdefault(code, self._escape(char) if hidden else char)


TEXT = Table(_escape, {"\n": "\n"})
LINE = Table(_escape, {"\n": "\\n"})
JSON = Table(json_escape, {"\n": "\n"})
