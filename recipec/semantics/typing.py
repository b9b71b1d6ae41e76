"""Expressions: binds names to columns, scores and roles, checks types, and translates to `ir.expressions`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from recipec import spec
from recipec.ir import expressions as ir
from recipec.ir.expressions import Expression, Type
from recipec.semantics import calls, extensions
from recipec.semantics.columns import Scope, bound
from recipec.semantics.context import Context
from recipec.semantics.functions import FUNCTIONS, NUMBERS, OPERATORS, Function, alike
from recipec.source import Span
from recipec.syntax import ast, text

Kind = Literal["boolean", "integer", "float", "string", "text"]
"""What a field of several kinds is taken as; `text` is a string, or a number or boolean as it is written."""

KINDS: tuple[Kind, ...] = ("float", "integer", "boolean", "string")


def typed(context: Context, scope: Scope, expr: ast.Expr) -> Expression | None:
    """The expression over one source, or None if it has errors (which are in `context`)."""
    match expr:
        case ast.Name() | ast.Path():
            return bound(context, scope, expr)
        case ast.String() | ast.Boolean() | ast.Quantity():
            return _constant(expr)
        case ast.ParamRef():
            return None  # an unknown parameter, which is already reported
        case ast.Call():
            return _call(context, scope, expr)
        case ast.Unary():
            return _unary(context, scope, expr)
        case ast.Binary():
            return _binary(context, scope, expr)
        case ast.In():
            return _in(context, scope, expr)
        case ast.IsNull():
            operand = typed(context, scope, expr.operand)
            return operand and _negated(ir.Apply(function="is_null", operands=(operand,), type="boolean"), expr.negated)


def condition(context: Context, scope: Scope, expr: ast.Expr) -> Expression | None:
    """A boolean expression. A string score about a target, such as `overlaps`, also counts: true unless it is null."""
    value = typed(context, scope, expr)
    value = value and _as_condition(scope, taken(value, "boolean"))
    if value is None or value.type == "boolean":
        return value
    context.error("R0216", "expected a condition, true or false", expr.span, label=f"this is {named(value.type)}")
    return None


def over_columns(context: Context, value: Expression | None, node: ast.Expr) -> Expression | None:
    """A value that must be known when the columns are read; an error if it needs a score of the text."""
    scores = sorted(ir.scores_of(value)) if value is not None else []
    if not scores:
        return value
    message = f"`{scores[0]}` is not allowed here: this is decided from the columns, before texts are scored"
    context.error("R0233", message, node.span, helps=("put the value into a column of the shards",))
    return None


def taken(value: Expression, kind: Kind) -> Expression:
    """A field of several kinds as the kind that its use needs; other values as they are."""
    if value.type != "json":
        return value
    return ir.Apply(function=f"as {kind}", operands=(value,), type="string" if kind == "text" else kind)


def _kind(allowed: Sequence[Type]) -> Kind:
    """The kind that a field of several kinds takes as an operand."""
    if len(allowed) > len(NUMBERS):
        return "text"
    for kind in KINDS:
        if kind in allowed:
            return kind
    return "text"


def _kind_beside(operands: Sequence[Expression]) -> Kind:
    """The kind that fields of several kinds take beside values of one."""
    types = [operand.type for operand in operands if operand.type not in ("json", "null")]
    first = next(iter(types), "string")
    if first in NUMBERS:
        return "float"
    return "boolean" if first == "boolean" else "string" if types else "text"


def _as_condition(scope: Scope, value: Expression) -> Expression:
    # A string score about a target is evidence of a match: a string, or null if there is no match.
    if isinstance(value, ir.Score) and value.type == "string" and "target" in scope.scores[value.name].params:
        missing = ir.Apply(function="is_null", operands=(value,), type="boolean")
        return _negated(missing, True)
    return value


def named(type_: Type) -> str:
    return {"integer": "an integer", "other": "a list or struct", "null": "null", "json": "of several kinds"}.get(
        type_, f"a {type_}"
    )


def _negated(value: Expression, negated: bool) -> Expression:
    return ir.Apply(function="not", operands=(value,), type="boolean") if negated else value


def _constant(expr: ast.String | ast.Boolean | ast.Quantity) -> ir.Constant:
    match expr:
        case ast.String():
            return ir.Constant(value=expr.value, type="string")
        case ast.Boolean():
            return ir.Constant(value=expr.value, type="boolean")
        case ast.Quantity(unit="%"):
            return ir.Constant(value=float(expr.value / 100), type="float")
        case ast.Quantity():
            whole = expr.value == expr.value.to_integral_value() and "." not in expr.text and abs(expr.value) < 2**63
            if whole:
                return ir.Constant(value=int(expr.value), type="integer")
            return ir.Constant(value=float(expr.value), type="float")


def _call(context: Context, scope: Scope, call: ast.Call) -> Expression | None:
    word = call.function.text
    if word in FUNCTIONS:
        if not extensions.check_own(context, "criteria", call.function, "function"):
            return None
        if named_argument := next((a for a in call.arguments if a.name is not None), None):
            context.error("R0208", f"`{word}` takes its operands without names", named_argument.span)
            return None
        return _apply(context, scope, word, FUNCTIONS[word], [a.value for a in call.arguments], call.span)
    if word in calls.RESERVED:
        context.error(
            "R0233", f"`{word}` is not allowed inside an expression", call.span, helps=(calls.RESERVED[word],)
        )
        return None
    if not spec.known("criteria", word):
        context.unknown("R0207", "function", word, call.function.span, (*FUNCTIONS, *spec.names("criteria")))
        return None
    found = calls.score_call(context, call, scope.targets)
    if found is None:
        return None
    scope.scores.setdefault(found.name, found)
    return ir.Score(name=found.name, type=found.type)


def _unary(context: Context, scope: Scope, expr: ast.Unary) -> Expression | None:
    operand = typed(context, scope, expr.operand)
    if operand is None:
        return None
    operand = taken(operand, "boolean" if expr.operator == "not" else "float")
    if expr.operator == "not":
        operand = _as_condition(scope, operand)
        if _fits(context, "not", operand, ("boolean",), expr.operand):
            return ir.Apply(function="not", operands=(operand,), type="boolean")
        return None
    if not _fits(context, "-", operand, ("integer", "float"), expr.operand):
        return None
    if isinstance(operand, ir.Constant) and isinstance(operand.value, int | float):
        return ir.Constant(value=-operand.value, type=operand.type)
    return ir.Apply(function="neg", operands=(operand,), type=operand.type)


def _binary(context: Context, scope: Scope, expr: ast.Binary) -> Expression | None:
    operands = [typed(context, scope, expr.left), typed(context, scope, expr.right)]
    left, operator = operands[0], expr.operator
    right_is_text = operands[1] is not None and operands[1].type == "string"
    if operator == "+" and left is not None and (left.type == "string" or (left.type == "json" and right_is_text)):
        # `+` also concatenates strings; the left operand decides which of the two is meant.
        operator = "concat"
    return _applied(context, scope, operator, OPERATORS[operator], [expr.left, expr.right], operands)


def _in(context: Context, scope: Scope, expr: ast.In) -> Expression | None:
    operands = [typed(context, scope, item) for item in (expr.operand, *expr.items)]
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    kind = _kind_beside(known)
    known = [taken(operand, kind) for operand in known]
    known = _times_from_text(context, known, (expr.operand, *expr.items))
    if not alike([operand.type for operand in known]):
        _mixed(context, "in", known, (expr.operand, *expr.items))
        return None
    return _negated(ir.Apply(function="in", operands=tuple(known), type="boolean"), expr.negated)


def _apply(
    context: Context, scope: Scope, word: str, function: Function, nodes: Sequence[ast.Expr], span: Span
) -> Expression | None:
    if len(nodes) < function.least or (function.most is not None and len(nodes) > function.most):
        expected = str(function.least) if function.least == function.most else f"{function.least} or more"
        plural = "" if expected == "1" else "s"
        context.error("R0208", f"`{word}` takes {expected} operand{plural}, found {len(nodes)}", span)
        return None
    return _applied(context, scope, word, function, nodes, [typed(context, scope, node) for node in nodes])


def _applied(
    context: Context,
    scope: Scope,
    word: str,
    function: Function,
    nodes: Sequence[ast.Expr],
    maybe: Sequence[Expression | None],
) -> Expression | None:
    """A function applied to typed operands, whose number is already checked."""
    operands = [operand for operand in maybe if operand is not None]
    if len(operands) < len(nodes):
        return None
    if word in ("and", "or"):
        operands = [_as_condition(scope, taken(operand, "boolean")) for operand in operands]
    elif function.same:
        kind = _kind_beside(operands)
        operands = [taken(operand, kind) for operand in operands]
    else:
        last = len(function.operands) - 1
        operands = [taken(one, _kind(function.operands[min(at, last)])) for at, one in enumerate(operands)]
    if function.same:
        operands = _times_from_text(context, operands, nodes)
    for index, (operand, node) in enumerate(zip(operands, nodes, strict=True)):
        allowed = function.operands[min(index, len(function.operands) - 1)]
        if not _fits(context, word, operand, allowed, node):
            return None
    if function.same and not alike([operand.type for operand in operands]):
        _mixed(context, word, operands, nodes)
        return None
    if word == "matches" and not _pattern(context, operands[1], nodes[1]):
        return None
    return ir.Apply(function=word, operands=tuple(operands), type=function.result([o.type for o in operands]))


def _fits(context: Context, word: str, operand: Expression, allowed: Sequence[Type], node: ast.Expr) -> bool:
    if operand.type in allowed or operand.type == "null":
        return True
    shown = "concat" if word == "concat" else word
    expected = " or ".join(filter(None, (", ".join(map(named, allowed[:-1])), named(allowed[-1]))))
    helps: tuple[str, ...] = ()
    if operand.type == "string" and "float" in allowed and not isinstance(node, ast.String):
        helps = (f"cast it: `float({text(node)})`",)
    elif operand.type != "other" and allowed == ("string",):
        helps = (f"cast it: `string({text(node)})`",)
    elif operand.type == "other":
        helps = (
            "name a value inside it, such as `meta.lang` or `tags[1]`; a list or struct can only be tested with `is null`",
        )
    shown = "+" if shown == "concat" else shown
    context.error(
        "R0206", f"`{shown}` needs {expected}", node.span, label=f"this is {named(operand.type)}", helps=helps
    )
    return False


def _mixed(context: Context, word: str, operands: Sequence[Expression], nodes: Sequence[ast.Expr]) -> None:
    """Reports two operands that cannot be compared, each underlined with its type."""
    first = operands[0]
    other = next(i for i, operand in enumerate(operands) if not alike([first.type, operand.type]))
    helps: tuple[str, ...] = ()
    if "string" in (first.type, operands[other].type):
        written = nodes[0] if first.type == "string" else nodes[other]
        if not isinstance(written, ast.String):
            helps = (f"cast it: `float({text(written)})`",)
    context.error(
        "R0206",
        f"`{word}` cannot compare {named(first.type)} with {named(operands[other].type)}",
        nodes[other].span,
        label=f"this is {named(operands[other].type)}",
        also=((nodes[0].span, f"this is {named(first.type)}"),),
        helps=helps,
    )


def _times_from_text(context: Context, operands: list[Expression], nodes: Sequence[ast.Expr]) -> list[Expression]:
    """The operands with string literals next to a date or time converted to one, as in `date >= "2024-01-01"`."""
    times = [operand.type for operand in operands if operand.type in ("date", "timestamp")]
    if not times:
        return operands
    result: list[Expression] = []
    for operand, node in zip(operands, nodes, strict=True):
        if isinstance(operand, ir.Constant) and isinstance(operand.value, str):
            try:
                datetime.fromisoformat(operand.value)
            except ValueError:
                context.error("R0206", 'expected a date such as "2024-01-31"', node.span, label="not a date")
            type_: Type = "date" if len(operand.value) == 10 else "timestamp"
            result.append(ir.Apply(function=type_, operands=(operand,), type=type_))
        else:
            result.append(operand)
    return result


def _pattern(context: Context, operand: Expression, node: ast.Expr) -> bool:
    """Whether the pattern of `matches` is a string literal with a valid regular expression (RE2)."""
    if not isinstance(operand, ir.Constant) or not isinstance(operand.value, str):
        context.error("R0228", "expected a regular expression in double quotes", node.span)
        return False
    mistake = context.environment.pattern_error(operand.value)
    if mistake is not None:
        context.error("R0228", f"the regular expression is not valid: {mistake}", node.span)
    return mistake is None
