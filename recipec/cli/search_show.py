"""Output of `search.json`, in the terminal or as a page: true and predicted losses, importance, curves, tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from recipec import __version__
from recipec.cli import charts, options
from recipec.cli import page as pages
from recipec.cli.charts import Chart, Series
from recipec.cli.console import draw_table, stdout
from recipec.cli.tables import Table
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.search import Proxy
from recipec.numbers import count, plain, share

KIND, SEARCH_VERSION = "search", 2

CURVE = ("lambda", "omega", "eta", "epsilon")

POINTS = 120
"""Number of points in a drawn curve."""


Values = dict[str, closed.Number]
"""Values by parameter, by target or by domain."""


class Losses(Frozen):
    seed: closed.Whole
    losses: Values


class RunLine(Frozen):
    run: str
    losses: Values
    predicted: Values


class Predicted(Frozen):
    loss: closed.Number
    low: closed.Number
    high: closed.Number


class BestRun(Frozen):
    run: str
    loss: closed.Number


class Judged(Frozen):
    rank_correlation: closed.Number
    mae: closed.Number


class Target(Frozen):
    regressor: Literal["lightgbm", "linear"]
    importance: Values
    lightgbm: Judged
    linear: Judged


class Evidence(Frozen):
    rank_correlation: closed.Number
    mae: closed.Number
    folds: closed.Count
    runs: closed.Count
    excluded: tuple[str, ...]
    best_run: BestRun
    targets: dict[str, Target]


class Draws(Frozen):
    tried: closed.Count
    infeasible: dict[str, closed.Count]


class Trained(Proxy):
    """The proxy of a search, and what came of its settings."""

    parameters: closed.Count
    share_of_documents: closed.Share
    tokens_per_counted_token: closed.Amount


class RecordLine(Frozen):
    name: str
    seed: closed.Whole
    key: closed.Key
    sha256: closed.Sha256
    diverged: closed.Count | None


class Stored(Frozen):
    """A `search.json`; the fields of a recipe's search are empty for tables, and before it is written those of a file."""

    kind: Literal["search"] = "search"
    version: Literal[2] = 2
    recipec: closed.Version = __version__
    tables: dict[closed.Word, closed.Sha256] = Field(default_factory=dict)
    weights: Values
    predicted: Predicted
    evidence: Evidence
    runs: tuple[RunLine, ...]
    predictions: tuple[closed.Number, ...] = ()
    warnings: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tokens: dict[str, dict[str, closed.Amount]] = Field(default_factory=dict)
    confirmation: dict[str, tuple[Losses, ...]] = Field(default_factory=dict)
    draws: Draws | None = None
    proxy: Trained | None = None
    records: tuple[RecordLine, ...] = ()

    def of(self, word: str, domain: str) -> float:
        return self.weights.get(f"{word}_{domain}", 0.0)

    @property
    def importance(self) -> dict[str, float]:
        """Importance of each parameter, as the mean over the targets."""
        rows = [one.importance for one in self.evidence.targets.values()]
        return {name: float(np.mean([row.get(name, 0.0) for row in rows])) for name in self.weights}


def read(path: Path) -> dict[str, Any]:
    """Reads and validates a `search.json`.

    Raises:
        Failure: the file is not a search result or has another version.
    """
    text = options.report(path)
    value: dict[str, Any] = json.loads(text)
    if value.get("version") != SEARCH_VERSION:
        message = f"`{path}` has version {value.get('version')!s:.20}, and this recipec reads {SEARCH_VERSION}"
        raise Failure(Diagnostic("R0705", message, helps=("search again",)))
    try:
        closed.parsed(Stored, text)
    except ValueError as error:
        raise Failure(Diagnostic("R0705", f"`{path}` is damaged: {closed.reason(error)}")) from None
    return value


def warnings(value: dict[str, Any]) -> tuple[Diagnostic, ...]:
    return tuple(Diagnostic("R1407", message, severity=Severity.WARNING) for message in value.get("warnings", ()))


def show(value: dict[str, Any]) -> None:
    """Prints all tables and charts in the terminal."""
    found = Stored.model_validate(value)
    console = stdout()
    for table in tables(found):
        draw_table(console, table)
    for chart in figures(found):
        print(f"\n{chart.title}")
        print(charts.sketch(chart))
    print()
    for line in lines(found):
        print(line)


def page(value: dict[str, Any]) -> str:
    """Renders all tables and charts as a self-contained HTML page."""
    found = Stored.model_validate(value)
    return pages.page("Search", tables(found), lines(found), found.warnings, map(charts.svg, figures(found)))


def lines(found: Stored) -> list[str]:
    best, predicted = found.evidence.best_run, found.predicted
    return [
        f"predicted loss {predicted.loss:.4f} ({predicted.low:.4f} … {predicted.high:.4f}); the best run, {best.run}, "
        f"has {best.loss:.4f}"
    ]


