"""SIGINT: the first one ends the command in order; while it ends, impatience changes nothing, and later it ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from types import FrameType

from recipec.diagnostics import ExitCode

PATIENCE = 3.0
"""Seconds in which a command may end in order. Whatever it does then, the process may be killed: nothing is half-written."""

SHOW_CURSOR = "\x1b[?25h"
"""A bar hides the cursor."""

_first: float | None = None


def prepare() -> None:
    """Handles SIGINT from now on, unless it is ignored, as in a shell's background."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)


def end() -> None:
    """The command has ended: what comes after an interrupt must not change its exit code while Python ends."""
    if _first is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupted(number: int, frame: FrameType | None) -> None:
    global _first
    if _first is None:
        _first = time.monotonic()
        raise KeyboardInterrupt
    if time.monotonic() - _first > PATIENCE:
        with contextlib.suppress(OSError):
            if os.isatty(2):
                os.write(2, SHOW_CURSOR.encode())
        os._exit(int(ExitCode.INTERRUPTED))
