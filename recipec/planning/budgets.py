"""The budget's law on what a plan draws, and what `require` asks of it (design.md, step 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, ExitCode, Failure, Label, Severity
from recipec.ir import logical, model
from recipec.ir.forecast import BandForecast, DomainForecast, Forecast
from recipec.ir.selection import Selection
from recipec.laws import forecasting, lawfile, prediction
from recipec.laws.lawfile import LawFile
from recipec.laws.runs import Array
from recipec.selection import mixing
from recipec.selection.bands import Bands, bands, edges
from recipec.selection.sampling import nest_of, sample
from recipec.source import Span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

JUDGED_BY_LAW = ("loss", "wasted", "regret")


def measured(
    connection: DuckDBPyConnection,
    op: logical.Sample,
    ledger: Path,
    count: int,
    *,
    share: float = 1.0,
    nested: bool = False,
) -> Bands:
    """What a stored ledger draws by domain and band.

    Args:
        share: the share of the documents that the ledger is of; sums are divided by it.
        nested: whether parts of domains that nested quotas tell apart have rows of their own.
    """
    table = f"read_parquet({literal(str(ledger))})"
    whole = isinstance(op.sample, model.Top)
    limit, nest = "coalesce(cap, 'inf' :: DOUBLE)", nest_of(op) if nested else "0"
    found = bands(connection, table, limit=limit, copies="copies", count=count, whole=whole, nest=nest)
    sums = (np.asarray(x / share) for x in (found.unique, found.most, found.drawn, found.fresh))
    return Bands(found.domains, found.nests, *sums)


def pool_of(found: Bands, op: logical.Sample) -> forecasting.Pool:
    """The pool that the best mixture is made of, and the quotas it keeps."""
    names = sorted(set(found.domains))
    groups = mixing.groups(found, op.quotas, float(op.tokens or found.drawn.sum()))
    numbers = tuple(names.index(domain) for domain in found.domains)
    return forecasting.Pool(found.unique, found.drawn, found.most, groups, numbers)


def judged(
    connection: DuckDBPyConnection,
    op: logical.Sample,
    ledger: Path,
    file: LawFile,
    path: str,
    params: Sequence[float],
    *,
    share: float = 1.0,
) -> list[Forecast | None]:
    """A law on what a ledger draws, for models of several sizes."""
    count = band_count(file)
    found = measured(connection, op, ledger, count, share=share)
    apart = any(quota.conditions for quota in op.quotas)
    parts = measured(connection, op, ledger, count, share=share, nested=True) if apart else found
    return [evaluate(file, path, found, pool_of(parts, op), size) for size in params]


def band_count(file: LawFile) -> int:
    return (file.bands or file.form.bands) if file.form.info is not None else 1


def forecast(
    connection: DuckDBPyConnection, recipe: model.Recipe, op: logical.Sample, ledger: Path, *, share: float = 1.0
) -> Forecast | None:
    """What the budget's law says of a ledger; None without a law, or where nothing is drawn."""
    budget = recipe.budget
    if budget is None or budget.law is None or budget.model is None:
        return None
    file = lawfile.read(budget.law.path, Path(recipe.folder))
    sizes = [float(budget.model)]
    return judged(connection, op, ledger, file, budget.law.path, sizes, share=share)[0]


def evaluate(file: LawFile, path: str, found: Bands, pool: forecasting.Pool, params: float) -> Forecast | None:
    """A law on what is drawn; None where nothing is."""
    drawn, fresh = found.drawn, found.fresh
    if not drawn.sum() > 0:
        return None
    run = forecasting.runs(params, drawn, fresh)
    predicted = prediction.predict(file, run)
    loss = float(predicted.loss[0])
    best = forecasting.best(file, params, pool)
    spread = forecasting.best_interval(file, params, pool)
    best_loss = None if best is None else forecasting.loss(file, params, best, np.minimum(best, found.unique))
    domains = tuple(_domains(file, found, params, best, spread))
    return Forecast(
        law=file.law,
        path=path,
        source=file.source,
        fitted=file.fitted,
        params=int(params),
        loss=loss,
        low=float(predicted.low[0]),
        high=float(predicted.high[0]),
        error=float(predicted.error[0]),
        info=None if predicted.info is None else float(predicted.info[0]),
        wasted=forecasting.wasted(file, params, drawn, fresh),
        repetition=max(domain.repetition for domain in domains),
        best_loss=best_loss,
        regret=None if best_loss is None else max(0.0, loss - best_loss),
        fresh_loss=forecasting.loss(file, params, drawn, drawn),
        domains=domains,
        bands=tuple(_bands(found, best)),
        outside=tuple(lawfile.out_of_range(file, run)[0]),
        warnings=predicted.warnings[0],
    )


