"""Weights by influence: tables for a person, one object for a program."""

from __future__ import annotations

import csv
import io
import json as json_module
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec import __version__, storage
from recipec.cli.console import draw_table, stdout
from recipec.cli.numbers import share
from recipec.cli.tables import Table
from recipec.diagnostics import Diagnostic
from recipec.influence import Measured
from recipec.reweighting.problem import Problem
from recipec.reweighting.report import Report
from recipec.tables import Array

if TYPE_CHECKING:
    from rich.console import Console

REWEIGHT_VERSION = 1


def as_json(found: Report) -> dict[str, Any]:
    """Weights by domain, and what they come to."""
    p = found.problem
    spread, total, entropy = p.terms(found.weights)
    value: dict[str, Any] = {
        "weights": _by(p.domains, found.weights),
        "objective": p.objective(found.weights),
        "terms": {"spread": spread, "gain": total, "entropy": entropy},
        "slack": _by(p.tasks, p.slack(found.weights)),
        "multipliers": _by(p.tasks, found.direct.multipliers),
        "effective_domains": found.effective_domains,
        "binding": found.binding(),
        "warnings": [warning.message for warning in found.warnings()],
    }
    if found.modelled is not None:
        value["direct"] = _by(p.domains, found.direct.weights)
        value["model"] = {
            "used": found.modelled.used.kind,
            "gain": found.modelled.gain,
            "gain_of_direct": found.modelled.start,
            **{one.kind: {"rank_correlation": one.rank_correlation, "mae": one.mae} for one in found.modelled.judged},
        }
    return value


def _by(names: Sequence[str], values: Array) -> dict[str, float]:
    return dict(zip(names, map(float, values), strict=True))


@dataclass(frozen=True, slots=True)
class Measurement:
    """Attributes:
    errors: (n, m) standard errors of S; `weight_errors`: (m,) of the weights; `stability`: of each task's order.
    """

    found: Measured
    problem: Problem
    errors: Array
    weight_errors: Array
    stability: tuple[float, ...]
    warnings: tuple[Diagnostic, ...]

    def as_json(self, problem: Problem) -> dict[str, Any]:
        """What is to be said besides the answer: the table, errors, and what it was measured on."""
        rows = zip(problem.tasks, problem.influence, self.errors, strict=True)
        return {
            "prior": _by(problem.domains, problem.prior),
            "weight_errors": _by(problem.domains, self.weight_errors),
            "influence": {
                task: {"values": _by(problem.domains, row), "errors": _by(problem.domains, errors)}
                for task, row, errors in rows
            },
            "stability": dict(zip(problem.tasks, self.stability, strict=True)),
            "measured": {
                **self.found.options.model_dump(mode="json"),
                "task_tokens": list(self.found.task_tokens),
                "domain_tokens": list(self.found.domain_tokens),
            },
            "measured_warnings": [warning.message for warning in self.warnings],
        }


def write(path: Path, value: dict[str, Any], tables: Sequence[Path]) -> None:
    """A file that `mixture from` reads: versioned, with the digests of the tables behind it."""
    digests = {table.name: storage.sha256_file(table) for table in tables}
    whole = {"version": REWEIGHT_VERSION, "recipec": __version__, "tables": digests, **value}
    storage.write_text(path, json_module.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def write_influence(path: Path, found: Measured) -> None:
    """The table that `--influence` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", *found.domains])
    mean = np.array(found.shards).mean(axis=0)
    writer.writerows([task, *map(repr, row)] for task, row in zip(found.tasks, mean.tolist(), strict=True))
    storage.write_text(path, text.getvalue())


def write_mixtures(path: Path, problem: Problem, mixtures: Array) -> None:
    """A row a mixture, for a training run each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *problem.domains])
    writer.writerows([number + 1, *(f"{value:.6f}" for value in row)] for number, row in enumerate(mixtures.tolist()))
    storage.write_text(path, text.getvalue())
    print(f"{len(mixtures):,} mixtures in {path}; give each its `gain` and say --labels", file=sys.stderr)


def show(found: Report, value: dict[str, Any], *, json: bool) -> None:
    if json:
        print(json_module.dumps(value, indent=2, ensure_ascii=False))
        return
    console = stdout()
    draw_table(console, weights(found, value.get("weight_errors")))
    draw_table(console, tasks(found))
    draw_heat(console, found.problem)
    console.print()
    p = found.problem
    spread, total, entropy = p.terms(found.weights)
    print(
        f"objective {p.objective(found.weights):.6f} = {p.alpha:g} × std {spread:.4f} − {p.beta:g} × gain {total:.4f} − "
        f"{p.gamma:g} × entropy {entropy:.4f}; under the prior {p.objective(p.prior):.6f}"
    )
    print(f"{found.effective_domains:.1f} effective domains of {len(p.domains)}")
    if found.binding():
        print(f"binding: {', '.join(found.binding())}")
    if found.modelled is not None:
        kinds = ", ".join(f"{one.kind} {one.rank_correlation:.3f}" for one in found.modelled.judged)
        print(f"held-out rank correlation: {kinds}; {found.modelled.used.kind} is used")


def weights(found: Report, errors: dict[str, float] | None = None) -> Table:
    p = found.problem
    order = sorted(range(len(p.domains)), key=lambda j: (-found.weights[j], p.domains[j]))
    rows = tuple(
        (
            p.domains[j],
            share(float(p.prior[j])),
            share(float(found.weights[j])),
            _ratio(found.weights[j], p.prior[j]),
            *(() if errors is None else (f"± {share(errors[p.domains[j]])}",)),
        )
        for j in order
    )
    header = ("domain", "prior", "weight", "×", *(() if errors is None else ("error",)))
    return Table("Weights", header, rows, frozenset({1, 2, 3, 4}))


def draw_heat(console: Console, p: Problem) -> None:
    """Ŝ as a heat map: what helps a task is green, what harms it red, the more the stronger."""
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False, padding=(0, 1))
    drawn.add_column("")
    for domain in p.domains:
        drawn.add_column(Text(domain), justify="right", overflow="fold")
    for task, row in zip(p.tasks, p.scaled.tolist(), strict=True):
        drawn.add_row(Text(task), *(Text(f"{value:.2f}", style=_colour(value)) for value in row))
    console.print()
    console.print(Text("Influence, by row of the largest", style="bold"))
    console.print(drawn)


def _colour(value: float) -> str:
    strength = int(40 + 140 * min(1.0, abs(value)))
    return f"white on rgb(0,{strength},0)" if value > 0 else f"white on rgb({strength},0,0)"


def _ratio(weight: float, prior: float) -> str:
    return f"{weight / prior:.2f}" if prior > 0 else "—"


def tasks(found: Report) -> Table:
    """What each task gains (P̂: 1 is all of the most that one domain gives), and what its constraint costs."""
    p = found.problem
    gain, before, slack = p.scaled @ found.weights, p.scaled @ p.prior, p.slack(found.weights)
    rows = tuple(
        (
            task,
            f"{before[i]:.4f}",
            f"{gain[i]:.4f}",
            f"{slack[i]:.4g}",
            p.domains[int(p.influence[i].argmax())],
            f"{found.direct.multipliers[i]:.4g}" if found.direct.multipliers[i] > 1e-6 else "",
        )
        for i, task in enumerate(p.tasks)
    )
    header = ("task", "gain under the prior", "gain", "slack", "helped most by", "multiplier")
    return Table("Tasks", header, rows, frozenset({1, 2, 3, 5}))
