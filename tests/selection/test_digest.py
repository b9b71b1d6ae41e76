"""The digest of a selection, against the same sums by Python's integers and hashlib."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from recipec.database import connection
from recipec.selection.digest import Digest, digest

ROWS = [("web", "a", 1), ("web", "bc", 3), ("we", "bbc", 2), ("web", "文", 40), ("web", "not drawn", 0)]


def _number(seed: int, source: str, doc_id: str) -> int:
    """The upper 52 of the lower 64 bits, in the order of bytes that DuckDB's `md5_number` has."""
    whole = hashlib.md5(f"{seed}\x1f{source}\x1f{doc_id}".encode()).digest()
    return int.from_bytes(whole[8:][::-1], "big") >> 12


def _sums(numbers: list[tuple[int, int]], half: int) -> str:
    plain = sum(h * copies for h, copies in numbers)
    mixed = sum((h >> half) * (h & ((1 << half) - 1)) * copies for h, copies in numbers)
    return hashlib.sha256(f"{plain} {mixed} {len(numbers)}".encode()).hexdigest()


RELATION = "(VALUES " + ", ".join(map(str, ROWS)) + ") AS rows(source, doc_id, copies)"


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_plans_and_datasets_have_the_same_digest(seed: int) -> None:
    drawn = [(_number(seed, source, doc_id), copies) for source, doc_id, copies in ROWS if copies]
    with connection.shared() as reader:
        by_sql = digest(reader, RELATION, seed)
    assert by_sql == _sums(drawn, 26)
    ours = Digest()
    draws = np.array([(h + 0.5) / 2**52 for h, _ in drawn])
    for some in (slice(3, None), slice(0, 3)):
        ours.add(draws[some], np.array([copies for _, copies in drawn])[some])
    assert ours.hex() == by_sql


def test_another_copy_document_or_seed_is_another_digest() -> None:
    with connection.shared() as reader:
        found = {
            digest(reader, RELATION.replace(*change), seed)
            for change, seed in ((("", ""), 1), (("3)", "2)"), 1), (("'a'", "'b'"), 1), (("", ""), 2))
        }
    assert len(found) == 4


def test_earlier_datasets_keep_their_digest() -> None:
    drawn = [row for row in ROWS if row[2]]
    bits = [int.from_bytes(hashlib.md5(_key(*row[:2])).digest()[8:][::-1], "big") for row in drawn]
    pairs = [(_md5_halves(_key(*row[:2]) + str(row[2]).encode())) for row in drawn]
    before = f"{sum(low for low, _ in pairs)} {sum(high for _, high in pairs)} {len(drawn)}"
    with connection.shared() as reader:
        assert digest(reader, RELATION, 1, version=3) == _sums(list(zip(bits, [r[2] for r in drawn], strict=True)), 32)
        assert digest(reader, RELATION, 1, version=2) == hashlib.sha256(before.encode()).hexdigest()


def _key(source: str, doc_id: str) -> bytes:
    return f"{len(source)}:{source}{len(doc_id)}:{doc_id}".encode()


def _md5_halves(key: bytes) -> tuple[int, int]:
    whole = hashlib.md5(key).digest()
    return int.from_bytes(whole[8:][::-1], "big"), int.from_bytes(whole[:8][::-1], "big")
