"""`recipec search RECIPE`: trains proxies, fits regressors, and prints an answer and its confirmation."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from recipec import pipeline
from recipec.cli import bars, options, search_show, search_view, views
from recipec.diagnostics import Diagnostic, ExitCode
from recipec.places import digests
from recipec.search import answer, course
from recipec.search.course import Found, Options


def run(arguments: argparse.Namespace) -> ExitCode:
    chosen = Options(
        more=arguments.more or 0,
        confirm=not arguments.no_confirm,
        candidates=arguments.candidates,
        folds=arguments.folds,
    )
    settings = pipeline.settings(arguments.recipe, memory=arguments.memory, threads=arguments.threads)
    with (
        bars.progress(quiet=arguments.json) as progress,
        pipeline.open_trials(
            arguments.recipe,
            options.overrides(arguments.parameters),
            runs=arguments.runs,
            settings=settings,
            device=arguments.device,
            engine=arguments.engine,
            progress=progress,
        ) as trials,
    ):
        if arguments.export_jobs is not None:
            train = course.exported(trials, arguments.export_jobs)
        elif arguments.collect is not None:
            train = course.collected(trials, arguments.collect)
        else:
            train = course.trained(trials)
        try:
            found = course.search(trials, chosen, train)
        except course.Exported as jobs:
            return exported(jobs.folders, arguments)
    warnings = (*found.warnings, *answer.warnings(found.answer, arguments.floor))
    value = as_json(found, warnings)
    if arguments.output is not None:
        search_view.write(arguments.output, value)
    if arguments.html is not None:
        options.write(arguments.html, search_show.page(value), "page")
    if arguments.json:
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return ExitCode.OK
    search_show.show(value)
    views.show_diagnostics(warnings, json=False)
    return ExitCode.OK


def exported(folders: list[Path], arguments: argparse.Namespace) -> ExitCode:
    if arguments.json:
        print(json.dumps({"jobs": [str(folder) for folder in folders]}, indent=2))
        return ExitCode.OK
    print(f"{len(folders):,} jobs in {arguments.export_jobs}: run `python -m recipec.proxies.job FOLDER` on each,")
    print(f"then `recipec search {arguments.recipe} --collect {arguments.export_jobs}`")
    return ExitCode.OK


def as_json(found: Found, warnings: tuple[Diagnostic, ...]) -> dict[str, Any]:
    """The answer and all the evidence for it, as JSON."""
    trials = found.trials
    records = (*found.records, *(record for rows in found.confirmation.values() for record in rows))
    return {
        **search_view.as_json(found.answer, None, warnings),
        "domains": list(trials.space.domains),
        "words": list(trials.space.words),
        "tokens": found.tokens,
        "confirmation": {
            name: [{"seed": record.seed, "losses": record.losses} for record in rows]
            for name, rows in found.confirmation.items()
        },
        "draws": {"tried": trials.tried, "infeasible": dict(trials.infeasible)},
        "proxy": {
            **trials.search.proxy.model_dump(mode="json"),
            "parameters": records[0].parameters,
            "share_of_documents": trials.share,
            "tokens_per_counted_token": trials.ratio,
        },
        "records": [
            {
                "name": record.name,
                "seed": record.seed,
                "key": record.key,
                "sha256": digests.sha256_text(digests.canonical_json(record.model_dump(mode="json"))),
                "diverged": record.diverged,
            }
            for record in records
        ],
    }
