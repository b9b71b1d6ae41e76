"""`output jsonl "out/mix"`: one JSON object per line; times as ISO text, nested values as JSON, null as null.

Shards are plain or compressed. Lines are read as they are: nothing is typed from what the first of them hold. A line that
is no JSON object becomes a row of nulls, so that it is counted as unreadable and rows keep their numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database.sql import LONGEST, SHOWN, column, file, ident, literal, word
from recipec.database.values import FAULT, WIDE, exact_double
from recipec.formats import _faults, _structure
from recipec.ir import paths, shapes
from recipec.ir.shapes import Columns, Shape
from recipec.places import local
from recipec.spec import Format, Misread, References, Structure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONGEST_LINE = 32 * 1024 * 1024
"""The most bytes of a line of a shard. Each reading thread holds twice as much; longer documents belong in Parquet."""

# Folders named `column=value` would otherwise replace the fields of that name.
OPTIONS = f"ignore_errors = true, maximum_object_size = {LONGEST_LINE}, hive_partitioning = false"

LONGEST_LINE_BACK = 256 * 1024 * 1024
"""The most bytes of a line that can be read back; some documents exceed DuckDB's own limit of 16 MiB."""

SAMPLED_LINES = 20_480
"""The number of lines that `recipec check` looks at."""

COMPRESSED = {"zstd": ".zst", "gzip": ".gz", "none": ""}

NAMES = (".jsonl", ".ndjson", ".json")

READ = ("", ".zst", ".gz", ".bz2", ".xz", ".lz4")
"""The suffixes of compressed shards; DuckDB reads the first three, the others are repacked (`inputs.packing`)."""


def suffix(compression: str) -> str:
    return f".jsonl{COMPRESSED[compression]}"


def _lines(path: Path) -> str:
    return f"read_ndjson_objects({file(path)}, {OPTIONS})"


def columns(connection: DuckDBPyConnection, path: Path) -> Columns:
    """The fields of the first lines of a file."""
    if not local.size(path):
        return ()
    found = _structure.find(connection, f"(SELECT json FROM {_lines(path)} LIMIT {SAMPLED_LINES})")
    _check_lines(path, found)
    return found.columns()


def structure(connection: DuckDBPyConnection, path: Path) -> Structure:
    """The fields of all lines of a file."""
    if not local.size(path):
        return Structure((), 0)
    found = _structure.find(connection, f"(SELECT json FROM {_lines(path)})")
    _check_lines(path, found)
    return Structure(found.columns(), found.lines, found.kinds(), found.unreadable)


def _check_lines(path: Path, found: _structure.Found) -> None:
    """Raises Misread if a file is one JSON document rather than one object per line."""
    if found.lines and found.unreadable == found.lines:
        with _faults.opened(path) as stream:
            start = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        if start[:1] == b"[":
            helps = ("write one object per line: `jq -c '.[]' FILE > FILE.jsonl`",)
            raise Misread("it is one JSON array, not one JSON object per line", *helps)
    if found.unreadable and found.unreadable >= found.lines / 2:
        with _faults.opened(path) as stream:
            first = next((line.strip() for line in stream if line.strip()), b"")
        if first in (b"{", b"["):
            helps = ("write one object per line: `jq -c . FILE > FILE.jsonl`",)
            raise Misread("its JSON stretches over several lines, instead of one object per line", *helps)


def faults(connection: DuckDBPyConnection, path: Path) -> Iterable[tuple[int, str]]:
    """The rows that cannot be read, with the reason of each."""
    found = connection.execute(
        rf"""
        SELECT row FROM (
            SELECT row_number() OVER () - 1 AS row, json, CAST(json_structure(json) AS VARCHAR) AS structure
            FROM {_lines(path)}
        )
        WHERE json IS NULL OR json_type(json) <> 'OBJECT' OR contains(structure, '\u0000')
            OR length(regexp_replace(structure, '[^\[{{]', '', 'g')) > {_structure.DEEPEST}
        """
    ).fetchall()
    for row, reason in _faults.reasons(path, [row for (row,) in found]):
        if reason != _faults.OTHERWISE:
            yield row, reason


