"""Writes the stored scores of documents as files with attributes, one per shard, which other recipes join by id or by row."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipec import spec
from recipec.database.disk import disk_errors
from recipec.database.session import in_order
from recipec.database.sql import file, finite, ident
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.execution.pool import Pool
from recipec.inputs import shards
from recipec.ir import closed, logical, model
from recipec.ir.attributes import ID, ROW
from recipec.ir.execution import Shard
from recipec.ir.expressions import Frozen, Score
from recipec.places import globs, local, remote, sealed
from recipec.places.state import STATE
from recipec.planning.scheduler import source_of
from recipec.scoring.by_model import cascade_of

NOTE = ".recipec-scores.json"
"""The list of the files of an export, in its folder; only such a folder is written to again."""

ROW_GROUP = 122_880


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        files: their paths, below the folder.
        columns: by source, the names of its scores.
        diagnostics: warnings about scores that are left out.
    """

    folder: Path
    files: tuple[str, ...]
    rows: int
    columns: Mapping[str, tuple[str, ...]]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Scores:
    """The stored scores of a source: the position of its `Read`, and by name those of its scores."""

    read: int
    source: model.Source
    positions: Mapping[str, int]


def export(pool: Pool, folder: Path, word: str) -> Exported:
    """Writes the scores of all documents that are stored: `id`, `row`, and a column per score, null where a document has none.

    Args:
        word: the format, `parquet` or `jsonl`.

    Raises:
        Failure: no score is stored, or the folder holds something else, or would be among the shards.
    """
    found, warnings = _found(pool)
    if not any(one.positions for one in found):
        helps = tuple(one.message for one in warnings) or ("a criterion such as `word_count()` is a score of texts",)
        raise Failure(Diagnostic("R0730", "there are no scores to export", place=pool.recipe.path, helps=helps))
    named = [(one, list(_named(pool, one, word))) for one in found if one.positions]
    paths = [path for _, mine in named for _, path in mine]
    _check_apart(pool, folder, paths)
    with disk_errors(folder), in_order(pool.connection):
        before = _before(folder)
        _keep(folder, [*before, *paths])
        done = 0
        for one, mine in named:
            for shard, path in mine:
                _write(pool, one, shard, folder / path, word)
                done += 1
                pool.progress("export scores", done, len(paths), "shards")
        for path in set(before) - set(paths):
            local.remove(folder / path)
        _keep(folder, paths)
    rows = sum(shard.rows for _, mine in named for shard, _ in mine)
    columns = {one.source.name: tuple(one.positions) for one, _ in named}
    return Exported(folder, tuple(paths), rows, columns, tuple(warnings))


def _found(pool: Pool) -> tuple[list[_Scores], list[Diagnostic]]:
    """The scores of each source that are stored for all of its shards, and warnings about the others."""
    found: list[_Scores] = []
    warnings: list[Diagnostic] = []
    for read, op in enumerate(pool.plan.ops):
        if not isinstance(op, logical.Read):
            continue
        positions: dict[str, int] = {}
        for position, score in enumerate(pool.plan.ops):
            if not isinstance(score, logical.Score) or source_of(pool.plan, position) is not op:
                continue
            many = pool.shards_of(position)
            if missing := pool.store.missing(pool.ids[position], many):
                warnings.append(_left_out(score, op.source.name, len(missing), len(many)))
            else:
                positions[_name(pool.recipe, op.source, score, {ID, ROW, *positions})] = position
        found.append(_Scores(read, op.source, positions))
    return found, warnings


def _left_out(score: logical.Score, source: str, missing: int, many: int) -> Diagnostic:
    message = (
        f"`{score.call.name}` of source `{source}` is not stored for {missing:,} of {many:,} shards: it is left out"
    )
    helps = ("`recipec export scores RECIPE -o DIR --score` computes it",)
    return Diagnostic("R0731", message, score.call.origin.span, helps=helps, severity=Severity.WARNING)


def _name(recipe: model.Recipe, source: model.Source, score: logical.Score, taken: set[str]) -> str:
    """The name of a score's column: that of its criterion, else the words of its call."""
    index = next(number for number, one in enumerate(recipe.sources) if one.name == source.name)
    values = ((one.name, one.values[index]) for one in recipe.criteria)
    named = (name for name, value in values if isinstance(value, Score) and value.name == score.call.name)
    name = plain = next(named, "") or re.sub(r"\W+", "_", score.call.name).strip("_")
    number = 1
    while name.lower() in {one.lower() for one in taken}:
        number += 1
        name = f"{plain}_{number}"
    return name


