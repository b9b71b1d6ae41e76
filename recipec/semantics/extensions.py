"""Words of extensions, and `needs "acme-filters >= 1.2"`: what a recipe may use from other packages.

A plug-in's word may be used if the recipe `needs` its package and the installed version fits; before that, nothing of
it is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recipec import plugins, spec
from recipec.diagnostics import Failure, Severity
from recipec.ir import model
from recipec.semantics.context import Context
from recipec.source import Source
from recipec.syntax import ast

if TYPE_CHECKING:
    from packaging.requirements import Requirement

FORM = 'write for example `needs "acme-filters >= 1.2"`'


def needs(context: Context, nodes: Sequence[ast.Needs]) -> tuple[model.Need, ...]:
    """The packages that a recipe needs, sorted by name; records in the context which of them fit."""
    found = [need for node in nodes if (need := _need(context, node)) is not None]
    return tuple(sorted(found, key=lambda need: (need.package, need.specifier)))


def _need(context: Context, node: ast.Needs) -> model.Need | None:
    written, span = node.requirement.value, node.requirement.span
    wanted = _requirement(written)
    if wanted is None or wanted.extras or wanted.marker or wanted.url:
        context.error("R0240", "expected the name of a package and its versions", span, helps=(FORM,))
        context.mistaken.add("needs")
        return None
    package, versions = plugins.canonical(wanted.name), str(wanted.specifier)
    installed = plugins.version(package)
    if installed is None:
        context.error("R0241", f"the package {package} is not installed", span, helps=(_install(written),))
        context.mistaken.add("package")
        return None
    # A pre-release counts: it was installed on purpose.
    serves = wanted.specifier.contains(installed, prereleases=True)
    if not serves:
        message = f"{package} {installed} is installed, but the recipe needs {versions}"
        context.error("R0242", message, span, helps=(_install(written),))
    context.needed[package] = serves and context.needed.get(package, True)
    return model.Need(package=package, specifier=versions, version=installed, origin=model.Origin.of(node.span))


def _requirement(written: str) -> Requirement | None:
    # Imported here, so that recipes without plug-ins do not pay for it.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(written)
    except InvalidRequirement:
        return None


def _install(requirement: str) -> str:
    return f'install it: `pip install "{requirement.replace(" ", "")}"`'


def check_used(context: Context, nodes: Sequence[ast.Needs], source: Source) -> None:
    """Warns of `needs` of packages that the recipe does not use; those in imported recipes are not checked."""
    for node in nodes:
        wanted = _requirement(node.requirement.value)
        package = plugins.canonical(wanted.name) if wanted is not None else plugins.HOME
        if node.span.source == source and package not in context.used | {plugins.HOME}:
            message = f"the recipe uses no word of {package}"
            context.error("R0246", message, node.span, helps=("remove the line",), severity=Severity.WARNING)


def extension(context: Context, kind: spec.Kind, name: ast.Name) -> Any:
    """The `SPEC` of a known word, or None (with diagnostics)."""
    try:
        plugin = spec.origin(kind, name.text)
        if plugin is not None and not _is_needed(context, kind, name, plugin):
            return None
        return spec.find(kind, name.text)
    except Failure as failure:
        for one in failure.diagnostics:
            context.error(one.code, one.message, name.span, helps=one.helps)
        return None


def _is_needed(context: Context, kind: spec.Kind, name: ast.Name, plugin: model.Plugin) -> bool:
    package = plugins.canonical(plugin.package)
    context.used.add(package)
    if package in context.needed:
        return context.needed[package]
    message = f"{spec.KINDS[kind].noun} `{name.text}` is a word of {plugin}, which the recipe does not list in `needs`"
    context.error("R0243", message, name.span, helps=(f'add the line `needs "{package} >= {plugin.version}"`',))
    return False


def check_own(context: Context, kind: spec.Kind, name: ast.Name, noun: str) -> bool:
    """Whether no package provides a word that the language itself has as a `noun`; adds a diagnostic if one does."""
    givers = [f"a {spec.KINDS[kind].noun} of {offer.plugin}" for offer in plugins.offers(kind, name.text)]
    if givers:
        one = spec.clash(name.text, [f"a {noun} of {plugins.HOME}", *givers])
        context.error(one.code, one.message, name.span, helps=one.helps)
    return not givers
