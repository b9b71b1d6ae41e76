"""Numbers with units: a share is not a count, and 20 is not 20%."""

from __future__ import annotations

from decimal import Decimal

from pydantic import RootModel

from recipec.diagnostics import Failure
from recipec.semantics.context import Context, Stores
from recipec.syntax import ast

Values = dict[str, float]
"""Numbers by name."""

UNITS = {
    "": "a plain number",
    "%": "a share in percent",
    "tokens": "a count of tokens",
    "params": "a count of parameters",
    "times": "a number of times",
    "bytes": "a size in bytes",
}
"""Unit of a quantity -> its description in messages."""

LARGEST = Decimal(2**63 - 1)


def quantity(context: Context, expr: ast.Expr, unit: str) -> Decimal | None:
    """The value of a quantity that must have the unit `unit`; None (with a diagnostic) if it does not."""
    sign = 1
    inner = expr
    if isinstance(expr, ast.Unary) and expr.operator == "-":
        sign, inner = -1, expr.operand
    if isinstance(inner, ast.ParamRef):
        return None  # an unknown parameter, which is already reported
    if not isinstance(inner, ast.Quantity):
        context.error("R0208", f"expected {UNITS[unit]}", expr.span, label="this is not a number")
        return None
    if inner.unit != unit:
        message = f"expected {UNITS[unit]}, found {UNITS[inner.unit]}"
        context.error("R0209", message, expr.span, helps=_remedy(inner, unit))
        return None
    return sign * inner.value


def _remedy(found: ast.Quantity, unit: str) -> tuple[str, ...]:
    counts = ("tokens", "params", "times")
    match unit:
        case "bytes" if found.unit in ("", *counts):
            # B means billion in a count, so "512B" meant as bytes has no unit.
            return (f"write for example `{found.text.rstrip('KMBT')}MB`, or `{found.text.rstrip('KMBT')} bytes`",)
        case _ if unit in counts and found.unit in ("", *counts):
            return (f"write `{found.text} {unit}`",)
        case "" if found.unit == "%":
            return (f"`{found.text}%` is `{_plain(found.value / 100)}` as a plain number",)
        case _ if found.unit or unit != "%":
            return ()
        case _ if 0 < found.value < 1:
            return (f"write `{_plain(found.value * 100)}%`",)
        case _ if found.value <= 100:
            return (f"write `{found.text}%` if a share is meant",)
        case _:
            return ()


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def between(
    context: Context, expr: ast.Expr, unit: str, low: float, high: float | None = None, *, above: bool = False
) -> Decimal | None:
    """A quantity within [low, high], or within (low, high] if `above`."""
    value = quantity(context, expr, unit)
    if value is None:
        return None
    too_low = value <= Decimal(str(low)) if above else value < Decimal(str(low))
    if too_low or value > (LARGEST if high is None else Decimal(str(high))):
        mark = {"%": "%", "": ""}.get(unit, f" {unit}")
        lower = f"above {low}{mark}" if above else f"at least {low:,}{mark.rstrip('s') if low == 1 else mark}"
        if high is None and not too_low:
            lower = f"at most {LARGEST:,}{mark}"
        message = f"expected {lower}" + ("" if high is None else f" and at most {high}{mark}")
        context.error("R0210", message, expr.span, label="out of range")
        return None
    return value


def share(context: Context, expr: ast.Expr, *, above: bool = False) -> float | None:
    """A share in [0, 1], written in percent."""
    value = between(context, expr, "%", 0, 100, above=above)
    return None if value is None else float(value / 100)


def whole(context: Context, expr: ast.Expr, unit: str, low: int = 0) -> int | None:
    """A whole number of a unit, at least `low`."""
    value = between(context, expr, unit, low)
    if value is None:
        return None
    if value != value.to_integral_value():
        context.error("R0210", "expected a whole number", expr.span, label="has a fraction")
        return None
    return int(value)


def word(context: Context, expr: ast.Expr, known: tuple[str, ...], what: str) -> str | None:
    """One of a closed set of words."""
    if isinstance(expr, ast.Name) and expr.text in known:
        return expr.text
    found = expr.text if isinstance(expr, ast.Name) else expr.span.text
    context.unknown("R0222", what, found, expr.span, known)
    return None


def string(context: Context, expr: ast.Expr, what: str) -> str | None:
    """A string literal."""
    if isinstance(expr, ast.String):
        return expr.value
    helps = (f'write `"{expr.text}"`',) if isinstance(expr, ast.Name) else ()
    context.error("R0208", f"expected {what} in double quotes", expr.span, label="this is not a string", helps=helps)
    return None


def place(context: Context, expr: ast.Expr, what: str, stores: Stores = "") -> str | None:
    """A string literal that is a path or a glob, or a URL of `stores`."""
    written = string(context, expr, what)
    if written is None:
        return None
    if "\0" in written:
        context.error("R0208", "a path cannot have the character U+0000", expr.span)
        return None
    try:
        context.environment.check_place(written, expr.span, stores)
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None
    return written


def domain_name(node: ast.Name | ast.String) -> str:
    return node.text if isinstance(node, ast.Name) else node.value


def numbers(kind: type[RootModel[Values]], value: object) -> Values:
    """The numbers in a value of a file, by name; none if one of them is not of their kind."""
    try:
        return kind.model_validate(value, strict=True).root
    except ValueError:
        return {}
