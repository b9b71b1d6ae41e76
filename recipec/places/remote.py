"""Paths in stores: URLs such as `s3://bucket/web/a.parquet`, as paths.

`at` is the one door from a path as written to a path. A URL is read-only, and it is no name of a file of this machine: what
asks the operating system for it fails. Nothing here imports a client of a store before one is asked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PosixPath, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NoReturn

from recipec.places import scheme

if TYPE_CHECKING:
    from recipec.places.objects import Object


def at(text: str, folder: Path) -> Path:
    """The place of a path as written: a URL as it is, another path below a folder unless it is absolute."""
    return Remote(text) if "://" in text and scheme.of(text) in scheme.STORES else folder / text


def named(text: str) -> Path:
    """As `at`, for a name that is a URL or an absolute path."""
    return at(text, Path())


class Remote(PosixPath):
    """A URL as a path. Its name, suffix and parts are those of any path; its text is the URL, character by character."""

    url: str

    def __new__(cls, url: str | Path) -> Remote:
        self = super().__new__(cls, str(url))
        self.url = str(url)
        return self

    def __reduce__(self) -> tuple[type[Remote], tuple[str]]:
        return Remote, (self.url,)

    def __str__(self) -> str:
        return self.url

    def __fspath__(self) -> NoReturn:
        raise OSError(errno.ENOTSUP, "it is not on this machine", self.url)

    def __hash__(self) -> int:
        return hash(self.url)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and other.url == self.url

    @property
    def parent(self) -> Remote:
        """The URL up to its last slash; that of a bucket is its own."""
        head, _, rest = self.url.partition("://")
        return Remote(f"{head}://{rest.rpartition('/')[0] or rest}")

    def __truediv__(self, name: Any) -> Remote:
        return Remote(f"{self.url.rstrip('/')}/{name}")

    def joinpath(self, *names: Any) -> Remote:
        return self / "/".join(map(str, names))

    def with_name(self, name: str) -> Remote:
        return self.parent / name

    def resolve(self, strict: bool = False) -> Remote:
        return self

    def is_symlink(self) -> bool:
        return False

    def facts(self) -> Object:
        """What the store says of the object, as it was last looked at.

        Raises:
            FileNotFoundError: there is none.
            Failure: the store cannot be asked.
        """
        from recipec.places import objects

        return objects.facts(self.url)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        found = self.facts()
        seconds = found.mtime_ns // 10**9
        return os.stat_result((0o100444, 0, 0, 1, 0, 0, found.bytes, seconds, seconds, seconds))

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self.exists()

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return False

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        try:
            self.facts()
        except FileNotFoundError:
            return False
        return True

    def relative_to(self, *other: Any) -> PurePosixPath:  # type: ignore[override]
        """The name below another URL; raises ValueError if it is not below it."""
        start = f"{str(other[0]).rstrip('/')}/"
        if not self.url.startswith(start):
            raise ValueError(f"{self.url} is not below {start}")
        return PurePosixPath(self.url.removeprefix(start))

    def is_relative_to(self, *other: Any) -> bool:
        try:
            self.relative_to(*other)
        except ValueError:
            return False
        return True

    def below(self) -> Iterator[Remote]:
        """The objects below this URL, as they are now.

        Raises:
            Failure: the store cannot be asked, or lists nothing.
        """
        from recipec.places import objects, stores

        found = list(stores.of(self.url).list(f"{self.url}/", "", deep=True))
        objects.saw(found)
        yield from (Remote(one.url) for one in found)

    def open(self, mode: str = "r", *_: Any, **__: Any) -> IO[Any]:  # type: ignore[override]
        """The bytes of the object as it was last looked at, for reading alone.

        Raises:
            FileNotFoundError, Failure: as in `facts`; while it is read, if another object has taken its place.
        """
        if mode != "rb":
            raise OSError(errno.EROFS, "places with a scheme are read as bytes", self.url)
        from recipec.places import objects

        return objects.opened(self.facts())


def expect(path: Remote, size: int, mtime_ns: int, identity: str) -> None:
    """Lets an object that this process has not looked at be the one that was planned, as another process saw it."""
    from recipec.places import objects

    objects.expect(objects.Object(path.url, size, mtime_ns, identity))


def look_again(paths: Iterable[Path], *, changing: bool = False) -> None:
    """Asks the stores of URLs among some paths for their objects anew.

    Args:
        changing: only those stores that cannot be asked for the bytes of one version alone.

    Raises:
        Failure: a store cannot be asked.
    """
    urls = [path.url for path in paths if isinstance(path, Remote)]
    if urls:
        from recipec.places import objects, stores

        objects.look_again([url for url in urls if not (changing and stores.of(url).conditional)])
