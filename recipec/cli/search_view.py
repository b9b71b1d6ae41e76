"""Output of a search over tables: tables, and the JSON object that is also written to `search.json`."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recipec import __version__
from recipec.arrays import Array
from recipec.cli import options, search_show
from recipec.cli.console import draw_table, stdout
from recipec.cli.tables import Table
from recipec.diagnostics import Diagnostic
from recipec.numbers import plain, share
from recipec.search.answer import Answer, Regressor

Predictions = tuple[tuple[str, ...], Array]


def as_json(found: Answer, predictions: Predictions | None, warnings: Sequence[Diagnostic]) -> dict[str, Any]:
    """The weights by domain (or parameter), the evidence, and predictions in the order of their table, as JSON."""
    return {
        "weights": dict(zip(found.runs.names, map(float, found.weights), strict=True)),
        "predicted": {"loss": found.predicted, "low": found.low, "high": found.high},
        "evidence": {
            "rank_correlation": found.rank_correlation,
            "mae": found.mae,
            "folds": found.folds,
            "runs": len(found.runs.x),
            "excluded": list(found.runs.excluded),
            "best_run": {"run": found.best_run[0], "loss": found.best_run[1]},
            "targets": {one.target: _target(found, one) for one in found.regressors},
        },
        "runs": [
            {
                "run": key,
                "losses": dict(zip(found.runs.targets, map(float, losses), strict=True)),
                "predicted": {one.target: float(one.best.held[number]) for one in found.regressors},
            }
            for number, (key, losses) in enumerate(zip(found.runs.keys, found.runs.losses, strict=True))
        ],
        "predictions": [] if predictions is None else list(map(float, predictions[1])),
        "warnings": [warning.message for warning in warnings],
    }


def _target(found: Answer, one: Regressor) -> dict[str, Any]:
    importance = dict(zip(found.runs.names, map(float, one.importance), strict=True))
    value: dict[str, Any] = {"regressor": one.best.kind, "importance": importance}
    for judged in one.judged:
        value[judged.kind] = {"rank_correlation": judged.rank_correlation, "mae": judged.mae}
    return value


def write(path: Path, value: dict[str, Any], **digests: str) -> None:
    """Writes a file for `mixture from`, `sample quadmix from` and `show`: versioned, with the digests of the tables."""
    whole = {
        "kind": search_show.KIND,
        "version": search_show.SEARCH_VERSION,
        "recipec": __version__,
        "tables": digests,
        **value,
    }
    options.write(path, json_module.dumps(whole, indent=2, ensure_ascii=False) + "\n", "result")


def show(found: Answer, predictions: Predictions | None, value: dict[str, Any], *, json: bool, shares: bool) -> None:
    if json:
        print(json_module.dumps(value, indent=2, ensure_ascii=False))
        return
    console, stored = stdout(), search_show.Stored.model_validate(value)
    draw_table(console, weights(found, shares=shares))
    draw_table(console, search_show.evidence(stored))
    if predictions is not None:
        rows = tuple((key, f"{loss:.4f}") for key, loss in zip(*predictions, strict=True))
        draw_table(console, Table("Predictions", ("row", "predicted loss"), rows, frozenset({1})))
    console.print()
    print("\n".join(search_show.lines(stored)))


def weights(found: Answer, *, shares: bool) -> Table:
    """Table of the answer, the mean of the runs and the importance of each column, largest answer first."""
    mean = found.runs.x.mean(axis=0)
    importance = np.mean([one.importance for one in found.regressors], axis=0)
    order = sorted(range(len(mean)), key=lambda i: (-found.weights[i], found.runs.names[i]) if shares else (0.0, ""))
    form = share if shares else plain
    rows = tuple(
        (found.runs.names[i], form(float(found.weights[i])), form(float(mean[i])), share(float(importance[i])))
        for i in order
    )
    title, what = ("Mixture", "domain") if shares else ("Parameters", "parameter")
    return Table(title, (what, "answer", "mean of the runs", "importance"), rows, frozenset({1, 2, 3}))
