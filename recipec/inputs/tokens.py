"""Token counts from a tokenizer, in batches: `tokens by "models/smollm2"`."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.database.sql import column, ident
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.inputs import scans
from recipec.ir import model
from recipec.ir.execution import Shard
from recipec.models import cache, plausible
from recipec.places import local
from recipec.source import resolve_path

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 1024
"""The number of documents tokenised at once; the tokenizer uses all cores within a batch."""


def count(connection: DuckDBPyConnection, source: model.Source, shard: Shard, folder: Path, table: str) -> None:
    """Creates the temporary table `table` (row BIGINT, tokens BIGINT) for the rows of a shard that have a text."""
    tokenizer = load(source, folder)
    text = column(source.text)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {ident(table)} (row BIGINT, tokens BIGINT)")
    with connection.cursor() as reader:
        scan = scans.scan(source, shard, folder, [source.text])
        reader.execute(f"SELECT __row, {text} FROM {scan} WHERE {text} IS NOT NULL")
        while batch := reader.fetchmany(BATCH):
            encodings = tokenizer.encode_batch_fast([row[1] for row in batch], add_special_tokens=False)
            counts = [len(encoding) for encoding in encodings]
            connection.execute(
                f"INSERT INTO {ident(table)} SELECT unnest($1), unnest($2)", [[row[0] for row in batch], counts]
            )


def file_of(source: model.Source, folder: Path) -> Path:
    """The tokenizer.json that a source names: itself, by its folder, or by the name of an installed model, if there is
    no such path; it may not exist."""
    name = source.tokens.tokenizer
    path = resolve_path(name, folder)
    if not local.exists(path) and (found := cache.installed(name)) is not None:
        path = found.folder
    return path / "tokenizer.json" if local.is_folder(path) else path


def check(source: model.Source, folder: Path) -> None:
    """Raises Failure if the tokenizer that a source names is not on this machine."""
    if source.tokens.by != "tokenizer":
        return
    name, file = source.tokens.tokenizer, file_of(source, folder)
    if local.is_file(file):
        try:
            plausible.check_tokenizer(file)
        except Failure as failure:
            raise Failure(replace(failure.diagnostics[0], code="R0305", span=source.origin.span)) from None
        return
    helps: tuple[str, ...] = (
        "name a tokenizer.json, a folder that has one, relative to the recipe, or an installed model",
    )
    if cache.NAME.fullmatch(name) and "." not in name[-6:]:
        known = [one.name for one in cache.entries()]
        helps = (*did_you_mean(name, known), f"`recipec model add {name}` installs a model with its tokenizer", *helps)
    message = f"there is no tokenizer `{name}`"
    raise Failure(Diagnostic("R0305", message, source.origin.span, place=str(file), helps=helps))


def load(source: model.Source, folder: Path) -> Any:
    """The tokenizer that a source names (see `file_of`). Nothing is downloaded.

    Raises:
        Failure: it does not exist, is not a tokenizer, or the package `tokenizers` is missing.
    """
    check(source, folder)
    file, span = file_of(source, folder), source.origin.span
    try:
        import tokenizers  # noqa: F401 — only whether it can be
    except ImportError:
        helps = ("pip install 'recipec[tokenizers]'",)
        raise Failure(Diagnostic("R0305", "counting tokens needs the package tokenizers", span, helps=helps)) from None
    try:
        return _opened(file, local.mark(file))
    except Exception as error:
        # The package raises bare exceptions for any error in a file.
        message = f"the tokenizer cannot be read: {str(error).lower()}"
        raise Failure(Diagnostic("R0305", message, span, place=str(file))) from None


@lru_cache(4)
def _opened(file: Path, mark: str) -> Any:
    """A tokenizer, as long as its file stays the same: it is loaded in the time of thousands of documents."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file))
