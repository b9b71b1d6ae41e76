"""Consoles and tables: the only module that configures rich."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from recipec.cli.tables import Table

PLAIN_WIDTH = 160
"""Output width in columns when stdout is not a terminal, so that logs and pipes are not cropped."""


def stdout() -> Console:
    from rich.console import Console

    words = os.environ.get("COLUMNS", "")
    wanted = int(words) if re.fullmatch("[1-9][0-9]{0,3}", words) else PLAIN_WIDTH
    width = None if sys.stdout.isatty() else wanted
    return Console(file=sys.stdout, width=width, highlight=False, soft_wrap=False)


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