def _named(pool: Pool, one: _Scores, word: str) -> Iterator[tuple[Shard, str]]:
    """The shards of a source, each with the path of its file below the folder: that of the shard below the folder that the
    shards have in common, unless the files would then have another order than the shards."""
    many = pool.shards_of(one.read)
    whole = [_whole(remote.at(shard.path, pool.folder)) for shard in many]
    start = os.path.commonpath([os.path.dirname(path) for path in whole])
    stems = [_stem(os.path.relpath(path, start)) for path in whole]
    format_ = spec.find("formats", word)
    suffix = format_.suffix(format_.compressions[0])
    names = [stem + suffix for stem in stems]
    if len(set(names)) < len(names) or names != sorted(names, key=lambda name: name.split(os.sep)):
        names = [f"{number:06}-{Path(stem).name}{suffix}" for number, stem in enumerate(stems)]
    for shard, name in zip(many, names, strict=True):
        yield shard, f"{one.source.name}/{name}"


def _whole(path: Path) -> str:
    """The path of a shard from a root that those of all places have in common."""
    return f"/{path.url.replace('://', '/', 1)}" if isinstance(path, remote.Remote) else str(path)


def _stem(path: str) -> str:
    """A path without the suffix of its format."""
    known = (suffix for suffix in shards.format_of(Path(path)).suffixes if path.lower().endswith(suffix))
    return path[: -len(max(known, key=len))]


def _write(pool: Pool, one: _Scores, shard: Shard, destination: Path, word: str) -> None:
    columns = ["r.doc_id AS id", "r.row AS row"]
    joins = ""
    for number, (name, position) in enumerate(one.positions.items()):
        score = pool.plan.ops[position]
        assert isinstance(score, logical.Score)
        value = f"s{number}.value"
        columns.append(f"{finite(value) if score.call.type == 'float' else value} AS {ident(name)}")
        if cascade_of(score.call) is not None:
            columns.append(f"s{number}.exact AS {ident(f'{name}_exact')}")
        beside = pool.store.shard_result(pool.ids[position], shard)
        sealed.check([beside])
        stored = f"read_parquet({file(beside)}, hive_partitioning = false)"
        joins += f" LEFT JOIN {stored} AS s{number} ON s{number}.row = r.row"
    query = f"SELECT {', '.join(columns)} FROM {pool.after(one.read, (shard,))} AS r{joins} ORDER BY r.row"
    format_ = spec.find("formats", word)
    if format_.lines is not None:
        query = f"SELECT CAST(to_json(scores) AS VARCHAR) FROM ({query}) AS scores"
    with local.replacing(destination) as temporary:
        format_.write(pool.connection, query, temporary, format_.compressions[0], ROW_GROUP)


def _check_apart(pool: Pool, folder: Path, paths: Sequence[str]) -> None:
    """Raises Failure if a folder is no place for an export."""
    if folder.absolute().is_relative_to(pool.folder / STATE):
        raise Failure(Diagnostic("R0605", "the folder is in the state folder", place=str(folder)))
    written = [str(local.real(folder) / path) for path in paths]
    for source in pool.recipe.sources:
        for glob in (*source.shards, *(glob for one in source.attributes for glob in one.files)):
            if globs.would_match(glob, local.real(pool.folder), written, shards.is_shard):
                message = f"the glob `{glob}` of source `{source.name}` would match the files"
                raise Failure(Diagnostic("R0605", message, place=str(folder)))


def _before(folder: Path) -> list[str]:
    """The files of an earlier export in a folder, which may be absent or empty.

    Raises:
        Failure: it holds something else.
    """
    if not local.exists(folder) or (local.is_folder(folder) and not local.names(folder)):
        return []
    try:
        return list(closed.parsed(Listed, local.read_text(folder / NOTE)).files)
    except (OSError, ValueError):
        helps = ("choose another folder, or move what is there",)
        message = "the folder holds something that is not an export of scores"
        raise Failure(Diagnostic("R0602", message, place=str(folder), helps=helps)) from None


class Listed(Frozen):
    """The note about an export: its files, by their paths in its folder."""

    files: tuple[closed.Member, ...]


def _keep(folder: Path, paths: Sequence[str]) -> None:
    noted = Listed(files=tuple(sorted(set(paths)))).model_dump(mode="json")
    local.write_text(folder / NOTE, json.dumps(noted, ensure_ascii=False, indent=1) + "\n")
