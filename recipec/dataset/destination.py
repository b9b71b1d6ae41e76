"""Where a dataset may be written, and what already stands there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePath

from recipec.dataset import manifest as manifests
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import model
from recipec.ir.execution import DataFile, ExecutionPlan, Manifest
from recipec.source import Span

STATE = ".recipec"

MEMBERS = tuple(
    f"{folder}/part-00000{suffix}"
    for folder in ("data", "ledger", "unreadable")
    for suffix in (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
)
"""Names inside a dataset, to see whether a glob of the recipe would take them for shards."""


def locate(folder: Path, output: model.Output) -> Path:
    """The absolute path of the dataset.

    A relative path must stay inside the recipe's folder, by name and through symbolic links alike; an absolute one is
    taken as the user's wish.

    Raises:
        Failure: the path leaves the recipe's folder, or names the folder itself.
    """
    written = PurePath(output.path)
    destination = Path(os.path.normpath(folder / written))
    if written.is_absolute():
        return destination
    root = folder.resolve()
    real = destination.parent.resolve() / destination.name
    if not destination.is_relative_to(folder) or not real.is_relative_to(root) or real == root:
        raise Failure(
            Diagnostic(
                "R0601",
                f"the output path `{output.path}` does not stay inside the recipe's folder",
                span=_span(output),
                place=str(real),
                helps=("write an absolute path to put the dataset elsewhere",),
            )
        )
    return destination


def check(plan: ExecutionPlan, destination: Path) -> Manifest | None:
    """What stands at the destination: nothing or an empty folder (None), or a dataset of recipec (its manifest).

    Raises:
        Failure: anything else stands there, it lies among the inputs or in the state folder, or cannot be written.
    """
    output = plan.recipe.output
    assert output is not None
    found = tuple(_misplaced(plan, output, destination))
    if found:
        raise Failure(*found)
    _check_writable(output, destination)
    if destination.is_symlink() or (destination.exists() and not destination.is_dir()):
        raise Failure(_taken(output, destination, "a symbolic link" if destination.is_symlink() else "a file"))
    if not destination.exists() or not any(destination.iterdir()):
        return None
    try:
        return manifests.read_manifest(destination)
    except Failure:
        raise Failure(_taken(output, destination, "a folder that is no dataset of recipec")) from None


def is_whole(destination: Path, manifest: Manifest) -> bool:
    """Whether every file of a dataset is there with its size; `verify` looks at their bytes."""
    return all(_has_size(destination, file) for file in (*manifest.data, *manifest.ledger, *manifest.unreadable))


def is_published(destination: Path, digest: str) -> bool:
    """Whether a whole dataset of the plan `digest` stands at the destination."""
    try:
        manifest = manifests.read_manifest(destination)
    except Failure:
        return False
    return manifest.plan == digest and is_whole(destination, manifest)


def check_room(folder: Path, needed: int) -> None:
    """Raises Failure when the disk has less than `needed` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        message = f"the dataset needs about {needed:,} bytes, and the disk has {free:,} left"
        raise Failure(Diagnostic("R0604", message, place=str(folder)))


def _has_size(destination: Path, file: DataFile) -> bool:
    path = destination / file.path
    return path.is_file() and path.stat().st_size == file.bytes


def _misplaced(plan: ExecutionPlan, output: model.Output, destination: Path) -> Iterable[Diagnostic]:
    folder = Path(plan.folder)
    real = destination.parent.resolve() / destination.name
    state = (folder / STATE).resolve()
    if real == state or real.is_relative_to(state):
        yield _place(output, destination, "the output lies in the state folder")
    inputs = [(folder / shard.path).resolve() for shard in plan.shards]
    inside = next((shard for shard in inputs if shard.is_relative_to(real)), None)
    if inside is not None:
        yield _place(output, destination, f"the output folder holds the shard `{inside}`")
    for source in plan.recipe.sources:
        for glob in source.shards:
            pattern = _pattern(os.path.normpath(folder.resolve() / glob))
            if any(pattern.fullmatch(str(real / member)) for member in MEMBERS):
                message = f"the glob `{glob}` of source `{source.name}` would read the output as shards"
                yield _place(output, destination, message)


def _pattern(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression; `**` is any number of folders."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", glob)
    return re.compile("".join(words.get(part) or _literal(part) for part in parts), re.DOTALL)


def _literal(part: str) -> str:
    if len(part) > 2 and part[0] == "[" and part[-1] == "]":
        inside = part[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}]" if inside[0] == "!" else f"[{inside}]"
    return re.escape(part)


def _check_writable(output: model.Output, destination: Path) -> None:
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the output folder cannot be made: {error.strerror}"
        raise Failure(_place(output, destination, message, "R0603")) from None
    if not os.access(destination.parent, os.W_OK | os.X_OK):
        raise Failure(_place(output, destination.parent, "the output folder is read-only", "R0603"))


def _taken(output: model.Output, destination: Path, what: str) -> Diagnostic:
    return Diagnostic(
        "R0602",
        f"{what} stands at the output path; only a dataset of recipec is replaced",
        span=_span(output),
        place=str(destination),
        helps=("name another output, or move what stands there",),
    )


def _place(output: model.Output, path: Path, message: str, code: str = "R0605") -> Diagnostic:
    return Diagnostic(code, message, span=_span(output), place=str(path))


def _span(output: model.Output) -> Span | None:
    return output.origin.span if output.origin else None
