"""How much of each domain: `mixture`, `quota`, `repeat`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from recipec import spec
from recipec.diagnostics import Failure
from recipec.ir import model
from recipec.ir.expressions import Expression
from recipec.semantics import calls, quantities
from recipec.semantics.context import Context
from recipec.semantics.quantities import domain_name
from recipec.semantics.typing import Scope, condition, named, over_columns, typed
from recipec.source import resolve_path
from recipec.syntax import ast, text

WORDS = ("natural", "proportional", "infolaw")
"""Mixtures without arguments."""


def mixture(context: Context, node: ast.Mixture | None, targets: Sequence[str]) -> model.Mixture:
    if node is None:
        return model.Mixture()
    origin = model.Origin.of(node.span)
    match node.value:
        case ast.Name(text="natural" | "proportional" as kind):
            return model.Mixture(kind="natural" if kind == "natural" else "proportional", origin=origin)
        case ast.Name(text="infolaw"):
            # The law is the budget's; `budgets.mixture` brings it.
            return model.Mixture(kind="infolaw", origin=origin)
        case ast.Name() as name if name.text in spec.names("mixers"):
            # Every argument has a default.
            return _by_mixer(context, ast.Call(name, (), span=name.span), targets) or model.Mixture()
        case ast.Name():
            quantities.word(context, node.value, (*WORDS, *spec.names("mixers")), "mixture")
        case ast.Call(function=function) if function.text in WORDS:
            helps = (f"write `{function.text}`",)
            context.error("R0208", f"mixture `{function.text}` takes no arguments", node.value.span, helps=helps)
        case ast.Call(function=function) if function.text in spec.names("mixers"):
            return _by_mixer(context, node.value, targets) or model.Mixture()
        case ast.Call(function=function):
            context.unknown("R0222", "mixture", function.text, function.span, (*WORDS, *spec.names("mixers")))
        case ast.FromFile():
            return _mixture_file(context, node.value, origin) or model.Mixture()
        case tuple() as shares:
            return _explicit(context, shares, node, origin) or model.Mixture()
    return model.Mixture()


def _by_mixer(context: Context, call: ast.Call, targets: Sequence[str]) -> model.Mixture | None:
    """A mixture that is decided by a measurement, when it is planned."""
    params = calls.checked(context, call, spec.find("mixers", call.function.text).params, targets)
    if params is None:
        return None
    if not targets:
        helps = ("state what the dataset is for: `target … { examples … }`",)
        context.error("R0237", f"mixture `{call.function.text}` needs a target", call.span, helps=helps)
        return None
    return model.Mixture(kind="tikmix", params=params, origin=model.Origin.of(call.span))


def _explicit(
    context: Context, shares: tuple[ast.Share, ...], node: ast.Mixture, origin: model.Origin
) -> model.Mixture | None:
    weights: dict[str, float] = {}
    places: dict[str, ast.Share] = {}
    mistaken = False
    for line in shares:
        name = domain_name(line.domain)
        if name in places:
            context.duplicate(f"the share of `{name}`", line.span, places[name].span)
            mistaken = True
        value = quantities.share(context, line.share)
        mistaken |= value is None
        weights[name], places[name] = value or 0.0, line
    if mistaken:
        return None
    total = sum(weights.values())
    if abs(total - 1) > 1e-9:
        difference = f"{abs(1 - total) * 100:.6g}% {'missing' if total < 1 else 'too much'}"
        context.error(
            "R0223", f"the shares of the mixture sum to {total * 100:.6g}%, not 100%", node.span, label=difference
        )
        return None
    ordered = tuple((name, weight / total) for name, weight in sorted(weights.items()))
    return model.Mixture(kind="explicit", weights=ordered, origin=origin)


def _mixture_file(context: Context, node: ast.FromFile, origin: model.Origin) -> model.Mixture | None:
    """Weights from a JSON file: {"domain": weight, …}, or the same under "weights"."""
    if quantities.place(context, node.path, "a file") is None:
        return None
    path = resolve_path(node.path.value, context.folder)
    try:
        value = json.loads(context.environment.read_text(path, node.path.span))
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None
    except (ValueError, RecursionError) as error:
        reason = f"{str(error)[:1].lower()}{str(error)[1:]}"
        context.error("R0232", f"`{node.path.value}` is no JSON: {reason}", node.path.span)
        return None
    weights = value.get("weights", value) if isinstance(value, dict) else None
    if not isinstance(weights, dict) or not all(map(_is_weight, weights.values())) or not sum(weights.values()):
        helps = ('expected {"domain": weight, …} with weights of at least 0, not all 0',)
        context.error("R0232", f"`{node.path.value}` holds no mixture", node.path.span, helps=helps)
        return None
    total = sum(weights.values())
    ordered = tuple((str(name), weight / total) for name, weight in sorted(weights.items()))
    return model.Mixture(
        kind="explicit", weights=ordered, path=node.path.value, digest=context.environment.digest(path), origin=origin
    )


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def quotas(context: Context, nodes: Sequence[ast.Quota], scopes: Sequence[Scope]) -> tuple[model.Quota, ...]:
    """The quotas, `at least` and `at most` of the same part of a domain joined into one."""
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
        found = [over_columns(context, condition(context, scope, node.condition), node.condition) for scope in scopes]
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
            label="more than the most",
            also=((most.origin.span, "the most is here"),),
        )
        return False
    return True


def _shown(amount: model.Amount) -> str:
    return f"{amount.value * 100:g}%" if amount.kind == "share" else f"{amount.value:,.0f} tokens"


def _check_least(context: Context, quotas: Sequence[model.Quota]) -> None:
    """What the quotas ask for at least must leave room for all of them."""
    asking = [quota for quota in quotas if quota.least and quota.least.kind == "share" and not quota.conditions]
    total = sum(quota.least.value for quota in asking if quota.least)
    if total > 1 + 1e-12:
        first, *rest = sorted(asking, key=lambda quota: -(quota.least.value if quota.least else 0))
        context.error(
            "R0225",
            f"the quotas ask for at least {total * 100:g}% in all",
            first.origin.span,
            label=f"{(total - 1) * 100:g}% too much",
            also=[(quota.origin.span, "and this") for quota in rest],
            helps=tuple(
                f"`{quota.domain}` at least {max(0.0, quota.least.value - total + 1) * 100:g}% would do"
                for quota in (first, *rest)
                if quota.least and quota.least.value >= total - 1
            ),
        )


def repeats(context: Context, nodes: Sequence[ast.Repeat], scopes: Sequence[Scope]) -> tuple[model.Repeat, ...]:
    """Repetition limits: at most one general, one a domain, one from a column."""
    result: dict[tuple[str | None, bool], tuple[model.Repeat, ast.Repeat]] = {}
    for node in nodes:
        repeat = _repeat(context, node, scopes)
        if repeat is None:
            continue
        key = repeat.domain, bool(repeat.per_document)
        if key in result:
            context.duplicate("the repetition limit", node.span, result[key][1].span)
        result[key] = repeat, node
    return tuple(result[key][0] for key in sorted(result, key=lambda key: (key[0] or "", key[0] is not None, key[1])))


def _repeat(context: Context, node: ast.Repeat, scopes: Sequence[Scope]) -> model.Repeat | None:
    domain = domain_name(node.domain) if node.domain is not None else None
    origin = model.Origin.of(node.span)
    if isinstance(node.most, ast.Quantity):
        # The grammar asks for `times` after the number, so that a plain one has its unit.
        most = quantities.whole(context, node.most if node.most.unit else _times(node.most), "times")
        return None if most is None else model.Repeat(domain=domain, most=most, origin=origin)
    if isinstance(node.most, ast.Unary) and isinstance(node.most.operand, ast.Quantity):
        context.error("R0210", "expected at least 0 times", node.most.span, label="out of range")
        return None
    values = [over_columns(context, typed(context, scope, node.most), node.most) for scope in scopes]
    known = tuple(value for value in values if value is not None)
    if len(known) < len(scopes):
        return None
    bad = next((value for value in known if value.type not in ("integer", "float", "null")), None)
    if bad is not None:
        label = f"this is {named(bad.type)}"
        context.error("R0206", "a repetition limit needs a number", node.most.span, label=label)
        return None
    return model.Repeat(domain=domain, per_document=known, origin=origin)


def _times(quantity: ast.Quantity) -> ast.Quantity:
    return ast.Quantity(quantity.value, "times", quantity.text, span=quantity.span)
