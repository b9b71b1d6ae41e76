"""The search of a recipe's sampling parameters: draws, proxies trained on them, regressors, answer and confirmation.

QuaDMix (arXiv 2504.16511, section 3.3). The proxies are really trained (recipec.proxies), on exact datasets
(recipec.search.trials).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import RootModel

from recipec import proxies
from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.ir import closed
from recipec.places import digests, sealed
from recipec.proxies import jobs, regression
from recipec.proxies.records import Record, Training
from recipec.search import answer as answering
from recipec.search.answer import Answer
from recipec.search.runs import SearchRuns
from recipec.search.trials import CONFIRMING, SEED, Trials
from recipec.selection.kernel import Drawn

DEFAULT = (500.0, 0.08, 1.0, 0.001)
NATURAL = (0.0, 1.0, 0.0, 0.0)
"""The default curve, and that of natural sampling, 1 for every document: λ, ω, η, ε."""

PROMISING, UNSURE = 20_000, 5
"""Number of candidates for additional draws; number of regressors whose disagreement measures their uncertainty."""

SPREAD = 4
"""Number of promising candidates per draw that is added, so that the added draws differ."""


@dataclass(frozen=True, slots=True)
class Options:
    """Attributes:
    more: number of draws to add where the regressors so far predict a low loss and are uncertain.
    confirm: whether proxies are trained on the answer, on the default curve and on natural sampling.
    candidates: number of candidates that the regressors rank; `folds`: folds of cross-validation.
    """

    more: int = 0
    confirm: bool = True
    candidates: int = answering.CANDIDATES
    folds: int = answering.FOLDS


@dataclass(frozen=True, slots=True)
class Found:
    """Attributes:
    records: records of the draws, including diverged ones.
    confirmation: records by what the proxies were trained on ("answer", "default", "natural").
    tokens: drawn tokens by parameters ("answer", "default", "natural") and domain.
    """

    answer: Answer
    trials: Trials
    records: tuple[Record, ...]
    confirmation: dict[str, tuple[Record, ...]]
    tokens: dict[str, dict[str, float]]
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Drawings:
    """The draws of a search, in their order, with the training of a proxy on each."""

    x: tuple[Array, ...]
    trainings: tuple[Training, ...]


def drawings(trials: Trials, options: Options) -> Drawings:
    """The draws of a search: the first ones, and those that earlier calls added."""
    seed = trials.run.pool.recipe.seed
    x, trainings = [], []
    for number, (one, drawn) in enumerate(trials.first(trials.search.runs, seed)):
        x.append(one)
        trainings.append(trials.training(f"draw {number + 1}", drawn))
    for values in _added(trials):
        drawn = _must(trials, values)
        x.append(values)
        trainings.append(trials.training(f"draw {len(x)}", drawn))
    return Drawings(tuple(x), tuple(trainings))


def _must(trials: Trials, x: Array) -> Drawn:
    drawn = trials.drawn(x)
    if drawn is None:
        raise Failure(Diagnostic("R1410", "parameters that were feasible are not feasible any more"))
    return drawn


class Draws(RootModel[tuple[tuple[closed.Number, ...], ...]]):
    """The stored values of the parameters of added draws."""


def _place(trials: Trials) -> Path:
    """The file of added draws, named by everything that they depend on."""
    key = {
        "corpus": trials.corpus.folder.name,
        "search": trials.search.model_dump(mode="json", exclude={"runs"}),
        "names": trials.space.names,
        "op": trials.op.model_dump(mode="json", exclude={"input"}),
        "seed": [SEED, trials.run.pool.recipe.seed],
    }
    return trials.corpus.folder / "added" / f"{digests.sha256_text(digests.canonical_json(key))[:32]}.json"


def _added(trials: Trials) -> list[Array]:
    found = sealed.value_of(_place(trials), Draws)
    return [] if found is None else [np.array(one, float) for one in found.root if len(one) == len(trials.space.names)]


def add(trials: Trials, found: Drawings, runs: SearchRuns, count: int) -> Drawings:
    """Adds draws where regressors of the runs so far predict a low loss with high uncertainty: the mean of several
    regressors, each fitted without one part of the runs, minus their standard deviation."""
    generator = np.random.default_rng([trials.run.pool.recipe.seed, len(found.x), 1])
    candidates = trials.space.draw(generator, PROMISING)
    y = runs.losses.mean(axis=1)
    fold = regression.folds_of(len(y), UNSURE)
    said = []
    for number in range(UNSURE):
        trials.run.pool.progress("choose draws", number, UNSURE, "regressors")
        said.append(regression.fit("lightgbm", runs.x[fold != number], y[fold != number]).predict(candidates))
    trials.run.pool.progress("choose draws", UNSURE, UNSURE, "regressors")
    worth = np.mean(said, axis=0) - np.std(said, axis=0)
    best = np.argsort(worth, kind="stable")[: SPREAD * count]
    chosen: list[Array] = []
    trainings = list(found.trainings)
    for number in generator.permutation(best):
        drawn = trials.drawn(candidates[number])
        if drawn is not None:
            chosen.append(candidates[number])
            trainings.append(trials.training(f"draw {len(found.x) + len(chosen)}", drawn))
        if len(chosen) == count:
            break
    added = [one.tolist() for one in (*_added(trials), *chosen)]
    sealed.write_value(_place(trials), added)
    return Drawings((*found.x, *chosen), tuple(trainings))


def runs_of(
    trials: Trials, found: Drawings, records: Sequence[Record | None]
) -> tuple[SearchRuns, tuple[Diagnostic, ...]]:
    """The runs that finished, and a warning about those that diverged."""
    targets = tuple(trials.corpus.tasks)
    good = [
        number
        for number, record in enumerate(records)
        if record is not None and record.diverged is None and set(record.losses) == set(targets)
    ]
    excluded = tuple(
        found.trainings[n].name for n in range(len(records)) if records[n] is not None and n not in set(good)
    )
    kept = [record for n in good if (record := records[n]) is not None]
    runs = SearchRuns(
        names=trials.space.names,
        x=np.array([found.x[n] for n in good], float).reshape(len(good), len(trials.space.names)),
        targets=targets,
        losses=np.array([[one.losses[name] for name in targets] for one in kept], float).reshape(
            len(good), len(targets)
        ),
        keys=tuple(found.trainings[n].name for n in good),
        excluded=excluded,
        digests=("", ""),
    )
    if not excluded:
        return runs, ()
    message = f"{len(excluded):,} of {len(records):,} proxies diverged and are left out: {', '.join(excluded[:5])}"
    return runs, (Diagnostic("R1404", message, severity=Severity.WARNING),)


def search(trials: Trials, options: Options, train: Callable[[Sequence[Training]], list[Record | None]]) -> Found:
    """Runs the search and returns what it found.

    Args:
        train: returns the records of trainings; None for those that are trained elsewhere and not available yet.

    Raises:
        Failure: too few runs, losses that are all the same, or an infeasible answer.
    """
    found = drawings(trials, options)
    records = train(found.trainings)
    runs, said = runs_of(trials, found, records)
    if options.more:
        answering.check(runs, options.folds)
        found = add(trials, found, runs, options.more)
        records = train(found.trainings)
        runs, said = runs_of(trials, found, records)
    generator = np.random.default_rng([trials.run.pool.recipe.seed, 2])
    result = answering.answer(
        runs,
        folds=options.folds,
        drawn=lambda: trials.space.draw(generator, options.candidates),
        shares=False,
        may=lambda x: trials.drawn(x) is not None,
        done=lambda done, total: trials.run.pool.progress("fit regressors", done, total, "steps"),
    )
    drawn = {"answer": _must(trials, result.weights)}
    for name, curve in (("default", DEFAULT), ("natural", NATURAL)):
        try:
            drawn[name] = trials.standard(curve)
        except Failure as failure:
            message = f"the {name} curve is not feasible: {failure.diagnostics[0].message}"
            said = (*said, Diagnostic("R1410", message, severity=Severity.WARNING))
    confirmation = _confirmed(trials, drawn, train) if options.confirm else {}
    missing = sum(record is None for record in records)
    if missing:
        message = f"{missing:,} of {len(records):,} proxies have no record yet and are left out"
        said = (*said, Diagnostic("R1404", message, severity=Severity.WARNING))
    return Found(
        answer=result,
        trials=trials,
        records=tuple(record for record in records if record is not None),
        confirmation=confirmation,
        tokens={name: {d: float(t) for d, t in one.tokens().items()} for name, one in drawn.items()},
        warnings=(*trials.warnings(), *said),
    )


def _confirmed(
    trials: Trials, drawn: dict[str, Drawn], train: Callable[[Sequence[Training]], list[Record | None]]
) -> dict[str, tuple[Record, ...]]:
    """Trains proxies, with seeds of their own, on the selections to compare."""
    trainings = [trials.training(name, one, seed) for seed in CONFIRMING for name, one in drawn.items()]
    records = train(trainings)
    found: dict[str, list[Record]] = {name: [] for name in drawn}
    for training, record in zip(trainings, records, strict=True):
        if record is not None:
            found[training.name].append(record)
    return {name: tuple(rows) for name, rows in found.items() if rows}


class Exported(Exception):
    """Raised when jobs were written, since the search cannot continue before they have run."""

    def __init__(self, folders: list[Path]) -> None:
        super().__init__(f"{len(folders)} jobs")
        self.folders = folders


def exported(trials: Trials, folder: Path) -> Callable[[Sequence[Training]], list[Record | None]]:
    """A `train` that writes trainings without a record as jobs, and raises `Exported` if there are any."""

    def train(trainings: Sequence[Training]) -> list[Record | None]:
        places = jobs.export(trials.run.pool, trials.corpus, trials.search.proxy, trainings, folder)
        if places:
            raise Exported(places)
        return jobs.stored(trials.run.pool, trials.corpus, trials.search.proxy, trainings)

    return train


def collected(trials: Trials, folder: Path) -> Callable[[Sequence[Training]], list[Record | None]]:
    """A `train` that uses the records in a folder of jobs and trains nothing."""

    def train(trainings: Sequence[Training]) -> list[Record | None]:
        jobs.collect(trials.run.pool, trials.corpus, trials.search.proxy, trainings, folder)
        return jobs.stored(trials.run.pool, trials.corpus, trials.search.proxy, trainings)

    return train


def trained(trials: Trials) -> Callable[[Sequence[Training]], list[Record | None]]:
    """A `train` that runs trainings without a record on this machine."""

    def train(trainings: Sequence[Training]) -> list[Record | None]:
        return list(proxies.train(trials.run.pool, trials.corpus, trials.search.proxy, trainings))

    return train
