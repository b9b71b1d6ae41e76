"""Probes every target by whose neurons a recipe scores documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec import spec
from recipec.arrays import Array
from recipec.audit import measures
from recipec.audit.measures import Separation
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import scans, targets
from recipec.ir import model
from recipec.ir.expressions import Frozen
from recipec.ir.passes import Wanted
from recipec.planning.scheduler import source_of
from recipec.scoring.by_model import Scorer, wanted

if TYPE_CHECKING:
    from recipec.execution.pool import Pool


FOLDS = 5
"""Number of folds of a target without held-out examples: each is scored by a profile of the others."""

DRAWS = 5
"""Number of sets of random neurons to compare with a target's."""

SHOWN = 3
"""Number of documents of each kind that a report lists."""


class Ranked(Frozen):
    """A document and its score."""

    name: str
    score: float
    text: str  # its beginning


class Deactivation(Frozen):
    """The effect of zeroing neurons on the mean loss (nats per token) on examples of the target unseen by the profile.

    Attributes:
        neurons: number of zeroed neurons, of each kind.
        intact, target, random: losses of the whole model, without the target's neurons, and the mean without as many
            random neurons of the same layers; a larger loss is worse.
        random_low, random_high: the minimum and the maximum over the random draws.
    """

    neurons: int
    intact: float
    target: float
    random: float
    random_low: float
    random_high: float


class TargetReport(Frozen):
    """The probe's result for one score.

    Attributes:
        against_pool, against_shuffled, against_exchanged: separation of unseen examples from these.
        held: whether those are the recipe's held-out examples; else every example was scored by a profile of the
            others.
        typical, surprising: documents of the pool with the highest scores, and unseen examples with the lowest.
        scores: scores of the groups "examples", "pool", "shuffled", "exchanged", for plots.
    """

    criterion: str
    target: str
    examples: int
    held: bool
    against_pool: Separation | None
    against_shuffled: Separation | None
    against_exchanged: Separation | None
    typical: tuple[Ranked, ...]
    surprising: tuple[Ranked, ...]
    scores: dict[str, tuple[float, ...]]
    deactivation: Deactivation | None = None
    warnings: tuple[str, ...] = ()


class Probe(Frozen):
    """Attributes:
    overlaps: by the names of two criteria, the overlap of their targets' profiles, in [0, 1].
    """

    targets: tuple[TargetReport, ...]
    overlaps: tuple[tuple[str, str, float], ...]
    pool: int


@dataclass(frozen=True, slots=True)
class _Case:
    """One score by a target, with its examples."""

    criterion: str
    call: model.ScoreCall
    target: model.Target
    one: Wanted
    used: list[str]
    held: list[str]


def probe(pool: Pool, documents: int, deactivate: bool = False) -> Probe:
    """Probes every target that a criterion of the recipe scores by neurons, against a keyed sample of the pool.

    Raises:
        Failure: the recipe has no such criterion, or a target cannot be used.
    """
    cases = list(_cases(pool))
    if not cases:
        helps = ("`criterion fit = nag(target: T)` scores by the neurons of a target",)
        raise Failure(
            Diagnostic(
                "R1108",
                "no criterion of the recipe scores by a target's neurons, so there is nothing to probe",
                helps=helps,
            )
        )
    texts = _pool(pool, documents)
    pool.progress("probe", 0, len(cases), "targets")
    reports, profiles = [], {}
    for number, case in enumerate(cases):
        report, profile = _report(pool.scorer, case, texts, deactivate)
        reports.append(report)
        profiles[case.criterion] = profile
        pool.progress("probe", number + 1, len(cases), "targets")
    names = sorted(profiles)
    overlaps = tuple(
        (a, b, measures.overlap(profiles[a], profiles[b]))
        for number, a in enumerate(names)
        for b in names[number + 1 :]
        if profiles[a].shape[0] == profiles[b].shape[0]
    )
    return Probe(targets=tuple(reports), overlaps=overlaps, pool=len(texts))


def _cases(pool: Pool) -> list[_Case]:
    calls = {call.name: call for call in pool.recipe.scores if spec.find("criteria", call.function).parts is not None}
    found = []
    for criterion in pool.recipe.criteria:
        name = getattr(criterion.values[0], "name", None) if criterion.values else None
        call = calls.get(name or "")
        if call is None:
            continue
        target = next(target for target in pool.recipe.targets if target.name == call.params["target"])
        one = wanted(call)
        assert one is not None
        found.append(_Case(criterion.name, call, target, one, *targets.texts(target, pool.folder)))
    return found


def _pool(pool: Pool, documents: int) -> list[tuple[str, str]]:
    """Names and texts of documents that pass the filters before any model, sampled by a keyed hash of their ids."""
    first = {source_of(pool.plan, p).source.name: p for p in reversed(range(len(pool.plan.ops))) if pool.is_by_model(p)}
    found: list[tuple[int, str, str, str, int]] = []
    for name, position in sorted(first.items()):
        for shard in (shard for shard in pool.shards if shard.source == name):
            key = f"md5_number_lower({literal(f'probe{chr(31)}{pool.recipe.seed}{chr(31)}{name}{chr(31)}')} || doc_id)"
            rows = pool.connection.execute(
                f"SELECT {key} AS key, doc_id, row FROM {pool.before(position, shard)} "
                f"WHERE bad IS NULL AND rejected_by IS NULL ORDER BY key LIMIT {documents}"
            ).fetchall()
            found += [(key, doc_id, name, shard.path, row) for key, doc_id, row in rows]
            found = sorted(found)[:documents]
    return _with_texts(pool, found)


