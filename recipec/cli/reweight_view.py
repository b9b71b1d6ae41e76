"""Output of weights by influence: tables, JSON, CSV files and a page."""

from __future__ import annotations

import csv
import io
import json as json_module
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recipec import __version__
from recipec.arrays import Array
from recipec.cli import options
from recipec.cli import page as pages
from recipec.cli.console import draw_table, stdout
from recipec.cli.tables import Table
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.reweighting import Reweighting, Setting
from recipec.numbers import plain, share
from recipec.places import digests
from recipec.tikmix import Measured
from recipec.tikmix.problem import InfluenceProblem

KIND, REWEIGHT_VERSION = "reweighting", 1

BINDS = 1e-6
"""Smallest multiplier of a constraint that counts as binding."""


Values = dict[str, closed.Number]
"""Values by domain or by task."""


class Terms(Frozen):
    spread: closed.Number
    gain: closed.Number
    entropy: closed.Number


class Judged(Frozen):
    rank_correlation: closed.Number
    mae: closed.Number


class Modelled(Frozen):
    used: str
    gain: closed.Number
    gain_of_direct: closed.Number
    lightgbm: Judged | None = None
    linear: Judged | None = None


class Influence(Frozen):
    values: Values
    errors: Values


class Written(Frozen):
    """A file that `write` wrote. All but `record` is for other programs, and for `mixture from`."""

    kind: Literal["reweighting"]
    version: Literal[1]
    recipec: closed.Version
    tables: dict[str, closed.Sha256]
    weights: dict[str, closed.Share]
    objective: closed.Number
    terms: Terms
    slack: Values
    multipliers: Values
    effective_domains: closed.Amount
    binding: tuple[str, ...]
    warnings: tuple[str, ...]
    direct: Values | None = None
    model: Modelled | None = None
    prior: Values | None = None
    weight_errors: Values | None = None
    influence: dict[str, Influence] | None = None
    stability: Values | None = None
    measured: dict[closed.Word, Setting] | None = None
    record: Reweighting


def as_json(found: Reweighting) -> dict[str, Any]:
    """The weights by domain and the values that follow from them, as JSON."""
    value: dict[str, Any] = {
        "weights": _by(found.domains, found.weights),
        "objective": found.objective,
        "terms": {"spread": found.spread, "gain": found.gain, "entropy": found.entropy},
        "slack": _by(found.tasks, found.slack),
        "multipliers": _by(found.tasks, found.multipliers),
        "effective_domains": found.effective_domains,
        "binding": list(found.binding),
        "warnings": list(found.warnings),
    }
    if found.direct:
        value["direct"] = _by(found.domains, found.direct)
        value["model"] = {
            "used": found.used,
            "gain": found.predicted,
            "gain_of_direct": found.predicted_direct,
            **{one.kind: {"rank_correlation": one.rank_correlation, "mae": one.mae} for one in found.predictors},
        }
    if found.measured:
        rows = zip(found.tasks, found.influence, found.errors, strict=True)
        value |= {
            "prior": _by(found.domains, found.prior),
            "weight_errors": _by(found.domains, found.errors_of_weights),
            "influence": {
                task: {"values": _by(found.domains, row), "errors": _by(found.domains, errors)}
                for task, row, errors in rows
            },
            "stability": _by(found.tasks, found.stability),
            "measured": found.measured,
        }
    return value


def _by(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return dict(zip(names, values, strict=True))


def warnings(found: Reweighting) -> tuple[Diagnostic, ...]:
    return tuple(Diagnostic("R1307", message, severity=Severity.WARNING) for message in found.warnings)


def write(path: Path, found: Reweighting, tables: Sequence[Path]) -> None:
    """Writes a file for `mixture from` and `show`: versioned, with the digests of the tables behind it."""
    tables_used = {table.name: digests.sha256_file(table) for table in tables}
    head = {"kind": KIND, "version": REWEIGHT_VERSION, "recipec": __version__, "tables": tables_used}
    whole = {**head, **as_json(found), "record": found.model_dump(mode="json")}
    options.write(path, json_module.dumps(whole, indent=2, ensure_ascii=False) + "\n", "result")


def read(path: Path) -> Reweighting:
    """Reads a file that `write` wrote.

    Raises:
        Failure: the file is damaged or has another version.
    """
    text = options.report(path)
    version = json_module.loads(text).get("version")
    if version != REWEIGHT_VERSION:
        message = f"the file has version {version!s:.20}, expected {REWEIGHT_VERSION}"
        raise Failure(Diagnostic("R0707", message, place=str(path)))
    try:
        record = closed.parsed(Written, text).record
    except ValueError as error:
        message = f"the file is damaged: {closed.reason(error).lower()}"
        raise Failure(Diagnostic("R0707", message, place=str(path))) from None
    return record


def write_influence(path: Path, found: Measured) -> None:
    """Writes the measured influence as a table that `--influence` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", *found.domains])
    mean = np.array(found.shards).mean(axis=0)
    writer.writerows([task, *map(repr, row)] for task, row in zip(found.tasks, mean.tolist(), strict=True))
    options.write(path, text.getvalue(), "table")


def write_mixtures(path: Path, problem: InfluenceProblem, mixtures: Array) -> None:
    """Writes mixtures to label, one row per training run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *problem.domains])
    writer.writerows([number + 1, *(f"{value:.6f}" for value in row)] for number, row in enumerate(mixtures.tolist()))
    options.write(path, text.getvalue(), "table")
    print(f"{len(mixtures):,} mixtures in {path}; add a column `gain` and pass the file with --labels", file=sys.stderr)


