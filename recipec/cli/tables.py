"""Tables of text, which every view makes and `cli.console` and `cli.plan_view.markdown` draw."""

from __future__ import annotations

from dataclasses import dataclass

from recipec.cli.screen import one_line


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; `numeric` holds the indexes of right-aligned columns; `shades`, if not empty, holds
    the background colours of the cells in CSS notation ("" for none).

    Whatever is given, each text is one line in which everything can be seen: columns stay aligned.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    shades: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", one_line(self.title))
        object.__setattr__(self, "header", tuple(map(one_line, self.header)))
        object.__setattr__(self, "rows", tuple(tuple(map(one_line, row)) for row in self.rows))
