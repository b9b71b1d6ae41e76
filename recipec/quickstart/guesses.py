"""Guesses which values of a source's documents are the id, the text, the tokens and the domain; says what was guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recipec.quickstart.fields import LONG, Facts, Field
from recipec.quickstart.folders import Group
from recipec.quickstart.wording import count, shown, some

Known = Mapping[Field, Facts]

TEXTS = (
    *("text", "content", "raw_content", "raw_text", "contents", "body", "document", "markdown", "page_content"),
    "code",
)
WEAK = ("code",)
"""Names of texts that may be something else: a short value is no text."""

IDS = ("id", "doc_id", "document_id", "docid", "uuid", "_id", "guid", "warc_record_id")
CONTENT_IDS = ("hexsha", "blob_id", "sha256", "sha1", "hash", "url", "uri", "path")
"""Names of ids of contents and places, which may well occur twice."""

TOKENS = ("tokens", "token_count", "n_tokens", "num_tokens", "token_num", "ntokens")
DOMAINS = (
    *("domain", "topic", "category", "pile_set_name", "redpajama_set_name", "set_name", "source", "subset", "corpus"),
    *("dataset", "kind", "lang", "language", "label", "dump"),
)
ANY_TOKENS = re.compile(r"tok(en)?s?(_|$)")

MOST_DOMAINS = 200
"""A value with more different ones in the sample is no domain."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What follows the word of a role in a recipe, and what is to be checked about it.

    Attributes:
        value: None where the role is left out.
    """

    value: str | None
    todo: tuple[str, ...] = ()
    field: Field | None = None


def listed(found: Sequence[Field], facts: Known | None = None) -> str:
    """The references to some values, with the number of different ones."""
    return some([one.shown + (f" ({count(facts[one].distinct, 'value')})" if facts else "") for one in found])


def ranked(names: Sequence[str], found: Sequence[Field]) -> list[Field]:
    """Those of some values that have one of the names: by the order of these, the outer ones before those inside others."""

    def rank(one: Field) -> tuple[bool, int, bool]:
        return len(one.parts) > 1, names.index(one.name), one.parts[-1] != one.name

    return sorted((one for one in found if one.name in names), key=rank)


def texts(found: Sequence[Field]) -> list[Field]:
    """The values that may be the text, by their names."""
    return ranked(TEXTS, [one for one in found if one.type in ("string", "json") and not one.placed])


def text(found: Sequence[Field], facts: Known) -> Guess | None:
    """The text by its name, or else the longest string; None if there is no long one."""
    strings = [one for one in found if one.type in ("string", "json") and not one.placed]
    long = sorted((one for one in strings if facts[one].length >= LONG), key=lambda one: -facts[one].length)
    named = [one for one in texts(found) if one.name not in WEAK or one in long]
    if not named and not long:
        return None
    chosen = (named or long)[0]
    others = [one for one in dict.fromkeys([*named, *long]) if one != chosen]
    others = [one for one in others if one in named or facts[one].length >= facts[chosen].length / 2]
    todo = []
    if not named:
        todo.append(
            f"no column is called a text; this is the longest, {facts[chosen].length:,.0f} characters on average"
        )
    if named and len(chosen.parts) > 1:
        todo.append(f"the text is taken from inside `{shown(chosen.parts[0])}`, because of its name")
    if others:
        todo.append(f"other columns that may be the text: {listed(others)}")
    return Guess(chosen.written, tuple(todo), chosen)


def tokens(found: Sequence[Field], facts: Known) -> Guess:
    """The column of token counts, if all of them are above zero."""
    likely = counts(found)
    usable = [one for one in likely if is_count(facts[one])]
    if not usable:
        begun = (
            f"no token counts: {listed(likely)} is null or not above zero in some documents"
            if likely
            else "no token counts"
        )
        return Guess(None, (f'{begun}; they are estimated from bytes, or counted with `tokens by "tokenizer.json"`',))
    chosen, others = usable[0], [one for one in likely if one != usable[0]]
    todo = [] if chosen.name in TOKENS else ["taken as the number of tokens, because of its name"]
    if others:
        todo.append(f"others that may be the number of tokens: {listed(others)}")
    return Guess(chosen.written, tuple(todo), chosen)


def counts(found: Sequence[Field]) -> list[Field]:
    """The values that may be the number of tokens, by their names."""
    integers = [one for one in found if one.type == "integer"]
    return ranked(TOKENS, integers) + [
        one for one in integers if one.name not in TOKENS and ANY_TOKENS.search(one.name)
    ]


def is_count(facts: Facts) -> bool:
    """Whether a value is above zero in the whole sample."""
    return not facts.missing and (facts.least is None or int(facts.least) > 0)


def id_(found: Sequence[Field], facts: Known) -> Guess:
    """A column that names each document of the sample and is never null; the best names first."""
    likely = ids(found)
    unique = [one for one in likely if facts[one].unique or not facts[one].rows]
    better = likely[: likely.index(unique[0])] if unique else likely
    others = [unfit(one, facts[one]) for one in better]
    if not unique:
        begun = f"no id: {some(others)}." if others else "no column is called an id."
        return Guess(None, (f"{begun} So documents are called `path#row`, which changes when files do",))
    chosen, todo = unique[0], []
    if chosen.name in CONTENT_IDS or len(chosen.parts) > 1 or others:
        todo.append(
            f"taken as the id: unique and never null in the {count(facts[chosen].rows, 'document')} of the sample. "
            "If not in all, leave `id` out: documents are then called `path#row`"
        )
    if others:
        todo.append(f"no ids: {some(others)}")
    if unique[1:] and (todo or unique[1].name in IDS):
        todo.append(f"others that are unique: {listed(unique[1:])}")
    return Guess(chosen.written, tuple(todo), chosen)


def ids(found: Sequence[Field]) -> list[Field]:
    """The values that may be the id, by their names; contents and places last."""
    scalars = [one for one in found if one.type in ("string", "integer") and not one.placed]
    return ranked(IDS, scalars) + ranked(CONTENT_IDS, scalars)


def unfit(one: Field, facts: Facts) -> str:
    """Why a value is no id."""
    name, documents = one.shown, count(facts.rows, "document")
    if facts.missing:
        return f"{name} is null in {facts.missing:,} of {documents}"
    return f"{name} has {count(facts.distinct, 'value')} in {documents}"


def domain(group: Group, name: str, found: Sequence[Field], facts: Known) -> Guess:
    """What folders state, or a column with a domain's name and several values; else the source is one domain."""
    likely = domains(found)
    usable = [one for one in likely if 1 < facts[one].distinct <= MOST_DOMAINS and (one.placed or _repeats(facts[one]))]
    # A single value says little, unless it is what domains are called.
    usable += [one for one in likely if facts[one].distinct == 1 and one.name == "domain"]
    if usable:
        return _of_column(usable[0], [one for one in likely if one != usable[0]], facts)
    hint = f"other candidates: {listed(likely, facts)}" if likely else "no column is called a domain"
    if _are_domains(group):
        return Guess("file", (f"each file is a domain of its own, because few have such different names; {hint}",))
    return Guess(None, (f"all documents are one domain, `{name}`; {hint}",))


