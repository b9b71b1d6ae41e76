"""The same rows in other files, orders, formats, threads: the same documents, the same digest."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import duckdb
import pytest
import zstandard

from recipec import pipeline
from recipec.database.connection import Settings
from tests.conftest import MIX, rows

pytestmark = pytest.mark.slow

DOCUMENTS = """
    SELECT 'doc-' || i AS id, repeat('word' || (i % 7) || ' ', (10 + i % 13) :: INTEGER) AS text, 20 + i % 13 AS n,
        ['a', 'b', 'c'][1 + i % 3] AS topic, (hash(i) % 97) / 97.0 AS edu, (hash(i, 1) % 1000) / 10.0 AS ppl
    FROM range(500) AS r(i)
"""

TEXT = (
    MIX.replace('output parquet "out"\n', "")
    + 'where distinct_word_ratio() <= 0.5 and id != "doc-3"\nwhere not duplicate(text || topic || string(edu))\n'
    + "quota c where ppl > 50 at least 12%\nquota a at most 45%\n"
).replace("text || topic || string(edu)", "text + topic + string(edu)")


def digest(folder: Path, threads: int = 2, memory: str = "1GB") -> tuple[str, list[tuple[object, ...]]]:
    recipe = folder / "a.recipe"
    recipe.write_text(TEXT if (folder / "data/0.parquet").exists() else TEXT.replace("*.parquet", "*.jsonl*"))
    settings = Settings(memory=memory, threads=threads, temp=folder / "temp")
    plan = pipeline.plan(recipe, {}, settings=settings).plan
    path = pipeline.decided(plan)
    assert plan.selection is not None
    assert path is not None
    columns = "doc_id, domain, tokens, rejected_by, merged, rank, expected, scale, cap, draw, copies, reason"
    return plan.selection.digest, rows(f"SELECT {columns} FROM '{path}' ORDER BY doc_id")


def parquet(folder: Path, files: int, order: str) -> Path:
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "data").mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE documents AS SELECT *, row_number() OVER (ORDER BY {order}) AS place FROM ({DOCUMENTS})"
        )
        for number in range(files):
            connection.execute(
                f"COPY (SELECT * EXCLUDE (place) FROM documents WHERE place % {files} = {number} ORDER BY place) "
                f"TO '{folder}/data/{number}.parquet' (FORMAT parquet)"
            )
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[tuple[object, ...]]]:
    return digest(parquet(tmp_path_factory.mktemp("one"), 1, "id"))


@pytest.mark.parametrize(("files", "order"), [(1, "hash(id)"), (7, "id"), (7, "hash(id, 1)"), (100, "hash(id, 2)")])
def test_files_and_order_of_rows_change_nothing(
    tmp_path: Path, expected: tuple[str, list[tuple[object, ...]]], files: int, order: str
) -> None:
    assert digest(parquet(tmp_path, files, order)) == expected


@pytest.mark.parametrize(("threads", "memory"), [(1, "1GB"), (8, "1GB"), (2, "200MB")])
def test_threads_and_memory_change_nothing(
    tmp_path: Path, expected: tuple[str, list[tuple[object, ...]]], threads: int, memory: str
) -> None:
    assert digest(parquet(tmp_path, 3, "hash(id, 3)"), threads, memory) == expected


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_formats_change_nothing(tmp_path: Path, expected: tuple[str, list[tuple[object, ...]]], suffix: str) -> None:
    (tmp_path / "data").mkdir()
    plain = tmp_path / "plain"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({DOCUMENTS}) TO '{plain}' (FORMAT json)")
    content = plain.read_bytes()
    packed = {".jsonl": content, ".jsonl.gz": gzip.compress(content), ".jsonl.zst": zstandard.compress(content)}[suffix]
    (tmp_path / f"data/a{suffix}").write_bytes(packed)
    assert digest(tmp_path) == expected


def test_another_seed_draws_others(tmp_path: Path, expected: tuple[str, list[tuple[object, ...]]]) -> None:
    folder = parquet(tmp_path, 1, "id")
    recipe = folder / "b.recipe"
    recipe.write_text("seed 1\n" + TEXT)
    plan = pipeline.plan(recipe, {}).plan
    assert plan.selection is not None
    assert plan.selection.digest != expected[0]
