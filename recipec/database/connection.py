"""Connections to DuckDB with the same settings everywhere: bounded memory, no network, no extensions, no locale, and no
files but those in the folders, or below the URLs, that a connection is made for.

No other module opens connections: use `connect` for a run or a database file, `another` for a second connection to the
same database, and `shared` for a short query.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from recipec.database import confinement
from recipec.database.sql import literal
from recipec.places import stores
from recipec.places.remote import Remote


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of the engine. They never change a result.

    Attributes:
        memory: DuckDB's memory limit, in its notation ("4GB", "512MiB"); beyond it, DuckDB spills to `temp`.
        threads: None for one per core.
        temp: folder for data that does not fit in memory; None for the system's temporary folder.
    """

    memory: str = "4GB"
    threads: int | None = None
    temp: Path | None = None


def connect(
    settings: Settings | None = None, database: Path | None = None, *, folders: Sequence[Path] | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection to an in-memory database, or to the file `database`.

    Nothing is downloaded: extensions are neither installed nor loaded, so a URL in a recipe causes no network access.

    Args:
        folders: where files may be read and written, whatever a query says; nothing can lift this later. None for
            everywhere, which no module of recipec asks for.
    """
    settings = settings or Settings()
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory,
        "threads": settings.threads or os.cpu_count() or 1,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "preserve_insertion_order": False,
    }
    if settings.temp is not None:
        config["temp_directory"] = str(settings.temp)
    connection = _prepared(duckdb.connect(str(database) if database else ":memory:", config=config))
    if folders is not None:
        _confine(connection, folders)
    return connection


def _confine(connection: duckdb.DuckDBPyConnection, folders: Iterable[Path]) -> None:
    """Takes all files from a connection but those in and below some folders. Symbolic links and `..` are followed first."""
    folders = list(folders)
    _open_door(connection, folders)
    listed = ", ".join(literal(name) for name in confinement.names(folders))
    # Neither can be set again.
    connection.execute(f"SET allowed_directories = [{listed}]; SET enable_external_access = false")


def _open_door(connection: duckdb.DuckDBPyConnection, folders: Iterable[Path]) -> None:
    """Lets a connection read objects of the stores of some folders, without which it knows no URL."""
    urls = {folder.url for folder in folders if isinstance(folder, Remote)}
    if not urls:
        return
    for url in urls:
        stores.check_installed(url)
    # Imported here: it loads fsspec, which only recipes with URLs need.
    from recipec.places.door import Door

    connection.register_filesystem(Door())


def another(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Another connection to the same database, under the same limits, for another thread; close it after use."""
    return _prepared(connection.cursor())


class _Kept:
    """The process's shared in-memory database, and the version of the folders to which it is confined."""

    connection: duckdb.DuckDBPyConnection | None = None
    version = 0


def shared(files: Iterable[Path] = ()) -> duckdb.DuckDBPyConnection:
    """A connection to the process's shared in-memory database, for short queries such as the columns of a file.

    Starting an engine costs more than most of these queries. Rows keep the order of their files. Close it after use.

    Args:
        files: those that the queries read.
    """
    reached = confinement.REACHED
    with reached.lock:
        reached.add(confinement.folders_of(files))
        if _Kept.connection is None or _Kept.version != reached.version:
            _Kept.connection, _Kept.version = connect(folders=reached.all()), reached.version
            _Kept.connection.execute("SET preserve_insertion_order = true")
        return another(_Kept.connection)


def _prepared(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    # Progress uses our own events; DuckDB would draw a bar on stdout. Cursors inherit neither setting.
    connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    return connection
