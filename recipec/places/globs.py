"""Globs: the files that a recipe's `shards` and `examples` name, in folders of the local disk or, as URLs, in stores.

| written | means |
|---|---|
| `*`, `?`, `[a-z]`, `[!a]` | characters of one name; a name that begins with a dot needs a written dot |
| `**` | this folder and all folders below, without hidden ones; at the end, all files below |
| `{a,b}`, `{00..29}` | each of several names (see `braces`) |
| `d/`, or `d` if that is a folder | all shards in a folder and below, without names that begin with `.` or `_` |
| `~/` | the home folder |
| `[*]`, `[{]`, `[$]` | that character itself |

A file counts once, however many globs, spellings and symbolic links lead to it. URLs are matched by `keys`.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from glob import escape
from pathlib import Path

from recipec.diagnostics import Diagnostic, Failure
from recipec.places import braces, remote, scheme

MAGIC = re.compile(r"[*?[]")
SINGLE = re.compile(r"\[([^!])\]")
"""A character class of one character is that character."""

VARIABLE = re.compile(r"\$(\w+|\{\w+\})", re.ASCII)

ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
"""Errors that mean that there is no such folder."""

Kept = Callable[[str], bool]
"""Tells whether a file of some name in a folder is meant when the folder is named."""


def matches(globs: Sequence[str], folder: Path, kept: Kept) -> tuple[Path, ...]:
    """The files that match globs relative to a folder: each once, sorted by path, without hidden ones.

    Raises:
        Failure: a folder or store that cannot be listed, braces that stand for too many names, or a variable that is not
            expanded.
    """
    found: dict[str, str] = {}
    heads: dict[str, str] = {}
    for pattern in globs:
        names = [name for one in expanded(pattern) for name in _files(one, str(folder), kept)]
        if not names and (variable := VARIABLE.search(pattern)):
            raise Failure(_not_expanded(pattern, variable[0]))
        for name in names:
            identity = _identity(name, heads)
            if identity not in found:
                found[identity] = name
            elif found[identity] != name:
                found[identity] = min(found[identity], name, key=lambda one: _preference(one, identity, str(folder)))
    return tuple(remote.named(name) for name in sorted(found.values(), key=lambda name: name.split(os.sep)))


def unmatched(globs: Sequence[str], folder: Path, kept: Kept) -> tuple[str, ...]:
    """Those of several globs, and of the alternatives of their braces, that no file matches."""
    every = [one for pattern in globs for one in expanded(pattern)]
    if len(every) == 1:
        return ()
    return tuple(dict.fromkeys(one for one in every if next(_files(one, str(folder), kept), None) is None))


def folders(globs: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Those of some globs that match folders, as written: why none of their files were found."""
    return tuple(
        pattern
        for pattern in globs
        if not scheme.of(pattern)
        and any(os.path.isdir(name) for one in expanded(pattern) for name in _found(one.rstrip("/"), str(folder)))
    )


def heads(pattern: str, folder: Path) -> Iterator[Path]:
    """The folders (or files) where the search for the files of a glob begins, however it is written."""
    for one in expanded(pattern):
        if scheme.of(one):
            from recipec.places import keys

            yield remote.Remote(keys.head(one))
            continue
        start = "/" if one.startswith("/") else str(folder)
        for part in one.split("/"):
            name = literal(part)
            if name is None:
                break
            start = os.path.join(start, name)
        yield Path(start)


def names_folders(pattern: str) -> bool:
    """Whether a folder that a glob without braces matches means the shards in it: one without wildcards, or with a `/`."""
    return pattern.endswith("/") or all(literal(part) is not None for part in pattern.split("/"))


def would_match(pattern: str, folder: Path, files: Sequence[str], kept: Kept) -> bool:
    """Whether a glob relative to a folder would match one of some files if they existed."""
    for one in expanded(pattern):
        if scheme.of(one):
            # What is asked about are files of this machine.
            continue
        whole = os.path.normpath(os.path.join(escape(str(folder)), one))
        inside = [file for file in files if kept(os.path.basename(file))] if names_folders(one) else []
        if literal(whole) is not None:
            # Braces may stand for many thousands of names.
            name = literal(whole)
            found = name in files or any(file.startswith(f"{name}/") for file in inside)
        else:
            found = _matches(whole, files) or _matches(f"{whole}/**", inside)
        if found:
            return True
    return False


def _matches(glob: str, files: Sequence[str]) -> bool:
    pattern = _whole(glob)
    return any(pattern.fullmatch(file) for file in files)


def _whole(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression for whole paths; `**` matches any number of folders."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", glob)
    return re.compile("".join(words.get(part) or _quoted(part) for part in parts), re.DOTALL)


def _quoted(part: str) -> str:
    if len(part) > 2 and part[0] == "[" and part[-1] == "]":
        inside = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return f"[^{inside[1:]}]" if inside[0] == "!" else f"[{inside}]"
    return re.escape(part)


def expanded(pattern: str) -> Iterator[str]:
    """The globs that a glob with braces stands for, with `~` as the home folder."""
    for one in braces.expand(pattern):
        if one.startswith("~"):
            user, slash, rest = one.partition("/")
            home = os.path.expanduser(user)
            yield (escape(home) if home != user else user) + slash + rest
        else:
            yield one


