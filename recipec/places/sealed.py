"""Stored files with checksums: what a disk has damaged is noticed where it is used, removed, and made again.

A folder has a file `sums`: one line per finished file, its CRC-32, size and name, appended before the file gets that name.
A file without a line there is not used, and one that has several is whole if one of them fits; so a process killed at any
point leaves nothing that is taken for whole and is not. Small values carry their checksum in the file itself.

CRC-32 sees every flipped bit and all but one of 4 billion other damages, in half the time of sha256: this is about bad
disks, as state of strangers is not trusted anyway.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from recipec import source
from recipec.diagnostics import Diagnostic, Failure
from recipec.places import local
from recipec.progress import note

if TYPE_CHECKING:
    from pydantic import BaseModel

STATE = ".recipec"
"""The name of state folders."""

SUMS = "sums"
"""The file with the checksums of the files beside it."""

CHUNK = 1 << 20
THREADS = min(4, os.cpu_count() or 1)
LARGE = 1 << 22
"""The bytes of files from which several are read concurrently."""

BUSY = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of a machine at its limits, which say nothing about a file."""

Sums = Mapping[str, Collection[tuple[int, int]]]
"""By name, the checksums and sizes that a file may have."""

Result = TypeVar("Result")
Model = TypeVar("Model", bound="BaseModel")


class Damaged(Exception):
    """Stored files were damaged or gone, and are removed: whoever needs them begins anew, and makes them again."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(f"stored files are damaged: {', '.join(map(str, paths))}")
        self.paths = tuple(paths)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Like `local.replacing`, with a checksum."""
    with replacing_all([path]) as temporaries:
        yield temporaries[0]


