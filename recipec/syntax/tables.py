"""The parser's tables, precomputed and shipped as grammar/recipe.json: computing them takes longer than most parsing.

    python -m recipec.syntax.tables      regenerates the file, after a change of grammar/recipe.lark or of lark

The file records the grammar and the lark version that it was made from. If either differs, or the file is missing or
damaged, the tables are computed in memory, which is slower but always correct.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import deque
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef
from lark.parsers.lalr_analysis import IntParseTable, Shift

from recipec import resources


def parser() -> lark.Lark:
    """The parser of one statement, from the shipped tables if they match the grammar."""
    return parser_of(resources.grammar(), resources.parser_tables())


def parser_of(grammar: str, file: Traversable, version: str = lark.__version__) -> lark.Lark:
    """The parser of one statement, from the tables in a file if they match the grammar.

    Args:
        version: the version of lark that loads them.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return built(grammar)
    if not isinstance(found, dict) or found.get("made_of") != made_of(grammar, version):
        return built(grammar)
    return _loaded(found["data"], found["memo"])


def built(grammar: str) -> lark.Lark:
    """The parser of one statement, with tables computed from the text of the grammar."""
    return lark.Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start="statement",
        propagate_positions=True,
        maybe_placeholders=True,
    )


def made_of(grammar: str, version: str = lark.__version__) -> dict[str, str]:
    """What the tables depend on: the grammar, and the major and minor version of lark, which determine their format."""
    return {
        "grammar": hashlib.sha256(grammar.encode()).hexdigest(),
        "lark": ".".join(version.split(".")[:2]),
    }


def written(grammar: str) -> str:
    """The text of grammar/recipe.json; deterministic."""
    made = built(grammar)
    _number(made.parser.parser._parse_table)
    data, memo = made.memo_serialize([TerminalDef, Rule])
    parts = {"made_of": made_of(grammar), "data": data, "memo": memo}
    return json.dumps(parts, separators=(",", ":"), sort_keys=True) + "\n"


def _number(table: IntParseTable) -> None:
    """Renumbers the states breadth-first from the start states; lark's own numbers depend on the hash seed."""
    first = list(table.start_states.values())
    numbers = {state: number for number, state in enumerate(first)}
    waiting = deque(first)
    while waiting:
        for _, (action, target) in sorted(table.states[waiting.popleft()].items()):
            if action is Shift and target not in numbers:
                numbers[target] = len(numbers)
                waiting.append(target)
    table.states = {
        numbers[state]: {
            token: (action, numbers[target] if action is Shift else target)
            for token, (action, target) in sorted(table.states[state].items())
        }
        for state in numbers
    }
    table.start_states = {rule: numbers[state] for rule, state in table.start_states.items()}
    table.end_states = {rule: numbers[state] for rule, state in table.end_states.items()}


def _loaded(data: dict[str, Any], memo: dict[str, Any]) -> lark.Lark:
    # JSON keys cannot be integers. This is the loader that lark's own standalone parsers call.
    states = data["parser"]["parser"]["states"]
    data["parser"]["parser"]["states"] = {int(state): actions for state, actions in states.items()}
    numbered = {int(number): value for number, value in memo.items()}
    loaded: lark.Lark = lark.Lark._load_from_dict(data, numbered)  # type: ignore[no-untyped-call]  # lark's own lacks types
    return loaded


if __name__ == "__main__":
    path = Path(str(resources.parser_tables()))
    path.write_text(written(resources.grammar()), encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)
