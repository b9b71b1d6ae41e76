"""Failures that pass through DuckDB, which turns them into text: an error that names one, and what it names."""

from __future__ import annotations

import re
from collections import OrderedDict
from itertools import count

from recipec.diagnostics import Failure

MOST = 64
"""The most failures that are remembered."""

MARK = "recipec failure"

MARKED = re.compile(f"{MARK} ([0-9]+)\\b")

_NUMBERS = count(1)
_FAILURES: OrderedDict[int, Failure] = OrderedDict()


def error(failure: Failure) -> OSError:
    """An error whose text names a failure."""
    number = next(_NUMBERS)
    _FAILURES[number] = failure
    while len(_FAILURES) > MOST:
        _FAILURES.popitem(last=False)
    return OSError(f"{MARK} {number}")


def named(error: BaseException) -> Failure | None:
    """The failure that an error names, whatever text stands around it."""
    text = str(error) if _FAILURES else ""
    found = MARKED.search(text)
    return _FAILURES.get(int(found[1])) if found else None