def _domains(
    file: LawFile, found: Bands, params: float, best: Array | None, spread: tuple[Array, Array] | None
) -> Iterator[DomainForecast]:
    drawn, fresh, total = found.drawn, found.fresh, found.drawn.sum()
    info = forecasting.information(file, params, drawn, fresh)
    could = forecasting.information(file, params, drawn, drawn)
    read = forecasting.more_read(file, params, found.unique, drawn, fresh)
    more = forecasting.more_found(file, params, found.unique, drawn, fresh)
    for index, domain in enumerate(found.domains):
        tokens, unique = float(drawn[index].sum()), float(fresh[index].sum())
        yield DomainForecast(
            domain=domain,
            tokens=tokens,
            unique=unique,
            repetition=tokens / unique if unique else 0.0,
            info=None if info is None else float(info[index]),
            lost=None if info is None or could is None else float(could[index] - info[index]),
            more_read=float(read[index]),
            more_found=float(more[index]),
            share=float(tokens / total),
            best=None if best is None else float(best[index].sum() / best.sum()),
            best_low=None if spread is None else float(spread[0][index]),
            best_high=None if spread is None else float(spread[1][index]),
        )


def _bands(found: Bands, best: Array | None) -> Iterator[BandForecast]:
    upper = edges(found.drawn.shape[1])
    for band, (low, high) in enumerate(zip((0.0, *upper[:-1]), upper, strict=True)):
        tokens = float(found.drawn[:, band].sum())
        yield BandForecast(
            low=low,
            high=high,
            tokens=tokens,
            unique=float(found.fresh[:, band].sum()),
            share=tokens / float(found.drawn.sum()),
            best=None if best is None else float(best[:, band].sum() / best.sum()),
        )


def over_budgets(
    connection: DuckDBPyConnection,
    op: logical.Sample,
    ranked: Path,
    scratch: Path,
    file: LawFile,
    path: str,
    params: float,
    budgets: Sequence[float],
) -> list[Forecast | Failure]:
    """The forecast of a recipe at several budgets, by drawing each from the stored ranking; where the quotas and limits
    leave no way, why.

    Args:
        ranked: the stored result of `Rank`.
        scratch: a path for the drawn ledgers, which are removed.
    """
    result: list[Forecast | Failure] = []
    for budget in budgets:
        at = op.model_copy(update={"tokens": max(1, round(budget)), "allow_vanishing": True})
        try:
            sample(connection, at, ranked, scratch)
            found = judged(connection, at, scratch, file, path, [params])[0]
            result.append(found or Failure(Diagnostic("R1211", f"a budget of {budget:,.0f} tokens draws nothing")))
        except Failure as failure:
            result.append(failure)
        finally:
            scratch.unlink(missing_ok=True)
    return result


def check(
    connection: DuckDBPyConnection,
    recipe: model.Recipe,
    ledger: Path,
    selection: Selection,
    found: Forecast | None,
) -> None:
    """Stops a plan that does not meet its requirements, naming what binds.

    Args:
        ledger: the stored result of `Sample`.

    Raises:
        Failure: a requirement is not met (exit code `INFEASIBLE`), or the law cannot judge it.
    """
    if recipe.budget is None or not recipe.budget.require:
        return
    repeated = most_repeated(connection, ledger)
    unjudged, broken = [], []
    for requirement in recipe.budget.require:
        value = _value(requirement, repeated[1], found)
        if isinstance(value, Diagnostic):
            unjudged.append(value)
        elif value > requirement.most:
            domain = _culprit(selection, found, requirement, repeated[0])
            broken.append(_broken(recipe, selection, found, requirement, value, domain))
    if unjudged or broken:
        code = ExitCode.INFEASIBLE if broken else ExitCode.ERROR
        raise Failure(*unjudged, *broken, exit_code=code)


def warnings(recipe: model.Recipe, found: Forecast | None) -> tuple[Diagnostic, ...]:
    """What makes the prediction doubtful, with the line of the law."""
    if found is None or recipe.budget is None or recipe.budget.law is None:
        return ()
    span = recipe.budget.law.origin.span
    result = [
        Diagnostic("R1212" if text in found.outside else "R1207", text, span, severity=Severity.WARNING)
        for text in found.warnings
    ]
    for requirement in recipe.budget.require:
        if requirement.quantity == "loss" and found.loss <= requirement.most < found.high:
            message = (
                f"the predicted loss of {found.loss:.4f} meets the requirement, "
                f"its 95% interval to {found.high:.3f} does not"
            )
            result.append(Diagnostic("R1213", message, requirement.origin.span, severity=Severity.WARNING))
    return tuple(result)


def _value(requirement: model.Requirement, repetition: float, found: Forecast | None) -> float | Diagnostic:
    """What a requirement is about, or why it cannot be said."""
    span = requirement.origin.span
    if requirement.quantity == "repetition":
        return repetition
    if found is None:
        return Diagnostic("R1211", "nothing is drawn, so no law can judge the plan", span)
    if found.outside:
        message = f"`require {requirement.quantity}` cannot be judged: " + "; ".join(found.outside)
        return Diagnostic("R1212", message, span, helps=("fit the law on runs that cover the plan",))
    value = {"loss": found.loss, "wasted": found.wasted, "regret": found.regret}[requirement.quantity]
    if value is None:
        message = f"{found.law} cannot judge `require {requirement.quantity}`"
        why = "it is blind to repetition" if requirement.quantity == "wasted" else "it tells no domains apart"
        return Diagnostic("R1211", message, span, label=why, helps=("use infolaw or infolaw+",))
    if requirement.relative and found.best_loss is not None:
        return value / found.best_loss
    return value