def scan(path: Path, own: Columns, wanted: References, row: str) -> str:
    """A table expression of values of a file's lines; by DuckDB's typed reader, where it cannot change one of them."""
    if all(_is_simple(own, reference, type_) for reference, type_ in wanted):
        return _typed(path, own, wanted, row)
    return _extracted(path, own, wanted, row)


DIRECT = {
    "VARCHAR": {"VARCHAR"},
    "BIGINT": {"BIGINT", "DOUBLE", "HUGEINT"},
    "UBIGINT": {"HUGEINT"},
    "DOUBLE": {"DOUBLE"},
    "BOOLEAN": {"BOOLEAN"},
}
"""The shape of a field -> the types as which the typed reader gives exactly its values."""


def _is_simple(own: Columns, reference: str, type_: str) -> bool:
    parts = paths.parts(reference)
    shape = shapes.at(own, parts)
    if shape is None or shape == shapes.NULL:
        return True
    return len(parts) == 1 and type_ in DIRECT.get(shape.word, ())


def _typed(path: Path, own: Columns, wanted: References, row: str) -> str:
    there = {name for name, text in own if shapes.parse(text) != shapes.NULL}
    read = {}
    values = []
    for reference, type_ in wanted:
        name, *inside = paths.parts(reference)
        # A value inside a field is read here only where no line has one, whatever else the field holds.
        if isinstance(name, str) and name in there and not inside:
            read[name] = type_
            value = _finite(ident(name), type_)
        else:
            value = f"CAST(NULL AS {type_})"
        values.append(f"{value} AS {column(reference)}")
    if len({name.lower() for name in read}) < len(read):
        return _extracted(path, own, wanted, row)
    listed = ", ".join([*values, f"CAST(NULL AS VARCHAR) AS {FAULT}"])
    return f"(SELECT row_number() OVER () - 1 AS {ident(row)}, {listed} FROM {_reader(path, tuple(read.items()))})"


def _finite(sql: str, type_: str) -> str:
    # `NaN` and `Infinity`, which are no JSON, are written by some programs; neither is a value.
    return f"(CASE WHEN isfinite({sql}) THEN {sql} END)" if type_ == "DOUBLE" else sql


def _reader(path: Path, typed: Columns) -> str:
    # A reader needs at least one column; one that no line has is always null.
    some = typed or (("\ufffd", "VARCHAR"),)
    # Where there is one column only, DuckDB would look into the lines for what they are.
    return f"read_ndjson({file(path)}, columns = {_struct(some)}, records = 'true', {OPTIONS})"


def _extracted(path: Path, own: Columns, wanted: References, row: str) -> str:
    """Values taken out of whole lines, all of them in one pass over each line."""
    pointers = [paths.pointer(paths.parts(reference)) for reference, _ in wanted]
    listed = ", ".join(map(literal, pointers))
    values, tests = [], []
    for number, (reference, type_) in enumerate(wanted, start=1):
        shape = shapes.at(own, paths.parts(reference))
        text, value = f"texts[{number}]", f"jsons[{number}]"
        values.append(f"{_taken(text, value, shape, type_)} AS {column(reference)}")
        if shape == shapes.JSON and type_ == "VARCHAR":
            words, shown = literal(f"`{reference}` is not a string"), f"left({value} :: VARCHAR, {LONGEST})"
            tests.append(f"WHEN json_type({value}) NOT IN ('VARCHAR', 'NULL') THEN {words} || {SHOWN} || {shown}")
    fault = f"CASE {' '.join(tests)} END" if tests else "CAST(NULL AS VARCHAR)"
    lines = f"(SELECT row_number() OVER () - 1 AS row, json FROM {_lines(path)})"
    taken = f"json_extract_string(json, [{listed}]) AS texts, json_extract(json, [{listed}]) AS jsons"
    return (
        f"(SELECT row AS {ident(row)}, {', '.join([*values, f'{fault} AS {FAULT}'])} "
        f"FROM (SELECT row, {taken} FROM {lines}))"
    )


def _taken(text: str, value: str, shape: Shape | None, type_: str) -> str:
    """SQL of a value of a type from the text and the JSON of a field."""
    if shape is None or shape == shapes.NULL:
        return f"CAST(NULL AS {type_})"
    if type_ == "JSON":
        return f"(CASE WHEN json_type({value}) <> 'NULL' THEN {value} END)"
    if shape == shapes.JSON:
        return f"(CASE WHEN json_type({value}) = 'VARCHAR' THEN {text} END)"
    return text if type_ == "VARCHAR" else _finite(f"TRY_CAST({text} AS {type_})", type_)


