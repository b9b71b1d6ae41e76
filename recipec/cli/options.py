"""Arguments that several commands share, and their conversion for the core."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipec import source
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.places import local, remote, scheme


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON value on stdout")


def add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column",
        metavar="NAME=COLUMN",
        action="append",
        default=[],
        help="column to read params, tokens, unique (or tokens_0, unique_0, …), loss, recipe, seed or tokenizer from",
    )


def add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="parameters",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="override a `param` of the recipe, for example --set budget=10B",
    )


def add_resources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory",
        type=memory,
        default="4GB",
        metavar="SIZE",
        help="memory limit of the database engine: 4GB (the default), 512MB, 50%%",
    )
    parser.add_argument(
        "--threads", type=threads, default=None, metavar="N", help="number of threads (default: all cores)"
    )


PLACE = "a folder outside of the plan file's own, or a URL, that the plan may read and write; may be repeated"


def add_allow(parser: argparse.ArgumentParser, help_: str = PLACE) -> None:
    parser.add_argument(
        "--allow",
        metavar="PLACE",
        action="append",
        default=[],
        type=place,
        help=help_,
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where models run (default: CUDA if available)",
    )


class Address(argparse.Action):
    """Where the cluster is goes to Ray as it goes to all that starts it: by the environment."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, values)
        os.environ["RAY_ADDRESS"] = values


def add_engine(parser: argparse.ArgumentParser, default: str = "local") -> None:
    parser.add_argument(
        "--engine", metavar="NAME", help=f"the engine that runs the tasks of steps (default: {default})"
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        action=Address,
        help="the cluster of `--engine ray`: auto, HOST:PORT or ray://HOST:PORT (default: RAY_ADDRESS, else this machine)",
    )


def add_run(parser: argparse.ArgumentParser, engine: str = "local") -> None:
    """The options of every command that runs the steps of a recipe; `engine` names the default one."""
    add_parameters(parser)
    add_json(parser)
    add_resources(parser)
    add_device(parser)
    add_engine(parser, engine)


LARGEST = 1_000_000_000
"""The largest whole number of an option: none counts anything of which there are more."""


def positive(text: str) -> int:
    """An argparse type: a whole number from 1 to `LARGEST`."""
    return _whole(text, 1, LARGEST)


def threads(text: str) -> int:
    """An argparse type: a number of threads."""
    return _whole(text, 1, 1024)


def seed(text: str) -> int:
    """An argparse type: the seed of a generator of random numbers."""
    return _whole(text, 0, 2**63 - 1)


def _whole(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text.strip()):
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number; expected {low:,} to {high:,}")
    if not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text} is out of range; expected {low:,} to {high:,}")
    return int(text)


def number(text: str) -> float:
    """An argparse type: a finite number."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number") from None
    if not abs(value) < 1e30:
        raise argparse.ArgumentTypeError(f"`{text}` is not a finite number")
    return value


def above_zero(text: str) -> float:
    """An argparse type: a finite number above zero."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]{1,2})?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE | re.ASCII)


def memory(text: str) -> str:
    """An argparse type: a memory limit such as 4GB, 512MiB, or 50% of the machine's memory."""
    if re.fullmatch(r"[0-9]{1,2}(\.[0-9]+)?%|100%", text) and float(text[:-1]) > 0:
        return text
    found = SIZE.fullmatch(text.strip())
    if not found or not (found[2] or text.strip()[-1:] in "bB"):
        raise argparse.ArgumentTypeError(f"`{text}` is not a size; write for example 4GB, 512MB or 50%")
    power = "kmgtp".find(found[2].lower()) + 1 if found[2] else 0
    size = float(found[1]) * (1024 if found[3] else 1000) ** power
    if size > 1e15:
        raise argparse.ArgumentTypeError(f"{text} is more than any machine has; at most 1PB")
    return f"{size:.0f}B"


