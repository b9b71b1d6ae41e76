"""Benchmark: influence of 26 domains on 5 tasks, against gradients of every sequence, and against kronfluence where it is there.

    python tests/benchmarks/bench_influence.py [--sequences 8] [--length 256] [--hidden 192]

All three use EK-FAC on the MLP layers of the same random Llama and the same tokens. Gradients of every sequence are taken by
torch, one sequence at a time, each multiplied with the tasks' preconditioned gradients (the curvature is ours there too).
kronfluence (`pip install kronfluence==1.0.1`) fits its own factors and scores each domain with aggregated gradients.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from torch.nn import functional

from recipec.models import group_influence, loading
from recipec.models.gradients import Catcher, linear_layers
from tests import tiny_model

DOMAINS, TASKS = 26, 5

Sequences = list[list[int]]


def ours(folder: Path, tasks: list[Sequences], domains: list[Sequences]) -> Any:
    model = loading.load(folder, "fp32", "cpu")
    with tempfile.TemporaryDirectory() as place:
        settings = group_influence.Settings(shards=1)
        return group_influence.measure(model, tasks, domains, settings, Path(place), lambda _: None)[0]


def by_sequence(folder: Path, tasks: list[Sequences], domains: list[Sequences]) -> Any:
    """The same curvature and tasks, and then one backward pass a sequence through the whole model."""
    model = loading.load(folder, "fp32", "cpu")
    layers = [layer for _, layer in linear_layers(model, "mlp")]
    settings = group_influence.Settings(shards=1)
    with Catcher(model, layers) as catcher:
        curvatures = group_influence._curvatures(catcher, [one for d in domains for one in d], settings, lambda _: None)
        solved = []
        for sequences in tasks:
            gradients = group_influence._mean_gradient(catcher, sequences, settings, lambda _: None)
            solved.append([c.solve(g) for c, g in zip(curvatures, gradients, strict=True)])
    whole: Any = loading.causal(folder, "fp32", "cpu")
    names = dict(whole.base_model.named_modules())
    weights = [names[name].weight for name, _ in linear_layers(model, "mlp")]
    found = np.zeros((len(tasks), len(domains)))
    for j, sequences in enumerate(domains):
        for one in sequences:
            ids = torch.tensor([one])
            loss = functional.cross_entropy(whole(input_ids=ids).logits[0, :-1], ids[0, 1:])
            of_one = torch.autograd.grad(loss, weights)
            for i, mine in enumerate(solved):
                found[i, j] += sum(float((s * g).sum()) for s, g in zip(mine, of_one, strict=True)) / len(sequences)
    return found


def by_kronfluence(folder: Path, tasks: list[Sequences], domains: list[Sequences]) -> Any:
    from kronfluence.analyzer import Analyzer, prepare_model  # type: ignore[import-not-found]
    from kronfluence.arguments import FactorArguments, ScoreArguments  # type: ignore[import-not-found]
    from kronfluence.task import Task  # type: ignore[import-not-found]

    whole: Any = loading.causal(folder, "fp32", "cpu")
    layers = [f"model.{name}" for name, _ in linear_layers(loading.load(folder, "fp32", "cpu"), "mlp")]

    class Language(Task):  # type: ignore[misc]
        def compute_train_loss(self, batch: Any, model: Any, sample: bool = False) -> Any:
            logits = model(input_ids=batch).logits[:, :-1].flatten(0, 1)
            labels = batch[:, 1:].flatten()
            if sample:
                with torch.no_grad():
                    labels = torch.multinomial(functional.softmax(logits.detach(), dim=-1), 1).flatten()
            return functional.cross_entropy(logits, labels, reduction="sum")

        def compute_measurement(self, batch: Any, model: Any) -> Any:
            return self.compute_train_loss(batch, model)

        def get_influence_tracked_modules(self) -> list[str]:
            return layers

        def get_attention_mask(self, batch: Any) -> None:
            return None

    class Texts(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self, sequences: Sequences) -> None:
            self.sequences = torch.tensor(sequences)

        def __len__(self) -> int:
            return len(self.sequences)

        def __getitem__(self, index: int) -> Any:
            return self.sequences[index]

    task = Language()
    with tempfile.TemporaryDirectory() as place:
        analyzer = Analyzer("bench", prepare_model(whole, task), task, cpu=True, disable_tqdm=True, output_dir=place)
        every = Texts([one for domain in domains for one in domain])
        analyzer.fit_all_factors("ekfac", every, per_device_batch_size=8, factor_args=FactorArguments(strategy="ekfac"))
        queries = Texts([one for task_ in tasks for one in task_])
        found = np.zeros((len(tasks), len(domains)))
        for j, sequences in enumerate(domains):
            analyzer.compute_pairwise_scores(
                f"domain{j}",
                "ekfac",
                query_dataset=queries,
                train_dataset=Texts(sequences),
                per_device_query_batch_size=len(queries),
                per_device_train_batch_size=8,
                score_args=ScoreArguments(aggregate_train_gradients=True),
            )
            scores = analyzer.load_pairwise_scores(f"domain{j}")["all_modules"].reshape(len(tasks), -1)
            found[:, j] = scores.sum(dim=1).numpy()
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=192)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)

    def sequences(count: int) -> Sequences:
        found: Sequences = generator.integers(0, 300, (count, arguments.length)).tolist()
        return found

    tasks = [sequences(4) for _ in range(TASKS)]
    domains = [sequences(arguments.sequences) for _ in range(DOMAINS)]
    tokens = DOMAINS * arguments.sequences * arguments.length
    ways: list[tuple[str, Any]] = [("ours", ours), ("gradients of every sequence", by_sequence)]
    if importlib.util.find_spec("kronfluence") is not None:
        ways.append(("kronfluence", by_kronfluence))
    with tempfile.TemporaryDirectory() as name:
        size = {"hidden_size": arguments.hidden, "intermediate_size": 3 * arguments.hidden}
        folder = tiny_model.build(Path(name) / "model", num_hidden_layers=4, **size)
        ours(folder, tasks[:1], domains[:1])
        seconds, results = {}, {}
        for way, run in ways:
            started = time.perf_counter()
            results[way] = run(folder, tasks, domains)
            seconds[way] = time.perf_counter() - started
            agreement = np.corrcoef(results["ours"].ravel(), results[way].ravel())[0, 1]
            print(
                f"{way}: {seconds[way] * 1e6 / tokens:,.0f} s per million tokens, {seconds[way] / seconds['ours']:.2f} x ours, "
                f"correlation with ours {agreement:.4f}"
            )


if __name__ == "__main__":
    main()
