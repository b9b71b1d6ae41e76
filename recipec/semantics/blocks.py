"""Blocks of settings: which are known, which may repeat, which are required."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recipec.semantics.context import Context
from recipec.source import Span
from recipec.syntax import ast


@dataclass(frozen=True, slots=True)
class Form:
    """The allowed forms of a setting: its number of values, and whether it may have a domain, `= expression`, a
    (possibly optional) block, and repeat."""

    values: tuple[int, int] = (1, 1)
    domain: bool = False
    assigned: bool = False
    block: bool = False
    many: bool = False
    maybe_block: bool = False


Settings = Mapping[str, tuple[ast.Setting, ...]]


def settings(context: Context, block: ast.Block | None, forms: Mapping[str, Form], what: str) -> Settings:
    """The settings of a block by name, without those that have errors."""
    found: dict[str, list[ast.Setting]] = {name: [] for name in forms}
    first: dict[tuple[str, str | None], ast.Setting] = {}
    for setting in block.settings if block else ():
        form = forms.get(setting.name.text)
        if form is None:
            name = setting.name.text
            helps = context.near(name, forms)
            context.error(
                "R0201", f"{what} has no setting `{name}`", setting.name.span, label="not known here", helps=helps
            )
        elif _well_formed(context, setting, form):
            same = first.setdefault((setting.name.text, _domain(setting)), setting)
            if same is not setting and not form.many:
                context.duplicate(f"`{setting.name.text}`", setting.span, same.span)
            else:
                found[setting.name.text].append(setting)
    return {name: tuple(values) for name, values in found.items()}


def required(context: Context, block: ast.Block, found: Settings, names: Iterable[str], what: str, span: Span) -> bool:
    """Whether all the settings are present; adds a diagnostic for each missing one.

    A setting with an error, which is already reported, does not count as missing.
    """
    missing = [name for name in names if not found[name]]
    stated = {setting.name.text for setting in block.settings}
    for name in (name for name in missing if name not in stated):
        context.error("R0203", f"{what} has no `{name}`", span, label=f"`{name}` is missing")
    return not missing


def _domain(setting: ast.Setting) -> str | None:
    match setting.domain:
        case None:
            return None
        case ast.Name():
            return setting.domain.text
        case ast.String():
            return setting.domain.value


def _well_formed(context: Context, setting: ast.Setting, form: Form) -> bool:
    name, mistakes = setting.name.text, []
    if setting.domain is not None and not form.domain:
        mistakes.append("does not take a domain")
    if setting.assigned and not form.assigned:
        mistakes.append("takes no `=`")
    if setting.block is not None and not form.block and not form.maybe_block:
        mistakes.append("takes no block")
    if setting.block is None and form.block:
        mistakes.append("needs a block `{ … }`")
    low, high = form.values
    if not low <= len(setting.values) <= high:
        expected = "no" if not high else f"{low}" if low == high else f"{low} to {high}"
        mistakes.append(f"takes {expected} value{'' if high <= 1 else 's'}, found {len(setting.values)}")
    helps = _joined(setting) if high == 1 else ()
    for mistake in mistakes:
        context.error("R0208", f"`{name}` {mistake}", setting.span, helps=helps)
    return not mistakes


def _joined(setting: ast.Setting) -> tuple[str, ...]:
    """Help lines for too many values: write the unit of a size without a space, or separate settings."""
    match setting.values:
        case (ast.Quantity(unit="", text=number), ast.Name(text=unit)) if re.fullmatch("[KMGT]i?B", unit):
            return (f"write `{number}{unit}`",)
    return ("put each setting on its own line, or separate them with `,`",) if len(setting.values) > 1 else ()
