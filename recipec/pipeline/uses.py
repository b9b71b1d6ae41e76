"""What the steps of a plan store in the state folder and read there, without running any of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from recipec.diagnostics import Failure
from recipec.execution.candidates import Candidates
from recipec.execution.contained import answers
from recipec.execution.pool import Pool
from recipec.inputs import attributes, reading, repair, shards
from recipec.inputs.facts import facts
from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.models import cache, features
from recipec.places import remote
from recipec.scoring.by_model import wanted

Used = tuple[str, frozenset[str] | None]
"""The name of an item of the state folder (`places.inventory`), and the names of its files that are used; None for all."""


def items(pool: Pool) -> list[str]:
    """The names of the items, for the note about a plan."""
    few = {shard.source: shard for shard in reversed(pool.shards)}
    return sorted({name for name, _ in _steps(pool, tuple(few.values()))})


def used(pool: Pool) -> Iterator[Used]:
    """The items and their files, those of shards among them.

    Raises:
        Failure: a model or an example of the recipe is gone.
    """
    yield from _steps(pool, pool.shards)
    for path in _packed(pool):
        yield f"{repair.FOLDER}/{path.name}", None


def _steps(pool: Pool, many: Sequence[Shard]) -> Iterator[Used]:
    """The items of steps, with the files of some shards."""
    candidates = Candidates(pool)
    for one in (candidates.readable_id, candidates.passing_id, *answers(pool)):
        yield f"steps/{one}", None
    for position, op in enumerate(pool.plan.ops):
        step = f"steps/{pool.ids[position]}"
        if not isinstance(op, logical.Read | logical.Score):
            yield step, None
            continue
        sources = {shard.source for shard in pool.shards_of(position)}
        mine = [shard for shard in many if shard.source in sources]
        if isinstance(op, logical.Read):
            yield from _read(pool, position, op, mine)
        else:
            yield step, _names(mine)
            yield from _features(pool, op)


def _names(many: Sequence[Shard]) -> frozenset[str]:
    return frozenset(f"{shard.key}.parquet" for shard in many)


def _features(pool: Pool, op: logical.Score) -> Iterator[Used]:
    one = wanted(op.call)
    if one is not None:
        digest = cache.find(one.model, pool.folder, op.call.origin.span).digest
        yield f"features/{features.key(one, digest)}", None


def _read(pool: Pool, position: int, op: logical.Read, many: Sequence[Shard]) -> Iterator[Used]:
    read, root = facts(op).read, pool.store.root
    yield f"steps/{pool.reads.ids[position]}", _names(many)
    for value in reading.derived(read, pool.folder):
        yield f"steps/{value.id}", _names(many)
    for number in attributes.used(read):
        for shard in many:
            place = attributes.place(root, read, number, shard)
            yield str(place.parent.relative_to(root)), frozenset({place.name})


def _packed(pool: Pool) -> Iterator[Path]:
    """What shards, files with attributes and examples may have been written anew to."""
    files = [remote.at(one.path, pool.folder) for one in (*pool.shards, *pool.attributes)]
    for target in pool.recipe.targets:
        with contextlib.suppress(Failure):
            files += shards.find_examples(target, pool.folder)
    for path in files:
        with contextlib.suppress(OSError):
            yield from (repair.kept(path, pool.folder, suffix) for suffix in (".parquet", ".jsonl.zst", ".npy"))
