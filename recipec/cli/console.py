"""Consoles and tables: the only module that configures rich."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

from recipec.cli import screen, streams

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rich.console import Console
    from rich.segment import Segment

    from recipec.cli.tables import Table

PLAIN_WIDTH = 160
"""Output width in columns when stdout is not a terminal, so that logs and pipes are not cropped."""


def stdout() -> Console:
    words = os.environ.get("COLUMNS", "")
    wanted = int(words) if re.fullmatch("[1-9][0-9]{0,3}", words) else PLAIN_WIDTH
    return _screen(sys.stdout, None if sys.stdout.isatty() else wanted)


def stderr() -> Console:
    return _screen(sys.stderr, None)


def _screen(stream: TextIO, width: int | None) -> Console:
    """A console that prints texts as they are, without markup, emoji or colours by content, and without what `screen`
    says nobody sees; only the styles that we ask for become sequences of the terminal."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Screen(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            super().print(*(screen.one_line(one) if isinstance(one, str) else one for one in objects), **options)

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for one in super().render(renderable, options):
                yield one if one.control else Segment(screen.visible(one.text), one.style)

    return Screen(file=streams.own(stream), width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def draw_table(console: Console, table: Table) -> None:
    """Prints a table under its title, without frames, with numbers aligned to the right."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, name in enumerate(table.header):
        drawn.add_column(name, justify="right" if index in table.numeric else "left", overflow="fold")
    for number, row in enumerate(table.rows):
        shades = table.shades[number] if table.shades else [""] * len(row)
        # `Text` rather than `str`, so that brackets in a domain's name are not read as markup.
        cells = zip(row, shades, strict=True)
        drawn.add_row(*(Text(cell, style=f"white on {shade}" if shade else "") for cell, shade in cells))
    console.print()
    console.print(Text(table.title, style="bold"))
    if table.rows:
        console.print(drawn)
    else:
        console.print("  none")
