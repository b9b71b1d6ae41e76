"""Tasks: the units of work into which the steps of a plan are divided.

A task refers to its inputs and outputs by names of results in the state folder, so that it can be sent to another
machine as JSON. It is idempotent: an existing result is complete, and is not computed again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.ir.expressions import Frozen, Type


class Scored(Frozen):
    """A stored score: the files of some shards, in the order of the shards.

    Attributes:
        files: names of results; `cascade`: whether they distinguish exact from predicted values.
    """

    kind: Literal["scored"] = "scored"
    name: str
    type: Type
    files: tuple[str, ...]
    cascade: bool = False


Link = Annotated[Scored | logical.Filter, Field(discriminator="kind")]
"""A link after a `Read` in the chain of a source: a stored score, or clauses."""


class Documents(Frozen):
    """The documents of some shards of a source, in their state after `links`.

    Attributes:
        files: names of the results of `read`, in the order of `shards`; "" for one whose rows are read directly.
        starts: the number of the first row of each shard among all of a pool, where these are known.
        seed, share: if `share` is not None, only this share of the documents, chosen by a keyed hash of their ids.
    """

    read: logical.Read
    shards: tuple[Shard, ...]
    files: tuple[str, ...]
    starts: tuple[int, ...] = ()
    links: tuple[Link, ...] = ()
    seed: int
    share: float | None = None


class ReadTask(Frozen):
    """`Read` of one shard, without clauses: one result (see `logical.Read`)."""

    kind: Literal["read"] = "read"
    op: logical.Read
    shard: Shard
    results: tuple[str]


class ScoreTask(Frozen):
    """Text scores of one shard: one scan of its texts, one result per call (see `logical.Score`).

    Attributes:
        input: the documents of this shard alone, before the first of the calls.
        results: names, in the order of `ops`; existing results are left unchanged.
    """

    kind: Literal["score"] = "score"
    ops: tuple[logical.Score, ...]
    shard: Shard
    input: Documents
    results: tuple[str, ...]


Task = Annotated[ReadTask | ScoreTask, Field(discriminator="kind")]
