"""Reads settings of the engine, and changes them temporarily."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipec.database.sql import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def memory_limit(connection: DuckDBPyConnection) -> int:
    """The connection's memory limit in bytes."""
    text = str(connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0])
    number, unit = text.split()
    factors = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
    return int(float(number) * factors[unit])


def threads(connection: DuckDBPyConnection) -> int:
    """The number of threads of the connection's engine."""
    return int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])


@contextlib.contextmanager
def in_order(connection: DuckDBPyConnection) -> Iterator[None]:
    """Makes rows keep the order of their file or table while the block runs, regardless of the connection's setting."""
    was = connection.execute("SELECT current_setting('preserve_insertion_order')").fetchall()[0][0]
    connection.execute("SET preserve_insertion_order = true")
    try:
        yield
    finally:
        connection.execute(f"SET preserve_insertion_order = {literal(bool(was))}")
