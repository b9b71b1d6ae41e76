"""Identities of steps: the hash of everything that determines a result, and of nothing else.

Read and Score are identified without their shards, as they have one result per shard; the others include theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from recipec import spec
from recipec.inputs import attributes, reading, tokens
from recipec.inputs.facts import facts, needed
from recipec.inputs.scans import is_placed, taken
from recipec.inputs.shards import find_examples
from recipec.ir import logical, model
from recipec.ir.execution import Shard, SideFile
from recipec.ir.mixing import identified_op
from recipec.ir.provenance import without_origins
from recipec.models import cache, features
from recipec.places import digests, local
from recipec.scoring.by_model import wanted
from recipec.selection.mixing import mixer_of, params_of

VERSIONS = {"read": 3, "filter": 1, "score": 1, "gather": 2, "rank": 2, "sample": 2, "write": 1}
"""Increased when the code of an operation produces other results, so that stored ones are not used."""


COLUMNS = 3
"""Increased when the columns of a pool are stored in another way."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Where the results of the reads of a plan are.

    Attributes:
        ids: by position, the identity of what a `Read` stores, which does not depend on clauses.
        direct: the source and path of each shard of which nothing is stored (see `inputs.reading`).
        starts: by source and path, the number of a shard's first row among the rows of all.
    """

    ids: Mapping[int, str]
    direct: frozenset[tuple[str, str]]
    starts: Mapping[tuple[str, str], int]


def placed(plan: logical.LogicalPlan, shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """Shards, marked where what is read of them depends on their place, not on their bytes alone."""
    names = {op.source.name: needed(facts(op).read) for op in plan.ops if isinstance(op, logical.Read)}
    return tuple(
        shard.model_copy(update={"placed": True})
        if any(is_placed(shard, name) for name in names[shard.source])
        else shard
        for shard in shards
    )


def joined(
    plan: logical.LogicalPlan, shards: Sequence[Shard], files: Sequence[SideFile]
) -> tuple[tuple[Shard, ...], tuple[SideFile, ...]]:
    """Shards with the identities of the attributes that the plan uses, and the files of these attributes."""
    if not any(op.source.attributes for op in plan.ops if isinstance(op, logical.Read)):
        return tuple(shards), ()
    digests_: dict[tuple[str, str], list[str]] = {}
    kept: list[SideFile] = []
    for op in plan.ops:
        if not isinstance(op, logical.Read):
            continue
        name, used = op.source.name, attributes.used(facts(op).read)
        mine = [shard for shard in shards if shard.source == name]
        for number, one in enumerate(op.source.attributes):
            beside = attributes.of(files, name, number) if number in used else []
            kept += beside
            whole = attributes.digest(one, beside) if beside else ""
            # A stranger's plan may have other files than shards; what then has no partner is not as planned.
            for shard, part in zip(mine, attributes.partners(one, beside, mine), strict=False):
                said = whole if part is beside else attributes.digest(one, part)
                digests_.setdefault((name, shard.path), []).append(said)
    marked = (
        shard.model_copy(update={"joined": tuple(digests_.get((shard.source, shard.path), ()))}) for shard in shards
    )
    return tuple(marked), tuple(kept)


def reads(plan: logical.LogicalPlan, shards: Sequence[Shard], folder: Path) -> Reads:
    """Where the results of the reads of a plan over some shards are."""
    ids: dict[int, str] = {}
    direct: set[tuple[str, str]] = set()
    for position, op in enumerate(plan.ops):
        if isinstance(op, logical.Read):
            read, name = facts(op).read, op.source.name
            ids[position] = _hashed(
                {"op": described(read), "version": VERSIONS["read"], "data": _data(read, shards, folder)}
            )
            mine = [shard for shard in shards if shard.source == name]
            direct.update((name, path) for path in reading.direct(read, mine, folder))
    stops = accumulate(shard.rows for shard in shards)
    starts = {(shard.source, shard.path): stop - shard.rows for shard, stop in zip(shards, stops, strict=True)}
    return Reads(ids, frozenset(direct), starts)


def step_ids(plan: logical.LogicalPlan, shards: Sequence[Shard], folder: Path, sample: str = "") -> tuple[str, ...]:
    """The identity of each operation of a plan.

    Args:
        sample: "" for the real selection; otherwise text that distinguishes an estimate from it.
    """
    ids: list[str] = []
    for op in plan.ops:
        cascade = isinstance(op, logical.Score) and op.call.params.get("cascade") is not None and not sample
        value = {
            "op": described(op),
            "inputs": [ids[position] for position in inputs(op)],
            "version": VERSIONS[op.kind],
            "data": [_data(op, shards, folder), *(_around(plan, shards) if cascade else ())],
            "sample": sample if op.kind in ("filter", "score", "gather") else "",
        }
        ids.append(_hashed(value))
    return tuple(ids)


def _hashed(value: Any) -> str:
    return hashlib.sha256(digests.canonical_json(value).encode()).hexdigest()[:32]


def columns_id(
    plan: logical.LogicalPlan,
    ids: Sequence[str],
    read_ids: Mapping[int, str],
    shards: Sequence[Shard],
    sample: str = "",
) -> str:
    """The identity of the columns of a plan's readable documents: they depend on what is read of them, their scores, and
    the seed, and on clauses only as far as scores do.

    Args:
        sample: as in `step_ids`.
    """
    _, rank = plan.one(logical.Rank)
    _, gather = plan.one(logical.Gather)
    chains = []
    for end in gather.inputs:
        at, chain = end, []
        while not isinstance(op := plan.ops[at], logical.Read):
            chain += [ids[at]] if isinstance(op, logical.Score) else []
            at = inputs(op)[0]
        chains.append([read_ids[at], *chain])
    gathered = described(gather.model_copy(update={"duplicates": ()}))
    places = [[shard.source, shard.path, shard.content] for shard in shards]
    criteria = [name for name, _ in rank.criteria]
    return _hashed(["columns", COLUMNS, chains, gathered, places, rank.seed, criteria, rank.top is not None, sample])


def pool_id(plan: logical.LogicalPlan, ids: Sequence[str], columns: str) -> str:
    """The identity of a plan's pool: which of the documents in some columns pass its clauses."""
    _, rank = plan.one(logical.Rank)
    return _hashed(["pool", COLUMNS, columns, ids[rank.input]])


