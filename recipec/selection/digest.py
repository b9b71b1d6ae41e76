"""The digest of a selection: one value per seed and set of (source, doc_id, copies), regardless of order.

Each document has a number h, the 52 bits of its draw (`ranking.draw`). The digest is sha256 over Σ copies·h,
Σ copies·(upper half of h)·(lower half of h) and the number of documents: sums need no order and no memory, and a plan has
them from the columns of the pool.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.ir.execution import MANIFEST_VERSION
from recipec.selection.exact import dot
from recipec.selection.ranking import draw_bits

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HALF = 26
"""Bits of a half of h."""


@dataclass(slots=True)
class Digest:
    """The sums so far."""

    plain: int = 0
    mixed: int = 0
    documents: int = 0

    def add(self, draws: Array, copies: Array) -> None:
        """Adds documents (k,) with their draws u = (h + 1/2) / 2⁵² and copies of at least 1."""
        h = (draws * 2.0 ** (2 * HALF)).astype(np.uint64)
        self.plain += dot(h, copies)
        self.mixed += dot((h >> np.uint64(HALF)) * (h & np.uint64((1 << HALF) - 1)), copies)
        self.documents += len(h)

    def hex(self) -> str:
        return hashlib.sha256(f"{self.plain} {self.mixed} {self.documents}".encode()).hexdigest()


def digest(connection: DuckDBPyConnection, relation: str, seed: int, version: int = MANIFEST_VERSION) -> str:
    """The digest of the rows of `relation` (source, doc_id, copies) with copies > 0, by SQL.

    Args:
        version: of the manifest that states it.
    """
    if version < 3:
        return _by_halves(connection, relation)
    # Version 3 had 64 bits of another md5, which did not depend on the seed.
    h, half = (f"{draw_bits(seed)} :: UBIGINT", HALF) if version > 3 else (UNSEEDED, 32)
    mixed = f"((h >> {half}) :: HUGEINT * (h & {(1 << half) - 1}) :: HUGEINT)"
    plain, both, count = connection.execute(
        f"""
        SELECT coalesce(sum(h :: HUGEINT * copies), 0), coalesce(sum({mixed} * copies), 0), count(*)
        FROM (SELECT {h} AS h, copies FROM {relation} WHERE copies > 0)
        """
    ).fetchall()[0]
    return Digest(int(plain), int(both), int(count)).hex()


UNSEEDED = "(md5_number(length(source) || ':' || source || length(doc_id) || ':' || doc_id) >> 64) :: UBIGINT"


def _by_halves(connection: DuckDBPyConnection, relation: str) -> str:
    """The digest as manifests of version 2 and earlier have it: the sums of both halves of each row's md5."""
    key = "length(source) || ':' || source || length(doc_id) || ':' || doc_id || CAST(copies AS VARCHAR)"
    low, high, count = connection.execute(
        f"""
        SELECT coalesce(sum(md5_number_lower({key})), 0), coalesce(sum(md5_number_upper({key})), 0), count(*)
        FROM {relation} WHERE copies > 0
        """
    ).fetchall()[0]
    return hashlib.sha256(f"{int(low)} {int(high)} {count}".encode()).hexdigest()
