"""Globs of URLs: the same words as those of folders (see `globs`), matched against the names that a store lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from recipec.places import globs, objects, scheme, stores
from recipec.places.objects import Object


def matches(pattern: str, kept: Callable[[str], bool]) -> Iterator[str]:
    """The URLs that a glob without braces matches; of those in a folder that it names, the ones that are `kept`.

    They are listed, or asked for, anew.

    Raises:
        Failure: the store cannot be asked, or lists nothing.
    """
    head, parts = split(pattern)
    literal, rest = _literal(parts)
    if not rest:
        url = "/".join([head, *literal])
        objects.look_again([url])
        if literal and objects.is_known(url) and not pattern.endswith("/"):
            yield url
            return
        if not stores.of(pattern).lists:
            return
    folder = "/".join([head, *literal]) + "/"
    below = folder.removeprefix(f"{head}/")
    shallow = len(rest) == 1 and rest[0] != "**" and not pattern.endswith("/")
    found = list(_listed(folder, rest, deep=not shallow))
    objects.saw(found)
    for one in found:
        name = one.url.removeprefix(f"{head}/").removeprefix(below)
        if fits(rest, name.split("/"), pattern, kept):
            yield one.url


def _listed(folder: str, rest: Sequence[str], *, deep: bool) -> Iterator[Object]:
    """The objects below a folder whose first part begins as that of a glob does."""
    prefix = globs.MAGIC.split(rest[0], maxsplit=1)[0] if rest else ""
    return stores.of(folder).list(folder, prefix, deep=deep)


def split(pattern: str) -> tuple[str, list[str]]:
    """The bucket or host of a glob, and the parts of the rest."""
    head = stores.root(pattern)
    return head, [part for part in pattern.removeprefix(head).split("/") if part not in ("", ".")]


def _literal(parts: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names with which the parts of a glob begin, and the other parts."""
    names: list[str] = []
    for part in parts:
        name = globs.literal(part)
        if name is None:
            break
        names.append(name)
    return names, list(parts[len(names) :])


def head(pattern: str) -> str:
    """The URL where the search for the objects of a glob begins."""
    start, parts = split(pattern)
    return "/".join([start, *_literal(parts)[0]])


def fits(parts: Sequence[str], names: Sequence[str], pattern: str, kept: Callable[[str], bool]) -> bool:
    """Whether a glob's parts match the parts of a name, or the folders of an object that is meant with them."""
    if not pattern.endswith("/") and _whole(parts, names):
        return True
    if not globs.names_folders(pattern):
        return False
    cuts = range(len(parts) if "**" not in parts else 0, len(names))
    return any(_whole(parts, names[:cut]) and _meant(names[cut:], kept) for cut in cuts)


def _meant(names: Sequence[str], kept: Callable[[str], bool]) -> bool:
    return not any(map(globs.is_set_aside, names)) and kept(names[-1])


def _whole(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a glob's parts match exactly the parts of a name."""
    if not parts:
        return not names
    if parts[0] == "**":
        if len(parts) == 1:
            return bool(names) and not any(map(globs.is_hidden, names))
        return _whole(parts[1:], names) or (
            len(names) > 0 and not globs.is_hidden(names[0]) and _whole(parts, names[1:])
        )
    return bool(names) and globs.part_matches(parts[0], names[0]) and _whole(parts[1:], names[1:])


def would_match(pattern: str, urls: Sequence[str], kept: Callable[[str], bool]) -> bool:
    """Whether a glob without braces would match one of some URLs if there were such objects."""
    start, parts = split(pattern)
    inside = [url.removeprefix(f"{start}/").split("/") for url in urls if url.startswith(f"{start}/")]
    return bool(scheme.of(pattern)) and any(fits(parts, names, pattern, kept) for names in inside)
