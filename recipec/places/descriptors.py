"""How many files this process may have open at once: a limit of the system that is as low as 256 on some machines."""

from __future__ import annotations

import contextlib
import sys

ENOUGH = 65_536
"""More are never asked for."""


def raise_limit() -> None:
    """Raises the soft limit of this process to its hard limit, which needs no rights."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS has a second limit, which it does not tell.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limit() -> int:
    """The most files that this process may have open."""
    if sys.platform == "win32":
        return 8192
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else min(soft, ENOUGH)


def for_one_query() -> int:
    """The most files that one query should read: half of what may be open, since some are opened twice."""
    return max(1, limit() // 2)
