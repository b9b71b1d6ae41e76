"""Numeric tables from users: CSV, Parquet or JSONL, read by DuckDB, with a diagnostic for every problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec.arrays import Array
from recipec.database.sql import ident
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.places import digests, local
from recipec.source import strange

LARGEST = 256_000_000
"""The most bytes of a table. Its rows are runs, tasks or domains."""

MOST_CELLS = 20_000_000
"""The most cells of one: a small file may stand for very many."""

LONGEST_TEXT = 10_000
"""The most bytes of a text in a table: they are names."""

BATCH = 4096
"""The rows that are read at once."""

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KEYS = ("index", "run", "id", "name", "recipe")
"""Names of the column that identifies rows, in order of preference."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of numbers with column names.

    Attributes:
        keys: (n,) the identifiers of the rows: the key column as text, or row numbers from 1 if there is none.
        names: (m,) the names of the columns.
        values: (n, m) float64.
        keyed: whether there is a key column.
        digest: sha256 of the file.
    """

    path: Path
    keys: tuple[str, ...]
    names: tuple[str, ...]
    values: Array
    keyed: bool
    digest: str

    def ordered(self, names: Sequence[str]) -> Array:
        """The columns with the given names, in the order of `names`: (n, len(names)).

        Raises:
            Failure: a name is missing, or the table has others.
        """
        problems = [
            Diagnostic("R0906", f"`{self.path}` has no column `{name}`", helps=did_you_mean(name, self.names))
            for name in names
            if name not in self.names
        ]
        problems += [
            Diagnostic("R0906", f"`{self.path}` has an unknown column `{name}`", helps=did_you_mean(name, names))
            for name in self.names
            if name not in names
        ]
        if problems:
            raise Failure(*problems)
        return self.values[:, [self.names.index(name) for name in names]]


def matrix(path: Path, key: str | None = None) -> Matrix:
    """A table whose columns, except for a key, are numbers.

    Args:
        key: the name of the key column; None for one of `KEYS`, if present.

    Raises:
        Failure: the table cannot be read, lacks the key, has a duplicate key, or contains values that are not numbers.
    """
    raw = load(path)
    if key is not None and key not in raw:
        raise Failure(Diagnostic("R0906", f"`{path}` has no column `{key}`", helps=did_you_mean(key, raw)))
    key = key or next((name for name in KEYS if name in raw), None)
    keys = tuple(str(value) for value in raw.pop(key)) if key is not None else ()
    if not raw:
        raise Failure(Diagnostic("R0906", f"`{path}` has no column of numbers"))
    count = len(next(iter(raw.values())))
    twice = [one for one, times in Counter(keys).items() if times > 1]
    if twice:
        raise Failure(Diagnostic("R0907", f"`{path}` has more than one row of {key} `{twice[0]}`"))
    values = np.stack([numeric(path, raw, name, name) for name in raw], axis=1)
    rows = keys or tuple(str(number + 1) for number in range(count))
    return Matrix(path, rows, tuple(raw), values, key is not None, digests.sha256_file(path))


def load(path: Path) -> dict[str, list[Any]]:
    """The columns of a table, read by DuckDB; the file's suffix determines the format.

    Raises:
        Failure: it does not exist, has an unknown format, or is damaged or empty.
    """
    import duckdb

    from recipec.database.connection import shared

    readers = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet", ".jsonl": "read_json"}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        message = f"`{path}` is not a table: expected .csv, .parquet or .jsonl"
        raise Failure(Diagnostic("R0905", message))
    if not local.is_file(path) and not local.kind(path):
        raise Failure(Diagnostic("R0905", f"the table `{path}` does not exist"))
    if what := strange(path):
        raise Failure(Diagnostic("R0905", f"the table `{path}` cannot be read: it is {what}, not a regular file"))
    if (bytes_ := local.size(path) or 0) > LARGEST:
        raise _too_large(path, f"{bytes_:,} bytes, more than {LARGEST:,}")
    with shared([path]) as connection:
        try:
            if reader == "read_parquet":
                _check_parquet(connection, path)
            relation = connection.execute(f"SELECT * FROM {reader}(?)", [str(path)])
            names = [column[0] for column in relation.description or ()]
            rows: list[tuple[Any, ...]] = []
            while batch := relation.fetchmany(BATCH):
                rows += batch
                if len(rows) * len(names) > MOST_CELLS:
                    raise _too_large(path, f"more than {MOST_CELLS:,} cells")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise Failure(Diagnostic("R0905", f"the table `{path}` cannot be read: {reason}")) from None
    if not rows:
        raise Failure(Diagnostic("R0905", f"the table `{path}` has no rows"))
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _check_parquet(connection: DuckDBPyConnection, path: Path) -> None:
    """Checks that what is packed in a small file is not large, before it is unpacked: a text in every row is stored once,
    and one of 100 MB takes some hundred bytes."""
    query = "SELECT coalesce(sum(total_uncompressed_size), 0) FROM parquet_metadata(?)"
    [[unpacked]] = connection.execute(query, [str(path)]).fetchall()
    if unpacked > LARGEST:
        raise _too_large(path, f"{unpacked:,} bytes when it is unpacked, more than {LARGEST:,}")
    columns = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    for name, type_, *_ in columns:
        if type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION")):
            message = f"`{name}` of `{path}` has lists or structures, expected numbers or names"
            raise Failure(Diagnostic("R0906", message))
        if (size := SIZE_OF.get(type_)) is not None:
            _check_texts(connection, path, name, size)


SIZE_OF = {"VARCHAR": "strlen", "BLOB": "octet_length"}
"""The functions that give the bytes of a text, by its type."""


def _check_texts(connection: DuckDBPyConnection, path: Path, name: str, size: str) -> None:
    """Checks that texts are names."""
    longest = f"{size}({ident(name)})"
    query = (
        f"SELECT file_row_number + 1, {longest} FROM read_parquet(?, file_row_number = true) "
        f"WHERE {longest} > ? ORDER BY 1 LIMIT 1"
    )
    for row, count in connection.execute(query, [str(path), LONGEST_TEXT]).fetchall():
        raise _too_large(path, f"a text of {count:,} bytes in row {row:,}, column `{name}`, more than {LONGEST_TEXT:,}")


def _too_large(path: Path, what: str) -> Failure:
    return Failure(Diagnostic("R0905", f"the table `{path}` is too large: it has {what}"))


def numeric(path: Path, raw: Mapping[str, list[Any]], column: str, name: str) -> Array:
    """A column as float64, NaN where it is null.

    Raises:
        Failure: a value is not a number; names its row.
    """
    values = np.empty(len(raw[column]))
    for index, value in enumerate(raw[column]):
        try:
            values[index] = np.nan if value is None else float(value)
        except (TypeError, ValueError):
            message = f"`{path}`, row {index + 1}: {name} is `{value}`, but must be a number"
            raise Failure(Diagnostic("R0907", message)) from None
    return values
