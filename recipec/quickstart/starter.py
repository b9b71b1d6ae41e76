"""Writes a starter recipe for a folder of shards: guesses the columns of id, text, tokens, domain and scores."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from recipec import syntax
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import shards
from recipec.ir import shapes
from recipec.ir.expressions import Type
from recipec.numbers import plain
from recipec.source import Source, Span
from recipec.syntax import ast, printing

Columns = Sequence[tuple[str, Type]]

IDS = ("doc_id", "id", "document_id", "uuid", "_id", "url", "path")
TEXTS = ("text", "content", "body", "raw_content", "document", "markdown")
TOKENS = ("tokens", "token_count", "n_tokens", "num_tokens", "token_num")
DOMAINS = ("domain", "topic", "category", "source", "subset", "language", "lang", "label")

DOCUMENTS = (".json", ".json.gz", ".json.zst")
"""Suffixes of shards that are not searched for: most such files are one JSON document, not one per line."""

SCORE = re.compile(r"(score|quality|edu|fineweb|prob|perplexity|ppl)", re.IGNORECASE)
LOWER = re.compile(r"(perplexity|ppl|loss|toxic|spam|nsfw)", re.IGNORECASE)


def recipe(folder: Path, beside: Path) -> str:
    """The canonical text of a starter recipe for the shards in a folder.

    Args:
        beside: the folder that the recipe will be in; globs are relative to it.

    Raises:
        Failure: the folder has no shards, or none with an id and a text.
    """
    glob, first = _glob(folder)
    columns = tuple((name, shapes.language(shapes.parse(shape))) for name, shape in shards.schema(first, beside))
    roles = _roles(folder, columns)
    relative = os.path.relpath(folder.resolve(), beside.resolve())
    name = word(folder.resolve().name)
    text = "\n".join(_lines(name, f"{relative}/{glob}", columns, roles)) + "\n"
    source = Source(text, "init")
    tree, diagnostics = syntax.parse(source)
    assert not diagnostics, diagnostics
    return syntax.format(tree, source)


def word(text: str) -> str:
    """Turns any text into a valid name of the recipe language."""
    return re.sub(r"\W+", "_", text).strip("_").lstrip("0123456789_") or "source"


def _glob(folder: Path) -> tuple[str, Path]:
    """The pattern that matches most files of the folder, and the first of these files."""
    found = []
    for deep in ("", "**/"):
        for suffix in _suffixes():
            paths = shards.find([f"{deep}*{suffix}"], folder)
            if paths:
                found.append((len(paths), f"{deep}*{suffix}", paths[0]))
        if found:
            break
    if not found:
        helps = ("shards are .parquet, .jsonl, .jsonl.zst or .jsonl.gz files",)
        raise Failure(Diagnostic("R0711", f"`{folder}` holds no shards", helps=helps))
    _, glob, first = max(found, key=lambda item: item[0])
    return glob, first


def _suffixes() -> Iterable[str]:
    """The suffixes of shards, those of typed formats first: they win if two kinds have equally many files."""
    formats = sorted(shards.formats(), key=lambda format_: not format_.typed)
    return [suffix for format_ in formats for suffix in format_.suffixes if suffix not in DOCUMENTS]


def _roles(folder: Path, columns: Columns) -> dict[str, str]:
    """Guesses the columns of id, text, tokens and domain; the last two only if there is one."""
    strings = [name for name, type_ in columns if type_ == "string"]
    plain = [name for name, type_ in columns if type_ in ("string", "integer")]
    roles = {
        "id": _pick(IDS, plain),
        "text": _pick(TEXTS, strings),
        "tokens": _pick(TOKENS, [name for name, type_ in columns if type_ == "integer"]),
        "domain": _pick(DOMAINS, strings),
    }
    missing = [role for role in ("id", "text") if roles[role] is None]
    if missing:
        known = ", ".join(f"{name} {type_}" for name, type_ in columns)
        message = f"no column of `{folder}` looks like the {' or the '.join(missing)}"
        raise Failure(Diagnostic("R0711", message, helps=(f"its columns: {known}",)))
    return {role: name for role, name in roles.items() if name is not None}


def _pick(words: Iterable[str], names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in names}
    return next((lower[word] for word in words if word in lower), None)


def _lines(name: str, glob: str, columns: Columns, roles: dict[str, str]) -> list[str]:
    def quoted(column: str) -> str:
        return printing.name(ast.Name(column, span=Span(Source("", ""), 0, 0)))

    lines = ["# A starter recipe. Next: recipec plan, then state criteria, quotas and a budget.", ""]
    lines += [f"source {name} {{", f"shards {printing.string(glob)}"]
    lines += [f"{role} {quoted(column)}" for role, column in roles.items()]
    lines += ["}", "", f"where length({quoted(roles['text'])}) >= 200"]
    scores = [c for c, type_ in columns if type_ == "float" and SCORE.search(c) and c not in roles.values()]
    for column in scores:
        direction = "lower" if LOWER.search(column) else "higher"
        lines.append(f"criterion {word(column)} = column({quoted(column)}) {direction} is better")
    if len(scores) > 1:
        weights = ", ".join(f"{word(column)} {plain(1 / len(scores), 3)}" for column in scores)
        lines.append(f"quality {{ missing worst\nweights {{ {weights} }} }}")
    elif scores:
        lines.append("quality { missing worst }")
    if scores:
        lines.append("sample quadmix { curve { lambda 500, omega 0.08, eta 1, epsilon 0.001 } }")
    else:
        lines.append("sample all")
    lines += ["repeat at most 4 times", f'output parquet "out/{name}" {{ shard 512MB, shuffle }}']
    return lines
