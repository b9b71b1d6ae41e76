"""The digest of a selection: one value per set of (source, doc_id, copies), regardless of order.

Each document has 64 bits of an md5, h. The digest is sha256 over Σ copies·h, Σ copies·(upper half of h)·(lower half of h)
and the number of documents: sums need no order and no memory, and a plan has them from the columns of the pool.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.selection.exact import dot

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

IDENT = "(md5_number(length(source) || ':' || source || length(doc_id) || ':' || doc_id) >> 64) :: UBIGINT"
"""SQL of h. Lengths before the names distinguish ("a", "bc") from ("ab", "c"); `md5_number_lower` is the same number, and
takes five times as long."""


@dataclass(slots=True)
class Digest:
    """The sums so far."""

    plain: int = 0
    mixed: int = 0
    documents: int = 0

    def add(self, ident: Array, copies: Array) -> None:
        """Adds documents (k,) with h and copies of at least 1."""
        self.plain += dot(ident, copies)
        self.mixed += dot((ident >> np.uint64(32)) * (ident & np.uint64(0xFFFFFFFF)), copies)
        self.documents += len(ident)

    def hex(self) -> str:
        return hashlib.sha256(f"{self.plain} {self.mixed} {self.documents}".encode()).hexdigest()


def digest(connection: DuckDBPyConnection, relation: str) -> str:
    """The digest of the rows of `relation` (source, doc_id, copies) with copies > 0, by SQL."""
    mixed = "((h >> 32) :: HUGEINT * (h & 4294967295) :: HUGEINT)"
    plain, both, count = connection.execute(
        f"""
        SELECT coalesce(sum(h :: HUGEINT * copies), 0), coalesce(sum({mixed} * copies), 0), count(*)
        FROM (SELECT {IDENT} AS h, copies FROM {relation} WHERE copies > 0)
        """
    ).fetchall()[0]
    return Digest(int(plain), int(both), int(count)).hex()


def digest_before(connection: DuckDBPyConnection, relation: str) -> str:
    """The digest as datasets of manifest version 2 and earlier have it: the sums of both halves of each row's md5."""
    key = "length(source) || ':' || source || length(doc_id) || ':' || doc_id || CAST(copies AS VARCHAR)"
    low, high, count = connection.execute(
        f"""
        SELECT coalesce(sum(md5_number_lower({key})), 0), coalesce(sum(md5_number_upper({key})), 0), count(*)
        FROM {relation} WHERE copies > 0
        """
    ).fetchall()[0]
    return hashlib.sha256(f"{int(low)} {int(high)} {count}".encode()).hexdigest()
