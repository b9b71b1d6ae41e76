"""`recipec export`: writes the scores of a recipe's documents as files that other recipes join."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import ExitCode

EPILOG = """examples:
  recipec export scores web.recipe -o scores                  scores of texts, and scores by models that are stored
  recipec export scores web.recipe -o scores --score          computes those by models first
  recipec export scores web.recipe -o scores --format jsonl   as JSON lines

A file per shard, with `id`, `row` and a column per score. A source joins them without a copy of its shards:

  attributes "scores/web/**/*.parquet" by id { columns edu }
"""

FORMATS = ("parquet", "jsonl")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="scores", choices=("scores",), help="what to export")
    parser.add_argument("recipe", metavar="RECIPE", type=Path)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--format", choices=FORMATS, default="parquet", help="format of the files (default: parquet)")
    parser.add_argument("--score", action="store_true", help="compute scores by models that are not stored")
    options.add_run(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import bars, views

    with bars.progress(quiet=arguments.json) as progress:
        found = pipeline.export_scores(
            arguments.recipe,
            options.overrides(arguments.parameters),
            arguments.output,
            word=arguments.format,
            score=arguments.score,
            settings=pipeline.settings(arguments.recipe, memory=arguments.memory, threads=arguments.threads),
            device=arguments.device,
            engine=arguments.engine,
            progress=progress,
        )
    if arguments.json:
        value = {"folder": str(found.folder), "files": found.files, "rows": found.rows, "columns": found.columns}
        print(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        print(f"{found.folder}: {len(found.files):,} files, {found.rows:,} rows")
        for source, columns in found.columns.items():
            print(f"  {source}: {', '.join(columns)}")
    views.show_diagnostics(found.diagnostics, json=False)
    return ExitCode.OK
