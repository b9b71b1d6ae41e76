"""Text of others becomes SQL through `database.sql` alone: what makes `Sql`, and what queries are put together from."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recipec import ir
from recipec.ir.expressions import Frozen
from tests.architecture.test_architecture import FILES, parsed
from tests.conftest import REPOSITORY

MAKERS = {"Sql": "database/sql.py", "TypeText": "ir/shapes.py"}
"""Types that a plain text is not, and the only module that makes values of each."""

QUERY = re.compile(
    r"\b(SELECT|COPY|FROM|CAST|WHERE|JOIN|UNION|CREATE|INSERT|ORDER BY|CASE|COMPRESSION|ATTACH|SET|read_\w+)\b"
)

ALLOWED = {
    ("dataset/rows.py", "column.type"),  # types that the engine itself says
    ("selection/gathering.py", "part.relation"),  # a query of ours, not a value of a model
}
"""Fields that stand in queries as they are."""


def _text_fields() -> set[str]:
    """The names of the fields of all values between stages that hold text."""
    found: set[str] = set()
    for module in pkgutil.iter_modules(ir.__path__):
        for value in vars(importlib.import_module(f"recipec.ir.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Frozen):
                found |= {name for name, field in value.model_fields.items() if "str" in repr(field.annotation)}
    return found


TEXTS = _text_fields() | {"relation", "sql"}


def test_the_fields_that_hold_text_are_known() -> None:
    assert {
        "name",
        "path",
        "compression",
        "format",
        "function",
        "domain",
        "sha256",
        "engine",
        "type",
    } <= TEXTS
    assert "rows" not in TEXTS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_one_module_makes_each_kind_of_sql(path: Path) -> None:
    relative = path.relative_to(REPOSITORY / "recipec").as_posix()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert MAKERS.get(name, relative) == relative
            if name == "cast" and node.args:
                assert not any(maker in ast.unparse(node.args[0]) for maker in MAKERS)


def raw(source: ast.AST) -> set[str]:
    """The fields of values that stand in SQL of a module as they are: in f-strings, `%`, `format` and sums."""
    found: set[str] = set()
    for node in ast.walk(source):
        if isinstance(node, ast.JoinedStr):
            words = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            inside = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            constants = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            words = "".join(one for one in constants if isinstance(one, str))
            inside = [node.left, node.right, *(node.right.elts if isinstance(node.right, ast.Tuple) else ())]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            words = str(getattr(node.func.value, "value", "SELECT"))
            inside = [*node.args, *(word.value for word in node.keywords)]
        else:
            continue
        if QUERY.search(words):
            found |= {ast.unparse(one) for one in inside if isinstance(one, ast.Attribute) and one.attr in TEXTS}
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('f"COPY (x) TO y (COMPRESSION {output.compression})"', {"output.compression"}),
        ('f"SELECT {ident(column.name)} FROM t"', set()),
        ('"SELECT " + column.name', {"column.name"}),
        ('"CAST(x AS %s)" % column.type', {"column.type"}),
        ('"SELECT {} FROM t".format(one.name)', {"one.name"}),
        ('f"the shard {shard.path} is gone"', set()),
        ('f"SELECT {shard.rows}"', set()),
    ],
)
def test_the_scanner_of_queries_finds_what_it_is_for(source: str, expected: set[str]) -> None:
    assert raw(ast.parse(source)) == expected


def test_no_field_of_a_recipe_or_a_plan_is_part_of_a_query() -> None:
    found = {(path.relative_to(REPOSITORY / "recipec").as_posix(), one) for path in FILES for one in raw(parsed(path))}
    assert found <= ALLOWED, found - ALLOWED
    assert found == ALLOWED, "what is needed no more leaves the list"


REJECTED = [
    "sql.expression(value, of=lambda name: name)",
    "sql.expression(value, score=str)",
    "values.selected((), [('a', 'VARCHAR); --')])",
    "values.selected((), [], {'a': source.name})",
    "piece: sql.Sql = source.name",
    "type_: shapes.TypeText = output.compression",
]


@pytest.mark.slow
def test_mypy_rejects_plain_text_where_sql_is_demanded(tmp_path: Path) -> None:
    head = "from recipec.database import sql, values\nfrom recipec.ir import expressions, model, shapes\n"
    head += "def f(value: expressions.Expression, source: model.Source, output: model.Output) -> None:\n"
    accepted = [
        "sql.expression(value, of=sql.ident)",
        "values.selected((), [('a', shapes.VARCHAR)], {'a': sql.ident('b')})",
    ]
    module = tmp_path / "module.py"
    module.write_text(head + "".join(f"    {line}\n" for line in (*accepted, *REJECTED)))
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", str(module)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    wrong = {int(line.split(":")[1]) for line in ended.stdout.splitlines() if ": error:" in line}
    assert wrong == set(range(4 + len(accepted), 4 + len(accepted) + len(REJECTED))), ended.stdout
