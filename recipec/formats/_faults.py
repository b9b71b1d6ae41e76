"""Why lines are no JSON objects: their text is looked at again, which DuckDB does not keep."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from recipec.database.sql import SEPARATOR
from recipec.formats._structure import DEEPEST, depth
from recipec.places.remote import Remote

OTHERWISE = "the line cannot be read"


def opened(path: Path) -> BinaryIO:
    """A file's bytes as they were before it was compressed; DuckDB and this module read plain, gzip and zstd files."""
    suffix = path.suffix.lower()
    if suffix == ".zst":
        import zstandard

        decompressor = zstandard.ZstdDecompressor()
        stream: Any = decompressor.stream_reader(path.open("rb"), read_across_frames=True)
        return io.BufferedReader(stream)
    return cast("BinaryIO", gzip.open(_source(path), "rb")) if suffix == ".gz" else path.open("rb")


def _source(path: Path) -> Any:
    """What `gzip` opens: an object of a store has no name that it knows."""
    return path.open("rb") if isinstance(path, Remote) else path


def reasons(path: Path, rows: Collection[int]) -> Iterator[tuple[int, str]]:
    """The reason of each of some lines that cannot be read; `rows` are numbered from 0, without blank lines."""
    wanted = frozenset(rows)
    last = max(wanted, default=-1)
    row = -1
    with contextlib.closing(opened(path)) as stream:
        for line in stream:
            if not line.strip():
                continue
            row += 1
            if row in wanted:
                yield row, reason(line)
            if row == last:
                return


def reason(line: bytes) -> str:
    """Why a line is no JSON object that can be read, perhaps with what is wrong after `database.sql.SEPARATOR`."""
    try:
        text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        return f"the line is not UTF-8{SEPARATOR}byte {line[error.start]:#04x} at position {error.start + 1}"
    if depth(text) > DEEPEST:
        return f"the line is nested deeper than {DEEPEST} levels"
    try:
        value = json.loads(text)
    except RecursionError:
        return f"the line is nested deeper than {DEEPEST} levels"
    except ValueError as error:
        return _broken(text, error)
    if not isinstance(value, dict):
        names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
        return f"the line is {names.get(type(value), 'a number')}, not a JSON object"
    return "a key of the line has the character NUL" if "\\u0000" in text else OTHERWISE


def _broken(text: str, error: ValueError) -> str:
    at = getattr(error, "pos", 0)
    if at >= len(text.rstrip()) or "Unterminated string" in str(error):
        return "the line is cut off: its JSON does not end"
    words = getattr(error, "msg", str(error))
    return f"the line is not JSON{SEPARATOR}{words[:1].lower()}{words[1:]} at character {at + 1}"
