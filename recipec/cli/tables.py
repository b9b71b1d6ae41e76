"""A table of text, as every view makes them; `cli.console` and `cli.plan_view.markdown` draw them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; `numeric` names the columns that are aligned to the right; `shades`, where there are any,
    are the colours behind the cells as CSS has them ("" for none)."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    shades: tuple[tuple[str, ...], ...] = ()