def domains(found: Sequence[Field]) -> list[Field]:
    """The values that may be the domain, by their names; those that folders state first."""
    strings = [one for one in found if one.type == "string"]
    placed = [one for one in strings if one.placed]
    named = ranked(DOMAINS, placed)
    return [
        *named,
        *(one for one in placed if one not in named),
        *ranked(DOMAINS, [s for s in strings if not s.placed]),
    ]


def _of_column(chosen: Field, others: Sequence[Field], facts: Known) -> Guess:
    about = facts[chosen]
    whole = with_unknown(chosen, about)
    todo = list(whole.todo)
    if chosen.name != "domain":
        where = "the folders" if chosen.placed else "the sample"
        todo.append(f"taken as the domain, because of its name: {count(about.distinct, 'value')} in {where}")
    if others:
        todo.append(f"other candidates: {listed(others, facts)}")
    return Guess(whole.value, tuple(todo), chosen)


def with_unknown(chosen: Field, facts: Facts) -> Guess:
    """A column as the domain, with `unknown` where it is null."""
    if not facts.missing:
        return Guess(chosen.written, (), chosen)
    text = chosen.written if chosen.type == "string" else f"string({chosen.written})"
    what = "shard" if chosen.placed else "document"
    todo = f"null in {facts.missing:,} of {count(facts.rows, what)}: `unknown`"
    return Guess(f'= coalesce({text}, "unknown")', (todo,), chosen)


def _repeats(facts: Facts) -> bool:
    """Whether documents share values, or are too few to tell."""
    return facts.distinct <= max(3, (facts.rows - facts.missing) / 2)


def _are_domains(group: Group) -> bool:
    """Whether the files of a group are few and have names that differ in more than numbers."""
    stems = [re.sub(r"[\d_-]+", "", path.name.partition(".")[0]) for path in group.paths]
    return 1 < len(stems) <= 16 and len(set(stems)) == len(stems)
