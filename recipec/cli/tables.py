"""Tables of text, which every view makes and `cli.console` and `cli.plan_view.markdown` draw."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; `numeric` holds the indexes of right-aligned columns; `shades`, if not empty, holds
    the background colours of the cells in CSS notation ("" for none)."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    shades: tuple[tuple[str, ...], ...] = ()
