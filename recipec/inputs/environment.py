"""The environment of a recipe for `semantics`: schemas of shards, regular expressions, small files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import schemas, shards
from recipec.ir import model
from recipec.ir.expressions import Type
from recipec.places import local, scheme
from recipec.places.digests import sha256_file
from recipec.semantics import LawOf
from recipec.source import Span

LARGEST_TEXT = 16_000_000
"""The most bytes of a file that a recipe names, such as a mixture."""


class Files:
    """`semantics.Environment` on the file system, for one recipe; each shard's schema is read only once."""

    def __init__(self) -> None:
        self._schemas: dict[Path, tuple[tuple[str, Type], ...]] = {}
        self._firsts: dict[tuple[tuple[str, ...], Path], Path | None] = {}

    def _first(self, globs: tuple[str, ...], folder: Path, span: Span) -> Path | None:
        """The first shard of some globs; the folders are listed once."""
        if (globs, folder) not in self._firsts:
            with shards.placed(span):
                self._firsts[globs, folder] = next(iter(shards.find(globs, folder)), None)
        return self._firsts[globs, folder]

    def check_place(self, written: str, span: Span) -> None:
        scheme.check(written, span)

    def schema(self, globs: Sequence[str], folder: Path, span: Span) -> tuple[tuple[str, Type], ...]:
        """The columns of the first shard (by path); the others are checked against them when they are indexed."""
        first_shard = self._first(tuple(globs), folder, span)
        if first_shard is None:
            written = ", ".join(f"`{glob}`" for glob in globs)
            message = f"no file matches {written}"
            helps = shards.none_found(globs, folder)
            raise Failure(Diagnostic("R0301", message, span, label="no shards", helps=helps))
        with shards.placed(span):
            if first_shard not in self._schemas:
                self._schemas[first_shard] = schemas.columns(folder, first_shard)
            return self._schemas[first_shard]

    def format(self, globs: Sequence[str], folder: Path, span: Span) -> str | None:
        """The word of the format of the first shard; the others are checked when they are indexed."""
        first_shard = self._first(tuple(globs), folder, span)
        with shards.placed(span):
            return shards.format_of(first_shard).name if first_shard is not None else None

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

    def read_text(self, path: Path, span: Span) -> str:
        try:
            if local.stat(path).bytes > LARGEST_TEXT:
                raise Failure(Diagnostic("R0232", f"`{path.name}` is larger than {LARGEST_TEXT:,} bytes", span))
            return local.read_text(path)
        except OSError as error:
            raise Failure(Diagnostic("R0232", f"`{path}` cannot be read: {error.strerror}", span)) from None
        except UnicodeDecodeError:
            raise Failure(Diagnostic("R0232", f"`{path}` is not UTF-8", span)) from None


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
