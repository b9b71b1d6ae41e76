"""Group influence of domains on tasks (arXiv 2508.17677, Eq. 6 to 8): S_ij = ∇L_iᵀ H⁻¹ ḡ_j, larger helps more.

H is approximated layer by layer. The gradients of the tasks are preconditioned instead of those of the domains, with
the same result. Layers are processed in groups that fit in memory; each group's result is stored, so that an
interrupted run continues with the next group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure
from recipec.models.curvature import Curvature, Kind
from recipec.models.gradients import Batch, Catcher, batches, linear_layers
from recipec.models.loading import Loaded
from recipec.places import sealed

Sequences = Sequence[Sequence[int]]
Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Settings:
    """Attributes:
    shards: number R of parts of a domain's sample, for a standard error.
    memory: bytes that the tasks' gradients and the curvature of a group of layers may take.
    batch: tokens per batch.
    """

    kind: Kind = "ekfac"
    layers: str = "mlp"
    shards: int = 4
    memory: int = 2_000_000_000
    batch: int = 2048
    seed: int = 0


def groups(model: Loaded, settings: Settings, tasks: int) -> list[list[tuple[str, Any]]]:
    """The layers in groups that fit in memory, at least one layer per group."""
    found: list[list[tuple[str, Any]]] = []
    room = 0.0
    for name, layer in linear_layers(model, settings.layers):
        out, inn = layer.weight.shape
        # Gradients of the tasks, of one domain and a temporary one; Λ twice, and both factors with their eigenvectors.
        size = 4.0 * ((tasks + 4) * out * inn + 4 * (out * out + inn * inn))
        if not found or size > room:
            found.append([])
            room = float(settings.memory)
        found[-1].append((name, layer))
        room -= size
    return found


def measure(
    model: Loaded,
    tasks: Sequence[Sequences],
    domains: Sequence[Sequences],
    settings: Settings,
    folder: Path,
    done: Callable[[float], None],
    spans: Sequence[Spans] | None = None,
) -> Array:
    """Measures S per shard, (R, n, m) float64, for mean losses per token.

    Args:
        tasks: sequences of n tasks; `domains`: sequences of m domains, with equal numbers of tokens.
        folder: where the result of each group of layers is stored.
        done: called after each batch with its share of all the work.
        spans: per sequence of each task, the tokens (from, to) whose loss counts; without spans, all but the first.

    Raises:
        Failure: the model has no linear layers, or a gradient is not finite.
    """
    total = np.zeros((settings.shards, len(tasks), len(domains)))
    every = sum(map(len, domains)) * (1 + len(Curvature(settings.kind).passes)) + sum(map(len, tasks))
    parts = groups(model, settings, len(tasks))
    share = 1 / (every * len(parts))
    for number, group in enumerate(parts):
        path = folder / f"group-{number}.npy"
        if sealed.is_whole(path):
            done(every * share)
        else:
            layers = [layer for _, layer in group]
            marks: Sequence[Spans | None] = spans or [None] * len(tasks)
            marked = list(zip(tasks, marks, strict=True))
            found = _group(model, layers, marked, domains, settings, lambda n: done(n * share))
            with sealed.replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, found)
        total += np.load(path, allow_pickle=False)
    if not np.isfinite(total).all():
        raise Failure(Diagnostic("R1310", "an influence is not finite: a gradient of the checkpoint overflows"))
    return total


def _group(
    model: Loaded,
    layers: Sequence[Any],
    tasks: Sequence[tuple[Sequences, Spans | None]],
    domains: Sequence[Sequences],
    settings: Settings,
    done: Callable[[int], None],
) -> Array:
    import torch

    found = np.zeros((settings.shards, len(tasks), len(domains)))
    with Catcher(model, layers) as catcher:
        curvatures = _curvatures(catcher, [one for domain in domains for one in domain], settings, done)
        solved = []
        for sequences, marks in tasks:
            gradients = _mean_gradient(catcher, sequences, settings, done, marks)
            solved.append([c.solve(g) for c, g in zip(curvatures, gradients, strict=True)])
        stacked = [torch.stack([one[layer] for one in solved]).flatten(1) for layer in range(len(layers))]
        for j, sequences in enumerate(domains):
            for shard in range(settings.shards):
                gradients = _mean_gradient(catcher, sequences[shard :: settings.shards], settings, done)
                parts = [s @ g.flatten() for s, g in zip(stacked, gradients, strict=True)]
                found[shard, :, j] = sum(part.double().cpu().numpy() for part in parts)
    return found


def _curvatures(
    catcher: Catcher, sequences: Sequences, settings: Settings, done: Callable[[int], None]
) -> list[Curvature]:
    """The curvature of each layer, estimated on the samples of all domains."""
    import torch

    curvatures = [Curvature(settings.kind) for _ in catcher.layers]
    for name in curvatures[0].passes:
        # Every pass uses the same labels.
        generator = torch.Generator(catcher.model.device).manual_seed(settings.seed)

        def catch(number: int, a: Any, delta: Any, name: str = name) -> None:
            getattr(curvatures[number], name)(a.float(), delta.float())

        for batch in batches(sequences, settings.batch, catcher.model.device):
            catcher.run(batch, catch, generator)
            done(len(batch.ids))
        for one in curvatures:
            one.decompose() if name == "factors" else one.end()
    return curvatures


def _mean_gradient(
    catcher: Catcher, sequences: Sequences, settings: Settings, done: Callable[[int], None], spans: Spans | None = None
) -> list[Any]:
    """The gradient of the mean loss per token with respect to each layer's weight (out, in)."""
    import torch

    totals: list[Any] = [torch.zeros_like(layer.weight, dtype=torch.float32) for layer in catcher.layers]

    def catch(number: int, a: Any, delta: Any) -> None:
        totals[number].addmm_(delta.float().flatten(0, 1).T, a.float().flatten(0, 1))

    tokens = 0
    for batch in batches(sequences, settings.batch, catcher.model.device, spans):
        tokens += catcher.run(batch, catch)[1]
        done(len(batch.ids))
    return [total / max(tokens, 1) for total in totals]


__all__ = ["Batch", "Settings", "groups", "measure"]
