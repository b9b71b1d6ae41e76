"""Output of the syntax tree: nested calls, or JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal
from typing import Any

from recipec.syntax import ast


def as_text(node: Any, indent: int = 0) -> str:
    """Renders a node as a call with its fields below, indented by two spaces per level; leaves take one line."""
    pad = "  " * indent
    if isinstance(node, tuple):
        return "\n".join(as_text(item, indent) for item in node)
    if not isinstance(node, ast.Node):
        return f"{pad}{node!s}"
    values = {field.name: getattr(node, field.name) for field in fields(node) if field.name != "span"}
    simple = {name: value for name, value in values.items() if not nested(value)}
    head = ", ".join(f"{name}={shown(value)}" for name, value in simple.items() if value is not None)
    lines = [f"{pad}{type(node).__name__}({head})  @{node.span.line}:{node.span.column}"]
    for name, value in values.items():
        if name not in simple and value != ():
            lines += [f"{pad}  {name}:", as_text(value, indent + 2)]
    return "\n".join(lines)


def nested(value: Any) -> bool:
    return isinstance(value, tuple) or (isinstance(value, ast.Node) and not isinstance(value, ast.Name | ast.String))


def shown(value: Any) -> str:
    match value:
        case ast.Name():
            return value.text
        case ast.String():
            return json.dumps(value.value, ensure_ascii=False)
        case Decimal():
            return str(value)
        case _:
            return repr(value)


def as_json(tree: ast.Recipe) -> str:
    """Renders every node as {"node": class name, "line", "column", its fields}."""
    return json.dumps(plain(tree), indent=2, ensure_ascii=False)


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, ast.Node):
        return value
    content = {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name != "span"}
    return {"node": type(value).__name__, "line": value.span.line, "column": value.span.column, **content}
