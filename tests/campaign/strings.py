"""Strings of strangers: what would do something where it is taken for SQL, a path, a glob, a command, a template, or a page.

`{yard}` in them is a folder that nobody may read or write; its `secret.txt` holds `SECRET`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path

MOST = 500
"""Strings of the long form: every single one, and some of those that are put together."""

SECRET = "canary-7f3a91"

DEEDS = (
    *("COPY (SELECT 1) TO '{yard}/w'", "COPY (SELECT 1) TO '{yard}/w' (FORMAT parquet)", "ATTACH '{yard}/w.db'"),
    *(
        "EXPORT DATABASE '{yard}/w'",
        "INSTALL httpfs",
        "LOAD '{yard}/w'",
        "SET enable_external_access=true",
        "PRAGMA version",
    ),
    *(
        "CREATE TABLE w AS SELECT content FROM read_text('{yard}/secret.txt')",
        "DROP TABLE documents",
        "CALL pragma_version()",
    ),
)

VALUES = (
    *(
        "(SELECT content FROM read_text('{yard}/secret.txt'))",
        "(SELECT string_agg(content) FROM read_text('{yard}/*'))",
    ),
    *(
        "read_text('{yard}/secret.txt')",
        "(SELECT * FROM '{yard}/secret.txt')",
        "(SELECT getenv('HOME'))",
        "(SELECT 1/0)",
    ),
    *("(SELECT count(*) FROM duckdb_settings())", "(SELECT path FROM duckdb_databases())", "error('x')"),
)

QUOTES = ("'", '"', "\\'", "''", '""', "`", "$$", "')", '")', "*/", "]", "'}", '\\"', "\x00'", "'::JSON")

PATHS = (
    *(
        "{yard}/secret.txt",
        "../yard/secret.txt",
        "../../etc/passwd",
        "file://{yard}/secret.txt",
        "~/x",
        "$HOME",
        "${HOME}",
    ),
    *(
        "data/../../yard/*",
        "**/*",
        "[*?",
        "{a,b}",
        "/dev/stdin",
        "/dev/zero",
        "/proc/self/environ",
        "s3://x/y",
        "https://x/y",
    ),
    *(
        ".",
        "..",
        "/",
        "//",
        "a/../../yard/w",
        "con",
        "-",
        "--help",
        "-o",
        "o/out",
        ".recipec",
        ".recipec/index.duckdb",
        "data",
    ),
)

COMMANDS = (
    "$(touch {yard}/w)",
    "`touch {yard}/w`",
    "; touch {yard}/w",
    "| touch {yard}/w",
    "\n touch {yard}/w\n",
    "& touch {yard}/w",
)

TEMPLATES = (
    *(
        "{0}",
        "{}",
        "{text}",
        "{0.__class__.__mro__}",
        "{text.__globals__}",
        "%s%s%n",
        "%(x)s",
        "{{7*7}}",
        "${{jndi:ldap://x}}",
    ),
    *(
        "\\1",
        "\\g<0>",
        "(a+)+$",
        "(?<x>",
        "[[:alpha:]",
        "!!python/object/apply:os.system ['touch {yard}/w']",
        "__import__('os')",
    ),
)

PAGES = (
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</title><script>x</script>",
        "<!--",
        "]]>",
        "&lt;",
        "&",
    ),
    *(
        "[x](javascript:alert(1))",
        "![x](https://x/y.png)",
        "| a | b |",
        "---\nlicense: x\n---",
        "# x",
        "```",
        "[bold red]x[/]",
    ),
)

SCREENS = (
    *(
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "\x1b]52;c;eA==\x07",
        "\x9b31m",
        "\r over",
        "a\x08\x08b",
        "\x7f",
        "\x1b[2J",
        "\x00",
        "\x0c",
    ),
    *("\u202egnp", "\u2066x\u2069", "\u200fx", "\u2028x", "\u2029x", "\ufeffx", "\u0085x", "\ud7ff", "\U000e0041"),
)

NAMES = (
    *(
        "",
        " ",
        "NULL",
        "null",
        "true",
        "NaN",
        "Infinity",
        "0",
        "-1",
        "1e999",
        "0x1",
        "*",
        "COLUMNS(*)",
        "rowid",
        "row",
        "filename",
    ),
    *(
        "__row",
        "file_row_number",
        "doc_id",
        "shard",
        "copies",
        "bad",
        "id",
        "text",
        "Text",
        "TEXT",
        "n",
        "topic",
        "domain",
        "select",
    ),
    *(
        "é",
        "e\u0301",
        "ß",
        "İ",
        "\u00a0",
        "x" * 300,
        "a.b",
        "a[1]",
        "a'b",
        'a"b',
        "a`b",
        "a\\b",
        "a;b",
        "a\tb",
        "a\nb",
        "a\r\nb",
    ),
)

CONTROL = frozenset(
    (*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
) - {*(0x09, 0x0A)}
"""What may not reach a terminal as it is: control characters but tabs and newlines, and those that turn text around."""


def strings(count: int, yard: Path) -> list[str]:
    """So many different strings of all kinds."""
    found = list(dict.fromkeys(one.replace("{yard}", str(yard)) for one in _all()))[: max(MOST, count)]
    assert len(found) >= count, f"there are only {len(found)} strings"
    random.Random("order").shuffle(found)
    return found[:count]


def _all() -> Iterator[str]:
    yield from (*NAMES, *SCREENS, *PAGES, *TEMPLATES, *COMMANDS, *PATHS)
    broken = [f"{quote}; {deed}; --" for quote, deed in product(QUOTES, DEEDS)]
    joined = [f"{quote} || {value} || {quote}" for quote, value in product(QUOTES, VALUES)]
    others = [f"x{quote} UNION ALL SELECT {value} --" for quote, value in product(QUOTES, VALUES)]
    mixed = [f"{screen}{quote}{page}" for screen, quote, page in product(SCREENS[:8], QUOTES[:4], PAGES[:4])]
    every = [*broken, *joined, *others, *mixed]
    random.Random("strings").shuffle(every)
    yield from every
