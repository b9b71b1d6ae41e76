"""Predicts losses of runs under a law file, each with an interval and with warnings.

An interval combines two errors in log loss: that of the parameters (quantiles over the bootstrap samples) and that of
    the
law itself. The latter is the held-out error that applies to the run: by recipe inside the fitted range, by size beyond
its model sizes or tokens, by repetition beyond its repetition. Held-out errors of these laws on public runs are 3–14 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.laws import lawfile
from recipec.laws.lawfile import LEVEL, MEAN_TO_DEVIATION, LawFile
from recipec.laws.runs import Runs

NORMAL = 1.959964
"""Half-width of a 95 % interval in standard deviations."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """n predicted losses in nats per token (smaller is better).

    Attributes:
        loss, low, high: (n,) the prediction and its 95 % interval.
        info: (n,) effective information in 10⁹ token-nats, larger is better; None for laws without it.
        error: (n,) the relative error of the law itself that the interval includes, one standard deviation.
        warnings: per run, in words, the reasons to doubt its prediction.
    """

    loss: Array
    low: Array
    high: Array
    info: Array | None
    error: Array
    warnings: tuple[tuple[str, ...], ...]


def predict(file: LawFile, runs: Runs) -> Prediction:
    """Predicts the losses of runs; their own `loss` is not read."""
    law, theta = file.form, file.theta
    with np.errstate(all="ignore"):
        loss = law.loss(theta, runs)
        low, high = loss, loss
        if file.samples:
            sampled = np.stack([law.loss(np.array(sample), runs) for sample in file.samples])
            low, high = np.quantile(np.where(np.isfinite(sampled), sampled, loss), LEVEL, axis=0)
            low, high = np.minimum(low, loss), np.maximum(high, loss)
    error = law_error(file, runs)
    below = np.hypot(np.log(loss / low), NORMAL * error)
    above = np.hypot(np.log(high / loss), NORMAL * error)
    info = law.info(theta, runs).sum(axis=1) if law.info is not None else None
    return Prediction(
        loss, np.asarray(loss * np.exp(-below)), np.asarray(loss * np.exp(above)), info, error, warnings(file, runs)
    )


def law_error(file: LawFile, runs: Runs) -> Array:
    """One standard deviation (n,) of the law's own relative error that applies to each run."""
    held_out = {one.split: one.mean * MEAN_TO_DEVIATION for one in file.errors}
    error = np.full(len(runs), file.error)
    size = beyond(file.params, runs.params) | beyond(file.tokens, runs.total)
    error[size] = np.maximum(error[size], held_out.get("size", 0.0))
    repeated = beyond(file.repetition, runs.repetition)
    error[repeated] = np.maximum(error[repeated], held_out.get("repetition", 0.0))
    return error


def beyond(fitted: lawfile.Range, values: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((values < fitted.low * (1 - 1e-9)) | (values > fitted.high * (1 + 1e-9)))


def warnings(file: LawFile, runs: Runs) -> tuple[tuple[str, ...], ...]:
    general = [] if file.fitted else [f"{file.law}: published constants, not fitted on your data"]
    if file.bands and file.form.info is not None and runs.tokens.shape[1] > 1 and file.bands != bands(runs):
        general.append(f"the law was fitted on {plural(file.bands)}, and the runs have {plural(bands(runs))}")
    return tuple((*general, *found) for found in lawfile.out_of_range(file, runs))


def bands(runs: Runs) -> int:
    return int(runs.band.max()) + 1


def plural(count: int) -> str:
    return f"{count} quality band" + ("" if count == 1 else "s")


def ranked(prediction: Prediction) -> Sequence[int]:
    """Positions of the runs, lowest loss first, ties in the table's order."""
    return [int(index) for index in np.argsort(prediction.loss, kind="stable")]


def scaled(runs: Runs, budget: float) -> Runs:
    """The same recipes at another budget: token shares stay the same, and the unique tokens of a run are its pool."""
    tokens = runs.tokens / runs.total[:, None] * budget
    return Runs(runs.params, tokens, np.minimum(tokens, runs.unique), np.full(len(runs), np.nan), runs.bands)


def resized(runs: Runs, params: float) -> Runs:
    """The same runs with another model size."""
    return Runs(np.full(len(runs), params), runs.tokens, runs.unique, np.full(len(runs), np.nan), runs.bands)
