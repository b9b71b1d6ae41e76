"""Formats numbers for people: counts with K, M, B, T; shares; bytes; seconds."""

from __future__ import annotations


def count(value: float) -> str:
    """Formats a count: whole below ten thousand, then 12.3K, 4.56M, 30.0B."""
    if abs(value) < 10_000:
        return f"{value:,.0f}"
    for factor, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        # 999,950 reads better as 1.00M than as 1000.0K.
        if abs(value) >= factor * 0.99995:
            return f"{value / factor:.3g}{suffix}" if abs(value) < factor * 1000 else f"{value / factor:,.0f}{suffix}"
    return f"{value:,.0f}"


def share(value: float) -> str:
    """Formats a share: 0.3 -> 30.0%; a share above zero is never shown as zero."""
    if 0 < value < 0.0005:
        return f"{value * 100:.2g}%"
    return f"{value * 100:.1f}%"


def size(value: float) -> str:
    """Formats bytes in decimal units: 512 MB."""
    for factor, suffix in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if value >= factor:
            return f"{value / factor:.3g} {suffix}"
    return f"{value:.0f} B"


def seconds(value: float) -> str:
    if value < 1:
        return "< 1 s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
