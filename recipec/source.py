"""Recipe text and locations in it.

A `Span` is a pair of character offsets into one `Source`; line and column are computed only when something is shown.
"""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True, eq=False)
class Source:
    """The text of one recipe file (universal newlines, no BOM) and the path to show for it."""

    text: str
    path: str

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        return (0, *(i + 1 for i, char in enumerate(self.text) if char == "\n"))

    def position(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column of a character offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its newline."""
        # Cached, because one line may hold the whole recipe, and each statement keeps the line that it is in.
        if number not in self._lines:
            self._lines[number] = self.part_of_line(number, 0, len(self.text))
        return self._lines[number]

    @cached_property
    def _lines(self) -> dict[int, str]:
        return {}

    def part_of_line(self, number: int, start: int, end: int) -> str:
        """The characters `[start, end)` of a 1-based line, counted from 0: a line may be as long as the recipe."""
        first = self.line_starts[number - 1]
        last = self.line_starts[number] - 1 if number < len(self.line_starts) else len(self.text)
        return self.text[first + start : min(first + end, last)]


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open range of characters `[start, end)` of a source."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end)


def resolve_path(path: str, base: Path) -> Path:
    """A path named in a recipe, resolved against the folder of that recipe."""
    return Path(path) if Path(path).is_absolute() else base / path


def read_bytes(path: Path, most: int) -> bytes:
    """All bytes of a regular file, of which there are at most `most`.

    Raises:
        OSError: there is none, it cannot be read, it has more bytes, or it is something else, such as a FIFO.
    """
    found = start(path, most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return found


def start(path: Path, count: int) -> bytes:
    """The first bytes of a regular file, or all that it has; what it says of its size may be wrong, as in /proc.

    Raises:
        OSError: as in `read_bytes`.
    """
    # Nothing else is even opened, which some devices take for a command; what takes its place now is not waited for.
    _must_be_regular(os.stat(path).st_mode, path)
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        _must_be_regular(os.fstat(file.fileno()).st_mode, path)
        found: bytes | None = file.read(count)
    if found is None:
        raise OSError(errno.EINVAL, "it has to be waited for", str(path))
    return found


def _must_be_regular(mode: int, path: Path) -> None:
    if what := irregular(mode):
        raise OSError(errno.EINVAL, f"it is {what}", str(path))


KERNEL = ("/proc/", "/sys/")
"""Where the files are that the kernel makes when they are read: they say that they are regular, and some never end."""


def strange(path: Path) -> str:
    """What a path is that is not a file on a disk, as `irregular` says it, or "a file of the kernel"; "" for one that is.

    Raises:
        OSError: there is nothing.
    """
    found = os.stat(path)
    # Those have no blocks on any disk; only then is the path worth resolving.
    is_kernels = found.st_blocks == 0 and os.path.realpath(path).startswith(KERNEL)
    return irregular(found.st_mode) or ("a file of the kernel" if is_kernels else "")


def irregular(mode: int) -> str:
    """What a path is that is not a regular file, such as "a FIFO", given its mode; "" for a regular file.

    Reading some of these never ends.
    """
    if stat.S_ISREG(mode):
        return ""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "no regular file")
