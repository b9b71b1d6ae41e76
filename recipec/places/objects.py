"""Objects in stores: what was found of them, and their bytes.

What a listing or a question found is kept until it is looked for again, so that the objects of one run are those of one
moment: their bytes are read under the condition that they are still these (`Object.identity`).
"""

from __future__ import annotations

import io
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, cast

from recipec.diagnostics import Diagnostic, ExitCode, Failure

ASKED = 8
"""The number of objects that are asked for concurrently."""

FEW = 8
"""The most objects below one name that are asked for one by one, rather than with a listing of all below that name."""

AHEAD = 1 << 20
"""The bytes that are read at once where few are wanted, when all of an object are."""


@dataclass(frozen=True, slots=True)
class Object:
    """What a store says of an object.

    Attributes:
        mtime_ns: when it was last written, in nanoseconds since 1970; 0 where the store does not say.
        identity: what changes whenever its bytes do: `etag …`, `version …` or `modified …`.
    """

    url: str
    bytes: int
    mtime_ns: int
    identity: str

    @property
    def mark(self) -> str:
        """As `local.mark`."""
        return f"{self.bytes} {self.mtime_ns} {self.identity}"


_SEEN: dict[str, Object | None] = {}
"""By URL, what was last found; None for no object."""

_LOCK = threading.Lock()


def saw(found: Iterable[Object]) -> None:
    """Keeps what a listing found."""
    with _LOCK:
        _SEEN.update((one.url, one) for one in found)


def expect(one: Object) -> None:
    """Keeps what another process found, unless this one has looked."""
    _SEEN.setdefault(one.url, one)


def facts(url: str) -> Object:
    """What a store says of an object, as it was last looked at.

    Raises:
        FileNotFoundError: there is none; Failure: the store cannot be asked.
    """
    if url not in _SEEN:
        _ask(url)
    found = _SEEN.get(url)
    if found is None:
        raise FileNotFoundError(2, "there is no such object", url)
    return found


def is_known(url: str) -> bool:
    """Whether an object of this URL was found."""
    return _SEEN.get(url) is not None


def _ask(url: str) -> None:
    from recipec.places import stores

    try:
        found: Object | None = stores.of(url).stat(url)
    except FileNotFoundError:
        found = None
    with _LOCK:
        _SEEN[url] = found


def look_again(urls: Collection[str]) -> None:
    """Looks for objects anew: with one listing of those below one name, if there are many.

    Raises:
        Failure: a store cannot be asked.
    """
    from recipec.places import stores

    below: dict[str, list[str]] = defaultdict(list)
    for url in urls:
        below[url.rpartition("/")[0] + "/"].append(url)
    alone: list[str] = []
    for folder, names in below.items():
        store = stores.of(folder)
        if len(names) <= FEW or not store.lists:
            alone += names
            continue
        found = {one.url: one for one in store.list(folder, "", deep=False)}
        with _LOCK:
            _SEEN.update((name, found.get(name)) for name in names)
    if len(alone) == 1:
        _ask(alone[0])
    elif alone:
        with ThreadPoolExecutor(ASKED) as pool:
            for _ in pool.map(_ask, alone):
                pass


def read(one: Object, start: int, end: int) -> bytes:
    """The bytes `[start, end)` of an object, if it is still this one.

    Raises:
        Failure: another has taken its place, it is gone, or its store cannot be read.
    """
    from recipec.places import stores

    end = min(end, one.bytes)
    if start >= end:
        return b""
    try:
        found = stores.of(one.url).read(one, start, end)
    except FileNotFoundError:
        raise changed(one.url, "is gone") from None
    # Some clients read without a condition: a shorter object is noticed here, any other one at the end of the run.
    if len(found) != end - start:
        raise changed(one.url)
    return found


def changed(url: str, how: str = "changed while it was read") -> Failure:
    helps = ("nothing was published; plan the recipe again",)
    return Failure(Diagnostic("R0304", f"the object {how}", place=url, helps=helps), exit_code=ExitCode.STALE)


class Bytes(io.RawIOBase):
    """The bytes of an object as a file for reading, in which one may go to any place.

    Args:
        failed: makes what is raised of a failure.
    """

    def __init__(self, one: Object, failed: Callable[[Failure], Exception] | None = None) -> None:
        super().__init__()
        self.object = one
        self._failed = failed
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self.object.bytes)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self.object.bytes if size is None or size < 0 else self._at + size
        try:
            found = read(self.object, self._at, end)
        except Failure as failure:
            if self._failed is None:
                raise
            raise self._failed(failure) from None
        self._at += len(found)
        return found

    def readinto(self, buffer: Any) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def opened(one: Object) -> IO[bytes]:
    """The bytes of an object as a buffered file."""
    return cast("IO[bytes]", io.BufferedReader(Bytes(one), AHEAD))
