"""Writes a starter recipe for folders of shards, from their schemas and first documents.

What could be guessed wrongly has a comment above it that begins with TODO: what was assumed, and what else it may be.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from recipec import syntax
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir.shapes import Columns
from recipec.quickstart import fields, folders, guesses, roles, scores, statements, wording
from recipec.quickstart.fields import Field
from recipec.quickstart.folders import Group
from recipec.quickstart.guesses import Known
from recipec.quickstart.roles import Options, Origin
from recipec.source import Source

MOST_SOURCES = 16
"""The most folders with the same columns that become sources of their own, so that each is a domain."""


def recipe(given: Sequence[Path], beside: Path, options: Options) -> str:
    """The canonical text of a starter recipe for the shards in some folders.

    Args:
        beside: the folder that the recipe will be in; globs are relative to it.

    Raises:
        Failure: a folder has no shards, none has a text, or a column that an option names does not exist.
    """
    found = [group for folder in given for group in folders.groups(folder, beside, _alike)]
    origins, left_out = _origins(found, beside, options)
    text = "\n".join(statements.lines(origins, left_out, beside)) + "\n"
    source = Source(text, "init")
    tree, diagnostics = syntax.parse(source)
    assert not diagnostics, diagnostics
    return syntax.format(tree, source)


def _alike(columns: Columns) -> Hashable:
    """What shards of one source have in common: which values the roles would be by name, and the scores."""
    found = fields.of_columns(columns)
    picks = [
        guesses.texts(found) or [one for one in found if one.type == "string"],
        guesses.ids(found)[:1],
        guesses.counts(found)[:1],
        guesses.domains(found)[:1],
        scores.fields(found),
    ]
    return tuple(tuple((one.parts, one.type) for one in pick) for pick in picks)


def _origins(found: Sequence[Group], beside: Path, options: Options) -> tuple[list[Origin], list[Group]]:
    """The sources, and the groups that have no text."""
    known = [(group, fields.fields(group)) for group in found]
    roles.check(known, options)
    known = [(group, roles.with_stated(group, own, options)) for group, own in known]
    facts = [(group, own, fields.sample(group, own, beside)) for group, own in known]
    by_name = options.text is not None or any(guesses.texts(own) for _, own, _ in facts)
    usable = [one for one in facts if roles.text(*one, options, by_name=by_name) is not None]
    if not usable:
        raise _no_text(facts)
    left_out = [group for group, own, about in facts if (group, own, about) not in usable]
    parts = [part for one in usable for part in _parts(*one, beside, options)]
    names = wording.distinct([part.name for part, _, _ in parts])
    return [
        roles.origin(name, part, own, about, options, by_name=by_name)
        for name, (part, own, about) in zip(names, parts, strict=True)
    ], left_out


def _parts(
    group: Group, own: Sequence[Field], about: Known, beside: Path, options: Options
) -> list[tuple[Group, Sequence[Field], Known]]:
    """A group as one source for each of its folders, if nothing else tells domains apart and the folders are few: the
    language has no word for the folder of a document, and each source is a domain."""
    parts = folders.below(group)
    alone = options.domain is None and guesses.domain(group, "", own, about).value is None
    if not alone or not 1 < len(parts) <= MOST_SOURCES:
        return [(group, own, about)]
    return [(part, own, fields.sample(part, own, beside)) for part in parts]


def _no_text(facts: Sequence[tuple[Group, Sequence[Field], Known]]) -> Failure:
    """The failure that lists strings, with their lengths."""
    if not any(own for _, own, _ in facts):
        places = wording.some([f"`{group.root}`" for group, _, _ in facts])
        return Failure(Diagnostic("R0711", f"the shards of {places} hold no documents"))
    helps = []
    for group, own, about in facts[:5]:
        strings = [
            f"{one.shown} ({about[one].length:,.0f} characters on average)"
            for one in own
            if one.type in ("string", "json") and not one.placed
        ]
        helps.append(f"the strings of `{group.place}`: {', '.join(strings[:12]) or 'none'}")
    message = "no column can be the text: none is called one, and no string is long"
    return Failure(Diagnostic("R0711", message, helps=(*helps, "`--text COLUMN` names the text")))
