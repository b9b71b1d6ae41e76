"""Whether files stay as they were while a run reads them, and whether what was read has the planned bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.inputs import threads
from recipec.ir.execution import InputFile, Shard
from recipec.places import digests, local, remote
from recipec.progress import Progress, silent

THREADS = min(8, os.cpu_count() or 1)
"""The number of files hashed concurrently."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Shards and files with attributes, as they were when a run began to read them.

    Attributes:
        marks: of each file its size, times and inode: whatever changes it, changes these.
    """

    files: tuple[InputFile, ...]
    folder: Path
    marks: tuple[str, ...]

    @classmethod
    def of(cls, files: Sequence[InputFile], folder: Path) -> Watch:
        return cls(tuple(files), folder, tuple(_mark(remote.at(file.path, folder)) for file in files))

    def changed(self) -> tuple[InputFile, ...]:
        """The files that have changed since; of objects, those of stores that read whatever is there by now."""
        remote.look_again(self._paths(), changing=True)
        pairs = zip(self.files, self.marks, strict=True)
        return tuple(file for file, mark in pairs if _mark(remote.at(file.path, self.folder)) != mark)

    def check(self) -> None:
        """Raises Failure if a file has changed, before anything that was made of it is stored."""
        if found := self.changed():
            raise _changed(found)

    def prove(self, progress: Progress = silent) -> None:
        """Reads all files once more: raises Failure unless each has the planned bytes, and had them all the time.

        Objects of stores are not read again: each of their bytes came with the identity that was planned.
        """
        remote.look_again(self._paths())
        self.check()
        files = [file for file in self.files if not file.stated]
        total, done = sum(file.bytes for file in files), 0
        found = threads.each(self._digest, files, THREADS)
        for file, digest in zip(files, found, strict=True):
            if digest != file.sha256:
                raise _changed([file])
            done += file.bytes
            progress("check shards", done, total, "bytes")
        self.check()

    def _paths(self) -> Iterator[Path]:
        return (remote.at(file.path, self.folder) for file in self.files)

    def _digest(self, file: InputFile) -> str:
        try:
            return digests.sha256_file(remote.at(file.path, self.folder))
        except FileNotFoundError:
            raise _changed([file]) from None


def _mark(path: Path) -> str:
    try:
        return local.mark(path)
    except OSError:
        return "gone"


def _changed(files: Sequence[InputFile]) -> Failure:
    return Failure(
        *(
            Diagnostic(
                "R0304",
                f"the {'shard' if isinstance(file, Shard) else 'file of attributes'} changed while it was read",
                place=file.path,
                helps=("nothing was published; plan the recipe again",),
            )
            for file in files
        ),
        exit_code=ExitCode.STALE,
    )
