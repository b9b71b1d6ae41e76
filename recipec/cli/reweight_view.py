"""Weights by influence: tables for a person, one object for a program."""

from __future__ import annotations

import csv
import io
import json as json_module
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipec import __version__, storage
from recipec.cli.console import draw_table, stdout
from recipec.cli.numbers import share
from recipec.cli.tables import Table
from recipec.reweighting.problem import Problem
from recipec.reweighting.report import Report
from recipec.tables import Array

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


def write(path: Path, found: Report, tables: tuple[Path, Path]) -> None:
    """A file that `mixture from` reads: versioned, with the digests of the tables behind it."""
    digests = dict(zip(("influence", "prior"), map(storage.sha256_file, tables), strict=True))
    value = {"version": REWEIGHT_VERSION, "recipec": __version__, "tables": digests, **as_json(found)}
    storage.write_text(path, json_module.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_mixtures(path: Path, problem: Problem, mixtures: Array) -> None:
    """A row a mixture, for a training run each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *problem.domains])
    writer.writerows([number + 1, *(f"{value:.6f}" for value in row)] for number, row in enumerate(mixtures.tolist()))
    storage.write_text(path, text.getvalue())
    print(f"{len(mixtures):,} mixtures in {path}; give each its `gain` and say --labels", file=sys.stderr)


def show(found: Report, *, json: bool) -> None:
    if json:
        print(json_module.dumps(as_json(found), indent=2, ensure_ascii=False))
        return
    console = stdout()
    draw_table(console, weights(found))
    draw_table(console, tasks(found))
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


def weights(found: Report) -> Table:
    p = found.problem
    order = sorted(range(len(p.domains)), key=lambda j: (-found.weights[j], p.domains[j]))
    rows = tuple(
        (p.domains[j], share(float(p.prior[j])), share(float(found.weights[j])), _ratio(found.weights[j], p.prior[j]))
        for j in order
    )
    return Table("Weights", ("domain", "prior", "weight", "×"), rows, frozenset({1, 2, 3}))


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
