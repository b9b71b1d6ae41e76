"""The origin of a part of a recipe: a location in a file, or the package that provides its word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from recipec import source as text_source
from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.source import Span

MOST = 2**24
"""The most lines or characters of a recipe: no larger file is read as one."""

Position = Annotated[int, Field(ge=1, le=MOST)]


class Origin(Frozen):
    """A location in a recipe: provenance for plan, ledger and `explain`."""

    file: str
    line: Position
    column: Position
    length: Annotated[int, Field(ge=0, le=MOST)]  # characters to underline; may extend beyond the line
    text: str  # the complete line of the recipe

    @property
    def span(self) -> Span:
        """A span that shows this location, even if the recipe file no longer exists."""
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
    """The installed package that provides a word of a recipe; fields with None instead mean recipec itself."""

    package: closed.Package
    version: closed.Version

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


class Need(Frozen):
    """`needs "acme-filters >= 1.2"`: the package, the accepted versions, and the installed one."""

    package: closed.Package
    specifier: str
    version: closed.Version
    origin: Origin


def without_origins(value: Any) -> Any:
    """JSON without locations in recipes. A built-in word has no package, so its identity contains no package field."""
    if isinstance(value, Mapping):
        return {key: without_origins(item) for key, item in value.items() if not says_nothing(key, item)}
    if isinstance(value, list):
        return [without_origins(item) for item in value]
    return value


SINCE = {"ties": "share", "oversize": "stop", "allow_empty": False, "attributes": []}
"""Fields that are younger than stored results: with these values a step does what it did before it had them."""


def says_nothing(key: str, item: Any) -> bool:
    """Whether a field of an operation or a recipe is left out of its identity."""
    # A criterion of a plug-in may have a parameter named `origin`.
    is_place = item is None or (isinstance(item, Mapping) and item.keys() == Origin.model_fields.keys())
    is_default = key in SINCE and item == SINCE[key]
    return (key == "origin" and is_place) or (key == "plugin" and item is None) or is_default
