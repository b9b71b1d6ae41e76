"""The folder in which a dataset is built: every finished file has a record, and recorded files are not written again.

.<name>.<token>.partial/            the token is of the plan and of the project, so that no two of them share a folder
    .recipec                        the mark of folders that recipec may remove
    data/part-00000.parquet
    .records/data/part-00000.parquet.json      rows, tokens, bytes, sha256
    .records/began.json                        whose it is, and the marks of its inputs when it began
    .scratch/                                  temporary rows, never kept
    manifest.json                              written last: then the folder only needs renaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from recipec.dataset import manifest
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import closed
from recipec.ir.execution import DataFile
from recipec.ir.expressions import Frozen
from recipec.places import digests, local, publish

RECORDS = ".records"
SCRATCH = ".scratch"
BEGAN = "began.json"


@dataclass(frozen=True, slots=True)
class Staging:
    """The folder in which one plan's dataset is built.

    Attributes:
        project: whose it is: the name of a state folder.
    """

    folder: Path
    project: str

    @classmethod
    def of(cls, destination: Path, digest: str, project: str) -> Staging:
        token = digests.sha256_text(f"{digest} {project}")[:16]
        return cls(destination.with_name(f".{destination.name}.{token}.partial"), project)

    @property
    def scratch(self) -> Path:
        return self.folder / SCRATCH

    def open(self, inputs: str) -> None:
        """Creates the folder, or goes on with one that a killed run of the same inputs left: everything in it that has no
        record is removed.

        Args:
            inputs: what changes whenever a file that is read does.
        """
        began = Began(project=self.project, inputs=inputs)
        if not local.is_folder(self.folder) or _began(self.folder) != began:
            self.remove()
        if not local.is_folder(self.folder):
            local.make_folder(self.folder)
            publish.mark(self.folder)
            local.write_text(self.folder / RECORDS / BEGAN, began.model_dump_json())
        records = self.folder / RECORDS
        recorded = [path.relative_to(records).as_posix().removesuffix(".json") for path in local.files(records)]
        self._keep({*(path for path in recorded if self.finished(path) is not None), publish.MARK}, records)

    def remove(self) -> None:
        """Removes the folder if it exists: one that is growing, or an earlier dataset that was exchanged for a new one.

        Raises:
            Failure: it is a user's.
        """
        if not local.exists(self.folder):
            return
        ours = (
            publish.is_marked(self.folder)
            or local.is_file(self.folder / manifest.NAME)
            or publish.is_empty(self.folder)
        )
        if not ours:
            message = "the folder is in the way: a dataset is built there"
            raise Failure(Diagnostic("R0602", message, place=str(self.folder), helps=("move it elsewhere",)))
        publish.remove_ours(self.folder)

    def finished(self, path: str) -> DataFile | None:
        """The record of a file, if the file exists as recorded."""
        try:
            record = closed.parsed(DataFile, local.read_text(self._record(path), local.LARGEST_NOTE))
            return record if record.path == path and local.size(self.folder / path) == record.bytes else None
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
        local.write_text(self._record(path), record.model_dump_json())
        return record

    def strip(self, parts: Iterable[str]) -> None:
        """Removes everything that is not one of the dataset's files; all of them exist."""
        self._keep(set(parts))
        local.sync(self.folder)

    def _keep(self, names: set[str], below: Path | None = None) -> None:
        """Removes all files but some, by their paths in the folder, and those below a folder in it."""
        for path in local.entries(self.folder):
            inside = below is not None and path.is_relative_to(below)
            if not inside and path.relative_to(self.folder).as_posix() not in names:
                local.remove(path)
        local.remove_empty_folders(self.folder)

    def _record(self, path: str) -> Path:
        return self.folder / RECORDS / f"{path}.json"


class Began(Frozen):
    """What is noted of the beginning of a growing folder: the state folder whose it is, and a digest of the marks of its
    inputs."""

    project: closed.Key
    inputs: closed.Sha256


def _began(folder: Path) -> Began | None:
    """What is noted of the beginning of a growing folder; None if nothing is, or it is damaged."""
    try:
        return closed.parsed(Began, local.read_text(folder / RECORDS / BEGAN, local.LARGEST_NOTE))
    except (OSError, ValueError):
        return None


def remove_others(destination: Path, project: str) -> None:
    """Removes the unfinished folders of a project's other plans for the same destination: a newer dataset replaces theirs."""
    prefix, suffix = f".{destination.name}.", ".partial"
    for name in local.names(destination.parent):
        token = name[len(prefix) : -len(suffix)]
        if name == f"{prefix}{token}{suffix}" and len(token) == 16 and set(token) <= set("0123456789abcdef"):
            folder = destination.with_name(name)
            began = _began(folder)
            if began is not None and began.project == project and publish.is_marked(folder):
                publish.remove_ours(folder)