def check_places(words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Raises Failure if a path argument was written with a scheme, which its `Path` no longer shows, or is a URL that cannot
    be read."""
    values = [one for value in vars(arguments).values() for one in (value if isinstance(value, list) else [value])]
    paths = {value for value in values if isinstance(value, Path)}
    for path in paths:
        if isinstance(path, remote.Remote):
            scheme.check_readable(path.url)
    for word in words:
        # As a separate argument, as `--output=…`, or as `-o…`.
        for text in (word, word.partition("=")[2], word[2:]):
            if Path(text) in paths:
                scheme.check(text)


def overrides(parameters: list[str]) -> dict[str, str]:
    """The parameters of --set: `["budget=10B"]` -> `{"budget": "10B"}`."""
    result = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not equals or not name.strip():
            raise Failure(
                Diagnostic(
                    "R0701",
                    f"`--set {parameter}` is not of the form NAME=VALUE",
                    helps=("write for example `--set budget=10B`",),
                )
            )
        result[name.strip()] = value.strip()
    return result


FACTORS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def span(text: str) -> tuple[float, float]:
    """An argparse type: `30B` -> (3e10, 3e10), `10B..100B` -> (1e10, 1e11)."""
    low, dots, high = text.partition("..")
    result = amount(low), amount(high if dots else low)
    if result[0] > result[1]:
        raise argparse.ArgumentTypeError(f"{text} ends before it begins")
    return result


def amount(text: str) -> float:
    """An argparse type: a count above zero, such as 250M, 1.7B or 3e9."""
    factor = FACTORS.get(text[-1:].upper(), 1.0)
    try:
        value = float(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is not a count; write for example 30B") from None
    if not 0 < value < 1e30:
        wrong = "is too large" if value >= 1e30 else "is not above zero"
        raise argparse.ArgumentTypeError(f"`{text}` {wrong}")
    return value


def percent(text: str) -> float:
    """An argparse type: `0.15` or `0.15%` -> 0.15, above zero and at most 100."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is not a percentage; write for example 0.15%") from None
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"`{text}` is not above 0% and at most 100%")
    return value


COLUMN_NAMES = ("params", "tokens", "unique", "loss", "recipe", "seed", "tokenizer")


def columns(pairs: list[str]) -> dict[str, str]:
    """The column names of --column: `["params=model_size"]` -> `{"params": "model_size"}`.

    Raises:
        Failure: lists every pair that has another form or a name that no table of runs has.
    """
    problems = []
    result = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not column:
            helps = ("write for example `--column params=model_size`",)
            problems.append(Diagnostic("R1205", f"`--column {pair}` is not of the form NAME=COLUMN", helps=helps))
        elif name not in COLUMN_NAMES and not re.fullmatch(r"(tokens|unique)_\d{1,3}", name):
            known = did_you_mean(name, COLUMN_NAMES)
            problems.append(Diagnostic("R1205", f"`--column {pair}`: runs have no `{name}`", helps=known))
        result[name] = column
    if problems:
        raise Failure(*problems)
    return result


def fixes(pairs: list[str]) -> dict[str, float]:
    """The fixed parameters of --fix: `["E=1.87"]` -> `{"E": 1.87}`."""
    result = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            result[name] = float(value)
        except ValueError:
            message = f"`--fix {pair}` is not of the form NAME=NUMBER"
            raise Failure(Diagnostic("R1203", message, helps=("write for example `--fix E=1.87`",))) from None
    return result


def write(path: Path, text: str, what: str) -> None:
    """Writes a file atomically; `what` describes it in the diagnostic.

    Raises:
        Failure: it cannot be written.
    """
    from recipec.places import local

    try:
        local.write_for_user(path, text)
    except OSError as error:
        raise Failure(Diagnostic("R0706", f"the {what} cannot be written: {error.strerror}", place=str(path))) from None


def is_plan_file(path: Path) -> bool:
    """Whether a path names a plan file rather than a recipe: by its name, or by a beginning that no recipe has."""
    name, mark, number = str(path).rpartition("#")
    if mark and number.isdecimal() and not os.path.lexists(path):
        # `FILE#2` names one phase of a plan file.
        path = Path(name)
    start = _start(path).lstrip()
    return path.suffix == ".plan" or start[:1] in (b"{", b"[") or (path.suffix != ".recipe" and b"\0" in start)


def _start(path: Path) -> bytes:
    """The first bytes of a regular file; none of anything else, whose reading may never end."""
    try:
        return source.start(path, 4096)
    except (OSError, ValueError):
        return b""


def report(path: Path) -> str:
    """The text of a JSON file that another command wrote, of which `report_kind` has seen that it is an object.

    Raises:
        Failure: it cannot be read.
    """
    from recipec.places import local

    try:
        return local.read_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Failure(Diagnostic("R0706", f"the file cannot be read: {reason}", place=str(path))) from None


def report_kind(path: Path) -> str:
    """The `kind` of a JSON file that another command wrote; "" for a plan file or an unreadable file."""
    from recipec.places import local

    try:
        value = local.read_json(path)
    except (OSError, ValueError):
        return ""
    kind = value.get("kind", "") if isinstance(value, dict) else ""
    return kind if isinstance(kind, str) else ""


def is_dataset(path: Path) -> bool:
    file = path / "manifest.json"
    # Whatever stands on the command line is asked: no error of the system is one here.
    return local.is_file(file) if isinstance(file, remote.Remote) else os.path.isfile(file)


def place(text: str) -> Path:
    """An argparse type: a path, or a URL of a store, which `check_places` judges."""
    return remote.named(text)


def located(path: Path) -> Path:
    """The folder of a dataset: of a place in a store, that of its current run."""
    if not isinstance(path, remote.Remote):
        return path
    from recipec.dataset import publication
    from recipec.places import settings

    settings.learn(Path.cwd())
    return publication.current(path)
