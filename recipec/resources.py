"""Locations of the grammar and the standard recipes, in an installed package or a checkout."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def data_root() -> Traversable:
    """The folder that holds `grammar/` and `stdlib_recipes/`; nothing else computes it."""
    installed = files("recipec") / "_data"
    return installed if installed.is_dir() else Path(__file__).parents[1]


def grammar() -> str:
    return (data_root() / "grammar" / "recipe.lark").read_text(encoding="utf-8")


def parser_tables() -> Traversable:
    """The file that `python -m recipec.syntax.tables` generates from the grammar."""
    return data_root() / "grammar" / "recipe.json"


def stdlib_names() -> tuple[str, ...]:
    """The names that `use` accepts: `std.quality.web` is stdlib_recipes/quality.web.recipe."""
    folder = data_root() / "stdlib_recipes"
    return tuple(
        sorted("std." + file.name.removesuffix(".recipe") for file in folder.iterdir() if file.name.endswith(".recipe"))
    )


def stdlib(name: str) -> str:
    """The text of a standard recipe; `name` is one of `stdlib_names`."""
    return (data_root() / "stdlib_recipes" / (name.removeprefix("std.") + ".recipe")).read_text(encoding="utf-8")


def law_names() -> tuple[str, ...]:
    """The names of the standard laws: `std.law.chinchilla` is stdlib_recipes/law.chinchilla.json."""
    folder = data_root() / "stdlib_recipes"
    names = (file.name for file in folder.iterdir() if file.name.startswith("law.") and file.name.endswith(".json"))
    return tuple(sorted("std." + name.removesuffix(".json") for name in names))


def law(name: str) -> str:
    """The text of a standard law; `name` is one of `law_names`."""
    return (data_root() / "stdlib_recipes" / (name.removeprefix("std.") + ".json")).read_text(encoding="utf-8")
