"""`recipec fit LAW --design`: proposes the runs to make next, with the parameter intervals to expect from them."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np

from recipec.arrays import Array
from recipec.cli import bars, options
from recipec.cli.console import draw_table, stdout
from recipec.cli.tables import Table as Drawn
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.laws import design, fitting, lawfile, tables
from recipec.laws.form import Law
from recipec.laws.runs import Runs
from recipec.numbers import count, exact, plain, scientific
from recipec.progress import Progress

STANDARD = {
    "infolaw": "std.law.infolaw_2026",
    "muennighoff": "std.law.muennighoff_c4",
    "chinchilla": "std.law.chinchilla",
}
"""The standard law per law form, assumed to be true if neither a law file nor runs are given."""

SIZES = 4


def run(law: Law, arguments: argparse.Namespace) -> ExitCode:
    known = None
    if arguments.runs is not None:
        known = tables.read(arguments.runs, options.columns(arguments.column), need_loss=True).runs
    with bars.progress(quiet=arguments.json) as progress:
        theta, assumed = assumption(law, arguments, known, progress)
        sizes = grid_of_sizes(*arguments.params)
        noise = arguments.noise / 100
        candidates = design.grid(law, sizes)
        proposed = design.propose(
            law, theta, candidates, flops=arguments.compute, most=arguments.most, noise=noise, known=known
        )
        together = proposed.runs if known is None else design.joined(known, proposed.runs)
        if len(together) < len(law.parameters):
            cheapest = candidates.flops.min()
            message = (
                f"{len(together)} runs fit into {scientific(arguments.compute)} FLOP, and {law.name} has "
                f"{len(law.parameters)} parameters"
            )
            helps = (f"raise --compute (the cheapest run takes {scientific(cheapest, 2)} FLOP), or lower --params",)
            raise Failure(Diagnostic("R1202", message, helps=helps))
        simulate = {"noise": noise, "simulations": arguments.simulations, "seed": arguments.fit_seed}
        expected = {"this design": design.expected(law, theta, together, progress=progress, **simulate)}
        if known is not None and len(known) >= len(law.parameters):
            expected["your runs alone"] = design.expected(law, theta, known, progress=progress, **simulate)
        if law.info is not None:
            expected["as published"] = design.expected(law, theta, design.published(), progress=progress, **simulate)
    if arguments.output is not None:
        options.write(arguments.output, as_csv(proposed), "table of runs")
    show(law, theta, assumed, proposed, expected, arguments)
    return ExitCode.OK


def grid_of_sizes(low: float, high: float) -> Array:
    """Four sizes evenly spaced in the logarithm, or one if `low` equals `high`."""
    return np.geomspace(low, high, SIZES if low < high else 1)


def assumption(law: Law, arguments: argparse.Namespace, known: Runs | None, progress: Progress) -> tuple[Array, str]:
    """The parameters that the design assumes, and a description of where they come from."""
    if arguments.assume is not None or (known is None and law.name in STANDARD):
        name = arguments.assume or STANDARD[law.name]
        file = lawfile.read(name, Path())
        if file.law != law.name:
            raise Failure(Diagnostic("R1206", f"--assume `{name}` is a law of {file.law}, not of {law.name}"))
        return file.theta, name
    if known is None:
        helps = ("give a law file with --assume, or runs that you have already made",)
        raise Failure(Diagnostic("R1206", f"a design for {law.name} needs parameters to assume", helps=helps))
    fixed = {"theta": 0.0} if law.info is not None and known.tokens.shape[1] == 1 else {}
    try:
        found = fitting.fit(
            law, known, starts=arguments.starts, seed=arguments.fit_seed, fixed=fixed, progress=progress
        )
    except ValueError as error:
        raise Failure(Diagnostic("R1202", str(error), helps=("assume a law with --assume",))) from None
    return found.theta, f"a fit on {arguments.runs.name}"


def show(
    law: Law,
    theta: Array,
    assumed: str,
    proposed: design.Design,
    expected: dict[str, design.Expected],
    arguments: argparse.Namespace,
) -> None:
    """Prints the proposed runs and the intervals expected from them."""
    if arguments.json:
        print(json.dumps(as_json(law, theta, assumed, proposed, expected), indent=2))
        return
    console = stdout()
    draw_table(console, runs_table(proposed))
    header = ("parameter", "assumed", *(f"95% with {name}" for name in expected))
    rows = tuple(
        (
            name,
            plain(theta[index]),
            *(f"{plain(one.low[index])} to {plain(one.high[index])}" for one in expected.values()),
        )
        for index, name in enumerate(law.names)
    )
    title = (
        f"Expected intervals, from {arguments.simulations} simulated fits with {exact(arguments.noise)}% noise, "
        f"assuming {assumed}"
    )
    draw_table(console, Drawn(title, header, rows, frozenset(range(1, len(header)))))
    if arguments.output is not None:
        print(f"wrote {arguments.output}; fill in `loss`, then `recipec fit {law.name} …`", file=sys.stderr)


def runs_table(proposed: design.Design) -> Drawn:
    rows = tuple(
        (
            str(index + 1),
            count(float(proposed.runs.params[index])),
            count(float(proposed.runs.total[index])),
            " ".join(plain(share, 2) for share in proposed.runs.tokens[index] / proposed.runs.total[index]),
            count(float(proposed.pools[index])),
            plain(proposed.runs.repetition[index], 3),
            scientific(proposed.flops[index]),
        )
        for index in range(len(proposed.runs))
    )
    header = ("", "params", "tokens", "shares of the bands", "pool", "epochs", "FLOP")
    flops = f"{scientific(proposed.flops.sum())} FLOP"
    title = f"{len(proposed.runs)} runs to make, {flops}, the most informative for their cost first"
    return Drawn(title, header, rows, frozenset({0, 1, 2, 4, 5, 6}))


def as_csv(proposed: design.Design) -> str:
    """The design as a table that `recipec fit` reads once `loss` is filled in."""
    out = io.StringIO()
    runs = proposed.runs
    bands = runs.tokens.shape[1]
    names = [f"{kind}_{band}" for band in range(bands) for kind in ("tokens", "unique")]
    names = names if bands > 1 else ["tokens", "unique_tokens"]
    print(",".join(["params", *names, "pool", "loss"]), file=out)
    for index in range(len(runs)):
        cells = [f"{round(values[index, band])}" for band in range(bands) for values in (runs.tokens, runs.unique)]
        print(",".join([f"{round(runs.params[index])}", *cells, f"{round(proposed.pools[index])}", ""]), file=out)
    return out.getvalue()


def as_json(
    law: Law, theta: Array, assumed: str, proposed: design.Design, expected: dict[str, design.Expected]
) -> dict[str, object]:
    runs = proposed.runs
    return {
        "assumed": {"source": assumed, "parameters": dict(zip(law.names, map(float, theta), strict=True))},
        "runs": [
            {
                "params": float(runs.params[index]),
                "tokens": [float(value) for value in runs.tokens[index]],
                "unique": [float(value) for value in runs.unique[index]],
                "pool": float(proposed.pools[index]),
                "flop": float(proposed.flops[index]),
            }
            for index in range(len(runs))
        ],
        "expected": {
            name: {
                parameter: {"low": float(one.low[index]), "high": float(one.high[index])}
                for index, parameter in enumerate(law.names)
            }
            for name, one in expected.items()
        },
    }
