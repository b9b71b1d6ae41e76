"""Reads tables of runs from CSV, Parquet or JSONL.

Columns: `params`, `tokens`, `unique_tokens` (or `tokens_0, unique_0, tokens_1, unique_1, …`, best band first), `loss`
if known; optional `recipe` (a name), `seed`, `tokenizer`. Other names are mapped by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recipec.arrays import Array
from recipec.database.tables import load, numeric
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.laws.runs import Runs
from recipec.numbers import count, plain
from recipec.places import digests

SYNONYMS = {
    "params": ("params", "parameters", "n_params", "N", "model_size"),
    "tokens": ("tokens", "train_tokens", "training_tokens", "n_tokens", "D"),
    "unique": ("unique_tokens", "unique", "U"),
    "loss": ("loss", "final_loss", "val_loss", "validation_loss", "L"),
    "seed": ("seed",),
    "recipe": ("recipe", "mixture"),
    "tokenizer": ("tokenizer", "tokeniser"),
}
"""Names by which a column is found if no option maps it, in order of preference."""


@dataclass(frozen=True, slots=True)
class Table:
    """Runs with the other columns of their table.

    Attributes:
        columns: our name -> the table's name, as found or mapped; for display.
        recipes: (n,) name or number of each run's recipe: runs with equal shares over the bands (or with an equal pool
            if there is one band) have the same recipe.
        replicate: (n,) runs that differ only in the seed have the same number.
        digest: sha256 of the file.
    """

    runs: Runs
    columns: dict[str, str]
    recipes: tuple[str, ...]
    replicate: np.ndarray[tuple[int], np.dtype[np.intp]]
    tokenizers: tuple[str, ...]
    digest: str


def read(path: Path, mapping: Mapping[str, str], *, need_loss: bool) -> Table:
    """Reads a table of runs.

    Args:
        mapping: our name -> column, as given by options.
        need_loss: whether every run must have a loss.

    Raises:
        Failure: lists every problem of the table: missing columns, values that are not counts, unique above tokens.
    """
    raw = load(path)
    columns = match_columns(path, raw, mapping, need_loss=need_loss)
    bands = sum(1 for name in columns if name.startswith("tokens_")) or 1
    names = [("tokens", "unique")] if "tokens" in columns else [(f"tokens_{i}", f"unique_{i}") for i in range(bands)]

    def numbers(name: str) -> Array:
        return numeric(path, raw, columns[name], name)

    tokens = np.stack([numbers(name) for name, _ in names], axis=1)
    unique = np.stack(
        [numbers(other) if other in columns else tokens[:, i] for i, (_, other) in enumerate(names)], axis=1
    )
    count = len(tokens)
    loss = numbers("loss") if "loss" in columns else np.full(count, np.nan)
    runs = Runs(numbers("params"), tokens, unique, loss)
    check(path, runs, need_loss=need_loss)
    recipes = recipe_names(raw, columns, runs)
    keys = [(*recipes[i : i + 1], runs.params[i], *tokens[i], *unique[i]) for i in range(count)]
    replicate = np.unique([repr(key) for key in keys], return_inverse=True)[1]
    tokenizers = tuple(sorted({str(value) for value in raw[columns["tokenizer"]]})) if "tokenizer" in columns else ()
    return Table(runs, columns, recipes, replicate, tokenizers, digests.sha256_file(path))


def match_columns(
    path: Path, raw: Mapping[str, list[Any]], mapping: Mapping[str, str], *, need_loss: bool
) -> dict[str, str]:
    """Matches our column names to the table's."""
    problems = [
        Diagnostic("R0906", f"`{path}` has no column `{column}`", helps=did_you_mean(column, raw))
        for column in mapping.values()
        if column not in raw
    ]
    columns = {name: column for name, column in mapping.items() if column in raw}
    for name, synonyms in SYNONYMS.items():
        found = next((synonym for synonym in synonyms if synonym in raw), None)
        if name not in columns and found is not None:
            columns[name] = found
    bands = {int(name[7:]) for name in (*raw, *mapping) if re.fullmatch(r"tokens_\d+", name)}
    if bands and "tokens" not in mapping:
        columns = {name: column for name, column in columns.items() if name not in {"tokens", "unique"}}
        for name in (f"{kind}_{band}" for band in range(len(bands)) for kind in ("tokens", "unique")):
            columns[name] = mapping.get(name, name)
    needed = {"params", *(("loss",) if need_loss else ())} | (set() if bands else {"tokens"})
    wanted = {name: columns.get(name) for name in needed} | columns
    for name, column in sorted(wanted.items()):
        if column is None or column not in raw:
            helps = (f"name it with --column {name}=COLUMN", *did_you_mean(name, raw))
            problems.append(Diagnostic("R0906", f"`{path}` has no column for {name}", helps=helps))
    if problems:
        raise Failure(*problems)
    return columns


def check(path: Path, runs: Runs, *, need_loss: bool) -> None:
    """Raises Failure with all impossible rows of a table."""

    def rows(bad: np.ndarray[Any, Any]) -> str:
        index = np.flatnonzero(bad if bad.ndim == 1 else bad.any(axis=1)) + 1
        return ", ".join(map(str, index[:5])) + (f" and {len(index) - 5} more" if len(index) > 5 else "")

    conditions = [
        ("params is not a number above zero", ~(np.isfinite(runs.params) & (runs.params > 0))),
        ("tokens is not a number, or negative", ~(np.isfinite(runs.tokens) & (runs.tokens >= 0))),
        ("tokens are zero in all bands", ~(runs.total > 0)),
        ("unique is not a number, or negative", ~(np.isfinite(runs.unique) & (runs.unique >= 0))),
        ("unique is zero where tokens are not", (runs.unique == 0) & (runs.tokens > 0)),
        ("tokens are below unique tokens", runs.tokens < runs.unique * (1 - 1e-9)),
    ]
    if need_loss:
        conditions.append(("loss is not a number above zero", ~(np.isfinite(runs.loss) & (runs.loss > 0))))
    problems = [
        Diagnostic("R0907", f"`{path}`: {words}", place=f"{path}, row {rows(bad)}")
        for words, bad in conditions
        if bad.any()
    ]
    if problems:
        raise Failure(*problems)


def recipe_names(raw: Mapping[str, list[Any]], columns: Mapping[str, str], runs: Runs) -> tuple[str, ...]:
    """Each run's recipe: its name if given, else its shares over the bands, or (one band) its pool of unique tokens."""
    if "recipe" in columns:
        return tuple(str(value) for value in raw[columns["recipe"]])
    if runs.tokens.shape[1] > 1:
        shares = np.round(runs.tokens / runs.total[:, None], 3)
        return tuple(" ".join(plain(share, 6) for share in row) for row in shares)
    return tuple(f"{count(pool)} unique tokens" for pool in runs.unique[:, 0])
