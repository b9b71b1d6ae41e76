"""Numbers for people: counts with K, M, B, T, shares, bytes, seconds; digits and separators, never `2.9e+02`."""

from __future__ import annotations

import math
from decimal import Decimal

SMALLEST, LARGEST = 1e-9, 1e15
"""Beyond them, the digits of a number can no longer be counted at a glance."""

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def plain(value: float, digits: int = 4) -> str:
    """A number with at least so many significant digits: 290, 0.00012, 1,234,567."""
    if not math.isfinite(value):
        return exact(value)
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= LARGEST or 0 < abs(rounded) < SMALLEST:
        return scientific(value, digits)
    if abs(rounded) >= 10**digits:
        return f"{value:,.0f}"
    return exact(rounded, separators=True)


def signed(value: float, digits: int = 4) -> str:
    """Like `plain`, with a sign: a change."""
    return ("" if value < 0 else "+") + plain(value, digits)


def percent(value: float, digits: int = 3) -> str:
    """A share in per cent: 0.001 is 0.1%, 0.25 is 25%."""
    return f"{plain(value * 100, digits)}%"


def exact(value: float, *, separators: bool = False) -> str:
    """A number as a recipe writes it, with all its digits: 123456789, 0.00001."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not a number")
    # `repr` of a float has as few digits as tell it from others; that of numpy's has its name too.
    number = Decimal(value) if isinstance(value, int) else Decimal(repr(float(value)))
    text = format(number, ",f" if separators else "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def scientific(value: float, digits: int = 3) -> str:
    """A number with its power of ten, for those that are mostly zeros: 2.9×10²¹."""
    if not value or not math.isfinite(value):
        return exact(value)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{exact(float(mantissa))}×10{str(int(power)).translate(RAISED)}"


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
