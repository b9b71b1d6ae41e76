"""What an extension is, and how it is found: `find("criteria", "mean_word_length")` imports that one module.

The file name is the word used in a recipe. Nothing imports extensions directly, so a recipe that uses no model never
imports torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, JsonValue

from recipec.ir.expressions import Type
from recipec.ir.passes import Wanted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Kind = Literal["criteria", "formats", "mixers", "laws"]


PLACE: dict[str, JsonValue] = {"place": True}
"""`json_schema_extra` of a parameter that is a path, or a name that may be one: its place must be supported."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A word that computes one value per document from its text (and, for some, from a target's examples).

    Exactly one of `sql`, `batch` and `features` is set.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence; what the value is, its unit and range.
        source: the paper or code that defines it, with the threshold it recommends.
        params: the pydantic model of its arguments; fields in positional order. A field named `target` names a target.
        type: the type of the value.
        direction: the usual better direction, or None when a recipe must state it.
        cost: rough seconds per megabyte of text on one core, for estimates and for ordering.
        sql: from the quoted SQL of the text expression and the parameters to the SQL of the value. One scan computes
            all values of a shard. A value may use only documented, deterministic scalar functions.
        batch: from texts (a list of str) and parameters to an array of values, vectorised, for what SQL cannot do.
        prepare: from the parameters, the texts of the target's examples and those held out to parameters with which
            `sql` or `batch` is called (the target's n-grams, say); only with a `target` field. Raises ValueError
            where such examples cannot serve.
        wants: from the parameters to what the value needs of a language model's forward pass over a text.
        features: with `wants`: from what it needs of many texts, (n, depth, top_k) uint16 or (n,) float64, and the
            parameters to (n,) values. `prepare` then gets the features of the examples in place of their texts.
        parts: with `features`: what each neuron of one text gave, (depth, top_k) float64, which sums to its value.
        version: raise it when values change, so that stored ones are not reused.
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
    wants: Callable[[Any], Wanted] | None = None
    features: Callable[[np.ndarray[Any, Any], Any], np.ndarray[Any, Any]] | None = None
    parts: Callable[[np.ndarray[Any, Any], Any], np.ndarray[Any, Any]] | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Mixer:
    """A word that decides domain weights by measuring something: `mixture tikmix(…)`.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        source: the paper that defines it.
        params: the pydantic model of its arguments. A field named `target` names a target.
    """

    name: str
    summary: str
    source: str
    params: type[BaseModel]


Columns = tuple[tuple[str, Type], ...]
"""The names of columns with their types in the language, in their order."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the index keeps of a shard."""

    columns: Columns
    rows: int


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of shards and of datasets: `shards "data/*.parquet"`, `output parquet "…"`.

    All that depends on the format is here: the product reads, writes and verifies files through these functions alone.
    Those that read may raise `duckdb.Error`, `OSError` or `ValueError`; the caller says which file it was.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        suffixes: the ends of names of shards that are of this format, in lower case, with their dot; the longest suffix
            of all formats decides.
        compressions: the words for `compression`, the best general choice first.
        suffix: from the compression to the end of a written file's name, with its dot.
        columns: the columns of a file, without reading all of it.
        structure: the columns of a file and its number of rows.
        scan: from a file, columns with their types in the recipe, and a name to a table expression of these columns and,
            under that name, the 0-based number of each row. A row that cannot be read is one of nulls.
        write: from a query, a path, the compression and a good number of rows for a group to the number of rows that were
            written, in the order of the query. The dataset's files are synced, hashed and named by the caller.
        read_back: from written files and some of their columns (names and SQL types) to a table expression.
        loader: the word that `datasets.load_dataset` knows it by.
        typed: whether files say the types of their columns. Where they do not, types are guessed from some rows, and those
            that the recipe was checked with hold for all shards.
        has_nulls: whether a column of a file may have nulls, for formats that know without reading the column.
        longest_line: bytes of the longest row that can be read back, of which each thread holds some; 0 where rows are
            columns.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    compressions: tuple[str, ...]
    suffix: Callable[[str], str]
    columns: Callable[[DuckDBPyConnection, Path], Columns]
    structure: Callable[[DuckDBPyConnection, Path], Structure]
    scan: Callable[[Path, Columns, str], str]
    write: Callable[[DuckDBPyConnection, str, Path, str, int], int]
    read_back: Callable[[Sequence[Path], Sequence[tuple[str, str]]], str]
    loader: str
    typed: bool = True
    has_nulls: Callable[[DuckDBPyConnection, Path, str], bool] | None = None
    longest_line: int = 0


PACKAGES = {
    "criteria": "recipec.criteria",
    "formats": "recipec.formats",
    "mixers": "recipec.mixers",
    "laws": "recipec.laws.forms",
}
"""Where the extensions of each kind lie."""


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """The words of a kind, sorted, without importing any of them."""
    package = importlib.import_module(PACKAGES[kind])
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name[0] != "_"))


def find(kind: Kind, name: str) -> Any:
    """The `SPEC` of an extension.

    Raises:
        KeyError: there is no such extension.
    """
    if name not in names(kind):
        raise KeyError(name)
    return importlib.import_module(f"{PACKAGES[kind]}.{name}").SPEC
