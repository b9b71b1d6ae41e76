"""The digest of a selection: one value per set of (source, doc_id, copies), regardless of order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def digest(connection: DuckDBPyConnection, relation: str) -> str:
    """sha256 over a multiset hash of the rows of `relation` with copies > 0: the sums of both halves of each row's md5,
    which need no order and no memory. Lengths before the names distinguish ("a", "bc") from ("ab", "c")."""
    key = "length(source) || ':' || source || length(doc_id) || ':' || doc_id || CAST(copies AS VARCHAR)"
    low, high, count = connection.execute(
        f"""
        SELECT coalesce(sum(md5_number_lower({key})), 0), coalesce(sum(md5_number_upper({key})), 0), count(*)
        FROM {relation} WHERE copies > 0
        """
    ).fetchall()[0]
    return hashlib.sha256(f"{int(low)} {int(high)} {count}".encode()).hexdigest()