def whole(path: Path, own: Columns, wanted: Columns, row: str) -> str:
    names = {name.lower() for name, _ in wanted}
    if len(names) < len(wanted) or not wanted or "" in names:
        return _whole_extracted(path, wanted, row)
    shaped = {name: shapes.parse(text) for name, text in own}
    wide = {name for name, type_ in wanted if type_ == "DOUBLE" and name in shaped and shaped[name].word in WIDE}
    read = tuple((name, shaped[name].word if name in wide else type_) for name, type_ in wanted if name in shaped)
    values_ = (
        exact_double(name, ident(name)) if name in wide else ident(name) if name in shaped else f"CAST(NULL AS {type_})"
        for name, type_ in wanted
    )
    listed = "".join(f", {value} AS c{number}" for number, value in enumerate(values_))
    return f"(SELECT row_number() OVER () - 1 AS {ident(row)}{listed} FROM {_reader(path, read)})"


def _whole_extracted(path: Path, wanted: Columns, row: str) -> str:
    """As `whole`, for fields whose names differ only in case, which the typed reader cannot tell apart."""
    pointers = ", ".join(literal(paths.pointer([name])) for name, _ in wanted)
    listed = "".join(f", {_whole_value(number + 1, type_)} AS c{number}" for number, (_, type_) in enumerate(wanted))
    lines = f"(SELECT row_number() OVER () - 1 AS row, json_extract(json, [{pointers}]) AS jsons FROM {_lines(path)})"
    if not wanted:
        lines = f"(SELECT row_number() OVER () - 1 AS row FROM {_lines(path)})"
    return f"(SELECT row AS {ident(row)}{listed} FROM {lines})"


def _whole_value(number: int, type_: str) -> str:
    if type_ in ("VARCHAR", "JSON"):
        return f"jsons[{number}]" + (" ->> '$'" if type_ == "VARCHAR" else "")
    # Whatever is nested in a field: an object around it makes DuckDB read its type as a recipe's columns are read.
    structure = literal(json.dumps({"v": type_}, ensure_ascii=False))
    return f"(from_json(CAST('{{\"v\":' || jsons[{number}] || '}}' AS JSON), {structure})).v"


def lines(path: Path, row: str) -> str:
    return f"(SELECT row_number() OVER () - 1 AS {ident(row)}, json :: VARCHAR AS line FROM {_lines(path)})"


def stored(connection: DuckDBPyConnection, path: Path, own: Columns) -> Columns:
    return own


def write(connection: DuckDBPyConnection, query: str, path: Path, compression: str, row_group: int) -> int:
    kind = word("uncompressed" if compression == "none" else compression, WORDS)
    # Nothing of a line is quoted or escaped; the delimiter is a character that no JSON text has.
    options = f"FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER chr(1), COMPRESSION {kind}"
    copy = f"COPY ({query}) TO {literal(str(path))} ({options})"
    return int(connection.execute(copy).fetchall()[0][0])


def read_back(paths_: Sequence[Path], columns: Sequence[tuple[str, str]]) -> str:
    files = f"[{', '.join(map(file, paths_))}]"
    options = f"records = 'true', maximum_object_size = {LONGEST_LINE_BACK}, hive_partitioning = false"
    return f"read_ndjson({files}, columns = {_struct(columns)}, {options})"


def _struct(columns: Sequence[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in columns) + "}"


WORDS = ("zstd", "gzip", "uncompressed")
"""The engine's words for compressions."""

SPEC = Format(
    name="jsonl",
    summary="one JSON object per line",
    suffixes=tuple(name + end for name in NAMES for end in READ),
    compressions=tuple(COMPRESSED),
    suffix=suffix,
    columns=columns,
    structure=structure,
    scan=scan,
    whole=whole,
    stored=stored,
    write=write,
    read_back=read_back,
    loader="json",
    typed=False,
    faults=faults,
    lines=lines,
    longest_line=LONGEST_LINE_BACK,
)
