"""What runs that did not end have left in a store: files of a run without a manifest, and parts of files.

Another machine may be sending these at this moment, so that only what is a day old is taken for left.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from recipec.dataset import manifest as manifests
from recipec.dataset.publication import RUNS
from recipec.places import stores
from recipec.places.remote import Remote

AGE = 24 * 3600
"""The seconds after which nobody is still sending a dataset."""

OURS = re.compile(r"[0-9a-f]{16,64}/(README\.md|manifest\.json|(data|ledger|unreadable)/part-[0-9]+\.[a-z0-9.]+)")
"""The names, below `runs/`, that recipec gives."""


@dataclass(frozen=True, slots=True)
class Left:
    """An object, or a file of which only parts were sent.

    Attributes:
        upload: the name by which the store knows the parts; "" for an object.
    """

    url: str
    bytes: int
    upload: str = ""


def left(place: Remote, now: float | None = None) -> Iterator[Left]:
    """What is left at the place of a dataset.

    Args:
        now: seconds since 1970; the clock's by default.

    Raises:
        Failure: the store cannot be asked.
    """
    store, before = stores.writer(place.url), (time.time() if now is None else now) - AGE
    start = f"{place.url}/{RUNS}/"
    runs = defaultdict(list)
    for one in store.list(start, "", deep=True):
        if OURS.fullmatch(one.url.removeprefix(start)):
            runs[one.url.removeprefix(start).partition("/")[0]].append(one)
    for name, files in runs.items():
        complete = any(one.url == f"{start}{name}/{manifests.NAME}" for one in files)
        if not complete and max(one.mtime_ns for one in files) < before * 1e9:
            yield from (Left(one.url, one.bytes) for one in files)
    for url, upload, began in store.parts(start):
        if OURS.fullmatch(url.removeprefix(start)) and began < before:
            yield Left(url, 0, upload)


def remove(found: Left) -> None:
    """Removes what is left."""
    stores.writer(found.url).remove(found.url, found.upload)
