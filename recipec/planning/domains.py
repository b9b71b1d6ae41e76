"""Compares the domain names in a recipe with the domains of the shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from recipec.diagnostics import Diagnostic, Severity, did_you_mean
from recipec.ir import model
from recipec.semantics import repetition


def unknown(recipe: model.Recipe, known: Iterable[str]) -> tuple[Diagnostic, ...]:
    """A diagnostic for every domain that a recipe names but no document has. A mixture from a file may name domains
    that do not exist; the allocation handles that."""
    names = frozenset(known)
    found: dict[tuple[str, int], Diagnostic] = {}
    for name, origin in _named(recipe):
        if name not in names and origin is not None:
            found.setdefault(
                (name, origin.line),
                Diagnostic(
                    "R0320", f"no document has the domain `{name}`", origin.span, helps=did_you_mean(name, names)
                ),
            )
    return tuple(found[key] for key in sorted(found))


def _named(recipe: model.Recipe) -> Iterator[tuple[str, model.Origin | None]]:
    for block in recipe.quality.weights:
        if block.domain is not None:
            yield block.domain, block.origin
    if isinstance(recipe.sample, model.Quadmix):
        for curve in recipe.sample.curves:
            if curve.domain is not None:
                yield curve.domain, curve.origin
    rules: tuple[model.Quota | model.Repeat, ...] = (*recipe.quotas, *recipe.repeats)
    for rule in rules:
        if rule.domain is not None:
            yield rule.domain, rule.origin
    if isinstance(recipe.mixture, model.Shares | model.FromFile):
        for domain, weight in recipe.mixture.weights:
            if weight > 0:
                yield domain, recipe.mixture.origin


def unlimited(recipe: model.Recipe, copies: Mapping[str, float]) -> Diagnostic | None:
    """A warning if documents without a limit repeat more often than `std.repeat.epochs` would let them.

    Args:
        copies: the copies of a drawn document, by domain.
    """
    own = {repeat.domain for repeat in recipe.repeats if repeat.per_document}
    lifted = {
        domain: limit.origin
        for domain in copies
        if (limit := recipe.limit(domain)) is not None and limit.unlimited and not own & {None, domain}
    }
    most = max(lifted, key=lambda domain: (copies[domain], domain), default="")
    standard = repetition.standard().most
    if not lifted or standard is None or copies[most] <= standard:
        return None
    message = f"a document of `{most}` is drawn up to {copies[most]:.0f} times"
    helps = (f"without `unlimited` it would be at most {standard} times, the limit of `{model.STANDARD_LIMIT}`",)
    return Diagnostic("R0321", message, lifted[most].span, "no limit", helps=helps, severity=Severity.WARNING)
