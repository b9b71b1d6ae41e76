"""Law files: versioned JSON with parameters, intervals, units, the fitted range and the digest of the fitted table.

Published constants are standard law files named `std.law.…`, labelled as not fitted on the user's data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np

from recipec import resources, spec
from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.laws.form import Law
from recipec.laws.runs import Runs
from recipec.numbers import count, plain
from recipec.places import local, remote, scheme, settings

LAW_VERSION = 1

LEVEL = (0.025, 0.975)
"""Quantiles of an interval: 95 %."""

MEAN_TO_DEVIATION = float(np.sqrt(np.pi / 2))
"""A normal error of mean size m has the standard deviation m·√(π/2)."""


class Parameter(Frozen):
    """One fitted parameter with its 95 % bootstrap interval; `low` and `high` equal `value` if it was not fitted."""

    value: closed.Number
    low: closed.Number
    high: closed.Number
    unit: str


class Range(Frozen):
    low: closed.Number
    high: closed.Number


class Errors(Frozen):
    """Relative errors |L̂/L − 1| of one split: "in-sample", "size", "repetition" or "recipe" (held out); for
    published constants the runs that they were compared with.

    `bias` is the mean of L̂/L − 1; `largest` the error of the worst run.
    """

    split: str
    runs: closed.Count
    mean: closed.Amount
    largest: closed.Amount
    bias: closed.Number


class LawFile(Frozen):
    """A law file, as `recipec fit` writes it and every prediction reads it.

    Attributes:
        fitted: whether it was fitted on the user's runs; else `source` says where the constants were published.
        params, tokens, repetition: the fitted ranges of N, K and K/M.
        samples: bootstrap parameter vectors in the order of the law, for intervals; empty if published.
        error: relative error of a prediction inside the fitted range, one standard deviation, by which intervals are
            widened.
        runs: sha256 of the fitted table, "" if published.
        count, bands: number of fitted runs and of their quality bands; 0 if published.
        method, seed, starts: settings of the fit; the same settings on the same table give the same file.
        fixed: parameters that were given, not fitted.
    """

    version: Literal[1] = 1
    law: closed.Word
    fitted: bool
    source: str
    parameters: dict[str, Parameter]
    params: Range
    tokens: Range
    repetition: Range
    samples: tuple[tuple[closed.Number, ...], ...] = ()
    error: closed.Amount
    errors: tuple[Errors, ...] = ()
    seed_noise: closed.Amount | None = None
    runs: closed.Sha256OrNone = ""
    count: closed.Count = 0
    bands: closed.Count = 0
    method: Literal["huber", "paper", "published"] = "published"
    seed: closed.Count = 0
    starts: closed.Count = 0
    fixed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def form(self) -> Law:
        return find_law(self.law)

    @property
    def theta(self) -> Array:
        return self.form.theta({name: parameter.value for name, parameter in self.parameters.items()})


def module_name(law: str) -> str:
    """The module name of a law's word: `infolaw+` is not a Python name."""
    return law.replace("+", "_plus")


def law_names() -> tuple[str, ...]:
    return tuple(name.replace("_plus", "+") for name in spec.names("laws"))


def find_law(name: str) -> Law:
    """Finds a law by its word.

    Raises:
        Failure: there is none, or the plug-in that provides it is broken.
    """
    if not spec.known("laws", module_name(name)):
        raise Failure(Diagnostic("R0901", f"unknown law `{name}`", helps=did_you_mean(name, law_names())))
    law = spec.find("laws", module_name(name))
    assert isinstance(law, Law)
    return law


def read(path: str, folder: Path) -> LawFile:
    """Reads a law file by path, or a standard one by name (`std.law.infolaw_2026`).

    Raises:
        Failure: it is missing, corrupt, of a newer version, or of an unknown law.
    """
    if path.startswith("std."):
        content = standard(path)
    else:
        scheme.check_readable(path)
        settings.learn_for([path], folder)
        place = remote.at(path, folder)
        remote.look_again([place])
        try:
            content = local.read_text(place, local.LARGEST_NOTE)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise Failure(Diagnostic("R0902", f"the law file `{path}` cannot be read: {reason}")) from None
    return parse(content, path)


def standard(name: str) -> str:
    names = resources.law_names()
    if name not in names:
        raise Failure(Diagnostic("R0902", f"unknown standard law `{name}`", helps=did_you_mean(name, names)))
    return resources.law(name)


def parse(content: str, path: str) -> LawFile:
    """Parses the text of a law file."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Failure(Diagnostic("R0903", f"the law file `{path}` is not JSON: {error}")) from None
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > LAW_VERSION:
        message = f"the law file `{path}` has version {version}, and this recipec reads up to {LAW_VERSION}"
        raise Failure(Diagnostic("R0904", message, helps=("upgrade recipec, or fit the law again",)))
    try:
        file = closed.parsed(LawFile, content)
    except ValueError as error:
        reason = closed.reason(error).lower()
        raise Failure(Diagnostic("R0903", f"the law file `{path}` is corrupt: {reason}")) from None
    missing = set(file.form.names) ^ set(file.parameters)
    if missing or any(len(sample) != len(file.form.names) for sample in file.samples):
        names = ", ".join(sorted(missing)) or "bootstrap samples"
        raise Failure(Diagnostic("R0903", f"the law file `{path}` does not fit the law {file.law}: {names}"))
    return file


def text(file: LawFile) -> str:
    """The text of a law file, with one bootstrap sample per line."""
    plain = file.model_dump(mode="json")
    samples = plain["samples"]
    plain["samples"] = []
    lines = ",\n".join(f"    {json.dumps(sample)}" for sample in samples)
    whole = json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
    return whole.replace('"samples": []', f'"samples": [\n{lines}\n  ]') if samples else whole


def write(file: LawFile, path: Path) -> None:
    local.write_text(path, text(file))


def out_of_range(file: LawFile, runs: Runs) -> list[list[str]]:
    """Per run, in words, the quantities outside the fitted range."""
    result: list[list[str]] = [[] for _ in range(len(runs))]
    for name, values, fitted in (
        ("parameters", runs.params, file.params),
        ("tokens", runs.total, file.tokens),
        ("repetition", runs.repetition, file.repetition),
    ):
        outside = (values < fitted.low * (1 - 1e-9)) | (values > fitted.high * (1 + 1e-9))
        for index in np.flatnonzero(outside):
            bounds = f"{_shown(fitted.low)} to {_shown(fitted.high)}"
            result[index].append(f"{name} {_shown(values[index])} outside the fitted range {bounds}")
    return result


def _shown(value: float) -> str:
    """A size, a number of tokens or a repetition."""
    return count(value) if value >= 10_000 else plain(value, 3)
