"""Attributes: columns of documents that stand in files beside the shards."""

from __future__ import annotations

from typing import Literal

from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.provenance import Origin
from recipec.ir.shapes import ShapeText

ID = "id"
"""The column of attribute files that `by id` joins, unless the recipe names another one."""

ROW = "row"
"""The column with row numbers that exported scores have; like the id, it comes in only where it is listed."""


class Attributes(Frozen):
    """`attributes "scores/*.parquet" by id { columns edu topic }`.

    Attributes:
        files: globs, as written, relative to the recipe's folder.
        by: `id`: a row belongs to the document with its id; `row`: the n-th row of the n-th file, by path, belongs to the n-th
            row of the n-th shard.
        id: the column with the ids of documents; "" for `row`.
        schema_: the columns that come in, with their shapes in all files together. The columns of arrays (`.npy`) have these
            names in this order.
    """

    files: tuple[closed.Path, ...]
    by: Literal["id", "row"]
    id: str = ""
    schema_: tuple[tuple[str, ShapeText], ...]
    origin: Origin
