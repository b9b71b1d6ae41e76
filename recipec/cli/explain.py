"""`recipec explain`: why a document is in or out; without a document, how a dataset came about."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from recipec.cli import options
from recipec.cli.screen import one_line
from recipec.diagnostics import Diagnostic, ExitCode, Failure

if TYPE_CHECKING:
    from rich.console import Console

    from recipec.audit.explanation import Explanation
    from recipec.audit.summary import Summary
    from recipec.ir.model import Origin

EPILOG = """examples:
  recipec explain out/science doc-17              the derivation, the recipe's lines, the nearest change that flips it
  recipec explain out/science doc-17 --source web if several sources have that id
  recipec explain out/science                     reasons by domain, bounds, what each criterion decided alone
  recipec explain out/science doc-17 --json       the same as JSON
"""

NEAREST = 3
"""Number of nearest changes shown; --json has all of them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="DATASET", type=options.place)
    parser.add_argument("document", metavar="DOC", nargs="?", help="the document's id (default: the whole dataset)")
    parser.add_argument("--source", metavar="NAME", help="the source of the document")
    options.add_allow(parser, "a folder outside of the dataset's own that may be read for it; may be repeated")
    options.add_json(parser)
    options.add_resources(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec.audit import explanation
    from recipec.cli import views
    from recipec.database.connection import Settings, connect

    path = options.located(arguments.path)
    if not options.is_dataset(path):
        raise Failure(Diagnostic("R0705", f"`{arguments.path}` is not a dataset: expected a folder with manifest.json"))
    settings = Settings(memory=arguments.memory, threads=arguments.threads)
    folders, left_out = explanation.folders(path, arguments.allow)
    with connect(settings, folders=folders) as connection:
        if arguments.document is None:
            from recipec.audit import summary

            result = summary.summarise(connection, path)
            print(result.model_dump_json(indent=2)) if arguments.json else show_summary(result)
            return ExitCode.OK
        found = explanation.explain(connection, path, arguments.document, arguments.source, arguments.allow)
    if arguments.json:
        print(json.dumps([one.model_dump(mode="json") for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            show_document(one)
    views.show_diagnostics(left_out, json=False)
    return ExitCode.OK


def show_document(one: Explanation) -> None:
    """Prints the outcome, the derivation step by step, and the nearest changes."""
    outcome = f"in, {one.copies} {'copy' if one.copies == 1 else 'copies'}" if one.copies else "out"
    print(one_line(f"{one.doc_id} of {one.source}: {outcome} ({one.reason})"), end="\n\n")
    width = max(len(one_line(step.name)) for step in one.steps)
    for step in one.steps:
        print(one_line(f"  {one_line(step.name):<{width}}  {step.says}{_at(step.origin)}"))
    if one.flips:
        print("\nnearest changes, each alone:")
        for flip in one.flips[:NEAREST]:
            print(one_line(f"  {flip.says}{_at(flip.origin)}"))
    print()


def _at(origin: Origin | None) -> str:
    return f"  [{origin}]" if origin is not None else ""


def show_summary(summary: Summary) -> None:
    from recipec.cli.console import stdout

    console = stdout()
    _reasons(console, summary)
    _clauses(console, summary)
    _bounds(console, summary)
    _decided(console, summary)


def _reasons(console: Console, summary: Summary) -> None:
    """Prints the number of documents by domain and reason, one line per domain."""
    from recipec.cli.console import draw_table
    from recipec.cli.tables import Table

    words = sorted({reason.reason for reason in summary.reasons})
    counts: dict[str, dict[str, int]] = {}
    for reason in summary.reasons:
        of_domain = counts.setdefault(reason.domain, dict.fromkeys(words, 0))
        of_domain[reason.reason] += reason.documents
    rows = tuple(
        (domain or "(unreadable)", *(f"{found[word]:,}" for word in words)) for domain, found in sorted(counts.items())
    )
    header = ("domain", *(word.replace("_", " ") for word in words))
    draw_table(console, Table("Documents by reason", header, rows, frozenset(range(1, len(header)))))


def _clauses(console: Console, summary: Summary) -> None:
    from recipec.cli.console import draw_table
    from recipec.cli.tables import Table
    from recipec.numbers import count

    rows = tuple((c.text, str(c.origin or ""), f"{c.documents:,}", count(c.tokens)) for c in summary.clauses)
    if rows:
        header = ("where", "line", "documents", "tokens")
        draw_table(console, Table("Rejected by", header, rows, frozenset({2, 3})))


def _bounds(console: Console, summary: Summary) -> None:
    from recipec.cli.console import draw_table
    from recipec.cli.tables import Table
    from recipec.numbers import count, share

    rows = tuple(
        (
            b.domain,
            b.binds,
            share(b.asked),
            share(b.planned),
            count(b.target),
            count(b.drawn_tokens),
            str(b.origin or ""),
        )
        for b in summary.bounds
    )
    if rows:
        header = ("domain", "bound by", "asked", "planned", "target", "drawn", "line")
        draw_table(console, Table("Where a bound held", header, rows, frozenset({2, 3, 4, 5})))
    else:
        console.print("no quota or repetition limit held a domain back")


def _decided(console: Console, summary: Summary) -> None:
    from recipec.cli.console import draw_table
    from recipec.cli.tables import Table
    from recipec.numbers import count

    rows = tuple(
        (d.criterion, f"{d.selected:,}", count(d.selected_tokens), f"{d.kept_out:,}", count(d.kept_out_tokens))
        for d in summary.decided
    )
    if rows:
        header = ("criterion", "in only by it", "tokens", "out only by it", "tokens")
        title = "What each criterion decided alone (its weight at 0, all else equal)"
        draw_table(console, Table(title, header, rows, frozenset({1, 2, 3, 4})))
