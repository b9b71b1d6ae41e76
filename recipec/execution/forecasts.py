"""Evaluates the budget's law on what a plan draws (docs/selection.md, step 10); `execution.requirements` judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import logical, model
from recipec.ir.forecast import BandForecast, DomainForecast, Forecast
from recipec.ir.mixing import Decided
from recipec.laws import forecasting, lawfile, prediction
from recipec.laws.lawfile import LawFile
from recipec.selection import kernel, mixing
from recipec.selection.bands import Bands, bands, edges, groups
from recipec.selection.kernel import Drawn, Ranked


def measured(drawn: Drawn, count: int, *, share: float = 1.0, nested: bool = False) -> Bands:
    """The tokens that are drawn, by domain and band; the law covers the whole training, so what earlier phases drew
    counts.

    Args:
        share: the share of the documents that the pool covers; sums are divided by it.
        nested: whether parts of domains under different nested quotas get separate rows.
    """
    found = bands(drawn.found, drawn, count, nested=nested)
    sums = (np.asarray(x / share) for x in (found.unique, found.most, found.drawn, found.fresh))
    return Bands(found.domains, found.nests, *sums)


def composition_of(found: Bands, op: logical.Sample) -> forecasting.Composition:
    """The pool from which the best mixture is drawn, and the quotas that it satisfies."""
    names = sorted(set(found.domains))
    bounds = groups(found, op.quotas, float(op.tokens + op.already if op.tokens else found.drawn.sum()))
    numbers = tuple(names.index(domain) for domain in found.domains)
    return forecasting.Composition(found.unique, found.drawn, found.most, bounds, numbers)


def judged(
    op: logical.Sample, drawn: Drawn, file: LawFile, path: str, params: Sequence[float], *, share: float = 1.0
) -> list[Forecast | None]:
    """The forecasts of a law for what is drawn, for models of several sizes."""
    count = band_count(file)
    found = measured(drawn, count, share=share)
    apart = any(quota.conditions for quota in op.quotas)
    parts = measured(drawn, count, share=share, nested=True) if apart else found
    return [evaluate(file, path, found, composition_of(parts, op), size) for size in params]


def band_count(file: LawFile) -> int:
    return (file.bands or file.form.bands) if file.form.info is not None else 1


def forecast(
    recipe: model.Recipe, op: logical.Sample, drawn: Callable[[], Drawn], *, share: float = 1.0
) -> Forecast | None:
    """The forecast of the budget's law for what is drawn; None without a law, or if nothing is drawn."""
    budget = recipe.budget
    if budget is None or budget.law is None or budget.model is None:
        return None
    file = lawfile.read(budget.law.path, Path(recipe.folder))
    return judged(op, drawn(), file, budget.law.path, [float(budget.model)], share=share)[0]


def evaluate(file: LawFile, path: str, found: Bands, pool: forecasting.Composition, params: float) -> Forecast | None:
    """The forecast of a law for what is drawn; None if nothing is drawn."""
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
    op: logical.Sample,
    found: Ranked,
    file: LawFile,
    path: str,
    params: float,
    budgets: Sequence[float],
    measured: Decided | None = None,
) -> list[Forecast | Failure]:
    """The forecasts of a recipe at several budgets, by drawing each; a Failure for each budget that quotas and limits
    make impossible.

    Args:
        measured: weights that only a run can decide, and that apply to every budget.
    """
    result: list[Forecast | Failure] = []
    for budget in budgets:
        at = op.model_copy(update={"tokens": max(1, round(budget)), "allow_vanishing": True})
        try:
            decided = measured or mixing.decide(mixing.Problem(at, found.totals, found))
            one = judged(at, kernel.draw(found, at, decided), file, path, [params])[0]
            result.append(one or Failure(Diagnostic("R1211", f"a budget of {budget:,.0f} tokens draws nothing")))
        except Failure as failure:
            result.append(failure)
    return result