def _around(plan: logical.LogicalPlan, shards: Sequence[Shard]) -> list[Any]:
    """What a cascade's choice of documents depends on besides its own score: everything that affects the ranking, and
    where a selection ends."""
    ops = [op for op in plan.ops if not isinstance(op, logical.Write | logical.Sample)]
    samples = [without_origins(plan.sample.sample.model_dump(mode="json"))]
    return [
        [described(op) for op in ops],
        samples,
        sorted((shard.source, shard.path, shard.content) for shard in shards),
    ]


def inputs(op: logical.Op) -> tuple[int, ...]:
    """The positions of an operation's inputs."""
    match op:
        case logical.Read():
            return ()
        case logical.Gather():
            return op.inputs
        case _:
            return (op.input,)


def described(op: logical.Op) -> dict[str, Any]:
    """An operation as JSON, without locations in recipes, positions, and fields that do not affect the result."""
    value: dict[str, Any] = without_origins(identified_op(op))
    value.pop("input", None)
    value.pop("inputs", None)
    source = value.get("source")
    if source is not None:
        # The types of the used columns reflect the schema; the shards found reflect the globs; names are resolved.
        del source["shards"], source["schema_"], source["named"]
        # What a shard is joined with is part of its identity.
        source.pop("attributes", None)
    if isinstance(op, logical.Score):
        value["source"] = {"text": op.source.text}
    return value


def _data(op: logical.Op, shards: Sequence[Shard], folder: Path) -> Any:
    match op:
        case logical.Gather():
            return sorted((shard.source, shard.path, shard.content) for shard in shards)
        case logical.Score():
            extension = spec.find("criteria", op.call.function)
            return [extension.version, _target_files([op.target] if op.target else [], folder), *_features(op, folder)]
        case logical.Sample():
            return _mixed(op, folder)
        case logical.Read():
            types = [[name, taken(op.source, name)] for name in sorted(needed(op))]
            file = tokens.file_of(op.source, folder) if op.source.tokens.tokenizer else None
            return [types, digests.sha256_file(file) if file is not None and local.is_file(file) else ""]
        case _:
            return None


def _features(op: logical.Score, folder: Path) -> list[str]:
    """The identity of the model features that a score reads."""
    one = wanted(op.call)
    return [] if one is None else [features.key(one, cache.find(one.model, folder, op.call.origin.span).digest)]


def _mixed(op: logical.Sample, folder: Path) -> Any:
    """The identity of a mixer's inputs other than the operation and its inputs."""
    mixer = mixer_of(op.mixture)
    if mixer.identity is None and mixer.version == 1:
        # The form before mixers had versions, so that stored selections stay valid.
        return None
    span = op.mixture.origin.span if op.mixture.origin else None
    known = mixer.identity(params_of(op.mixture, mixer), folder, span) if mixer.identity is not None else None
    return [mixer.version, _target_files(op.targets, folder), known]


def _target_files(targets: Sequence[model.Target], folder: Path) -> list[str]:
    return [digests.identity(path) for target in targets for path in find_examples(target, folder)]
