"""Awkward files: what public and scraped pools look like, made by this script; read back by other libraries than DuckDB."""

from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.conftest import Run

Row = dict[str, Any]

TEXT = "five words are in here"

SOURCE = 'source web {{ shards "{glob}", id id, text text }}\n'

PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda raw: zstandard.ZstdCompressor().compress(raw),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lz4": lambda raw: lz4.frame.compress(raw, content_checksum=True),
}
"""The suffixes of compressed shards -> what packs them."""


def lines(rows: Iterable[Row]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write(folder: Path, files: Mapping[str, bytes | pa.Table]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)


def unpacked(path: Path) -> bytes:
    if path.name.endswith(".zst"):
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()
    return gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()


def read(dataset: Path) -> list[Row]:
    """The rows of a dataset, by pyarrow or the json module."""
    found: list[Row] = []
    for path in sorted((dataset / "data").iterdir()):
        if path.suffix == ".parquet":
            found += pq.read_table(path).to_pylist()
        else:
            found += [json.loads(line) for line in unpacked(path).decode().split("\n") if line]
    return found


def dead_letters(dataset: Path) -> list[tuple[str, int, str, str | None]]:
    """Shard, row, reason and value of the unreadable rows of a dataset."""
    found = [row for path in sorted((dataset / "unreadable").iterdir()) for row in pq.read_table(path).to_pylist()]
    return [(row["shard"], row["row"], row["bad"], row["value"]) for row in found]


def own(row: Row) -> Row:
    """A row without the provenance, and without what is null: a field that a line lacks is null in a table."""
    return {name: value for name, value in row.items() if not name.startswith("_") and value is not None}


def applied(run: Run, folder: Path, body: str, kind: str = "parquet", more: str = "") -> Path:
    """Applies a recipe over the files of a folder; the dataset is verified."""
    (folder / "a.recipe").write_text(f'{body}sample all\n{more}output {kind} "out_{kind}"\n')
    result = run("apply", folder / "a.recipe", "--yes")
    assert result.code == 0, result.err
    assert run("verify", folder / f"out_{kind}").code == 0
    return folder / f"out_{kind}"


def refused(run: Run, folder: Path, body: str, *words: str) -> None:
    (folder / "a.recipe").write_text(f'{body}sample all\noutput parquet "out"\n')
    result = run("apply", folder / "a.recipe", "--yes")
    assert result.code == 1, result.out
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err, result.err
    assert not (folder / "out").exists()


def by_id(found: list[Row]) -> dict[str, Row]:
    return {row["id"]: own(row) for row in found}


D = decimal.Decimal

PARQUET = pa.table(
    {
        "id": pa.array([f"d{i}" for i in range(6)]),
        "text": pa.array([f"{TEXT} {i}" for i in range(6)], pa.large_string()),
        "u64": pa.array([2**64 - 1 - i for i in range(6)], pa.uint64()),
        "decimal": pa.array([D(i) / D(100) for i in range(6)], pa.decimal128(9, 4)),
        "wide": pa.array([D(10) ** 30 + i for i in range(6)], pa.decimal128(38, 2)),
        "half": pa.array([i / 8 for i in range(6)], pa.float16()),
        "lang": pa.array(["en", "de", "fr"] * 2).dictionary_encode(),
        "zoned": pa.array(
            [datetime.datetime(2024, 1, 1 + i, tzinfo=datetime.UTC) for i in range(6)], pa.timestamp("ms", "UTC")
        ),
        "nanos": pa.array([1704067200000000000 + i for i in range(6)], pa.timestamp("ns")),
        "clock": pa.array([datetime.time(1, 2, i) for i in range(6)], pa.time64("us")),
        "meta": pa.array([{"source": "cc", "nest": {"k": i}} for i in range(6)]),
        "tags": pa.array([["t", None], [], None, ["x"], ["y"], ["z"]]),
        "map": pa.array([[("a", i)] for i in range(6)], pa.map_(pa.string(), pa.int32())),
        "blob": pa.array([bytes([i, 0, 255]) for i in range(6)], pa.binary()),
        "nothing": pa.nulls(6),
    }
)

LINES: tuple[Row, ...] = (
    {"id": "a", "text": 'naïve café\n\t"x" \u2028 \U0001f600', "n": 25001.5, "when": "2024-03-01T10:00:00+02:00"},
    {"id": "b", "text": TEXT, "n": 3, "when": "01-11-2025", "big": 2**63 + 5, "zeros": "00012", "flag": True},
    {"id": "c", "text": TEXT, "n": -(2**40), "nested": {"list": [1, 2, {"x": "y"}], "empty": {}, "none": None}},
    {
        "id": "d",
        "text": TEXT,
        "late": {"key": [1.5, 2]},
        "uid": "BBD05AE7-0000-4000-8000-000000000000",
        "clock": "07:05:00",
    },
    {"id": "e", "text": TEXT, "e\u0301\U0001f600 key": 1, "sp ace": [], "float": 1e-300, 'quote"d': "q"},
)
"""Rows whose values all survive a way through a table: no field has values of several kinds."""
