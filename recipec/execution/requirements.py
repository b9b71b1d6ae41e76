"""Checks `require`: the requirement that is not met, and the quota or limit that binds (docs/selection.md, step 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipec.diagnostics import Diagnostic, ExitCode, Failure, Label, Severity
from recipec.ir import model
from recipec.ir.forecast import Forecast
from recipec.ir.selection import Selection
from recipec.numbers import plain
from recipec.selection.kernel import Drawn
from recipec.source import Span


def check(recipe: model.Recipe, drawn: Callable[[], Drawn], selection: Selection, found: Forecast | None) -> None:
    """Raises Failure if a plan does not meet its requirements, naming the quota or limit responsible.

    Raises:
        Failure: a requirement is not met (exit code `INFEASIBLE`), or the law cannot judge it.
    """
    if recipe.budget is None or not recipe.budget.require:
        return
    repeated = most_repeated(drawn())
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
    """The warnings about doubts in the prediction, with the line of the law."""
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
                f"but its 95% interval up to {found.high:.3f} does not"
            )
            result.append(Diagnostic("R1213", message, requirement.origin.span, severity=Severity.WARNING))
    return tuple(result)


def _value(requirement: model.Requirement, repetition: float, found: Forecast | None) -> float | Diagnostic:
    """The value of a requirement's quantity, or the diagnostic why it is unknown."""
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
        why = "it ignores repetition" if requirement.quantity == "wasted" else "it does not distinguish domains"
        return Diagnostic("R1211", message, span, label=why, helps=("use infolaw or infolaw+",))
    if requirement.relative and found.best_loss is not None:
        return value / found.best_loss
    return value


def most_repeated(drawn: Drawn) -> tuple[str, float]:
    """The domain with the most tokens per unique token in this draw, and that number; ("", 0) if nothing is drawn."""
    given: dict[str, float] = {}
    fresh: dict[str, float] = {}
    for piece in drawn.pieces():
        name, tokens = piece.cell.key[0], piece.tokens.astype(float)
        given[name] = given.get(name, 0.0) + float((tokens * piece.copies).sum())
        fresh[name] = fresh.get(name, 0.0) + float(tokens[piece.copies > 0].sum())
    found = [(name, given[name] / fresh[name]) for name in sorted(fresh) if fresh[name]]
    return max(found, key=lambda one: one[1], default=("", 0.0))


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
    return f"{plain(value, 3)} times" if requirement.quantity == "repetition" else f"{value:.4f}"


def _culprit(selection: Selection, found: Forecast | None, requirement: model.Requirement, most_repeated: str) -> str:
    """The domain that contributes most: for repetition the most repeated, for waste the one that loses most, else the
    one whose share is farthest from the best."""
    if requirement.quantity == "repetition" or found is None:
        return most_repeated
    if requirement.quantity == "wasted" and any(domain.lost is not None for domain in found.domains):
        return max(found.domains, key=lambda one: (one.lost or 0.0, one.domain)).domain
    if requirement.quantity == "wasted" or found.best_loss is None:
        return max(found.domains, key=lambda one: (one.repetition, one.domain)).domain
    bound = {cell.domain for cell in selection.cells if cell.binds}
    # A domain at a bound comes before one that is free: the bound keeps it from its best share.
    return max(
        found.domains,
        key=lambda one: (one.domain in bound, abs(one.share - (one.best or 0.0)), one.domain),
    ).domain


def _binding(recipe: model.Recipe, selection: Selection, domain: str) -> tuple[Span | None, str]:
    """The quota or limit that binds a domain, else what determines its share."""
    binds = {cell.binds for cell in selection.cells if cell.domain == domain}
    quota = next((one for one in recipe.quotas if one.domain == domain), None)
    if quota is not None and ("at least" in binds or "at most" in binds):
        word = "at least" if "at least" in binds else "at most"
        return quota.origin.span, f"holds `{domain}` at its {'minimum' if word == 'at least' else 'maximum'}"
    limits = sorted((one for one in recipe.repeats if one.domain in (domain, None)), key=lambda one: one.domain is None)
    if limits and "repetition" in binds:
        return limits[0].origin.span, f"holds `{domain}` at its repetition limit"
    if recipe.mixture.origin is not None:
        return recipe.mixture.origin.span, f"decides the share of `{domain}`"
    if recipe.budget is not None:
        return recipe.budget.origin.span, f"`{domain}` repeats to fill this budget"
    return None, ""


def _helps(found: Forecast | None, requirement: model.Requirement, domain: str) -> Iterator[str]:
    """Suggestions for meeting the requirement."""
    if requirement.quantity == "repetition":
        yield f"find more documents for `{domain}`, reduce its share, or request fewer tokens"
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
