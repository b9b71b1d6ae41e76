"""Where something of a recipe comes from: a place in a file, or a package that gives its word."""

from __future__ import annotations

from recipec import source as text_source
from recipec.ir.expressions import Frozen
from recipec.source import Span


class Origin(Frozen):
    """Where in a recipe something was said: provenance for plan, ledger and `explain`."""

    file: str
    line: int
    column: int
    length: int  # of what is underlined; it may end beyond the line
    text: str  # the recipe's line, whole

    @property
    def span(self) -> Span:
        """A span that shows this place, also when the recipe file is gone."""
        source = text_source.Source("\n" * (self.line - 1) + self.text, self.file)
        start = self.line - 1 + self.column - 1
        return Span(source, start, min(start + self.length, len(source.text)))

    @classmethod
    def of(cls, span: Span) -> Origin:
        return cls(
            file=span.source.path,
            line=span.line,
            column=span.column,
            length=span.end - span.start,
            text=span.source.line(span.line),
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Plugin(Frozen):
    """The installed package that gives a word of a recipe; None where one may stand means that recipec has it itself."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


class Need(Frozen):
    """`needs "acme-filters >= 1.2"`: the package, the versions that serve, and the one that is installed."""

    package: str
    specifier: str
    version: str
    origin: Origin