def _not_expanded(pattern: str, variable: str) -> Diagnostic:
    message = f"no file matches `{pattern}`: variables such as `{variable}` are not expanded"
    helps = ("write the path itself, or `~/` for the home folder; a dollar sign in a name is `[$]`",)
    return Diagnostic("R0301", message, helps=helps)


def _identity(name: str, heads: dict[str, str]) -> str:
    """The path of a file without symbolic links; folders are resolved once each."""
    if scheme.of(name):
        return name
    head, tail = os.path.split(name)
    if head not in heads:
        heads[head] = os.path.realpath(head)
    return os.path.realpath(name) if os.path.islink(name) else os.path.join(heads[head], tail)


def _preference(name: str, identity: str, folder: str) -> tuple[bool, int, list[str]]:
    """Orders the spellings of a file: without symbolic links below the folder first, then short ones."""
    parts = name.split(os.sep)
    here = os.path.join(os.path.realpath(folder), os.path.relpath(name, folder))
    plain = ".." not in parts and identity in (name, os.path.normpath(here))
    return not plain, len(parts), parts


def _files(pattern: str, root: str, kept: Kept) -> Iterator[str]:
    """The regular files that a glob without braces matches, and those that are meant in the folders that it names."""
    if scheme.of(pattern):
        # Imported here: few recipes name a store.
        from recipec.places import keys

        yield from keys.matches(pattern, kept)
        return
    only_folders, means_shards = pattern.endswith("/"), names_folders(pattern)
    for name in _found(pattern.rstrip("/") or pattern, root):
        if os.path.isfile(name):
            yield from () if only_folders else (name,)
        elif means_shards and os.path.isdir(name):
            yield from _shards_in(name, kept)


def _shards_in(folder: str, kept: Kept) -> Iterator[str]:
    for below in _below(folder, is_set_aside):
        for entry in _entries(below):
            if not is_set_aside(entry.name) and kept(entry.name) and os.path.isfile(entry.path):
                yield entry.path


def is_hidden(name: str) -> bool:
    """Whether `*` leaves out a name."""
    return name.startswith(".")


def is_set_aside(name: str) -> bool:
    """Whether a name in a folder means no data to Spark and Arrow: `.part.tmp`, `_SUCCESS`, `_temporary`."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _found(pattern: str, root: str) -> Iterator[str]:
    """The paths of files and folders that a glob without braces matches."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    start = "/" if pattern.startswith("/") else root
    if parts or pattern:
        yield from _walk(start, parts)


def _walk(folder: str, parts: Sequence[str]) -> Iterator[str]:
    """The paths below a folder that match the parts of a glob."""
    position = 0
    while position < len(parts) and (name := literal(parts[position])) is not None:
        folder = os.path.join(folder, name)
        position += 1
    if position == len(parts):
        yield from [folder] if _is_there(folder) else []
        return
    part, rest = parts[position], parts[position + 1 :]
    if part == "**":
        for below in _below(folder, is_hidden):
            yield from _walk(below, rest) if rest else (e.path for e in _entries(below) if not is_hidden(e.name))
        return
    for entry in _entries(folder):
        if part_matches(part, entry.name):
            if not rest:
                yield entry.path
            elif _is_folder(entry):
                yield from _walk(entry.path, rest)


def literal(part: str) -> str | None:
    """The only name that a part of a glob matches, or None if it has wildcards."""
    if not MAGIC.search(part):
        return part
    return None if MAGIC.search(SINGLE.sub("", part)) else SINGLE.sub(r"\1", part)


def part_matches(part: str, name: str) -> bool:
    """Whether a part of a glob matches a name; a name that begins with a dot needs a written dot."""
    return bool(_pattern(part)(name)) and is_hidden(name) <= is_hidden(part)


@lru_cache(256)
def _pattern(part: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(part)).match


def _is_there(path: str) -> bool:
    try:
        os.lstat(path)
    except (OSError, ValueError):
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; asked of the entry, this fails for a link to itself."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _below(folder: str, left_out: Callable[[str], bool]) -> Iterator[str]:
    """A folder and the folders below it, each once: those behind symbolic links last, so that links may form loops."""
    starts = [folder]
    seen: set[str] = set()
    for start in starts:
        stack = [(start, os.path.realpath(start))]
        while stack:
            path, real = stack.pop()
            if real in seen:
                continue
            seen.add(real)
            yield path
            inside = [entry for entry in _entries(path) if not left_out(entry.name) and _is_folder(entry)]
            starts += [entry.path for entry in inside if entry.is_symlink()]
            own = [entry for entry in reversed(inside) if not entry.is_symlink()]
            stack += [(entry.path, os.path.join(real, entry.name)) for entry in own]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """The entries of a folder in the order of their names; none if there is no such folder.

    Raises:
        Failure: the folder cannot be listed, so that shards might be missing.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except ValueError:
        return []
    except OSError as error:
        if error.errno in ABSENT:
            return []
        raise Failure(Diagnostic("R0303", f"the folder cannot be listed: {error.strerror}", place=folder)) from None
