"""The roles of a source's columns in a starter recipe: as options say, or else as guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import paths, shapes
from recipec.ir.paths import Part
from recipec.quickstart import guesses, scores
from recipec.quickstart.fields import NOTHING, Facts, Field, is_writable
from recipec.quickstart.folders import Group
from recipec.quickstart.guesses import Guess, Known
from recipec.quickstart.wording import shown, some
from recipec.semantics.typing import named

PLACES = ("path", "file")
"""What `--domain` may be besides a column: the place of a shard."""

TYPES: Mapping[str, tuple[str, ...]] = {
    "id": ("string", "integer"),
    "text": ("string", "json"),
    "tokens": ("integer",),
    "domain": ("string", "integer", "boolean", "json", "date"),
}
"""The types that a value in each role may have."""

NEEDED = {
    "id": "an id is a string or an integer",
    "text": "a text is a string",
    "tokens": "a number of tokens is an integer",
    "domain": "a domain is a string",
}
"""The same in words."""


@dataclass(frozen=True, slots=True)
class Options:
    """References to the values that shall have the roles; None where they are guessed."""

    id: str | None = None
    text: str | None = None
    domain: str | None = None
    tokens: str | None = None

    def stated(self) -> dict[str, str]:
        every = {"id": self.id, "text": self.text, "domain": self.domain, "tokens": self.tokens}
        return {role: value for role, value in every.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Origin:
    """A source of a starter recipe.

    Attributes:
        text: what its documents' text is; `facts` are about that.
        languages: scores of language identification.
    """

    name: str
    group: Group
    id: Guess
    text: Guess
    tokens: Guess
    domain: Guess
    facts: Facts
    scores: Sequence[scores.Score] = ()
    languages: Sequence[Field] = ()


def check(known: Sequence[tuple[Group, Sequence[Field]]], options: Options) -> None:
    """Checks that what each option names is there, in some source at least, and fits its role.

    Raises:
        Failure: it is not.
    """
    for role, written in options.stated().items():
        what = f"`--{role} {shown(written)}`"
        found = [one for group, own in known if (one := _find(group, own, written)) is not None]
        if not found and not (role == "domain" and written in PLACES):
            columns = some(list(dict.fromkeys(one.shown for _, own in known for one in own)), 12)
            raise _failure(f"{what} names no column", _near(written, known) or (f"known: {columns}",))
        wrong = next((one for one in found if one.type not in TYPES[role]), None)
        if wrong is not None:
            raise _failure(f"{what} is {named(wrong.type)}, and {NEEDED[role]}")
        if found and not is_writable(found[0].parts):
            helps = ("rename the column: recipes cannot quote a back quote or a line break",)
            raise _failure(f"{what} cannot be written in a recipe", helps)


def _near(written: str, known: Sequence[tuple[Group, Sequence[Field]]]) -> tuple[str, ...]:
    near = get_close_matches(written, {one.reference: None for _, own in known for one in own}, n=1)
    return (f"did you mean `{shown(near[0])}`?",) if near else ()


def with_stated(group: Group, own: Sequence[Field], options: Options) -> list[Field]:
    """The values of a group with those that options name, which may be deeper than others that are looked at."""
    stated = [_find(group, own, written) for written in options.stated().values()]
    return list(dict.fromkeys([*own, *(one for one in stated if one is not None)]))


def _find(group: Group, own: Sequence[Field], written: str) -> Field | None:
    """The value that an option names: a column of that name, or what a path leads to."""
    placed = next((one for one in own if one.placed and one.parts == (written,)), None)
    for parts in _readings(written):
        shape = shapes.at(group.columns, parts)
        if shape is not None:
            return Field(parts, shape)
    return placed


def _readings(written: str) -> list[tuple[Part, ...]]:
    try:
        return [(written,), paths.parts(written)]
    except ValueError:
        return [(written,)]


def _failure(message: str, helps: tuple[str, ...] = ()) -> Failure:
    return Failure(Diagnostic("R0711", message, helps=helps))


def text(group: Group, own: Sequence[Field], about: Known, options: Options, *, by_name: bool) -> Guess | None:
    """The text of a source, or None if it has none.

    Args:
        by_name: whether only a name makes a column the text, because another source has one.
    """
    if options.text is not None and (found := _find(group, own, options.text)) is not None:
        return Guess(found.written, (), found)
    return None if by_name and not guesses.texts(own) else guesses.text(own, about)


def origin(name: str, group: Group, own: Sequence[Field], about: Known, options: Options, *, by_name: bool) -> Origin:
    """A source with all its roles.

    Raises:
        Failure: the column of `--id` or `--tokens` has values that cannot be one.
    """
    chosen = text(group, own, about, options, by_name=by_name)
    assert chosen is not None
    assert chosen.field is not None
    used = {chosen.field.parts}
    return Origin(
        name,
        group,
        _stated("id", group, own, about, options) or guesses.id_([one for one in own if one.parts not in used], about),
        chosen,
        _stated("tokens", group, own, about, options) or guesses.tokens(own, about),
        _stated("domain", group, own, about, options) or guesses.domain(group, name, own, about),
        about.get(chosen.field, NOTHING),
        scores.scores(own, about),
        scores.of_languages(own),
    )


def _stated(role: str, group: Group, own: Sequence[Field], about: Known, options: Options) -> Guess | None:
    """What an option says of a role, or None if it says nothing about this source."""
    written = options.stated().get(role)
    found = _find(group, own, written) if written is not None else None
    if found is None:
        return Guess(written) if role == "domain" and written in PLACES else None
    facts = about.get(found)
    if role == "id" and facts is not None and not facts.unique and facts.rows:
        raise _failure(f"`--id {shown(written)}` is no id in `{group.place}`: {guesses.unfit(found, facts)}")
    if role == "tokens" and facts is not None and not guesses.is_count(facts):
        raise _failure(f"`--tokens {shown(written)}` is null or not above zero in some documents of `{group.place}`")
    if role == "domain" and facts is not None:
        return guesses.with_unknown(found, facts)
    return Guess(found.written, (), found)
