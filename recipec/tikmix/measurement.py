"""Measures influence: writes the texts, runs the job in the process that runs models, and stores the table."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.inputs import shards
from recipec.ir import closed, model
from recipec.ir.expressions import Frozen
from recipec.models import cache
from recipec.models.job import Influence, Measure
from recipec.places import digests, sealed
from recipec.tikmix import sample

if TYPE_CHECKING:
    from recipec.execution.pool import Pool

MEASURED_VERSION = 3

PARTS = 1000
"""Progress units reported per measurement."""


class Options(Frozen):
    """Options of a measurement.

    Attributes:
        checkpoint: a model's folder or name.
        targets: names of the recipe's targets to use as tasks; () for all.
        tokens: tokens per domain, in sequences of `length`.
    """

    checkpoint: closed.Path
    targets: tuple[str, ...] = ()
    curvature: Literal["ekfac", "kfac", "diagonal", "identity"] = "ekfac"
    layers: Literal["mlp", "all"] = "mlp"
    tokens: closed.Count = 32_768
    length: closed.Count = 256
    shards: closed.Count = 4
    memory: closed.Count = 2_000_000_000


class Measured(Frozen):
    """Measured influence.

    Attributes:
        shards: (R, n, m) S of each part of the domains' samples; S is their mean. Larger helps more.
        pool: (m,) tokens of each domain in the pool, as the recipe counts them.
        task_tokens, domain_tokens: tokens measured on, by the checkpoint's tokenizer; `ratio`: its tokens per token of
            the recipe.
    """

    version: Literal[1] = 1
    options: Options
    tasks: tuple[str, ...]
    domains: tuple[str, ...]
    shards: tuple[tuple[tuple[closed.Number, ...], ...], ...]
    pool: tuple[closed.Count, ...]
    task_tokens: tuple[closed.Count, ...]
    domain_tokens: tuple[closed.Count, ...]
    ratio: closed.Amount = 1.0


def stored(pool: Pool, options: Options) -> Measured | None:
    """The stored measurement on the same pool and targets at the same checkpoint, or None; only reads the identities of
    files.

    Raises:
        Failure: the recipe has no (such) target, or the checkpoint cannot be read.
    """
    return sealed.value_of(_place(pool, options), Measured)


def measure(pool: Pool, options: Options) -> Measured:
    """Measures the influence of every domain of the pool on the targets, or reads it from the state folder.

    Raises:
        Failure: the recipe has no (such) target or domain, the checkpoint cannot be read, or a domain has too little
            text.
    """
    place = _place(pool, options)
    if (known := sealed.value_of(place, Measured)) is not None:
        return known
    chosen = _targets(pool, options)
    checkpoint = cache.find(options.checkpoint, pool.folder)
    sizes = sample.domains(pool)
    if len(sizes) < 2:
        raise Failure(Diagnostic("R1308", f"the pool has {len(sizes)} domains, but weights need at least two"))
    texts = pool.store.root / "tmp" / "influence.parquet"
    sample.write(pool, chosen, list(sizes), options.tokens, texts)
    # Keyed by the texts, so that other filters that leave the same sample reuse the measurement.
    key = {**_settings(pool, options, checkpoint.digest), "texts": digests.sha256_file(texts)}
    folder = pool.store.root / "influence" / _name(key)
    out = folder / "measured.json"
    value = sealed.value_of(out, Influence)
    if value is None:
        names = {"tasks": tuple(target.name for target in chosen), "domains": tuple(sizes)}
        _run(pool, options, names, str(checkpoint.folder), str(texts), folder)
        value = sealed.read_value(out, Influence)
    texts.unlink(missing_ok=True)
    found = Measured(
        options=options,
        tasks=tuple(target.name for target in chosen),
        domains=tuple(sizes),
        shards=value.influence,
        pool=tuple(sizes.values()),
        task_tokens=value.task_tokens,
        domain_tokens=value.domain_tokens,
        ratio=value.ratio,
    )
    sealed.write_value(place, found.model_dump(mode="json"))
    return found


def _targets(pool: Pool, options: Options) -> list[model.Target]:
    known = {target.name: target for target in pool.recipe.targets}
    problems = [
        Diagnostic("R1308", f"the recipe has no target `{name}`", helps=did_you_mean(name, known))
        for name in options.targets
        if name not in known
    ]
    if not known:
        problems.append(Diagnostic("R1308", "the recipe has no target, but influence is measured on targets"))
    if problems:
        raise Failure(*problems)
    return [known[name] for name in options.targets or known]


def _place(pool: Pool, options: Options) -> Path:
    """The file of a measurement of this pool, named by the identities of everything it depends on."""
    chosen = _targets(pool, options)
    checkpoint = cache.find(options.checkpoint, pool.folder)
    files = [digests.identity(path) for target in chosen for path in shards.find_examples(target, pool.folder)]
    key = {
        **_settings(pool, options, checkpoint.digest),
        "targets": [target.model_dump(mode="json", exclude={"origin", "examples"}) for target in chosen],
        "files": files,
        "pool": [[shard.content, pool.ids[position], own] for shard, position, own in pool.ends()],
    }
    return pool.store.root / "measured" / f"{_name(key)}.json"


def _settings(pool: Pool, options: Options, checkpoint: str) -> dict[str, Any]:
    return {
        "version": MEASURED_VERSION,
        "checkpoint": checkpoint,
        "options": options.model_dump(mode="json", exclude={"checkpoint", "targets", "memory"}),
        "seed": pool.recipe.seed,
    }


def _name(key: dict[str, Any]) -> str:
    return digests.sha256_text(digests.canonical_json(key))[:32]


def _run(
    pool: Pool,
    options: Options,
    names: dict[str, tuple[str, ...]],
    checkpoint: str,
    texts: str,
    place: Path,
) -> None:
    groups = place / "groups"
    groups.mkdir(parents=True, exist_ok=True)
    job = Measure(
        model=checkpoint,
        tasks=names["tasks"],
        domains=names["domains"],
        texts=texts,
        curvature=options.curvature,
        layers=options.layers,
        tokens=options.tokens,
        length=options.length,
        shards=options.shards,
        memory=options.memory,
        seed=pool.recipe.seed,
        folder=str(groups),
        out=str(place / "measured.json"),
        device=pool.scorer.device,
        threads=pool.scorer.threads,
    )
    seen = 0

    def count(parts: int) -> None:
        nonlocal seen
        seen += parts
        pool.progress(f"measure influence at {options.checkpoint}", seen, PARTS, "parts")

    pool.scorer.client.run(job, count)
    shutil.rmtree(groups)
