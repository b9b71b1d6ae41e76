"""Connections to DuckDB, set up the same everywhere: bounded memory, no network, no extensions, no locale."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of the engine. They never change a result.

    Attributes:
        memory: the most that DuckDB may hold, as it writes sizes ("4GB", "512MiB"); beyond it, it spills to `temp`.
        threads: None for one a core.
        temp: folder for what does not fit in memory; None for the system's own.
    """

    memory: str = "4GB"
    threads: int | None = None
    temp: Path | None = None


def connect(settings: Settings | None = None, database: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A connection to an in-memory database, or to the file `database`.

    Nothing is fetched: extensions are neither installed nor loaded, so that a URL in a recipe reaches no network.
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
    connection = duckdb.connect(str(database) if database else ":memory:", config=config)
    # Progress goes through our own events; DuckDB would draw a bar on stdout.
    connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    return connection
