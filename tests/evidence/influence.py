"""Does influence predict what more of a domain does, and do mixtures made of it help? Trained for real, on the quickstart's text.

    python tests/evidence/tikmix.py FOLDER [--seeds 4] [--tokens 262144]

A small Llama is trained on a mixture of seven domains of Python's own text. At that checkpoint influence is measured three ways.
Then training goes on, once with the mixture as it was and once for each domain with a fifth more of it, with several seeds and
the same order of the documents that are common; what that does to the loss on each target is compared with the predictions.
At last the mixtures of TiKMiX-D and -M, of the pool and of equal parts are trained to equal tokens from the same checkpoint.
Everything is kept in FOLDER: a run that is stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Literal

from recipec.arrays import Array

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from recipec import proxies, quickstart, tikmix
from recipec.database.connection import connect
from recipec.database.sql import literal
from recipec.pipeline import compile_recipe, opening
from recipec.proxies import regression
from recipec.tikmix import answering, weighing

HELD = 80
"""Documents of a domain that are a target and are not trained on."""

TARGETS = ("code", "docstrings", "language_reference", "packages", "tests")

BASE = proxies.Proxy(
    hidden=192, layers=4, heads=4, ffn=512, context=256, vocabulary=4096, tokens=2_621_440, batch=16, rate=2e-3
)

CURVATURES: tuple[Literal["ekfac", "diagonal", "identity"], ...] = ("ekfac", "diagonal", "identity")

UP = 1.2


def build(folder: Path) -> Path:
    """The corpus, its targets taken out of it, and the recipe."""
    path = folder / "tikmix.recipe"
    if path.is_file():
        return path
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    quickstart.build(folder / "raw")
    raw = literal(str(folder / "raw" / "*.parquet"))
    held = ", ".join(map(literal, TARGETS))
    with connect() as connection:
        connection.execute(
            f"CREATE TABLE texts AS SELECT *, row_number() OVER (PARTITION BY domain ORDER BY md5('held' || doc_id)) "
            f"AS place FROM read_parquet({raw})"
        )
        connection.execute(
            f"COPY (SELECT doc_id, text, domain FROM texts WHERE place > {HELD} OR domain NOT IN ({held}) ORDER BY doc_id) "
            f"TO {literal(str(folder / 'data' / 'pool.parquet'))} (FORMAT parquet)"
        )
        for name in TARGETS:
            connection.execute(
                f"COPY (SELECT text FROM texts WHERE place <= {HELD} AND domain = {literal(name)} ORDER BY doc_id) "
                f"TO {literal(str(folder / f'{name}.jsonl'))} (FORMAT json)"
            )
    blocks = "".join(f'target {name} {{\n  examples "{name}.jsonl"\n}}\n' for name in TARGETS)
    path.write_text(
        'seed 7\nsource web {\n  shards "data/*.parquet"\n  id doc_id\n  text text\n  domain domain\n}\n'
        f"{blocks}where length(text) > 100\n"
    )
    return path


class Experiment:
    """One recipe with its corpus, and mixtures to train on."""

    def __init__(self, pool: Any, folder: Path, tokens: int, seeds: int) -> None:
        self.pool, self.folder, self.tokens, self.seeds = pool, folder, tokens, seeds
        self.corpus = proxies.prepare(pool, BASE, pool.recipe.targets)
        self.domains = sorted(set(self.corpus.domains))
        size = np.array([self.corpus.tokens[self.corpus.domains == name].sum() for name in self.domains], float)
        self.natural = size / size.sum()
        self.mixture = np.sqrt(size) / np.sqrt(size).sum()

    def training(self, corpus: proxies.Corpus, name: str, weights: Array, tokens: int, seed: int) -> proxies.Training:
        copies = proxies.copies_for(corpus, dict(zip(self.domains, weights.tolist(), strict=True)), tokens, seed)
        path = self.folder / "copies" / f"{name}-{seed}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, copies)
        return proxies.Training(name=name, seed=seed, copies=str(path))

    def base(self) -> Path:
        keep = self.folder / "checkpoint"
        one = self.training(self.corpus, "base", self.mixture, BASE.tokens, 0).model_copy(update={"keep": str(keep)})
        [record] = proxies.train(self.pool, self.corpus, BASE, [one])
        rate = record.tokens / record.seconds
        print(
            f"base: {record.parameters:,} parameters, {record.tokens:,} tokens, {rate:,.0f} tokens/s, {record.losses}"
        )
        return keep

    def go_on(self, checkpoint: Path, mixtures: dict[str, Array], tokens: int, seeds: int) -> dict[str, Array]:
        """Losses (seeds, targets) after going on from the checkpoint with each mixture."""
        proxy = BASE.model_copy(update={"start": str(checkpoint), "tokens": tokens, "rate": 3e-4})
        corpus = proxies.prepare(self.pool, proxy, self.pool.recipe.targets)
        trainings = [
            self.training(corpus, name, weights, tokens, seed)
            for seed in range(1, seeds + 1)
            for name, weights in mixtures.items()
        ]
        records = proxies.train(self.pool, corpus, proxy, trainings)
        found: dict[str, list[list[float]]] = {name: [] for name in mixtures}
        for record in records:
            found[record.name].append([record.losses[name] for name in corpus.tasks])
        return {name: np.array(rows) for name, rows in found.items()}


def raised(weights: Array, j: int) -> Array:
    """A mixture with a fifth more of one domain."""
    changed = weights.copy()
    changed[j] *= UP
    return np.asarray(changed / changed.sum())


def interval(x: Array, y: Array) -> tuple[float, float, float]:
    """Spearman's correlation of all pairs, with its 95% interval by the bootstrap over pairs."""
    a, b = x.ravel(), y.ravel()
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(2000):
        pick = generator.integers(0, len(a), len(a))
        draws.append(regression.spearman(a[pick], b[pick]))
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return regression.spearman(a, b), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=262_144)
    arguments = parser.parse_args()
    path = build(arguments.folder)
    compiled = compile_recipe(path, {})

    def progress(task: str, done: float, total: float, unit: str) -> None:
        if done == total:
            print(f"  {task}: {total:,} {unit}", file=sys.stderr)

    with opening.opened(compiled, opening.settings(path), "cpu", progress) as (place, _):
        run = place.run(compiled.recipe)
        run.read()
        run.score(models=False)
        report(run.pool, arguments)


