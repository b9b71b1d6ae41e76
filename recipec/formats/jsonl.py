"""`output jsonl "out/mix"`: one JSON object a line; times as ISO text, nested values as JSON, null as null."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.spec import Format

LONGEST_LINE = 256 * 1024 * 1024
"""Bytes of the longest line that can be read back; DuckDB's own limit of 16 MiB is less than some documents have."""

SUFFIXES = {"zstd": ".jsonl.zst", "gzip": ".jsonl.gz", "none": ".jsonl"}


def suffix(compression: str) -> str:
    return SUFFIXES[compression]


def options(compression: str, row_group: int) -> str:
    word = "uncompressed" if compression == "none" else compression
    return f"FORMAT json, COMPRESSION {word}"


def scan(paths: str, columns: Sequence[tuple[str, str]]) -> str:
    types = ", ".join(f"'{name[1:-1].replace(chr(39), chr(39) * 2)}': '{type_}'" for name, type_ in columns)
    return f"read_ndjson({paths}, columns = {{{types}}}, maximum_object_size = {LONGEST_LINE})"


SPEC = Format(
    name="jsonl",
    summary="one JSON object a line",
    compressions=tuple(SUFFIXES),
    suffix=suffix,
    options=options,
    scan=scan,
    loader="json",
    longest_line=LONGEST_LINE,
)
