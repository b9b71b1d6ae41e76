"""Words that other installed packages add to the language, as their entry points declare them.

    [project.entry-points."recipec.criteria"]
    vowel_share = "acme_filters.vowel_share"

The name is the word, the value a module with a `SPEC` (or the object itself). Until a word is used, only the metadata
of packages is read: then its module is imported, and any error in it becomes a diagnostic that names its package.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import Any

from recipec import __version__
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.ir.model import Plugin
from recipec.source import Span

GROUP = "recipec."
"""The prefix of our entry-point groups; the kind of extension follows."""

HOME = "recipec"
"""The package of the built-in words."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A package that provides a word, and the entry point that declares it."""

    plugin: Plugin
    entry: metadata.EntryPoint


def words(kind: str) -> tuple[str, ...]:
    """The words of a kind that packages provide, sorted."""
    return tuple(sorted(_offers(kind)))


def offers(kind: str, word: str) -> tuple[Offer, ...]:
    """Every package that provides a word, sorted by name."""
    return _offers(kind).get(word, ())


@cache
def _offers(kind: str) -> Mapping[str, tuple[Offer, ...]]:
    found: dict[str, list[Offer]] = {}
    for entry in metadata.entry_points(group=GROUP + kind):
        plugin = _plugin(entry)
        if plugin is not None:
            found.setdefault(entry.name, []).append(Offer(plugin, entry))
    return {word: tuple(sorted(some, key=lambda offer: offer.plugin.package)) for word, some in found.items()}


def _plugin(entry: metadata.EntryPoint) -> Plugin | None:
    """The package of an entry point; None if its metadata is damaged, as after an interrupted installation."""
    try:
        return Plugin(package=entry.dist.name, version=entry.dist.version) if entry.dist is not None else None
    except Exception:
        return None


def canonical(package: str) -> str:
    """The normalised name of a package: `Acme_Filters` is `acme-filters`."""
    return re.sub(r"[-_.]+", "-", package).lower()


def version(package: str) -> str | None:
    """The installed version of a package, or None if it is not installed."""
    if canonical(package) == HOME:
        return __version__
    try:
        return metadata.version(package)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def changes(plugins: Iterable[Plugin]) -> tuple[str, ...]:
    """How the installed packages differ from those of a plan: "acme-filters 1.2 → 1.3"."""
    found = ((plugin, version(plugin.package)) for plugin in plugins)
    return tuple(
        f"{plugin} → {now}" if now is not None else f"{plugin} is not installed"
        for plugin, now in found
        if now != plugin.version
    )


def check(plugins: Iterable[Plugin], exit_code: ExitCode = ExitCode.ERROR) -> None:
    """Raises Failure if a package that a stored plan or dataset needs is missing."""
    missing = [plugin for plugin in plugins if version(plugin.package) is None]
    if missing:
        raise Failure(*map(absent, missing), exit_code=exit_code)


def absent(plugin: Plugin) -> Diagnostic:
    """The diagnostic for a package that is no longer installed."""
    helps = (f'install it: `pip install "{plugin.package}=={plugin.version}"`',)
    return Diagnostic("R0241", f"the package {plugin} is not installed", helps=helps)


def load(offer: Offer, noun: str, expected: type) -> Any:
    """Imports the module of a word and returns its `SPEC`.

    Args:
        noun: what messages call a word of this kind.
        expected: the type that its `SPEC` must have.

    Raises:
        Failure: the import fails, or yields something else.
    """
    with blamed(offer.plugin, f"{noun} `{offer.entry.name}`", code="R0245", verb="cannot be used"):
        found = offer.entry.load()
        given = getattr(found, "SPEC", None) if isinstance(found, ModuleType) else found
    problem = _problem(offer, given, expected)
    if problem:
        message = f"{noun} `{offer.entry.name}` of {offer.plugin} cannot be used: {problem}"
        raise Failure(Diagnostic("R0245", message))
    return given


def _problem(offer: Offer, given: Any, expected: type) -> str:
    if given is None:
        return f"`{offer.entry.value}` has no `SPEC`"
    if not isinstance(given, expected):
        return f"its `SPEC` is a {type(given).__name__}, expected a {expected.__name__}"
    name = getattr(given, "name", None)
    # `infolaw+` is not a word of the grammar, which writes it as `infolaw_plus`.
    if str(name).replace("+", "_plus") != offer.entry.name:
        return f"its `SPEC` is called `{name}`"
    return ""


@contextlib.contextmanager
def blamed(
    plugin: Plugin | None, what: str, span: Span | None = None, *, code: str = "R0247", verb: str = "failed"
) -> Iterator[None]:
    """Turns exceptions from a plug-in's code into a diagnostic that names its package; our own errors pass unchanged.

    Args:
        what: the word, as messages name it.
    """
    try:
        yield
    except Failure:
        raise
    except (Exception, SystemExit) as error:
        if plugin is None:
            raise
        lines = str(error).strip().splitlines()
        reason = ": ".join([type(error).__name__, *lines[:1]])
        raise Failure(Diagnostic(code, f"{what} of {plugin} {verb}: {reason}", span)) from error
