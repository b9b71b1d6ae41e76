"""Renders tables as a self-contained HTML page: no script, no external resources."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape as escape_html

from recipec.cli.screen import visible
from recipec.cli.tables import Table

STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:80em;margin:2em auto;padding:0 1em}"
    "td,th{text-align:left;padding:.1em .6em}.number{text-align:right}.warning{color:#a33}"
)


def escape(text: str) -> str:
    """Text as content of a page, with nothing that is markup or that nobody sees."""
    return escape_html(visible(text))


def page(
    title: str, tables: Iterable[Table], lines: Iterable[str], warnings: Iterable[str], figures: Iterable[str] = ()
) -> str:
    """Renders a page: the warnings, then the tables, the figures (SVG) and the concluding lines."""
    said = "".join(f'<p class="warning">{escape(one)}</p>' for one in warnings)
    drawn = "".join(map(table, tables))
    end = "".join(f"<p>{escape(line)}</p>" for line in lines)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f"{head}<h1>{escape(title)}</h1>{said}{drawn}{''.join(figures)}{end}</html>\n"


def table(one: Table) -> str:
    """Renders a table under its title; cells with a shade have white text on that colour."""
    head = "".join(f"<th{_aligned(one, n)}>{escape(name)}" for n, name in enumerate(one.header))
    rows = []
    for i, row in enumerate(one.rows):
        shades = one.shades[i] if one.shades else ("",) * len(row)
        cells = zip(row, shades, strict=True)
        rows.append("<tr>" + "".join(_cell(one, n, text, shade) for n, (text, shade) in enumerate(cells)))
    return f"<h2>{escape(one.title)}</h2><table><tr>{head}{''.join(rows)}</table>"


def _cell(one: Table, n: int, text: str, shade: str) -> str:
    style = f' style="color:#fff;background:{shade}"' if shade else ""
    return f"<td{_aligned(one, n)}{style}>{escape(text)}"


def _aligned(one: Table, n: int) -> str:
    return ' class="number"' if n in one.numeric else ""
