"""Arguments that several commands share, and what they mean to the core."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipec.diagnostics import Diagnostic, Failure


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON value on stdout")


def add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="parameters",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="override a `param` of the recipe, as in --set budget=10B",
    )


def add_resources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--memory", default="4GB", metavar="SIZE", help="memory limit of the engine (default 4GB)")
    parser.add_argument("--threads", type=positive, default=None, metavar="N", help="threads (default: all cores)")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where models run (default: CUDA where it is)"
    )


def positive(text: str) -> int:
    """An argparse type: a whole number above zero."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not above zero")
    return value


def overrides(parameters: list[str]) -> dict[str, str]:
    """`["budget=10B"]` -> `{"budget": "10B"}`."""
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


def is_plan_file(path: Path) -> bool:
    """Whether a path names a plan file (JSON) rather than a recipe: by its first character that is no white space."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip()[:1] == b"{"
    except OSError:
        return False


def is_dataset(path: Path) -> bool:
    return (path / "manifest.json").is_file()
