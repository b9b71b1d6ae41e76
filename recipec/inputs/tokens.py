"""Token counts from a tokenizer, in batches: `tokens by "models/smollm2"`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.database.sql import column, ident
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import shards
from recipec.ir import model
from recipec.ir.execution import Shard
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
        scan = shards.scan(source, shard, folder, [source.text])
        reader.execute(f"SELECT __row, {text} FROM {scan} WHERE {text} IS NOT NULL")
        while batch := reader.fetchmany(BATCH):
            encodings = tokenizer.encode_batch_fast([row[1] for row in batch], add_special_tokens=False)
            counts = [len(encoding) for encoding in encodings]
            connection.execute(
                f"INSERT INTO {ident(table)} SELECT unnest($1), unnest($2)", [[row[0] for row in batch], counts]
            )


def file_of(source: model.Source, folder: Path) -> Path:
    """The tokenizer.json that a source names, itself or by its folder; it may not exist."""
    path = resolve_path(source.tokens.tokenizer, folder)
    return path / "tokenizer.json" if local.is_folder(path) else path


def load(source: model.Source, folder: Path) -> Any:
    """The tokenizer that a source names: a tokenizer.json, or a folder with one. Nothing is downloaded.

    Raises:
        Failure: it does not exist, is not a tokenizer, or the package `tokenizers` is missing.
    """
    name, span = source.tokens.tokenizer, source.origin.span
    file = file_of(source, folder)
    if not local.is_file(file):
        helps = ("name a tokenizer.json, or a folder that has one, relative to the recipe",)
        raise Failure(Diagnostic("R0305", f"there is no tokenizer `{name}`", span, place=str(file), helps=helps))
    try:
        from tokenizers import Tokenizer
    except ImportError:
        helps = ("pip install 'recipec[tokenizers]'",)
        raise Failure(Diagnostic("R0305", "counting tokens needs the package tokenizers", span, helps=helps)) from None
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:
        # The package raises bare exceptions for any error in a file.
        message = f"the tokenizer cannot be read: {str(error).lower()}"
        raise Failure(Diagnostic("R0305", message, span, place=str(file))) from None
