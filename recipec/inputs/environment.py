"""The environment of a recipe for `semantics`: schemas of shards, regular expressions, small files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from recipec import spec
from recipec.database.sql import SEPARATOR
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import scans, schemas, shards
from recipec.ir import model, shapes
from recipec.ir.paths import Part
from recipec.ir.shapes import Columns
from recipec.places import local, remote, scheme, settings
from recipec.places.digests import sha256_file
from recipec.semantics import LawOf
from recipec.semantics.context import Stores
from recipec.source import Span

LARGEST_TEXT = 16_000_000
"""The most bytes of a file that a recipe names, such as a mixture."""


class Files:
    """`semantics.Environment` on the file system, for one recipe; each shard's columns are read only once.

    Attributes:
        partial: whether columns were asked for of which only those of the first shard, or of its first rows, are known.
    """

    def __init__(self) -> None:
        self.partial = False
        self._schemas: dict[Path, Columns] = {}
        self._found: dict[tuple[tuple[str, ...], Path], tuple[Path, ...]] = {}
        self._beside: set[tuple[tuple[str, ...], Path]] = set()

    def _paths(self, globs: Sequence[str], folder: Path, span: Span | None = None) -> tuple[Path, ...]:
        """The shards of some globs; the folders are listed once."""
        key = (tuple(globs), folder)
        if key not in self._found:
            with shards.placed(span):
                self._found[key] = shards.find(globs, folder)
        return self._found[key]

    def found(self, globs: Sequence[str], folder: Path) -> tuple[Path, ...]:
        """The files of some globs, as they were when the recipe was compiled."""
        return self._paths(globs, folder)

    def check_place(self, written: str, span: Span, stores: Stores) -> None:
        checks = {"": scheme.check, "read": scheme.check_readable, "written": scheme.check_writable}
        checks[stores](written, span)

    def schema(self, globs: Sequence[str], folder: Path, span: Span) -> Columns:
        """The columns of the shards: those of the first one (by path), and what the folders of the others state."""
        self._check_found(globs, folder, span, "no shards")
        with shards.placed(span):
            return self.columns(globs, folder)

    def _check_found(self, globs: Sequence[str], folder: Path, span: Span, label: str) -> None:
        """Raises Failure if no file matches."""
        if not self._paths(globs, folder, span):
            written = ", ".join(f"`{glob}`" for glob in globs)
            message = f"no file matches {written}"
            helps = shards.none_found(globs, folder)
            raise Failure(Diagnostic("R0301", message, span, label=label, helps=helps))

    def attributes(self, globs: Sequence[str], folder: Path, span: Span) -> tuple[Columns, bool]:
        """The columns of files of attributes, and whether these are arrays, whose columns have no names."""
        self._check_found(globs, folder, span, "no files")
        paths = self._paths(globs, folder)
        arrays = [path for path in paths if shards.is_array(path)]
        others = [path for path in paths if not shards.is_array(path)]
        with shards.placed(span):
            for path in others:
                shards.check_built_in(path)
        if arrays and others:
            helps = ("name them in `attributes` of their own",)
            message = f"`{arrays[0].name}` is an array, whose columns have no names, and `{others[0].name}` is none"
            raise Failure(Diagnostic("R0340", message, span, helps=helps))
        self._beside.add((tuple(globs), folder))
        with shards.placed(span):
            return self._columns(paths, folder), bool(arrays)

    def beside(self) -> Mapping[tuple[tuple[str, ...], Path], Columns]:
        """The columns of all files of attributes that were asked for, by their globs and folder."""
        return {(globs, folder): self._columns(self._paths(globs, folder), folder) for globs, folder in self._beside}

    def columns(self, globs: Sequence[str], folder: Path) -> Columns:
        """The columns of shards that exist."""
        paths = self._paths(globs, folder)
        return with_partitions(self._columns(paths, folder), paths, folder)

    def whole(self, known: Mapping[Path, Columns] | None = None) -> WholeFiles:
        """The same with the columns of all shards.

        Args:
            known: those of shards that are known, by their paths.
        """
        result = WholeFiles(known or {})
        result._found, result._beside = self._found, self._beside
        return result

    def _columns(self, paths: Sequence[Path], folder: Path) -> Columns:
        self.partial = self.partial or len(paths) > 1 or not shards.is_typed(paths[0])
        if paths[0] not in self._schemas:
            self._schemas[paths[0]] = schemas.columns(folder, paths[0])
        return self._schemas[paths[0]]

    def conflict(self, globs: Sequence[str], folder: Path, parts: Sequence[Part]) -> str:
        return ""

    def format(self, globs: Sequence[str], folder: Path, span: Span) -> str | None:
        """The word of the format of the first shard; the others are checked when they are indexed."""
        paths = self._paths(globs, folder, span)
        with shards.placed(span):
            return shards.format_of(paths[0]).name if paths else None

    def law(self, path: str, folder: Path, params: int, span: Span) -> LawOf:
        # Imported here: few recipes name a law, and importing laws takes longer than checking a recipe.
        import numpy as np

        from recipec.laws import lawfile
        from recipec.laws.information import absorption

        try:
            file = lawfile.read(path, folder)
        except Failure as failure:
            found = (Diagnostic(one.code, one.message, span, helps=one.helps) for one in failure.diagnostics)
            raise Failure(*found) from None
        digest = hashlib.sha256(lawfile.text(file).encode()).hexdigest()
        if file.form.info is None:
            return LawOf(file.law, digest, None)
        absorbed = float(absorption(file.theta, np.array([float(params)]))[0])
        facts = model.LawFacts(
            digest=digest, theta=float(file.theta[0]), absorption=absorbed, bands=file.bands or file.form.bands
        )
        return LawOf(file.law, digest, facts)

    def digest(self, path: Path) -> str:
        return sha256_file(path)

    def pattern_error(self, pattern: str) -> str | None:
        return _pattern_error(pattern)

    def file(self, written: str, folder: Path) -> Path:
        """As `source.resolve_path`, for URLs too."""
        settings.learn_for([written], folder)
        return remote.at(written, folder)

    def read_text(self, path: Path, span: Span) -> str:
        try:
            with shards.placed(span):
                remote.look_again([path])
                return local.read_text(path, local.LARGEST_NOTE)
        except OSError as error:
            raise Failure(Diagnostic("R0232", f"`{path}` cannot be read: {error.strerror}", span)) from None
        except UnicodeDecodeError:
            raise Failure(Diagnostic("R0232", f"`{path}` is not UTF-8", span)) from None


class WholeFiles(Files):
    """As `Files`, with the columns of all shards, found in all their rows, or known from the index."""

    def __init__(self, known: Mapping[Path, Columns]) -> None:
        super().__init__()
        self._schemas.update(known)

    def _columns(self, paths: Sequence[Path], folder: Path) -> Columns:
        new = [path for path in paths if path not in self._schemas]
        found = _footers([path for path in new if shards.is_parquet(path)])
        for path in new:
            structure = found[path] if path in found else shards.structure(path, folder)
            self._schemas[path] = structure.columns if structure.rows or shards.is_array(path) else ()
        return united({path: self._schemas[path] for path in paths})

    def schema(self, globs: Sequence[str], folder: Path, span: Span) -> Columns:
        found = super().schema(globs, folder, span)
        paths = self._paths(globs, folder)
        if not any(self._schemas.get(path) for path in paths):
            why = next((reason for path in paths for _, reason in shards.faults_of(path, folder)), "they have none")
            place = str(paths[0])
            why = ": ".join(why.split(SEPARATOR))
            raise Failure(Diagnostic("R0303", f"no row of the shards can be read: {why}", span, place=place))
        return found

    def conflict(self, globs: Sequence[str], folder: Path, parts: Sequence[Part]) -> str:
        """The shards that disagree on a value, as text: the first of each type."""
        found: dict[str, str] = {}
        for path in self._paths(globs, folder):
            shape = shapes.at(self._schemas[path], parts)
            if shape is not None and shape != shapes.NULL:
                found.setdefault(shapes.language(shape), str(path).removeprefix(f"{folder}/"))
        return ", ".join(f"{type_} in `{path}`" for type_, path in found.items())


def _footers(paths: Sequence[Path]) -> Mapping[Path, spec.Structure]:
    # Imported here: see `inputs.shards`.
    from recipec.inputs import footers

    return footers.read(paths) if paths else {}


def united(columns: Mapping[Path, Columns]) -> Columns:
    """The columns of several shards together; kinds clash only where a file states them."""
    distinct: dict[tuple[str, Columns], Path] = {}
    for path, own in columns.items():
        distinct.setdefault((path.name.partition(".")[2], own), path)
    typed = any(map(shards.is_typed, distinct.values()))
    return shapes.all_columns((own for _, own in distinct), shapes.CLASH if typed else shapes.JSON)


def with_partitions(columns: Columns, paths: Sequence[Path], folder: Path) -> Columns:
    """Columns with those that the folders of shards state, unless a file has one of that name."""
    known = {name for name, _ in columns}
    inside = str(folder / "x")[:-1]
    added: dict[str, None] = {}
    for path in paths:
        if "=" in (relative := str(path).removeprefix(inside)):
            added.update((name, None) for name, _ in scans.partition_names(relative) if name not in known)
    return (*columns, *((name, "VARCHAR") for name in added))


@cache
def _pattern_error(pattern: str) -> str | None:
    # Imported here: see `inputs.shards`.
    import duckdb

    from recipec.database.connection import shared

    try:
        with shared() as connection:
            connection.execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()
    except duckdb.Error as error:
        return str(error).partition(": ")[2].splitlines()[0]
    return None
