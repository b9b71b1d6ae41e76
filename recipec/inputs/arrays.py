"""Arrays of numbers (`.npy`) as files of attributes: a row per document, mapped into memory and read in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database import values
from recipec.database.sql import ident
from recipec.ir.shapes import Columns
from recipec.spec import Misread, References, Structure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PIECE = 1 << 20
"""The most values that are in memory at once."""

MOST_COLUMNS = 4096
"""An array with more columns is no table."""

SHAPES = {
    "b1": "BOOLEAN",
    **{f"i{size}": word for size, word in ((1, "TINYINT"), (2, "SMALLINT"), (4, "INTEGER"), (8, "BIGINT"))},
    **{f"u{size}": word for size, word in ((1, "UTINYINT"), (2, "USMALLINT"), (4, "UINTEGER"), (8, "UBIGINT"))},
    "f2": "FLOAT",
    "f4": "FLOAT",
    "f8": "DOUBLE",
}
"""The kind and size of numbers in arrays -> their shape."""


def structure(path: Path) -> Structure:
    """The columns of an array, named by their positions from 0, and its rows.

    Raises:
        ValueError: it is no array of numbers with one or two dimensions.
    """
    array = _mapped(path)
    shape = SHAPES[_kind(array)]
    return Structure(tuple((str(number), shape) for number in range(array.shape[1])), len(array))


def pieces(connection: DuckDBPyConnection, path: Path, own: Columns, wanted: References, row: str) -> Iterator[str]:
    """Table expressions of values of an array's rows, as those of a format's scan; each is valid until the next one.

    Args:
        own: the columns, by the names that they shall have.
    """
    array = _mapped(path)
    names = {name: ident(f"c{number}") for number, (name, _) in enumerate(own)}
    numbers = [number for number, (name, _) in enumerate(own) if any(name == reference for reference, _ in wanted)]
    rows = max(1, PIECE // max(1, len(numbers)))
    try:
        for start in range(0, len(array), rows):
            piece = {f"c{number}": _plain(array[start : start + rows, number]) for number in numbers}
            count = min(rows, len(array) - start)
            connection.register("array_piece", {"array_row": np.arange(start, start + count), **piece})
            yield f"(SELECT array_row AS {row}{values.selected(own, wanted, names)} FROM array_piece)"
    finally:
        connection.unregister("array_piece")


def _mapped(path: Path) -> Array:
    """The array with two dimensions. Nothing of a file is executed: pickled objects are refused."""
    try:
        array: Array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OverflowError, MemoryError, RecursionError, TypeError) as error:
        raise Misread(f"it is no NumPy array of numbers: {str(error).rstrip('.')}") from None
    if array.ndim not in (1, 2):
        raise Misread(f"the array has {array.ndim} dimensions; a row per document and a column per value are two")
    if _kind(array) not in SHAPES:
        raise Misread(f"the array has values of type {array.dtype}; numbers of up to 64 bits can be read")
    array = array.reshape(-1, 1) if array.ndim == 1 else array
    if array.shape[1] > MOST_COLUMNS:
        raise Misread(f"the array has {array.shape[1]:,} columns, more than {MOST_COLUMNS:,}")
    return array


def _kind(array: Array) -> str:
    return str(array.dtype.str[1:])


def _plain(column: Array) -> Array:
    """Values in the byte order of this machine, side by side, of a type that the engine knows."""
    type_ = column.dtype.newbyteorder("=")
    return np.ascontiguousarray(column, dtype="f4" if type_ == np.float16 else type_)