def most_repeated(connection: DuckDBPyConnection, ledger: Path) -> tuple[str, float]:
    """The domain with most tokens per unique token among what is drawn, and how many; ("", 0) where nothing is."""
    row = connection.execute(
        f"""
        SELECT domain, CAST(sum(tokens * CAST(copies AS HUGEINT)) AS DOUBLE) / sum(tokens) AS repetition
        FROM read_parquet({literal(str(ledger))}) WHERE copies > 0 AND tokens > 0
        GROUP BY domain ORDER BY repetition DESC, domain LIMIT 1
        """
    ).fetchone()
    return (str(row[0]), float(row[1])) if row else ("", 0.0)


def _broken(
    recipe: model.Recipe,
    selection: Selection,
    found: Forecast | None,
    requirement: model.Requirement,
    value: float,
    domain: str,
) -> Diagnostic:
    place, words = _binding(recipe, selection, domain)
    asked, has = _shown(requirement, requirement.most), _shown(requirement, value)
    message = f"the plan has a {NAMES[requirement.quantity]} of {has}, above the required {asked}"
    if requirement.quantity == "loss" and found is not None:
        message += f" (95% in {found.low:.3f} to {found.high:.3f})"
    return Diagnostic(
        "R1210",
        message,
        requirement.origin.span,
        label="required here",
        labels=(Label(place, words),) if place is not None else (),
        helps=tuple(_helps(found, requirement, domain)),
    )


NAMES = {
    "loss": "predicted loss",
    "wasted": "share of information lost to repetition",
    "repetition": "repetition",
    "regret": "regret",
}


def _shown(requirement: model.Requirement, value: float) -> str:
    if requirement.quantity == "wasted" or requirement.relative:
        return f"{value:.2%}"
    return f"{value:.3g} times" if requirement.quantity == "repetition" else f"{value:.4f}"


def _culprit(selection: Selection, found: Forecast | None, requirement: model.Requirement, most_repeated: str) -> str:
    """The domain that costs most: of repetition the most repeated, of waste the one that loses most, else the one
    whose share is farthest from the best."""
    if requirement.quantity == "repetition" or found is None:
        return most_repeated
    if requirement.quantity == "wasted" and any(domain.lost is not None for domain in found.domains):
        return max(found.domains, key=lambda one: (one.lost or 0.0, one.domain)).domain
    if requirement.quantity == "wasted" or found.best_loss is None:
        return max(found.domains, key=lambda one: (one.repetition, one.domain)).domain
    bound = {cell.domain for cell in selection.cells if cell.binds}
    # A domain at a bound is to blame before one that is free: the bound is what keeps it from the best.
    return max(
        found.domains,
        key=lambda one: (one.domain in bound, abs(one.share - (one.best or 0.0)), one.domain),
    ).domain


def _binding(recipe: model.Recipe, selection: Selection, domain: str) -> tuple[Span | None, str]:
    """The quota or limit that holds a domain where it is, else what decides its share."""
    binds = {cell.binds for cell in selection.cells if cell.domain == domain}
    quota = next((one for one in recipe.quotas if one.domain == domain), None)
    if quota is not None and ("at least" in binds or "at most" in binds):
        word = "at least" if "at least" in binds else "at most"
        return quota.origin.span, f"holds `{domain}` at its {'least' if word == 'at least' else 'most'}"
    limits = sorted((one for one in recipe.repeats if one.domain in (domain, None)), key=lambda one: one.domain is None)
    if limits and "repetition" in binds:
        return limits[0].origin.span, f"holds `{domain}` at its limit of repetition"
    if recipe.mixture.origin is not None:
        return recipe.mixture.origin.span, f"decides the share of `{domain}`"
    if recipe.budget is not None:
        return recipe.budget.origin.span, f"`{domain}` repeats to fill this budget"
    return None, ""


def _helps(found: Forecast | None, requirement: model.Requirement, domain: str) -> Iterator[str]:
    """What could be done about it."""
    if requirement.quantity == "repetition":
        yield f"find more documents for `{domain}`, give it less, or ask for fewer tokens"
        return
    if found is None:
        return
    if found.best_loss is not None and requirement.quantity in ("loss", "regret"):
        shares = ", ".join(
            f"{one.domain} {one.best:.1%}"
            for one in sorted(found.domains, key=lambda one: -(one.best or 0.0))[:4]
            if one.best
        )
        yield f"the best mixture under the same quotas and limits has a loss of {found.best_loss:.4f}: {shares}"
    needed = min(found.domains, key=lambda one: (one.more_found, one.domain))
    if needed.more_found < 0:
        yield (f"one more billion unique tokens of `{needed.domain}` would change the loss by {needed.more_found:+.4f}")
