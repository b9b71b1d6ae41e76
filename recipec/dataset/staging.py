"""The folder in which a dataset is built: every finished file has a record, and recorded files are not written again.

.<name>.<plan digest>.partial/
    data/part-00000.parquet
    .records/data/part-00000.parquet.json      rows, tokens, bytes, sha256
    .scratch/                                   temporary rows, never kept
    manifest.json                               written last: then the folder only needs renaming
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recipec.ir.execution import DataFile
from recipec.places import digests, local

RECORDS = ".records"
SCRATCH = ".scratch"


@dataclass(frozen=True, slots=True)
class Staging:
    """The folder in which one plan's dataset is built."""

    folder: Path

    @classmethod
    def of(cls, destination: Path, digest: str) -> Staging:
        return cls(destination.with_name(f".{destination.name}.{digest[:16]}.partial"))

    @property
    def scratch(self) -> Path:
        return self.folder / SCRATCH

    def open(self) -> None:
        """Creates the folder, and removes files without a record that a killed run left."""
        local.make_folder(self.folder)
        local.remove_folder(self.scratch)
        local.remove_temporary(self.folder)

    def finished(self, path: str) -> DataFile | None:
        """The record of a file, if the file exists as recorded."""
        try:
            record = DataFile.model_validate_json(local.read_text(self._record(path)))
            return record if local.size(self.folder / path) == record.bytes else None
        except (OSError, ValueError):
            return None

    def write(self, path: str, make: Callable[[Path], tuple[int, int]]) -> DataFile:
        """Calls `make` to write a file and return its rows and tokens, then records it; keeps a finished file."""
        return self.begin(path, make)()

    def begin(self, path: str, make: Callable[[Path], tuple[int, int]]) -> Callable[[], DataFile]:
        """Like `write`, but returns a function for the last part, syncing and hashing the file: it needs no engine, so
        another thread can run it while the next file is written."""
        done = self.finished(path)
        if done is not None:
            return lambda: done
        final = self.folder / path
        local.make_folder(final.parent)
        temporary = local.temporary_of(final)
        rows, tokens = make(temporary)
        return lambda: self._seal(path, temporary, rows, tokens)

    def _seal(self, path: str, temporary: Path, rows: int, tokens: int) -> DataFile:
        record = DataFile(
            path=path,
            rows=rows,
            tokens=tokens,
            bytes=local.stat(temporary).bytes,
            sha256=digests.sha256_file(temporary),
        )
        local.finish(temporary, self.folder / path)
        local.write_text(self._record(path), json.dumps(record.model_dump(mode="json")))
        return record

    def strip(self) -> None:
        """Removes everything that is not part of the dataset; the manifest already exists."""
        local.remove_folder(self.scratch)
        local.remove_folder(self.folder / RECORDS)
        local.sync(self.folder)

    def _record(self, path: str) -> Path:
        return self.folder / RECORDS / f"{path}.json"


def remove_others(destination: Path) -> None:
    """Removes the unfinished folders of other plans for the same destination: a newer dataset replaces theirs."""
    prefix, suffix = f".{destination.name}.", ".partial"
    for name in local.names(destination.parent):
        digest = name[len(prefix) : -len(suffix)]
        if name == f"{prefix}{digest}{suffix}" and len(digest) == 16 and set(digest) <= set("0123456789abcdef"):
            local.remove_folder(destination.with_name(name))
