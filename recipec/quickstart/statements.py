"""The statements of a starter recipe, one text per line; the formatter brings them into canonical form."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from recipec.quickstart import fields
from recipec.quickstart.folders import Group
from recipec.quickstart.roles import Origin
from recipec.quickstart.scores import Score
from recipec.quickstart.wording import comments, count, distinct, quoted, shown, some
from recipec.syntax import printing

SPLITS = re.compile(r"(valid|validation|val|dev|test|eval|heldout|holdout)([-_.].*)?", re.IGNORECASE)
"""Names of folders and files with documents for evaluation."""


def lines(origins: Sequence[Origin], left_out: Sequence[Group], beside: Path) -> list[str]:
    """All lines of the recipe."""
    result = [*_header(origins, left_out), ""]
    for one in origins:
        result += _source(one, beside)
    result += [*_where(origins), *_quality(origins), "repeat at most 4 times", *_allow(origins)]
    name = origins[0].name if len(origins) == 1 else "mix"
    return [*result, f'output parquet "out/{name}" {{ shard 512MB, shuffle }}']


def _header(origins: Sequence[Origin], left_out: Sequence[Group]) -> list[str]:
    shards = count(sum(len(one.group.paths) for one in origins), "shard")
    result = [
        f"# A starter recipe, from the columns and the first documents of {shards}. A TODO is a guess to be checked.",
        "# Next: recipec plan, then state criteria, quotas and a budget.",
    ]
    if left_out:
        names = some([f"`{shown(group.place)}`" for group in left_out])
        result += comments([f"left out, because no column is called a text: {names}; `--text COLUMN` names one"])
    return result


def _source(origin: Origin, beside: Path) -> list[str]:
    roles = {"id": origin.id, "text": origin.text, "tokens": origin.tokens, "domain": origin.domain}
    return [
        f"source {quoted(origin.name)} {{",
        *comments(_doubts(origin.group)),
        *(f"shards {printing.string(glob)}" for glob in origin.group.globs(beside)),
        *(
            line
            for word, role in roles.items()
            if role.value
            for line in [*comments(role.todo), f"{word} {role.value}"]
        ),
        # At the end, so that what is above a line is about that line.
        *(line for role in roles.values() if not role.value for line in comments(role.todo)),
        "}",
        "",
    ]


def _doubts(group: Group) -> list[str]:
    """What may be wrong with the shards of a source."""
    result = []
    suffixes = list(dict.fromkeys(cell.suffix for cell in group.cells))
    if len(suffixes) > 1:
        result.append(f"files of several kinds, {', '.join(suffixes)}: are they the same documents twice?")
    names = dict.fromkeys(name for cell in group.cells for file in cell.files for name in file.split("/"))
    if splits := [f"`{shown(name)}`" for name in names if SPLITS.fullmatch(name)]:
        result.append(f"leave out what is for evaluation? {some(splits)}")
    if group.like:
        others = f"{count(group.like, 'other folder')} {'has' if group.like == 1 else 'have'}"
        result.append(f"a source of its own, so that this folder is a domain: {others} the same columns")
    if group.unread:
        result.append(f"{count(group.unread, 'folder')} were not looked into: do they have the same columns?")
    return result


def _where(origins: Sequence[Origin]) -> list[str]:
    """The shortest document that is kept: for all sources if their texts have one name, else for each."""
    found = {one.name: (one.text.value, _shortest(one)) for one in origins}
    result = [*_languages(origins), *comments(["the fewest characters of a document that is kept"])]
    if len(set(found.values())) == 1:
        text, least = next(iter(found.values()))
        return [*result, f"where length({text}) >= {least}", ""]
    each = [f"where for {quoted(name)} length({text}) >= {least}" for name, (text, least) in found.items()]
    return [*result, *each, ""]


def _shortest(origin: Origin) -> int:
    """A limit that most documents meet."""
    return fields.LONG if origin.facts.long * 2 > origin.facts.rows - origin.facts.missing else 1


def _languages(origins: Sequence[Origin]) -> list[str]:
    return comments(
        f"{one.shown} is how certain a language is, not a quality; "
        f"add for example `where{f' for {quoted(origin.name)}' if len(origins) > 1 else ''} {one.written} >= 0.65`"
        for origin in origins
        for one in origin.languages
    )


def _quality(origins: Sequence[Origin]) -> list[str]:
    """The criteria, what to do where they are missing, and the curve; `sample all` without criteria."""
    found = _criteria(origins)
    if not found:
        return ["sample all", ""]
    result = []
    for name, score, of in found:
        result += comments(score.todo)
        result.append(f"criterion {name} = column({score.field.written}) {score.direction} is better{of}")
    block = [*_missing(origins), "missing worst", *_ties(origins)]
    if len(found) > 1:
        weights = ", ".join(f"{name} 1" for name, _, _ in found)
        block += [*comments(["all criteria weigh the same"]), f"weights {{ {weights} }}"]
    curve = [*comments(["how much better documents are preferred: from `std.curve.quadmix`"]), CURVE]
    return [*result, "", "quality {", *block, "}", "", *curve, ""]


def _ties(origins: Sequence[Origin]) -> list[str]:
    """`ties split`, if there are sources without scores, or scores of few values."""
    unscored = [f"`{one.name}`" for one in origins if not one.scores]
    few = list(dict.fromkeys(score.field.shown for one in origins for score in one.scores if score.few))
    todo = [f"without scores, so that chance decides: {some(unscored)}"] if unscored else []
    todo += [f"many documents are equally good, and chance decides between them: {some(few)}"] if few else []
    return [*comments(todo), "ties split"] if todo else []


CURVE = "sample quadmix { curve { lambda 500, omega 0.08, eta 1, epsilon 0.001 } }"


def _criteria(origins: Sequence[Origin]) -> list[tuple[str, Score, str]]:
    """The name, score and `for SOURCE` of each criterion: one for all sources, if all have the same scores."""
    shared = len({tuple(one.field.parts for one in origin.scores) for origin in origins}) == 1
    of = origins[:1] if shared else origins
    found = [(origin.name, score) for origin in of for score in origin.scores]
    names = distinct([_name(score) if shared else f"{_name(score)}_{name}" for name, score in found])
    return [
        (quoted(name), score, "" if shared else f" for {quoted(source)}")
        for name, (source, score) in zip(names, found, strict=True)
    ]


def _name(score: Score) -> str:
    return "_".join(str(part) for part in score.field.parts)


def _missing(origins: Sequence[Origin]) -> list[str]:
    """Which scores are missing in the sample, and what is done about it."""
    found: dict[str, float] = {}
    for score in (score for one in origins for score in one.scores if score.missing):
        found[score.field.shown] = max(score.missing, found.get(score.field.shown, 0.0))
    shares = some([f"{name} in {math.ceil(share * 100)}%" for name, share in found.items()])
    if not found:
        return ["# Documents without a score, if there are any, count as the worst."]
    return comments([f"null or NaN in the sample: {shares}; such documents count as the worst, or `missing drop`"])


def _allow(origins: Sequence[Origin]) -> list[str]:
    """What plans would otherwise refuse: documents of the sample without text, and small domains of which none is drawn."""
    share = max((one.facts.missing / one.facts.rows for one in origins if one.facts.rows), default=0.0)
    result = []
    if share:
        todo = f"{math.ceil(share * 100)}% of the documents of a sample have no text, and are left out"
        result += [*comments([todo]), f"allow bad {min(100, math.ceil(share * 200))}%"]
    if any(one.scores for one in origins) and (len(origins) > 1 or origins[0].domain.value):
        result += [*comments(["domains of few documents may get none, or say which with `quota`"]), "allow vanishing"]
    return result