def show(found: Reweighting, *, json: bool) -> None:
    if json:
        print(json_module.dumps(as_json(found), indent=2, ensure_ascii=False))
        return
    console = stdout()
    for table in tables(found):
        draw_table(console, table)
    console.print()
    for line in conclusion(found):
        print(line)


def conclusion(found: Reweighting) -> Iterator[str]:
    yield (
        f"objective {found.objective:.6f} = {plain(found.alpha)} × std {found.spread:.4f} − {plain(found.beta)} × gain "
        f"{found.gain:.4f} − {plain(found.gamma)} × entropy {found.entropy:.4f}; under the prior {found.prior_objective:.6f}"
    )
    yield f"{found.effective_domains:.1f} effective domains of {len(found.domains)}"
    if found.binding:
        yield f"binding: {', '.join(found.binding)}"
    if found.predictors:
        kinds = ", ".join(f"{one.kind} {one.rank_correlation:.3f}" for one in found.predictors)
        yield f"held-out rank correlation: {kinds}; {found.used} is used"
        yield f"rank correlation of influence itself with the labels: {found.agreement:.3f}"


def tables(found: Reweighting) -> tuple[Table, ...]:
    """The tables of a report: the weights against the prior, what each task gains, the influence matrix."""
    return weights(found), tasks(found), matrix(found)


def weights(found: Reweighting) -> Table:
    order = sorted(range(len(found.domains)), key=lambda j: (-found.weights[j], found.domains[j]))
    sure = found.errors_of_weights
    rows = tuple(
        (
            found.domains[j],
            share(found.prior[j]),
            share(found.weights[j]),
            f"{found.weights[j] / found.prior[j]:.2f}" if found.prior[j] > 0 else "—",
            *((f"± {share(sure[j])}",) if sure else ()),
        )
        for j in order
    )
    header = ("domain", "prior", "weight", "×", *(("error",) if sure else ()))
    return Table("Weights", header, rows, frozenset({1, 2, 3, 4}))


def tasks(found: Reweighting) -> Table:
    """Table of what each task gains (P̂: 1 is the most that a single domain gives), and what its constraint costs."""
    rows = tuple(
        (
            task,
            f"{found.before[i]:.4f}",
            f"{found.gains[i]:.4f}",
            plain(found.slack[i]),
            found.domains[max(range(len(found.domains)), key=lambda j: found.influence[i][j])],
            plain(found.multipliers[i]) if found.multipliers[i] > BINDS else "",
            *((f"{found.stability[i]:.2f}",) if found.stability else ()),
        )
        for i, task in enumerate(found.tasks)
    )
    sure = ("sureness",) if found.stability else ()
    header = ("task", "gain under the prior", "gain", "slack", "helped most by", "multiplier", *sure)
    return Table("Tasks", header, rows, frozenset({1, 2, 3, 5, 6}))


def matrix(found: Reweighting) -> Table:
    """Table of Ŝ as a heat map, with errors: green helps a task, red harms it; stronger influence is brighter."""
    rows, shades = [], []
    for i, task in enumerate(found.tasks):
        sizes = [value / raw if raw else 0.0 for value, raw in zip(found.scaled[i], found.influence[i], strict=True)]
        errors = [f" ±{e * size:.2f}" for e, size in zip(found.errors[i], sizes, strict=True)] if found.errors else None
        cells = (f"{value:.2f}{errors[j] if errors else ''}" for j, value in enumerate(found.scaled[i]))
        rows.append((task, *cells))
        shades.append(("", *(shade(value) for value in found.scaled[i])))
    header = ("task", *found.domains)
    numeric = frozenset(range(1, len(header)))
    return Table("Influence, by row of the largest", header, tuple(rows), numeric, tuple(shades))


def shade(value: float) -> str:
    """The background colour of a cell, in a form that both rich and CSS read."""
    strength = round(40 + 140 * min(1.0, abs(value)))
    return f"rgb(0,{strength},0)" if value > 0 else f"rgb({strength},0,0)"


def page(found: Reweighting) -> str:
    """Renders the report as an HTML page with the heat map."""
    return pages.page("Weights by influence", tables(found), conclusion(found), found.warnings)