def report(pool: Any, arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    one = Experiment(pool, arguments.folder, arguments.tokens, arguments.seeds)
    checkpoint = one.base()
    measured = {}
    for curvature in CURVATURES:
        options = tikmix.Options(checkpoint=str(checkpoint), curvature=curvature, tokens=16_384, shards=4)
        begun = time.monotonic()
        measured[curvature] = tikmix.measure(pool, options)
        print(f"influence by {curvature}: {time.monotonic() - begun:.0f} s")
    tasks = list(measured["ekfac"].tasks)
    mixtures = {"plain": one.mixture, **{f"more {d}": raised(one.mixture, j) for j, d in enumerate(one.domains)}}
    losses = one.go_on(checkpoint, mixtures, one.tokens, one.seeds)
    # (seeds, tasks, domains): how much less loss a fifth more of a domain leaves.
    gains = np.stack([losses["plain"] - losses[f"more {d}"] for d in one.domains], axis=2)
    mean, error = gains.mean(axis=0), gains.std(axis=0, ddof=1) / np.sqrt(one.seeds)
    print(f"measured gains: size {np.abs(mean).mean():.5f} nats, standard error {error.mean():.5f}")
    halves = regression.spearman(gains[::2].mean(axis=0).ravel(), gains[1::2].mean(axis=0).ravel())
    print(f"agreement of the two halves of the seeds: {halves:.3f}")
    for curvature, found in measured.items():
        s = np.array(found.shards).mean(axis=0)
        predicted = np.stack([s @ (raised(one.mixture, j) - one.mixture) for j in range(len(one.domains))], axis=1)
        value, low, high = interval(predicted, mean)
        rows = [regression.spearman(predicted[i], mean[i]) for i in range(len(tasks))]
        within = ", ".join(f"{name} {row:.2f}" for name, row in zip(tasks, rows, strict=True))
        print(f"{curvature}: rank correlation {value:.3f} ({low:.3f} … {high:.3f}); within tasks {within}")
    compare(one, checkpoint, measured["ekfac"])
    print(json.dumps({"domains": one.domains, "gains": mean.round(6).tolist(), "errors": error.round(6).tolist()}))
    print(f"{time.monotonic() - started:.0f} s")


def compare(one: Experiment, checkpoint: Path, measured: tikmix.Measured) -> None:
    """Mixtures trained to equal tokens from the checkpoint, three seeds each."""
    problem = weighing.problem(measured, one.pool.recipe)
    answers = {method: answering.answer(problem, method).weights for method in ("direct", "model")}
    equal = np.full(len(one.domains), 1 / len(one.domains))
    mixtures = {**answers, "natural": one.natural, "uniform": equal}
    for name, weights in mixtures.items():
        print(f"{name}: " + ", ".join(f"{d} {w:.3f}" for d, w in zip(one.domains, weights, strict=True)))
    losses = one.go_on(checkpoint, mixtures, 2 * one.tokens, 3)
    for name, rows in losses.items():
        shown = ", ".join(
            f"{task} {mean:.4f} ± {spread:.4f}"
            for task, mean, spread in zip(measured.tasks, rows.mean(axis=0), rows.std(axis=0, ddof=1), strict=True)
        )
        print(f"{name}: mean {rows.mean():.4f} ± {rows.mean(axis=1).std(ddof=1):.4f}; {shown}")


if __name__ == "__main__":
    main()
