"""`shards "data/*.csv"`, `output csv "out"`: comma-separated values with a header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database import types, values
from recipec.database.sql import file, ident, literal
from recipec.ir.shapes import Columns
from recipec.spec import Format, References, Structure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENDS = {"none": ".csv", "gzip": ".csv.gz"}


def columns(connection: DuckDBPyConnection, path: Path) -> Columns:
    return types.columns(connection, f"read_csv({file(path)}, header = true)")


def structure(connection: DuckDBPyConnection, path: Path) -> Structure:
    rows = connection.execute(f"SELECT count(*) FROM {scan(path, (), (), 'n')}").fetchall()
    return Structure(columns(connection, path), int(rows[0][0]))


def scan(path: Path, own: Columns, wanted: References, row: str) -> str:
    texts = tuple((name, "VARCHAR") for name, _ in own)
    table = f"read_csv({file(path)}, header = true, all_varchar = true, parallel = false)"
    return f"(SELECT row_number() OVER () - 1 AS {ident(row)}{values.selected(texts, wanted)} FROM {table})"


def write(connection: DuckDBPyConnection, query: str, path: Path, compression: str, row_group: int) -> int:
    copy = f"COPY ({query}) TO {literal(str(path))} (FORMAT csv, HEADER, COMPRESSION {compression})"
    return int(connection.execute(copy).fetchall()[0][0])


def read_back(paths: Sequence[Path], columns: Sequence[tuple[str, str]]) -> str:
    typed = ", ".join(f"{ident(name)} :: {type_} AS {ident(name)}" for name, type_ in columns)
    files = f"[{', '.join(map(file, paths))}]"
    return f"(SELECT {typed} FROM read_csv({files}, header = true, all_varchar = true))"


SPEC = Format(
    name="csv",
    summary="comma-separated values with a header",
    suffixes=tuple(ENDS.values()),
    compressions=tuple(ENDS),
    suffix=lambda compression: ENDS[compression],
    columns=columns,
    structure=structure,
    scan=scan,
    write=write,
    read_back=read_back,
    loader="csv",
    typed=False,
)
