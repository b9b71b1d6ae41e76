"""What a starter recipe says, for the tests."""

from __future__ import annotations

import re

from recipec import syntax
from recipec.source import Source
from recipec.syntax import ast, printing


def todos(recipe: str) -> list[str]:
    """The comments that begin with TODO, each on one line."""
    return re.findall(r"# TODO: (.*)", re.sub(r"\n *#   ", " ", recipe))


def settings(recipe: str) -> dict[str, list[str]]:
    """The settings of each source, as written."""
    tree, diagnostics = syntax.parse(Source(recipe, "a.recipe"))
    assert tree is not None, diagnostics
    assert not diagnostics
    return {
        one.name.text: [printing.setting_head(setting) for setting in one.block.settings]
        for one in tree.statements
        if isinstance(one, ast.Source)
    }


def statements(recipe: str, word: str) -> list[str]:
    """The statements that begin with a word, without what is in their braces."""
    tree, _ = syntax.parse(Source(recipe, "a.recipe"))
    assert tree is not None
    return [text for one in tree.statements if (text := printing.head(one)).startswith(word)]
