"""SQL of what a ledger's documents would get under other criteria, at the scales that were drawn with."""

from __future__ import annotations

from recipec.ir import logical
from recipec.ir.selection import Stats
from recipec.selection import ranking
from recipec.selection.rules import INFINITE, expected


def redrawn(op: logical.Sample, rank: logical.Rank, ledger: str, stats: tuple[Stats, ...]) -> str:
    """SQL of a ledger's documents in the pool with `again`: the copies under another ranking at the same scales."""
    again = f"greatest(0, ceil(least(scale * {expected(op)}, coalesce(cap, {INFINITE})) - draw))"
    return f"SELECT *, {again} AS again FROM ({ranking.reranked(rank, ledger, stats)})"
