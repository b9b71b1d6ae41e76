"""The interfaces of extensions, and their lookup: `find("criteria", "mean_word_length")` imports that one module.

The file name is the word used in a recipe; other packages add words through entry points (see `plugins`). Nothing
imports extensions directly, so a recipe that uses no model never imports torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from recipec import plugins
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.ir.expressions import Type
from recipec.ir.mixing import Decided
from recipec.ir.model import Plugin
from recipec.ir.passes import Wanted
from recipec.ir.shapes import Columns, TypeText
from recipec.source import Span

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

Kind = Literal["criteria", "formats", "mixers", "laws", "engines"]


PLACE: dict[str, JsonValue] = {"place": True}
"""`json_schema_extra` of a parameter that is a path, or a name that may be a path: its scheme must be supported."""


class Example(str):
    """The text of a target's example, and where it stands.

    Attributes:
        place: the file, relative to the recipe's folder if it is inside, and the line ("qa.jsonl:17") or row
            ("qa.parquet, row 16", from 0).
    """

    place: str

    def __new__(cls, text: str, place: str = "") -> Example:
        example = super().__new__(cls, text)
        example.place = place
        return example


@dataclass(frozen=True, slots=True)
class Criterion:
    """A word that computes one value per document from its text (and, for some, from a target's examples).

    Exactly one of `sql`, `batch` and `features` is set.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence: what the value is, its unit and range.
        source: the paper or code that defines it, with the threshold it recommends.
        params: the pydantic model of its arguments; fields in positional order. A field named `target` names a target.
        type: the type of the value.
        direction: the usual better direction, or None when a recipe must state it.
        cost: approximate seconds per megabyte of text on one core, for estimates and for ordering.
        sql: maps the quoted SQL of the text expression and the parameters to the SQL of the value. One scan computes
            all values of a shard. A value may use only documented, deterministic scalar functions.
        batch: maps texts (a list of str) and parameters to an array of values, vectorised, for what SQL cannot do.
        prepare: maps the parameters, the texts of the target's examples and the held-out ones to the parameters with
            which `sql` or `batch` is called (for example, the target's n-grams); only with a `target` field. Raises
            ValueError if these examples cannot be used. The texts are `Example`s.
        cautions: with `prepare`: maps the prepared parameters to warnings about the examples for the plan, each a
            sentence in lower case without a final period.
        wants: maps the parameters to what the value needs from a language model's forward pass over a text.
        features: with `wants`: maps these features of many texts, (n, depth, top_k) uint16 or (n,) float64, and the
            parameters to (n,) values. `prepare` then gets the features of the examples in place of their texts.
        parts: with `features`: the contributions of the neurons of one text, (depth, top_k) float64; their sum is the
            text's value.
        version: increase it when values change, so that stored ones are not reused.
    """

    name: str
    summary: str
    source: str
    params: type[BaseModel]
    type: Type = "float"
    direction: Literal["higher", "lower"] | None = None
    cost: float = 0.01
    sql: Callable[[str, Any], str] | None = None
    batch: Callable[[Sequence[str], Any], np.ndarray[Any, Any]] | None = None
    prepare: Callable[[Any, Any, Any], Any] | None = None
    cautions: Callable[[Any], tuple[str, ...]] | None = None
    wants: Callable[[Any], Wanted] | None = None
    features: Callable[[np.ndarray[Any, Any], Any], np.ndarray[Any, Any]] | None = None
    parts: Callable[[np.ndarray[Any, Any], Any], np.ndarray[Any, Any]] | None = None
    version: int = 1

    def __post_init__(self) -> None:
        if [self.sql, self.batch, self.features].count(None) != 2:
            raise TypeError(f"criterion `{self.name}` needs exactly one of `sql`, `batch` and `features`")
        if not (isinstance(self.params, type) and issubclass(self.params, BaseModel)):
            raise TypeError(f"the `params` of criterion `{self.name}` are not a pydantic model")
        if self.type not in ("boolean", "integer", "float", "string"):
            raise TypeError(f"criterion `{self.name}` has the unknown value type `{self.type}`")


@dataclass(frozen=True, slots=True)
class Mixer:
    """A word that decides domain weights: `mixture infolaw`, `mixture tikmix(…)`.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        source: the paper that defines it; "" for none.
        params: the pydantic model of its arguments. A field named `target` names a target.
        decide: maps what is known when documents are drawn (`selection.mixing.Problem`) and the parameters to weights.
        called: whether recipes name it by its word; `shares` and `file` have their own syntax.
        target: whether it needs a target, which it then finds in the operation.
        law: whether the budget must have a law with quality bands, whose facts it then finds in the mixture.
        measures: whether it needs facts about the documents (`Problem.documents`), so that only a run can call it.
        identity: maps the parameters, the recipe's folder and the span of the mixture to what the weights depend on
            besides the operation, its inputs and the targets' files (the digest of a checkpoint), as JSON. Raises
            Failure if that does not exist yet: later phases then wait for it.
        version: increase it when weights change, so that stored selections are not reused.
    """

    name: str
    summary: str
    source: str
    params: type[BaseModel]
    decide: Callable[[Any, Any], Decided]
    called: bool = True
    target: bool = False
    law: bool = False
    measures: bool = False
    identity: Callable[[Any, Path, Span | None], Any] | None = None
    version: int = 1


class NoParams(BaseModel):
    """The parameters of a word without arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")


References = Sequence[tuple[str, TypeText]]
"""References to values of a row (see `ir.paths`), each with the SQL type that the value shall have."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the index stores about a shard.

    Attributes:
        columns: of the format's files that state their types, these; otherwise those that hold all values of all rows.
        kinds: by reference, how many rows have a value of each kind, where the format counts them.
        unreadable: the number of rows that cannot be read at all.
    """

    columns: Columns
    rows: int
    kinds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unreadable: int = 0


class Misread(ValueError):
    """A file that is not what its suffix says, with what to do about it."""

    def __init__(self, message: str, *helps: str) -> None:
        super().__init__(message)
        self.helps = helps


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of shards and of datasets: `shards "data/*.parquet"`, `output parquet "…"`.

    Everything that depends on the format is here: files are read, written and verified only through these functions.
    Those that read may raise `duckdb.Error`, `OSError` or `ValueError`; the caller adds which file it was.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        suffixes: the name suffixes of shards in this format, in lower case, with their dot; the longest matching suffix
            of all formats wins.
        compressions: the words for `compression`, the best general choice first.
        suffix: maps the compression to the suffix of a written file's name, with its dot.
        columns: the columns of a file, without reading all of it.
        structure: the structure of a file, found in all of its rows.
        scan: maps a file, its columns, references to values with the SQL type that each shall have, and a name to a table
            expression of these values (under `database.sql.column` of the reference), of `database.values.FAULT`, and,
            under that name, of the 0-based number of each row. A row that cannot be read becomes a row of nulls.
        stored: the SQL types with which a dataset keeps the columns of a file, if not those of `ir.shapes.taken`.
        whole: maps a file, its columns, columns with the types that they shall have as SQL, and a name to a table
            expression of these columns as they stand in the file, under the names c0, c1, …, and of the number of each
            row, for a dataset; needed only where `scan` does not give values as they stand in the file.
        write: writes a query's rows, in its order, to a path with the compression and a suitable number of rows per
            group, and returns the number of rows written. The caller syncs, hashes and names the dataset's files.
        read_back: maps written files and some of their columns (names and SQL types) to a table expression.
        loader: the word by which `datasets.load_dataset` knows it.
        typed: whether files state the types of their columns. If not, a column may have values of several kinds.
        faults: maps a file to the rows that cannot be read, each with the reason, for formats whose files may have some.
        lines: maps a file to a table expression of its rows as they are written and their numbers, for text formats.
        longest_line: bytes of the longest row that can be read back, several of which each thread holds in memory; 0
            for columnar formats.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    compressions: tuple[str, ...]
    suffix: Callable[[str], str]
    columns: Callable[[DuckDBPyConnection, Path], Columns]
    structure: Callable[[DuckDBPyConnection, Path], Structure]
    scan: Callable[[Path, Columns, References, str], str]
    write: Callable[[DuckDBPyConnection, str, Path, str, int], int]
    read_back: Callable[[Sequence[Path], Sequence[tuple[str, str]]], str]
    loader: str
    whole: Callable[[Path, Columns, Columns, str], str] | None = None
    stored: Callable[[DuckDBPyConnection, Path, Columns], Columns] | None = None
    typed: bool = True
    faults: Callable[[DuckDBPyConnection, Path], Iterable[tuple[int, str]]] | None = None
    lines: Callable[[Path, str], str] | None = None
    longest_line: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs the tasks of a plan's steps.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        open: maps an `execution.tasks.Workplace` to a context manager that yields an `execution.tasks.Runner`.
    """

    name: str
    summary: str
    open: Callable[[Any], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Room:
    """The package of the built-in extensions of a kind, what messages call one, and the type of its `SPEC`."""

    package: str
    noun: str
    type: str  # "module:Class": modules of higher layers must not be imported here


KINDS: Mapping[Kind, Room] = {
    "criteria": Room("recipec.criteria", "criterion", "recipec.spec:Criterion"),
    "formats": Room("recipec.formats", "format", "recipec.spec:Format"),
    "mixers": Room("recipec.mixers", "mixer", "recipec.spec:Mixer"),
    "laws": Room("recipec.laws.forms", "law", "recipec.laws.form:Law"),
    "engines": Room("recipec.engines", "engine", "recipec.spec:Engine"),
}


@cache
def own(kind: Kind) -> tuple[str, ...]:
    """The built-in words of a kind, sorted, without importing any of them."""
    package = importlib.import_module(KINDS[kind].package)
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name[0] != "_"))


def names(kind: Kind) -> tuple[str, ...]:
    """All words of a kind, including those of plug-ins, sorted, without importing any of them."""
    return tuple(sorted({*own(kind), *plugins.words(kind)}))


def known(kind: Kind, name: str) -> bool:
    """Whether there is such a word; the metadata of packages is read only if the word is not built in."""
    return name in own(kind) or bool(plugins.offers(kind, name))


def origin(kind: Kind, name: str) -> Plugin | None:
    """The package that provides a word; None for a built-in or unknown word.

    Raises:
        Failure: several packages provide it.
    """
    offers = plugins.offers(kind, name)
    givers = [*([plugins.HOME] if name in own(kind) else []), *(str(offer.plugin) for offer in offers)]
    if len(givers) > 1:
        raise Failure(clash(name, [f"a {KINDS[kind].noun} of {giver}" for giver in givers]))
    return offers[0].plugin if offers else None


def clash(name: str, meanings: Sequence[str]) -> Diagnostic:
    """The diagnostic for a word with several meanings."""
    helps = ("uninstall the plug-in whose word you do not need",)
    return Diagnostic("R0244", f"`{name}` is {' and '.join(meanings)}", helps=helps)


def find(kind: Kind, name: str) -> Any:
    """The `SPEC` of an extension.

    Raises:
        Failure: there is no such word, several packages provide it, or the plug-in that provides it is broken.
    """
    if origin(kind, name) is not None:
        return _plugged(kind, name)
    if name not in own(kind):
        noun = KINDS[kind].noun
        raise Failure(Diagnostic("R0248", f"no {noun} `{name}` is installed", helps=did_you_mean(name, names(kind))))
    return built_in(kind, name)


def built_in(kind: Kind, name: str) -> Any:
    """The `SPEC` of a word of `own(kind)`, regardless of what other packages provide."""
    return importlib.import_module(f"{KINDS[kind].package}.{name}").SPEC


@cache
def _plugged(kind: Kind, name: str) -> Any:
    module, _, attribute = KINDS[kind].type.partition(":")
    expected = getattr(importlib.import_module(module), attribute)
    return plugins.load(plugins.offers(kind, name)[0], KINDS[kind].noun, expected)