def _with_texts(pool: Pool, found: Sequence[tuple[int, str, str, str, int]]) -> list[tuple[str, str]]:
    result = []
    for shard in pool.shards:
        mine = {row: doc_id for _, doc_id, name, path, row in found if (name, path) == (shard.source, shard.path)}
        if not mine:
            continue
        texts = scans.texts(pool.source(shard), shard, pool.folder)
        rows = pool.connection.execute(
            f"SELECT __row, text FROM {texts} WHERE __row IN (SELECT unnest($1))", [sorted(mine)]
        ).fetchall()
        result += [(mine[row], text) for row, text in rows if text]
    return sorted(result)


def _report(
    scorer: Scorer, case: _Case, pool: Sequence[tuple[str, str]], deactivate: bool
) -> tuple[TargetReport, Array]:
    extension = spec.find("criteria", case.call.function)
    params = extension.params.model_validate(case.call.params)
    held = len(case.held) >= 2
    unseen = case.held if held else case.used
    groups = [unseen, [text for _, text in pool], [measures.shuffled(t) for t in unseen], measures.exchanged(unseen)]
    try:
        used, *arrays = scorer.examples(case.one, case.used, *groups)
        prepared = extension.prepare(params, used, used[:0])
    except ValueError as error:
        message = f"target `{case.target.name}` cannot be used: {error}"
        raise Failure(Diagnostic("R1107", message, case.call.origin.span)) from None
    scores = _scores(extension, params, prepared, used, arrays, held)
    edited = [n for n, (a, b) in enumerate(zip(unseen, groups[3], strict=True)) if a != b]
    report = TargetReport(
        criterion=case.criterion,
        target=case.target.name,
        examples=len(case.used),
        held=held,
        against_pool=measures.separation(scores["examples"], scores["pool"]),
        against_shuffled=measures.separation(scores["examples"], scores["shuffled"]),
        against_exchanged=measures.separation(scores["examples"][edited], scores["exchanged"][edited]),
        typical=_named(pool, scores["pool"], descending=True),
        surprising=_named([("example", text) for text in unseen], scores["examples"], descending=False),
        scores={name: tuple(values.tolist()) for name, values in scores.items()},
        deactivation=_deactivation(scorer, case, prepared.profile, unseen) if deactivate else None,
    )
    return report.model_copy(update={"warnings": tuple(_warnings(report))}), prepared.profile


def _scores(
    extension: Any, params: Any, prepared: Any, used: Array, arrays: Sequence[Array], held: bool
) -> dict[str, Array]:
    """Scores by group. Without held-out examples, each example and its edited copies are scored by a profile that has
    not seen it."""
    names = ("examples", "pool", "shuffled", "exchanged")
    if held:
        return {name: extension.features(array, prepared) for name, array in zip(names, arrays, strict=True)}
    result = {name: np.zeros(len(array)) for name, array in zip(names, arrays, strict=True)}
    result["pool"] = extension.features(arrays[1], prepared)
    folds = min(FOLDS, len(used))
    for fold in range(folds):
        out = np.arange(len(used)) % folds == fold
        if (~out).sum() < 2:
            continue
        others = extension.prepare(params, used[~out], used[:0])
        for name, array in zip(names, arrays, strict=True):
            if name != "pool":
                result[name][out] = extension.features(array[out], others)
    return result


def _named(documents: Sequence[tuple[str, str]], scores: Array, descending: bool) -> tuple[Ranked, ...]:
    order = np.argsort(-scores if descending else scores, kind="stable")[:SHOWN]
    return tuple(
        Ranked(name=documents[n][0], score=float(scores[n]), text=" ".join(documents[n][1][:200].split()))
        for n in order.tolist()
    )


def _warnings(report: TargetReport) -> list[str]:
    found = []
    pool, copies = report.against_pool, report.against_shuffled
    if pool is None:
        found.append("too few examples for a separation: give at least 2, and a `holdout`")
    elif pool.low <= 0.5:
        found.append("its examples cannot be told from the pool: a selection by it is no better than chance")
    if copies is not None and copies.low <= 0.5:
        found.append(
            "examples with their words shuffled score the same: the target is matched by its words, not its meaning"
        )
    exchanged = report.against_exchanged
    if exchanged is not None and exchanged.low <= 0.5:
        found.append("examples with numbers and names exchanged score the same: it matches the form, not the facts")
    return found


def _deactivation(scorer: Scorer, case: _Case, profile: Array, unseen: Sequence[str]) -> Deactivation:
    """Zeroes the most frequent neurons of a profile, `top_k` per layer, and as many random ones."""
    depth, top_k = profile.shape[0], case.one.top_k
    chosen = np.argsort(-profile, axis=1, kind="stable")[:, :top_k]
    generator = np.random.default_rng(0)
    draws = [
        np.stack([generator.choice(profile.shape[1], top_k, replace=False) for _ in range(depth)]) for _ in range(DRAWS)
    ]

    def loss(neurons: Array | None) -> float:
        zeroed = () if neurons is None else tuple(tuple(sorted(layer)) for layer in neurons.tolist())
        one = case.one.model_copy(
            update={"kind": "loss", "top_k": 0, "depth": None, "deactivated": zeroed, "neurons": case.one.neurons}
        )
        [values] = scorer.examples(one, list(unseen))
        return float(np.nanmean(values))

    random = [loss(neurons) for neurons in draws]
    return Deactivation(
        neurons=depth * top_k,
        intact=loss(None),
        target=loss(chosen),
        random=float(np.mean(random)),
        random_low=min(random),
        random_high=max(random),
    )