@contextlib.contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Like `local.replacing_all`, with checksums."""
    for path in paths:
        _make_room(path)
    with local.replacing_all(paths) as temporaries:
        yield temporaries
        _record(paths, _sums_of(temporaries))
    for path in paths:
        _VERIFIED[str(path)] = _mark(path)


def is_stored(path: Path) -> bool:
    """Whether there is a file with a checksum; it may be damaged. One without a checksum is removed, with a note."""
    if path.name in recorded(path.parent):
        return path.is_file()
    if local.exists(path):
        drop([path])
    return False


def is_whole(path: Path) -> bool:
    """Whether a file is as it was stored. If it is damaged, it is removed, with a note."""
    if _fits(path):
        return True
    if local.exists(path):
        drop([path])
    return False


def check(paths: Sequence[Path]) -> None:
    """Checks stored files, each once per process.

    Raises:
        Damaged: some are damaged or gone; the former are removed, with a note.
    """
    todo = [path for path in dict.fromkeys(paths) if not _is_verified(path)]
    if sum(local.size(path) or 0 for path in todo) > LARGE and len(todo) > 1:
        with ThreadPoolExecutor(THREADS) as threads:
            fit = list(threads.map(_fits, todo))
    else:
        fit = [_fits(path) for path in todo]
    if bad := [path for path, fits in zip(todo, fit, strict=True) if not fits]:
        drop(bad)
        raise Damaged(bad)


def drop(paths: Sequence[Path]) -> None:
    """Removes damaged files, and says so."""
    for path in paths:
        _VERIFIED.pop(str(path), None)
        local.put_away(path)
    for words in dict.fromkeys(map(_described, paths)):
        note(f"{words} is damaged or has no checksum; it is made again")


def recorded(folder: Path) -> Sums:
    """The checksums of the files of a folder."""
    path = folder / SUMS
    try:
        mark = local.mark(path)
        known = _READ.get(str(path))
        if known is None or known[0] != mark:
            known = _READ[str(path)] = mark, _parsed(source.read_bytes(path, local.LARGEST))
        return known[1]
    except OSError:
        return {}


def write_value(path: Path, value: Any) -> None:
    """Writes a value as JSON with its checksum."""
    text = json.dumps(value, ensure_ascii=False)
    _make_room(path)
    # A file's name, which may be in a value, need not be UTF-8.
    local.write_text(path, f"{_head(text.encode('utf-8', 'surrogatepass'))}{text}{END}")


def read_value(path: Path, kind: type[Model]) -> Model:
    """A value as `write_value` wrote it, of a closed type.

    Raises:
        OSError: there is no file; ValueError: it is damaged, or not of that type.
    """
    # Imported here: nothing that every command needs takes as long.
    from recipec.ir import closed

    return closed.parsed(kind, _value(path))


def value_of(path: Path, kind: type[Model]) -> Model | None:
    """A value as `write_value` wrote it, or None. If it is damaged, or of another type, it is removed, with a note."""
    try:
        return read_value(path, kind)
    except (OSError, ValueError):
        if local.exists(path):
            drop([path])
        return None


def has_value(path: Path) -> bool:
    """Whether a file is one that `write_value` wrote. If it is damaged, it is removed, with a note."""
    try:
        _value(path)
    except (OSError, ValueError):
        if local.exists(path):
            drop([path])
        return False
    return True


def _value(path: Path) -> str:
    """The JSON of a value whose checksum fits."""
    text = local.read_text(path)
    head, value = text[:HEAD], text[HEAD : -len(END)]
    if not text.endswith(END) or head != _head(value.encode("utf-8", "surrogatepass")):
        raise ValueError("the checksum does not fit")
    return value


def again(work: Callable[[], Result]) -> Result:
    """What work returns; it begins anew while stored files that it needs are damaged.

    Raises:
        Failure: a file is damaged that was only just made again.
    """
    seen: set[Path] = set()
    while True:
        try:
            return work()
        except Damaged as damaged:
            if seen.issuperset(damaged.paths):
                helps = ("check the disk", "delete the state folder: everything in it is made again")
                message = "what was just stored is damaged or gone"
                raise Failure(Diagnostic("R0609", message, place=str(damaged.paths[0]), helps=helps)) from None
            seen.update(damaged.paths)


END = "}\n"
HEAD = len('{"crc32": "00000000", "value": ')

_VERIFIED: dict[str, tuple[int, ...]] = {}
"""By path, what the file was like when it was found whole."""

_READ: dict[str, tuple[str, Sums]] = {}
"""By path, the files of checksums that were read, and what they were like."""

_APPENDING = threading.Lock()


def _head(value: bytes) -> str:
    return f'{{"crc32": "{zlib.crc32(value):08x}", "value": '


def _mark(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _is_verified(path: Path) -> bool:
    try:
        return _VERIFIED.get(str(path)) == _mark(path)
    except OSError:
        return False


def _fits(path: Path) -> bool:
    """Whether a file has a checksum that is recorded."""
    try:
        mark = _mark(path)
        if _VERIFIED.get(str(path)) == mark:
            return True
        if not path.is_file() or path.name not in (sums := recorded(path.parent)):
            return False
        fits = any(size == mark[0] for _, size in sums[path.name]) and _sum_of(path) in sums[path.name]
    except OSError as error:
        if error.errno in BUSY:
            raise
        return False
    if fits:
        _VERIFIED[str(path)] = mark
    return fits


def _sum_of(path: Path) -> tuple[int, int]:
    """The checksum and size of a file."""
    found = size = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            found = zlib.crc32(chunk, found)
            size += len(chunk)
    return found, size


def _sums_of(paths: Sequence[Path]) -> list[tuple[int, int]]:
    if len(paths) == 1:
        return [_sum_of(paths[0])]
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(_sum_of, paths))


def _record(paths: Sequence[Path], sums: Sequence[tuple[int, int]]) -> None:
    """Appends the checksums of files that are about to get their names. What is lost of them costs time, so that nothing is
    synced."""
    lines: dict[Path, list[str]] = {}
    for path, (found, size) in zip(paths, sums, strict=True):
        lines.setdefault(path.parent, []).append(f"{found:08x} {size} {path.name}\n")
    for folder, mine in lines.items():
        place = folder / SUMS
        _make_room(place)
        # What a killed process left of a line ends with the first newline.
        with _APPENDING, place.open("ab", buffering=0) as file:
            file.write(os.fsencode("\n" + "".join(mine)))


def _make_room(path: Path) -> None:
    """Gives other names to a folder in the place of a file, and to a file in the place of its folder, inside a state folder."""
    if path.is_dir():
        local.set_aside(path)
    # In this order: another thread may be making the folder.
    elif path.parent.name != STATE and local.exists(path.parent) and not path.parent.is_dir():
        local.set_aside(path.parent)


def _parsed(content: bytes) -> Sums:
    found: dict[str, set[tuple[int, int]]] = {}
    for line in content.split(b"\n"):
        words = line.split(b" ", 2)
        if len(words) == 3:
            with contextlib.suppress(ValueError):
                found.setdefault(os.fsdecode(words[2]), set()).add((int(words[0], 16), int(words[1])))
    return found


def _described(path: Path) -> str:
    """What a stored file is, in words."""
    names = "/".join(path.parts).rpartition(f"/{STATE}/")[2].split("/")
    if "steps" in names[:-2]:
        return f"a stored result of step {names[-2][:12]}"
    return f"`{'/'.join(names)}` of the state folder"
