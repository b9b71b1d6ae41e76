"""Compares the domain names in a recipe with the domains of the shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recipec.diagnostics import Diagnostic, Severity, did_you_mean
from recipec.ir import model


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


def unlimited(recipe: model.Recipe, most_copies: float) -> Diagnostic | None:
    """A warning if documents repeat more often than is known to help and the recipe sets no limit."""
    if most_copies <= MANY_COPIES or any(repeat.domain is None for repeat in recipe.repeats):
        return None
    message = f"a document is drawn up to {most_copies:.0f} times, but the recipe sets no limit"
    return Diagnostic("R0321", message, helps=("add `repeat at most 4 times`",), severity=Severity.WARNING)


MANY_COPIES = 4
"""Muennighoff et al. 2023: up to four epochs, repeated data are nearly as good as new data."""
