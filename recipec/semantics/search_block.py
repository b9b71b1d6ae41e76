"""`search { omega 0.01..0.5, for code { … }, runs 64, proxy { … } }`: the search space, and the proxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipec.ir import model
from recipec.ir.search import Bound, Proxy, Search
from recipec.numbers import plain
from recipec.semantics import quantities
from recipec.semantics.blocks import Form, Settings, settings
from recipec.semantics.context import Context
from recipec.syntax import ast

MOST = {"lambda": None, "omega": 1.0, "eta": None, "epsilon": None}
"""The parameters of a curve and the largest value of each; that of a weight is 1."""

RANGE = Form((1, 3))

SIZES = ("hidden", "layers", "heads", "ffn", "context", "vocabulary", "batch")

PROXY = {**dict.fromkeys(SIZES, Form()), "tokenizer": Form(), "start": Form(), "tokens": Form(), "rate": Form()}


def search(context: Context, node: ast.Search | None, criteria: Sequence[model.Criterion]) -> Search | None:
    """The search of a recipe, or None if it has none (or an invalid one)."""
    if node is None:
        return None
    names = [criterion.name for criterion in criteria]
    most = {**dict.fromkeys(names, 1.0), **MOST}
    ranges = dict.fromkeys(most, RANGE)
    own = {"for": Form((0, 0), domain=True, block=True), "runs": Form(), "proxy": Form((0, 0), block=True)}
    found = settings(context, node.block, {**ranges, **own}, "`search`")
    bounds = _bounds(context, found, most, None)
    for setting in found["for"]:
        assert setting.domain is not None
        inner = settings(context, setting.block, ranges, "`search` for a domain")
        bounds += _bounds(context, inner, most, quantities.domain_name(setting.domain))
    _check_weights(context, node, bounds, names)
    runs = quantities.whole(context, found["runs"][0].values[0], "", 1) if found["runs"] else None
    proxy = _proxy(context, found["proxy"][0]) if found["proxy"] else Proxy()
    stated = {"runs": runs} if runs is not None else {}
    return Search(bounds=tuple(bounds), proxy=proxy, **stated)


def _bounds(context: Context, found: Settings, most: Mapping[str, float | None], domain: str | None) -> list[Bound]:
    """The bounds from `omega 0.01..0.5`, or from `omega 0.2` for a fixed value."""
    bounds = []
    for name, largest in most.items():
        for setting in found[name]:
            match setting.values:
                case (ast.Name(text=".."), low, high):
                    ends = low, high
                case (value,):
                    ends = value, value
                case _:
                    helps = (f"write for example `{name} 0.1..0.5`",)
                    context.error("R0208", f"`{name}` takes a range", setting.span, helps=helps)
                    continue
            values = [quantities.between(context, end, "", 0, largest) for end in ends]
            if values[0] is None or values[1] is None:
                continue
            if values[0] > values[1]:
                context.error("R0210", f"the range of `{name}` ends before it begins", setting.span)
                continue
            bounds.append(Bound(domain=domain, parameter=name, low=float(values[0]), high=float(values[1])))
    return bounds


def _check_weights(context: Context, node: ast.Search, bounds: Sequence[Bound], names: Sequence[str]) -> None:
    """Checks that the bounds of the weights allow a sum of 1."""
    for domain in dict.fromkeys([None, *(one.domain for one in bounds if one.parameter in names)]):
        low = high = 0.0
        for name in names:
            stated = {one.domain: one for one in bounds if one.parameter == name}
            bound = stated.get(domain, stated.get(None))
            low, high = low + (bound.low if bound else 0.0), high + (bound.high if bound else 1.0)
        where = f" of `{domain}`" if domain is not None else ""
        if low > 1 + 1e-9:
            message = f"the lower bounds of the weights{where} sum to {plain(low)}, but weights must sum to 1"
            context.error("R1412", message, node.span)
        elif names and high < 1 - 1e-9:
            message = f"the upper bounds of the weights{where} sum to {plain(high)}, but weights must sum to 1"
            context.error("R1412", message, node.span)


def _proxy(context: Context, setting: ast.Setting) -> Proxy:
    found = settings(context, setting.block, PROXY, "`proxy`")
    values: dict[str, Any] = {}
    for name in SIZES:
        if found[name]:
            least = 2 if name == "context" else 512 if name == "vocabulary" else 1
            values[name] = quantities.whole(context, found[name][0].values[0], "", least)
    if found["tokens"]:
        values["tokens"] = quantities.whole(context, found["tokens"][0].values[0], "tokens", 1)
    if found["rate"]:
        rate = quantities.between(context, found["rate"][0].values[0], "", 0, above=True)
        values["rate"] = None if rate is None else float(rate)
    for name in ("tokenizer", "start"):
        if found[name]:
            values[name] = quantities.string(context, found[name][0].values[0], "the name of a model")
    proxy = Proxy(**{name: value for name, value in values.items() if value is not None})
    if proxy.hidden % (2 * proxy.heads):
        message = f"a width of {proxy.hidden} cannot be divided among {proxy.heads} heads"
        helps = ("`hidden` is a multiple of twice `heads`",)
        context.error("R0210", message, setting.span, helps=helps)
    if proxy.tokens < proxy.batch * proxy.context:
        step = proxy.batch * proxy.context
        message = f"{proxy.tokens:,} tokens are less than one step of {step:,} (`batch` times `context`)"
        context.error("R0210", message, setting.span)
    return proxy
