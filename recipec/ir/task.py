"""Tasks: the pieces of work that the steps of a plan are cut into.

A task names what it reads and what it makes by names of results in the state folder, so that it can be sent to another
machine as JSON. It is idempotent: a result that is there is whole, and is not made again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.ir.expressions import Frozen, Type


class Scored(Frozen):
    """A stored score: the files of some shards, in their order.

    Attributes:
        files: names of results; `cascade`: whether they tell exact from predicted values.
    """

    kind: Literal["scored"] = "scored"
    name: str
    type: Type
    files: tuple[str, ...]
    cascade: bool = False


Link = Annotated[Scored | logical.Filter, Field(discriminator="kind")]
"""What follows a `Read` in the chain of a source: a stored score, or clauses."""


class Documents(Frozen):
    """The documents of some shards of a source as they stand after `links`.

    Attributes:
        files: names of the results of `read`, in the order of `shards`.
        seed, share: where `share` is not None, only this share of the documents, by a keyed hash of their ids.
    """

    read: logical.Read
    shards: tuple[Shard, ...]
    files: tuple[str, ...]
    links: tuple[Link, ...] = ()
    seed: int
    share: float | None = None


class ReadTask(Frozen):
    """`Read` of one shard: one result (see `logical.Read`)."""

    kind: Literal["read"] = "read"
    op: logical.Read
    shard: Shard
    results: tuple[str]


class ScoreTask(Frozen):
    """Scores by text of one shard: one scan of its texts, one result per call (see `logical.Score`).

    Attributes:
        input: the documents before the first of the calls, of this shard alone.
        results: names, in the order of `ops`; one that is there already is left as it is.
    """

    kind: Literal["score"] = "score"
    ops: tuple[logical.Score, ...]
    shard: Shard
    input: Documents
    results: tuple[str, ...]


Task = Annotated[ReadTask | ScoreTask, Field(discriminator="kind")]
