"""Parquet files with strings that are not UTF-8: DuckDB reads no row of such a column, though one may be bad.

Such a file is written anew in the state folder, once, with these columns as bytes; a bad text is then a bad row.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from recipec.diagnostics import Diagnostic, Failure
from recipec.places import local, sealed
from recipec.places.state import Store

ENCODING = re.compile(r'Invalid string encoding found in Parquet file "(?P<path>.*?)": value', re.DOTALL)

FOLDER = "repacked"

BATCH = 8192
"""The rows that are in memory at once."""

_REPAIRING = threading.Lock()


class NotUtf8(Failure):
    """The failure of a shard of which a column has strings that are not UTF-8, before it is repaired."""

    def __init__(self, path: Path) -> None:
        helps = ("run the same command again: the rows concerned are then unreadable ones",)
        super().__init__(Diagnostic("R0303", "the shard has strings that are not UTF-8", place=str(path), helps=helps))
        self.path = path


def not_utf8(error: Exception) -> NotUtf8 | None:
    """The failure for an error of DuckDB about strings that are not UTF-8; None for others."""
    match = ENCODING.search(str(error))
    return NotUtf8(Path(match["path"])) if match else None


def repaired(path: Path, folder: Path) -> Path | None:
    """What a shard was repaired to, if it was.

    Args:
        folder: the recipe's, beside whose state repaired files are kept.
    """
    if not _any(folder):
        return None
    place = kept(path, folder, ".parquet")
    return place if local.is_file(place) else None


def readable(path: Path, folder: Path) -> Path:
    """The file that is read in place of a Parquet file: what it was repaired to, or itself.

    Raises:
        Failure: as `repair`, where what it was repaired to is damaged.
    """
    place = repaired(path, folder)
    if place is None:
        return path
    with _REPAIRING:
        if not sealed.is_whole(place):
            repair(path, folder)
    return place


@lru_cache(maxsize=16)
def _any(folder: Path) -> bool:
    """Whether anything was repaired: asked for each of many shards, of which none was in most folders."""
    return local.is_folder(Store.beside(folder).root / FOLDER)


def kept(path: Path, folder: Path, suffix: str) -> Path:
    """Where the state folder has what a shard, as it is now, was written anew to."""
    mark = hashlib.sha256(f"{path} {local.mark(path)}".encode(errors="surrogateescape")).hexdigest()[:32]
    return Store.beside(folder).root / FOLDER / f"{mark}{suffix}"


def repair(path: Path, folder: Path) -> None:
    """Writes a shard anew, with the columns whose strings are not UTF-8 as bytes.

    Raises:
        Failure: pyarrow is not installed, or the strings are nested.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        helps = ("pip install 'recipec[repair]', which can read them, or convert the shard",)
        message = "the shard has strings that are not UTF-8"
        raise Failure(Diagnostic("R0303", message, place=str(path), helps=helps)) from None
    file = parquet.ParquetFile(path)
    broken = _broken(file)
    if not broken:
        message = "the shard has strings that are not UTF-8 inside nested values"
        raise Failure(Diagnostic("R0303", message, place=str(path), helps=("convert the shard",)))
    place = kept(path, folder, ".parquet")
    with sealed.replacing(place) as temporary:
        _write(file, broken, temporary)
    _any.cache_clear()


def _broken(file: Any) -> list[str]:
    """The columns of strings of which one is not UTF-8."""
    import pyarrow as pa

    found = []
    for field in file.schema_arrow:
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            try:
                for batch in file.iter_batches(BATCH, columns=[field.name]):
                    batch.validate(full=True)
            except pa.ArrowInvalid:
                found.append(field.name)
    return found


def _write(file: Any, broken: Sequence[str], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    schema = file.schema_arrow
    for name in broken:
        index = schema.get_field_index(name)
        large = pa.types.is_large_string(schema.field(index).type)
        schema = schema.set(index, pa.field(name, pa.large_binary() if large else pa.binary()))
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in file.iter_batches(BATCH):
            columns = [
                # The same bytes under another name: nothing is decoded.
                pa.Array.from_buffers(field.type, len(column), column.buffers(), offset=column.offset)
                if field.name in broken
                else column
                for field, column in zip(schema, batch.columns, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
