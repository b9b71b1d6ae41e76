"""The location of a dataset, and what already exists there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePath

from recipec import spec
from recipec.dataset import manifest as manifests
from recipec.dataset import publication
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import shards
from recipec.ir import model
from recipec.ir.execution import DataFile, ExecutionPlan, Manifest
from recipec.places import globs, local, remote, scheme, settings
from recipec.places.remote import Remote
from recipec.places.state import STATE
from recipec.source import Span


def locate(folder: Path, output: model.Output) -> Path:
    """The absolute path of the dataset, or its URL.

    A relative path must stay inside the recipe's folder, both by name and through symbolic links; an absolute path is
    accepted as given.

    Raises:
        Failure: the path leaves the recipe's folder, or names the folder itself.
    """
    if scheme.of(output.path):
        settings.learn(folder)
        return Remote(output.path.rstrip("/"))
    written = PurePath(output.path)
    destination = Path(os.path.normpath(folder / written))
    if not destination.name:
        message = f"the output path `{output.path}` must name a folder of its own"
        raise Failure(Diagnostic("R0601", message, span=_span(output)))
    if written.is_absolute():
        return destination
    root = local.real(folder)
    real = local.real(destination.parent) / destination.name
    if not destination.is_relative_to(folder) or not real.is_relative_to(root) or real == root:
        raise Failure(
            Diagnostic(
                "R0601",
                f"the output path `{output.path}` must be inside the recipe's folder",
                span=_span(output),
                place=str(real),
                helps=("write an absolute path to put the dataset elsewhere",),
            )
        )
    return destination


def check_place(plan: ExecutionPlan, destination: Path) -> None:
    """Checks where a dataset is to be, and creates the folder that it will be in.

    Raises:
        Failure: it is among the inputs or in the state folder, or cannot be written.
    """
    output = plan.recipe.output
    assert output is not None
    found = tuple(_misplaced(plan, output, destination))
    if found:
        raise Failure(*found)
    _check_writable(output, destination)


def standing(output: model.Output, destination: Path) -> Manifest | None:
    """What is at the destination: None for nothing or an empty folder, the manifest for a recipec dataset.

    Raises:
        Failure: it is anything else.
    """
    if not local.exists(destination):
        return None
    if local.is_link(destination) or not local.is_folder(destination):
        raise Failure(_taken(output, destination, "a symbolic link" if local.is_link(destination) else "a file"))
    if not local.names(destination):
        return None
    try:
        return manifests.read_manifest(destination)
    except Failure:
        raise Failure(_taken(output, destination, "a folder that is not a recipec dataset")) from None


def is_whole(destination: Path, manifest: Manifest) -> bool:
    """Whether every file of a dataset exists with its size; `verify` checks the bytes."""
    return all(_has_size(destination, file) for file in manifests.files_of(manifest))


def is_published(destination: Path, digest: str) -> bool:
    """Whether a complete dataset of the plan `digest` is at the destination."""
    if isinstance(destination, Remote):
        destination = publication.current(destination)
    try:
        manifest = manifests.read_manifest(destination)
    except Failure:
        return False
    remote.look_again(destination / file.path for file in manifests.files_of(manifest))
    return manifest.plan == digest and is_whole(destination, manifest)


def check_room(folder: Path, needed: int) -> None:
    """Raises Failure if the disk has less than `needed` bytes left."""
    free = local.free(folder)
    if free < needed:
        message = f"the dataset needs about {needed:,} bytes, but the disk has only {free:,} left"
        raise Failure(Diagnostic("R0604", message, place=str(folder)))


def _has_size(destination: Path, file: DataFile) -> bool:
    return local.size(destination / file.path) == file.bytes


def _misplaced(plan: ExecutionPlan, output: model.Output, destination: Path) -> Iterable[Diagnostic]:
    folder = Path(plan.folder)
    real = local.real(destination.parent) / destination.name
    state = local.real(folder / STATE)
    # A dataset for a store is built in the state folder.
    if not scheme.of(output.path) and (real == state or real.is_relative_to(state)):
        yield _place(output, destination, "the output is in the state folder")
    inputs = [local.real(remote.at(one.path, folder)) for one in (*plan.shards, *plan.attributes)]
    inside = next((shard for shard in inputs if shard.is_relative_to(real)), None)
    if inside is not None:
        yield _place(output, destination, f"the output folder contains the shard `{inside}`")
    members = [str(real / member) for member in _members()]
    for source in plan.recipe.sources:
        for glob in (*source.shards, *(glob for one in source.attributes for glob in one.files)):
            if globs.would_match(glob, local.real(folder), members, shards.is_shard):
                message = f"the glob `{glob}` of source `{source.name}` would read the output as shards"
                yield _place(output, destination, message)


def _members() -> Iterable[str]:
    """Paths inside a dataset of any format, to check whether a glob of the recipe would match them as shards."""
    formats = [spec.find("formats", name) for name in spec.names("formats")]
    suffixes = {format_.suffix(word) for format_ in formats for word in format_.compressions}
    return [f"{folder}/part-00000{suffix}" for folder in ("data", "ledger", "unreadable") for suffix in suffixes]


def _check_writable(output: model.Output, destination: Path) -> None:
    try:
        local.make_folder(destination.parent)
    except OSError as error:
        message = f"the output folder cannot be created: {error.strerror}"
        raise Failure(_place(output, destination, message, "R0603")) from None
    if not local.is_writable(destination.parent):
        raise Failure(_place(output, destination.parent, "the output folder is read-only", "R0603"))


def _taken(output: model.Output, destination: Path, what: str) -> Diagnostic:
    return Diagnostic(
        "R0602",
        f"{what} exists at the output path; only a recipec dataset is replaced",
        span=_span(output),
        place=str(destination),
        helps=("choose another output path, or move what is there",),
    )


def _place(output: model.Output, path: Path, message: str, code: str = "R0605") -> Diagnostic:
    return Diagnostic(code, message, span=_span(output), place=str(path))


def _span(output: model.Output) -> Span | None:
    return output.origin.span if output.origin else None
