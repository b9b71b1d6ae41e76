"""`README.md` of a dataset: a card for readers, with the header by which `datasets` and the Hub find the data."""

from __future__ import annotations

import json
import re

from recipec import spec
from recipec.dataset import columns, seal
from recipec.dataset.rows import Column
from recipec.ir.execution import Manifest

PROVENANCE = {
    "source": "the recipe's source that the document came from",
    "doc_id": "its id in that source",
    "domain": "its domain",
    "tokens": "its tokens",
    "copy": "which copy of the document this row is, from 1",
    "copies": "how many times the document should be seen",
}


FEATURES = {
    "BOOLEAN": "bool",
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "UTINYINT": "uint8",
    "USMALLINT": "uint16",
    "UINTEGER": "uint32",
    "UBIGINT": "uint64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "VARCHAR": "string",
}
"""DuckDB's types -> their names in `datasets`."""


def card(manifest: Manifest, schema: tuple[Column, ...], provenance: columns.Provenance) -> str:
    """The complete text of the card."""
    return "\n".join(
        (*_header(manifest, schema), *_figures(manifest), *_columns(schema, provenance), *_origin(manifest), "")
    )


def _header(manifest: Manifest, schema: tuple[Column, ...]) -> tuple[str, ...]:
    output = manifest.recipe.output
    assert output is not None
    format_ = spec.find("formats", output.format)
    suffix = format_.suffix(output.compression)
    name = output.path.rstrip("/").rsplit("/", 1)[-1]
    makers = ", ".join([f"recipec {manifest.recipec}", *(_inline(str(plugin)) for plugin in manifest.recipe.plugins)])
    # A JSON string is a valid YAML string, whatever the name contains.
    return (
        "---",
        f"pretty_name: {json.dumps(name)}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: {json.dumps('data/*' + suffix)}",
        *(_features(schema) if not format_.typed else ()),
        "---",
        "",
        f"# {_inline(name)}",
        "",
        f"Made by {makers} from the recipe below, with seed {manifest.recipe.seed}. "
        f"Why a document is in or out: `recipec explain . DOC`. Whether everything is unchanged: `recipec verify .`",
    )


def _features(schema: tuple[Column, ...]) -> tuple[str, ...]:
    """The header lines with the types of the columns, for a format that does not store them: otherwise types would be
    guessed from the first rows, where a column missing from a source is all null. Empty if a type has no plain name."""
    if not all(column.type in FEATURES for column in schema):
        return ()
    pairs = ((json.dumps(column.name), FEATURES[column.type]) for column in schema)
    lines = (line for name, type_ in pairs for line in (f"  - name: {name}", f"    dtype: {type_}"))
    return ("dataset_info:", "- config_name: default", "  features:", *lines)


def _figures(manifest: Manifest) -> tuple[str, ...]:
    total = max(manifest.tokens, 1)
    return (
        "",
        f"{manifest.rows:,} rows with {manifest.tokens:,} tokens in {len(manifest.data):,} files; "
        f"digest `{manifest.digest}`.",
        "",
        f"Seal, over every file of this folder: `{seal.BLANK}`",
        "",
        "| domain | documents | rows | tokens | share |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {_inline(d.domain)} | {d.documents:,} | {d.rows:,} | {d.tokens:,} | {100 * d.tokens / total:.2f}% |"
            for d in manifest.domains
        ),
    )


def _columns(schema: tuple[Column, ...], provenance: columns.Provenance) -> tuple[str, ...]:
    known = {name: PROVENANCE[name.lstrip("_")] for name, _ in provenance.types()}
    rows = (f"| {_inline(column.name)} | {_inline(column.type)} | {known.get(column.name, '')} |" for column in schema)
    return ("", "| column | type | meaning |", "|---|---|---|", *rows)


def _origin(manifest: Manifest) -> tuple[str, ...]:
    recipe = manifest.recipe.canonical.rstrip("\n")
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", recipe)), 3)
    return (
        "",
        "`ledger/` has one row for every candidate, with its scores and the reason why it was selected or not; "
        "`unreadable/` has the rows that could not be read.",
        "",
        f"{fence}text",
        recipe,
        fence,
    )


def _inline(text: str) -> str:
    """Text escaped for a line of Markdown or a table cell."""
    escaped = re.sub(r"([\\`*_\[\]<>|#~&$])", r"\\\1", " ".join(text.split()))
    return escaped or "(empty)"
