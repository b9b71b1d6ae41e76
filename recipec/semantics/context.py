"""What resolving needs from outside, and the collector of its diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from recipec.diagnostics import Diagnostic, Label, Severity, did_you_mean
from recipec.ir import model
from recipec.ir.paths import Part
from recipec.ir.shapes import Columns
from recipec.source import Span


@dataclass(frozen=True, slots=True)
class LawOf:
    """A law's word, its file's digest, and the facts that decide mixtures (None for laws without quality bands)."""

    name: str
    digest: str
    facts: model.LawFacts | None


Stores = Literal["", "read", "written"]
"""What is done with stores where a path stands: they are read, written, or must not stand there."""


class Environment(Protocol):
    """Everything that a recipe refers to outside itself. Methods raise `Failure` with their own diagnostics."""

    def check_place(self, written: str, span: Span, stores: Stores) -> None:
        """Checks that the scheme of a path, as written in the recipe, is supported where it stands."""

    def schema(self, globs: Sequence[str], folder: Path, span: Span) -> Columns:
        """The columns of the shards of a source, in order, and the columns that the names of folders state."""

    def conflict(self, globs: Sequence[str], folder: Path, parts: Sequence[Part]) -> str:
        """Which shards disagree on the type of a value, as text."""

    def attributes(self, globs: Sequence[str], folder: Path, span: Span) -> tuple[Columns, bool]:
        """The columns of files of attributes, in order, and whether the files are arrays, whose columns have no names."""

    def format(self, globs: Sequence[str], folder: Path, span: Span) -> str | None:
        """The word of the format of a source's shards; None if there are no shards."""

    def pattern_error(self, pattern: str) -> str | None:
        """The error in an invalid regular expression, or None if it is valid."""

    def law(self, path: str, folder: Path, params: int, span: Span) -> LawOf:
        """The law of a law file, or a standard law (`std.law.…`), for a model with `params` parameters."""

    def file(self, written: str, folder: Path) -> Path:
        """The path of a file that a recipe names, with a path or a URL."""

    def read_text(self, path: Path, span: Span) -> str:
        """The text of a file that a recipe names, such as a mixture file."""

    def digest(self, path: Path) -> str:
        """The sha256 of the bytes of a file that `read_text` has read."""


MOST_HELPED = 1_000
"""After this many diagnostics, similar names are no longer searched: only the number of further ones is shown."""


@dataclass(slots=True)
class Context:
    """The state of one `resolve`: the folder of the recipe, its environment, and the errors found so far."""

    folder: Path
    environment: Environment
    diagnostics: list[Diagnostic] = field(default_factory=list)
    mistaken: set[str] = field(default_factory=set)  # kinds of things that are left out because of errors
    told: set[Diagnostic] = field(default_factory=set)  # what `error` added
    needed: dict[str, bool] = field(default_factory=dict)  # packages of `needs`: whether the installed version fits
    used: set[str] = field(default_factory=set)  # packages whose words are used

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        also: Iterable[tuple[Span, str]] = (),
        helps: Iterable[str] = (),
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Adds a diagnostic, once: an expression is typed for each source, and most errors are the same in all."""
        labels = tuple(Label(place, words) for place, words in also)
        found = Diagnostic(code, message, span, label, labels, tuple(helps), severity=severity)
        if found not in self.told:
            self.told.add(found)
            self.diagnostics.append(found)

    def unknown(self, code: str, kind: str, word: str, span: Span, known: Iterable[str]) -> None:
        """Adds "unknown criterion `edo`", with the closest known name."""
        self.error(code, f"unknown {kind} `{word}`", span, label="not known here", helps=self.near(word, known))

    def near(self, word: str, known: Iterable[str]) -> tuple[str, ...]:
        """The help line for an unknown name."""
        return did_you_mean(word, known) if len(self.diagnostics) < MOST_HELPED else ()

    def duplicate(self, what: str, again: Span, first: Span) -> None:
        self.error("R0202", f"{what} is stated twice", again, label="again here", also=((first, "first here"),))
