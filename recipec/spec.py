"""What an extension is, and how it is found: `find("criteria", "mean_word_length")` imports that one module.

The file name is the word used in a recipe. Nothing imports extensions directly, so a recipe that uses no model never
imports torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from recipec.ir.expressions import Type
from recipec.ir.mixing import Decided
from recipec.ir.passes import Wanted
from recipec.source import Span

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["criteria", "formats", "mixers", "laws", "engines"]


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
    """A word that decides domain weights: `mixture infolaw`, `mixture tikmix(…)`.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        source: the paper that defines it; "" for none.
        params: the pydantic model of its arguments. A field named `target` names a target.
        decide: from what is known when documents are drawn (`selection.mixing.Problem`) and the parameters to weights.
        called: whether recipes name it by its word; `shares` and `file` have a syntax of their own.
        target: whether it needs a target, which it then finds in the operation.
        law: whether it needs a law with quality bands in the budget, whose facts it then finds in the mixture.
        measures: whether it needs what is known of documents (`Problem.documents`), so that only a run can ask it.
        identity: from the parameters, the recipe's folder and the place of the mixture to what the weights depend on
            besides the operation, its inputs and the targets' files (the digest of a checkpoint), as JSON. Raises Failure
            where that is not there yet: later phases then wait for it.
        version: raise it when weights change, so that stored selections are not reused.
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


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of the dataset: `output parquet "…"`. DuckDB writes and reads it; a format only knows the words.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        compressions: the words for `compression`, the best general choice first.
        suffix: from the compression to the end of a file's name, with its dot.
        options: from the compression and the rows of a row group to the options of a `COPY`.
        scan: from a quoted SQL list of paths and the quoted columns ("name" TYPE pairs) to a table expression.
        loader: the word that `datasets.load_dataset` knows it by.
        longest_line: bytes of the longest row that can be read, of which each thread holds some; 0 where rows are columns.
    """

    name: str
    summary: str
    compressions: tuple[str, ...]
    suffix: Callable[[str], str]
    options: Callable[[str, int], str]
    scan: Callable[[str, Sequence[tuple[str, str]]], str]
    loader: str
    longest_line: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs the tasks of a plan's steps.

    Attributes:
        name: the word, equal to the module's name.
        summary: one sentence.
        open: from an `execution.tasks.Workplace` to a context manager that gives an `execution.tasks.Runner`.
    """

    name: str
    summary: str
    open: Callable[[Any], AbstractContextManager[Any]]


PACKAGES = {
    "criteria": "recipec.criteria",
    "formats": "recipec.formats",
    "mixers": "recipec.mixers",
    "laws": "recipec.laws.forms",
    "engines": "recipec.engines",
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
