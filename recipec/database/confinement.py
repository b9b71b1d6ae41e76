"""The folders to which queries are confined.

A connection reads and writes files in some folders only, whatever the text of a query is (see `database.connection`), and reads
objects below some URLs. This module knows which: it imports no engine, so that a recipe can be checked without one.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from recipec.places import local, objects, remote
from recipec.places.remote import Remote

MOST = 256
"""The most folders that are remembered for short queries; beyond it, those of earlier work are forgotten."""


WILD = re.compile(r"[*?\[]")


class Folders:
    """Folders that short queries of this process may read; `version` changes with them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 0
        self._roots: dict[str, str] = {}  # as named, and without symbolic links
        self._inside: set[str] = set()  # folders that are inside of these

    def add(self, folders: Iterable[Path]) -> None:
        """Adds the folders that are not inside of others."""
        with self.lock:
            for folder in folders:
                name, real = _both(folder)
                if name not in self._inside and not self._holds(name, real):
                    if len(self._roots) >= MOST:
                        self._roots.clear()
                        self._inside.clear()
                    self._roots[name] = real
                    self.version += 1
                self._inside.add(name)

    def look_again(self) -> None:
        """Forgets what was found about folders, of which some may be symbolic links by now."""
        with self.lock:
            self._inside.clear()

    def _holds(self, name: str, real: str) -> bool:
        # A name with wildcards is written with escapes, by which no link is found.
        named = not WILD.search(name) or any(_is_in(name, root) for root in self._roots)
        return named and any(_is_in(real, root) for root in self._roots.values())

    def all(self) -> list[Path]:
        return [remote.named(root) for root in self._roots]


def _both(folder: Path) -> tuple[str, str]:
    """A folder as it is named, and without symbolic links."""
    if isinstance(folder, Remote):
        return folder.url, folder.url
    name = os.path.abspath(folder)
    return name, os.path.realpath(name)


def _is_in(name: str, root: str) -> bool:
    return name == root or name.startswith(root.rstrip("/") + "/")


REACHED = Folders()


def reach(folders: Iterable[Path]) -> None:
    """Lets short queries of this process read in some folders, such as those where a recipe's globs begin.

    To name them before the first query saves opening a database for each.
    """
    REACHED.look_again()
    REACHED.add(folders)


def folders_of(files: Iterable[Path]) -> list[Path]:
    """The folders of files, as they are named, and those of the files to which symbolic links lead."""
    found: dict[str, None] = {}
    for file in files:
        if isinstance(file, Remote):
            found[file.parent.url] = None
            continue
        name = os.fspath(file)
        found[os.path.dirname(name)] = None
        if os.path.islink(name):
            found[os.path.dirname(os.path.realpath(name))] = None
    return [remote.named(name) for name in found]


def start(head: Path) -> Path:
    """The folder where the search for the files of a glob begins, of which the head is that folder or a file."""
    if isinstance(head, Remote):
        return head.parent if objects.is_known(head.url) else head
    return head if local.is_folder(head) else head.parent


def names(folders: Iterable[Path]) -> list[str]:
    """The names by which queries may call folders: as given, without symbolic links, and with wildcards escaped."""
    return list(dict.fromkeys(name for folder in folders for name in _names(folder)))


def _names(folder: Path) -> Iterator[str]:
    for name in _both(folder):
        # A name that is not UTF-8 cannot be part of a query.
        if not any("\ud800" <= letter <= "\udfff" for letter in name):
            for one in (name, WILD.sub(r"[\g<0>]", name)):
                yield one.rstrip("/") + "/"