def tables(found: Stored) -> list[Table]:
    made = [parameters(found), evidence(found)]
    if found.domains:
        made.insert(1, importance(found))
    if found.tokens:
        made.append(tokens(found))
    if found.confirmation:
        made.append(confirmation(found))
    return made


def parameters(found: Stored) -> Table:
    """Table of the answer, with one row per domain if the parameters are known by domain."""
    if found.domains:
        rows = tuple((domain, *(plain(found.of(word, domain)) for word in found.words)) for domain in found.domains)
        numeric = frozenset(range(1, len(found.words) + 1))
        return Table("Parameters", ("domain", *found.words), rows, numeric)
    weighed = sorted(found.weights.items(), key=lambda item: (-item[1], item[0]))
    lines_ = tuple((name, plain(value), share(found.importance[name])) for name, value in weighed)
    return Table("Weights", ("name", "answer", "importance"), lines_, frozenset({1, 2}))


def importance(found: Stored) -> Table:
    """Table of how much the regressors use each parameter of each domain, with sums per domain and per parameter."""
    values = found.importance
    most = max(values.values(), default=0.0) or 1.0
    rows, shades = [], []
    for domain in found.domains:
        row = [values.get(f"{word}_{domain}", 0.0) for word in found.words]
        rows.append((domain, *map(share, row), share(sum(row))))
        shades.append(("", *(f"rgb({200 - round(170 * v / most)},{90 - round(60 * v / most)},120)" for v in row), ""))
    sums = [sum(values.get(f"{word}_{domain}", 0.0) for domain in found.domains) for word in found.words]
    rows.append(("all", *map(share, sums), share(sum(sums))))
    shades.append(("",) * (len(found.words) + 2))
    numeric = frozenset(range(1, len(found.words) + 2))
    return Table("Importance", ("domain", *found.words, "all"), tuple(rows), numeric, tuple(shades))


def evidence(found: Stored) -> Table:
    rows = [
        (name, kind, f"{judged.rank_correlation:.4f}", plain(judged.mae), "used" if kind == one.regressor else "")
        for name, one in found.evidence.targets.items()
        for kind, judged in (("lightgbm", one.lightgbm), ("linear", one.linear))
    ]
    title = f"Evidence: {found.evidence.folds}-fold cross-validation over {found.evidence.runs:,} runs"
    return Table(title, ("target", "regressor", "rank correlation", "mean error", ""), tuple(rows), frozenset({2, 3}))


def tokens(found: Stored) -> Table:
    """Table of tokens by domain, of the answer, the default curve and natural sampling."""
    names = list(found.tokens)
    rows = tuple((domain, *(count(found.tokens[name].get(domain, 0.0)) for name in names)) for domain in found.domains)
    return Table("Tokens", ("domain", *names), rows, frozenset(range(1, len(names) + 1)))


def confirmation(found: Stored) -> Table:
    """Table of losses of separately trained proxies, mean and standard deviation over seeds; smaller is better."""
    targets = list(found.evidence.targets)
    rows = []
    for name, runs in found.confirmation.items():
        losses = np.array([[run.losses.get(target, np.nan) for target in targets] for run in runs])
        spread = losses.std(axis=0, ddof=1) if len(losses) > 1 else np.zeros(len(targets))
        whole = losses.mean(axis=1)
        cells = [f"{a:.4f} ± {b:.4f}" for a, b in zip(losses.mean(axis=0), spread, strict=True)]
        error = whole.std(ddof=1) if len(whole) > 1 else 0.0
        rows.append((name, str(len(runs)), f"{whole.mean():.4f} ± {error:.4f}", *cells))
    numeric = frozenset(range(1, len(targets) + 3))
    return Table("Confirmation", ("trained on", "seeds", "mean loss", *targets), tuple(rows), numeric)


def figures(found: Stored) -> list[Chart]:
    """Charts of predicted against true losses, and of the domains' curves."""
    scatter = tuple(
        Series(
            name,
            tuple((run.losses[name], run.predicted[name]) for run in found.runs if name in run.predicted),
            line=False,
        )
        for name in found.evidence.targets
    )
    made = [Chart("Predicted against true, held out", "true loss", "predicted loss", scatter)] if found.runs else []
    if found.domains:
        ranks = np.linspace(0, 1, POINTS)
        lines_ = tuple(
            Series(domain, tuple(zip(ranks.tolist(), curve(found, domain, ranks).tolist(), strict=True)))
            for domain in found.domains
        )
        made.append(Chart("Curves", "rank (0 is the best)", "expected copies before scaling", lines_))
    return made


def curve(found: Stored, domain: str, ranks: Any) -> Any:
    """S(r̄), QuaDMix eq. 3."""
    lambda_, omega, eta, epsilon = (found.of(word, domain) for word in CURVE)
    within = (2 / (1 + np.exp(-lambda_ * (omega - np.minimum(ranks, omega))))) ** eta
    return np.where(ranks <= omega, within, 0.0) + epsilon
