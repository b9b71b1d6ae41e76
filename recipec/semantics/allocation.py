"""Limits on the tokens of each domain: `quota`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from recipec.ir import model
from recipec.ir.expressions import Expression
from recipec.numbers import percent
from recipec.semantics import quantities
from recipec.semantics.columns import Scope, leniently
from recipec.semantics.context import Context
from recipec.semantics.quantities import domain_name
from recipec.semantics.typing import condition, over_columns
from recipec.syntax import ast, text


def quotas(context: Context, nodes: Sequence[ast.Quota], scopes: Sequence[Scope]) -> tuple[model.Quota, ...]:
    """The quotas, with `at least` and `at most` of the same part of a domain merged into one."""
    joined: dict[tuple[str, str], model.Quota] = {}
    for node in nodes:
        quota = _quota(context, node, scopes)
        if quota is None:
            continue
        key = quota.domain, quota.text
        other = joined.get(key)
        if other is not None:
            quota = _joined(context, other, quota)
        if quota is not None:
            joined[key] = quota
    result = tuple(joined[key] for key in sorted(joined))
    _check_least(context, result)
    return result


def _quota(context: Context, node: ast.Quota, scopes: Sequence[Scope]) -> model.Quota | None:
    least = _amount(context, node.bounds.least) if node.bounds.least is not None else None
    most = _amount(context, node.bounds.most) if node.bounds.most is not None else None
    if (node.bounds.least is not None and least is None) or (node.bounds.most is not None and most is None):
        return None
    conditions: tuple[Expression, ...] = ()
    if node.condition is not None:
        written = node.condition
        found = [over_columns(context, condition(context, scope, written), written) for scope in leniently(scopes)]
        # A condition that is null is not met.
        conditions = tuple(value for value in found if value is not None)
        if len(conditions) < len(scopes):
            return None
    quota = model.Quota(
        domain=domain_name(node.domain),
        conditions=conditions,
        text=text(node.condition) if node.condition is not None else "",
        least=least,
        most=most,
        origin=model.Origin.of(node.span),
    )
    return quota if _consistent(context, quota) else None


def _amount(context: Context, expr: ast.Expr) -> model.Amount | None:
    """A share in percent or a count of tokens."""
    if isinstance(expr, ast.Quantity) and expr.unit not in ("%", "tokens"):
        message = f"expected a share in percent or a count of tokens, found {quantities.UNITS[expr.unit]}"
        helps = (f"write `{expr.text}%`",) if not expr.unit and expr.value <= 100 else (f"write `{expr.text} tokens`",)
        context.error("R0209", message, expr.span, helps=() if expr.unit == "bytes" else helps)
        return None
    if isinstance(expr, ast.Quantity) and expr.unit == "tokens":
        value = quantities.whole(context, expr, "tokens")
        kind: Literal["share", "tokens"] = "tokens"
    else:
        value = quantities.share(context, expr)  # type: ignore[assignment]  # float or int: an amount holds either
        kind = "share"
    return None if value is None else model.Amount(kind=kind, value=value, origin=model.Origin.of(expr.span))


def _joined(context: Context, first: model.Quota, second: model.Quota) -> model.Quota | None:
    if (first.least and second.least) or (first.most and second.most):
        context.duplicate(f"the quota of `{first.domain}`", second.origin.span, first.origin.span)
        return None
    quota = first.model_copy(update={"least": first.least or second.least, "most": first.most or second.most})
    return quota if _consistent(context, quota) else None


def _consistent(context: Context, quota: model.Quota) -> bool:
    least, most = quota.least, quota.most
    if least and most and least.kind == most.kind and least.value > most.value:
        context.error(
            "R0224",
            f"the quota of `{quota.domain}` is at least {_shown(least)} and at most {_shown(most)}",
            least.origin.span,
            label="more than the maximum",
            also=((most.origin.span, "the maximum is here"),),
        )
        return False
    return True


def _shown(amount: model.Amount) -> str:
    return f"{percent(amount.value, 6)}" if amount.kind == "share" else f"{amount.value:,.0f} tokens"


def _check_least(context: Context, quotas: Sequence[model.Quota]) -> None:
    """Checks that the minimums of the quotas do not exceed 100% in total."""
    asking = [quota for quota in quotas if quota.least and quota.least.kind == "share" and not quota.conditions]
    total = sum(quota.least.value for quota in asking if quota.least)
    if total > 1 + 1e-12:
        first, *rest = sorted(asking, key=lambda quota: -(quota.least.value if quota.least else 0))
        context.error(
            "R0225",
            f"the quotas ask for at least {percent(total, 6)} in total",
            first.origin.span,
            label=f"{percent(total - 1, 6)} too much",
            also=[(quota.origin.span, "and this") for quota in rest],
            helps=tuple(
                f"`{quota.domain}` at least {percent(max(0.0, quota.least.value - total + 1), 6)} would do"
                for quota in (first, *rest)
                if quota.least and quota.least.value >= total - 1
            ),
        )
