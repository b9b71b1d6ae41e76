"""`output csv "out"`"""

from __future__ import annotations

from collections.abc import Sequence

from recipec.spec import Format


def options(compression: str, row_group: int) -> str:
    return f"FORMAT csv, HEADER, COMPRESSION {compression}"


def scan(paths: str, columns: Sequence[tuple[str, str]]) -> str:
    types = ", ".join(f"{name} :: {type_} AS {name}" for name, type_ in columns)
    return f"(SELECT {types} FROM read_csv({paths}, header = true, all_varchar = true))"


SPEC = Format(
    name="csv",
    summary="comma-separated values with a header",
    compressions=("none", "gzip"),
    suffix=lambda compression: ".csv.gz" if compression == "gzip" else ".csv",
    options=options,
    scan=scan,
    loader="csv",
)
