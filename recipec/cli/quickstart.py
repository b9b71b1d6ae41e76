"""`recipec quickstart`: plans, applies, verifies and explains on text that every Python installation has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from recipec.database.connection import Settings
    from recipec.progress import Progress

EPILOG = """examples:
  recipec quickstart           use the new folder recipec-quickstart
  recipec quickstart /tmp/q    use another folder

Cuts Python's own source, docstrings, reference and licences into documents, writes a commented recipe for them, plans
it, applies it, verifies the dataset, and explains one document that is in and one that is out. It needs no network and
takes under a minute. With the extra `models` installed, it then fetches the default language model (93 MB), scores 800
docstrings with it, and selects those that resemble numpy's mathematics; this takes some minutes. If the model is not
available, it says so and still succeeds.
"""

RECIPE = "first.recipe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path("recipec-quickstart"))
    parser.add_argument("--no-models", action="store_true", help="skip the part that needs a language model")
    options.add_resources(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import bars, quickstart_neurons

    folder = arguments.folder
    recipe = folder / RECIPE
    if folder.exists() and not recipe.is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        helps = ("name a new folder: `recipec quickstart DIR`",)
        raise Failure(Diagnostic("R0712", f"`{folder}` already holds something else", helps=helps))
    settings = pipeline.settings(recipe, memory=arguments.memory, threads=arguments.threads)
    with bars.progress(quiet=False) as progress:
        _prepare(folder, recipe, progress)
    plan_and_apply(recipe, folder / "out" / "first", settings)
    explain(folder / "out" / "first", settings, outcomes=2)
    if not arguments.no_models:
        quickstart_neurons.run(folder, settings)
    say("next")
    print(f"the recipe is {recipe}: edit it and run `recipec plan {recipe}` again")
    return ExitCode.OK


def plan_and_apply(recipe: Path, dataset: Path, settings: Settings) -> None:
    """Shows the plan, writes the dataset and verifies it."""
    from recipec import pipeline
    from recipec.cli import bars, plan_view
    from recipec.database.connection import connect
    from recipec.dataset import verify

    with bars.progress() as progress:
        planned = pipeline.plan(recipe, {}, score=True, settings=settings, progress=progress)
    say(f"recipec plan {recipe}")
    plan_view.print_plan(planned.plan, full=False)
    with bars.progress() as progress, connect(settings, folders=[recipe.parent]) as connection:
        manifest = pipeline.apply(planned.plan, settings=settings, progress=progress)
        found = verify(connection, dataset, progress)
    if found:
        raise Failure(*found)
    say(f"recipec apply {recipe}")
    print(f"{dataset}: {manifest.rows:,} rows, {manifest.tokens:,} tokens, digest {manifest.digest[:16]}")
    say(f"recipec verify {dataset}")
    print(f"ok: {manifest.selection.candidates:,} decisions derived again")


def say(command: str) -> None:
    print(f"\n== {command}\n", flush=True)


def _prepare(folder: Path, recipe: Path, progress: Progress) -> None:
    """Writes the corpus, and the recipe unless there is one already, which may have been edited."""
    from recipec import quickstart
    from recipec.database.connection import connect
    from recipec.places import local

    paths = quickstart.build(folder / "data", progress)
    if recipe.is_file():
        return
    with connect(folders=[folder]) as connection:
        budget = _budget(connection, paths)
    local.write_text(recipe, quickstart.text(budget))


def _budget(connection: DuckDBPyConnection, paths: tuple[Path, ...]) -> int:
    """The budget in tokens: a third of the corpus, but no more than the domain of the smallest quota can fill."""
    query = "SELECT sum(strlen(text)) // 4, sum(strlen(text)) FILTER (domain = 'language_reference') // 4 FROM read_parquet($1)"
    whole, reference = connection.execute(query, [[str(path) for path in paths]]).fetchall()[0]
    most = min(int(whole) // 3, int(reference) * 8)
    return max(1_000, most // 10_000 * 10_000)


def explain(dataset: Path, settings: Settings, outcomes: int) -> None:
    """Explains a document that is in and, if `outcomes` is 2, one that is out."""
    from recipec.audit import explanation
    from recipec.cli.explain import show_document
    from recipec.database.connection import connect
    from recipec.dataset import read_manifest, tables

    manifest = read_manifest(dataset)
    ledger = tables([dataset / file.path for file in manifest.ledger])
    with connect(settings, folders=explanation.folders(dataset)[0]) as connection:
        shown = (("copies > 0", "copies DESC, rank"), ("copies = 0 AND rank IS NOT NULL", "rank"))
        for condition, order in shown[:outcomes]:
            rows = connection.execute(
                f"SELECT doc_id, source FROM {ledger} WHERE {condition} ORDER BY {order}, source, doc_id LIMIT 1"
            ).fetchall()
            for doc_id, source in rows:
                say(f"recipec explain {dataset} {doc_id}")
                for one in explanation.explain(connection, dataset, doc_id, source):
                    show_document(one)
