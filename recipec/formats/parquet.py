"""`output parquet "out/mix"`: Parquet files, the default."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.spec import Format


def suffix(compression: str) -> str:
    return ".parquet"


def options(compression: str, row_group: int) -> str:
    word = "uncompressed" if compression == "none" else compression
    return f"FORMAT parquet, COMPRESSION {word}, ROW_GROUP_SIZE {row_group}"


def scan(paths: str, columns: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(name for name, _ in columns)
    return f"(SELECT {names} FROM read_parquet({paths}, hive_partitioning = false))"


SPEC = Format(
    name="parquet",
    summary="Parquet files with row groups of about 32 MB",
    compressions=("zstd", "snappy", "gzip", "lz4", "none"),
    suffix=suffix,
    options=options,
    scan=scan,
    loader="parquet",
)
