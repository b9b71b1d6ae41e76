"""One measurement: its texts, the job of the process that runs models, and the table as it is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recipec import storage
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.influence import sample
from recipec.ir.expressions import Frozen
from recipec.models import cache
from recipec.models.job import Measure
from recipec.models.scoring import Scorer

if TYPE_CHECKING:
    from recipec.runtime import Run

MEASURED_VERSION = 1

PARTS = 1000
"""Of the work, that the process reports."""


class Options(Frozen):
    """How influence is measured.

    Attributes:
        checkpoint: a model's folder or name.
        targets: names of the recipe's targets that are the tasks; () for all.
        tokens: of each domain's sample, in sequences of `length`.
    """

    checkpoint: str
    targets: tuple[str, ...] = ()
    curvature: Literal["ekfac", "kfac", "diagonal", "identity"] = "ekfac"
    layers: Literal["mlp", "all"] = "mlp"
    tokens: int = 32_768
    length: int = 256
    shards: int = 4
    memory: int = 2_000_000_000


class Measured(Frozen):
    """Influence as it was measured.

    Attributes:
        shards: (R, n, m) S of each part of the domains' samples; S is their mean. Larger helps more.
        pool: (m,) tokens of each domain in the pool, as the recipe counts them.
        task_tokens, domain_tokens: what was measured on, by the checkpoint's tokenizer.
    """

    version: Literal[1] = 1
    options: Options
    tasks: tuple[str, ...]
    domains: tuple[str, ...]
    shards: tuple[tuple[tuple[float, ...], ...], ...]
    pool: tuple[int, ...]
    task_tokens: tuple[int, ...]
    domain_tokens: tuple[int, ...]


def measure(run: Run, scorer: Scorer, options: Options) -> Measured:
    """The influence of every domain of the pool on the targets; from the state folder where it was measured before.

    Raises:
        Failure: the recipe has no (such) target or domain, the checkpoint cannot be read, or a domain has too little text.
    """
    known = {target.name: target for target in run.recipe.targets}
    problems = [
        Diagnostic("R1308", f"the recipe has no target `{name}`", helps=did_you_mean(name, known))
        for name in options.targets
        if name not in known
    ]
    if not known:
        problems.append(Diagnostic("R1308", "the recipe has no target, and influence is on targets"))
    if problems:
        raise Failure(*problems)
    checkpoint = cache.find(options.checkpoint, run.folder)
    chosen = [known[name] for name in options.targets or known]
    pool = sample.domains(run)
    if len(pool) < 2:
        raise Failure(Diagnostic("R1308", f"the pool has {len(pool)} domains, and weights need at least two"))
    texts = run.store.root / "tmp" / "influence.parquet"
    sample.write(run, chosen, list(pool), options.tokens, texts)
    key = {
        "version": MEASURED_VERSION,
        "texts": storage.sha256_file(texts),
        "checkpoint": checkpoint.digest,
        "options": options.model_dump(mode="json", exclude={"checkpoint", "targets", "memory"}),
        "seed": run.recipe.seed,
    }
    folder = run.store.root / "influence" / storage.sha256_text(storage.canonical_json(key))[:32]
    out = folder / "measured.json"
    if not out.is_file():
        names = {"tasks": tuple(target.name for target in chosen), "domains": tuple(pool)}
        _run(run, scorer, options, names, str(checkpoint.folder), str(texts), folder)
    texts.unlink(missing_ok=True)
    value = json.loads(out.read_text(encoding="utf-8"))
    return Measured(
        options=options,
        tasks=tuple(target.name for target in chosen),
        domains=tuple(pool),
        shards=value["influence"],
        pool=tuple(pool.values()),
        task_tokens=value["task_tokens"],
        domain_tokens=value["domain_tokens"],
    )


def _run(
    run: Run,
    scorer: Scorer,
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
        seed=run.recipe.seed,
        folder=str(groups),
        out=str(place / "measured.json"),
        device=scorer.device,
        threads=scorer.threads,
    )
    seen = 0

    def count(parts: int) -> None:
        nonlocal seen
        seen += parts
        run.progress(f"measure influence at {options.checkpoint}", seen, PARTS, "parts")

    scorer.client.run(job, count)
    shutil.rmtree(groups)
