"""`mixture`: how a recipe sets the weights of domains. Mixers compute the numbers later (`selection.mixing`)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import RootModel

from recipec import spec
from recipec.diagnostics import Failure
from recipec.ir import closed, model
from recipec.numbers import percent
from recipec.semantics import calls, extensions, quantities
from recipec.semantics.context import Context
from recipec.semantics.quantities import domain_name
from recipec.syntax import ast


def mixture(context: Context, node: ast.Mixture | None, targets: Sequence[str]) -> model.Mixture:
    """The mixture, without the facts that it needs from the budget, which `with_law` adds."""
    if node is None:
        return model.Natural()
    origin = model.Origin.of(node.span)
    found: model.Mixture | None
    match node.value:
        case ast.Name() as name:
            found = _by_mixer(context, node, ast.Call(name, (), span=name.span), targets)
        case ast.Call() as call:
            found = _by_mixer(context, node, call, targets)
        case ast.FromFile() as file:
            found = _from_file(context, file, origin)
        case tuple() as shares:
            found = _shares(context, shares, node, origin)
        case _:
            found = None
    return found or model.Natural()


def words() -> tuple[str, ...]:
    """The mixers that recipes can name; those of other packages are not imported."""
    own = spec.own("mixers")
    return tuple(name for name in spec.names("mixers") if name not in own or spec.find("mixers", name).called)


def _by_mixer(
    context: Context, node: ast.Mixture, call: ast.Call, targets: Sequence[str]
) -> model.Natural | model.Computed | None:
    """A mixture whose mixer the recipe names, with or without arguments."""
    word = call.function.text
    if not spec.known("mixers", word):
        context.unknown("R0222", "mixture", word, call.function.span, words())
        return None
    mixer: spec.Mixer | None = extensions.extension(context, "mixers", call.function)
    if mixer is None:
        return None
    if not mixer.called:
        context.unknown("R0222", "mixture", word, call.function.span, words())
        return None
    takes_arguments = bool(mixer.params.model_fields)
    if isinstance(node.value, ast.Call) and not takes_arguments:
        helps = (f"write `{word}`",)
        context.error("R0208", f"mixture `{word}` takes no arguments", call.span, helps=helps)
        return None
    params = calls.checked(context, call, mixer.params, targets)
    if params is None:
        return None
    if mixer.target and not targets:
        helps = ("state what the dataset is for: `target … { examples … }`",)
        context.error("R0237", f"mixture `{word}` needs a target", call.span, helps=helps)
        return None
    origin = model.Origin.of(call.span if takes_arguments else node.span)
    if word == "natural":
        return model.Natural(origin=origin)
    return model.Computed(mixer=word, params=params, plugin=spec.origin("mixers", word), origin=origin)


def _shares(
    context: Context, shares: tuple[ast.Share, ...], node: ast.Mixture, origin: model.Origin
) -> model.Shares | None:
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
        difference = f"{percent(abs(1 - total), 6)} {'missing' if total < 1 else 'too much'}"
        context.error(
            "R0223", f"the shares of the mixture sum to {percent(total, 6)}, not 100%", node.span, label=difference
        )
        return None
    ordered = tuple((name, weight / total) for name, weight in sorted(weights.items()))
    return model.Shares(weights=ordered, origin=origin)


def _from_file(context: Context, node: ast.FromFile, origin: model.Origin) -> model.FromFile | None:
    """Weights from a JSON file: {"domain": weight, …}, or the same under "weights"."""
    if quantities.place(context, node.path, "a file", stores="read") is None:
        return None
    path = context.environment.file(node.path.value, context.folder)
    try:
        value = json.loads(context.environment.read_text(path, node.path.span))
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None
    except (ValueError, RecursionError) as error:
        reason = f"{str(error)[:1].lower()}{str(error)[1:]}"
        context.error("R0232", f"`{node.path.value}` is not valid JSON: {reason}", node.path.span)
        return None
    weights = quantities.numbers(Weights, value.get("weights", value) if isinstance(value, dict) else None)
    if not 0 < (total := sum(weights.values())) < float("inf"):
        helps = ('expected {"domain": weight, …} with weights of at least 0, not all 0',)
        context.error("R0232", f"`{node.path.value}` contains no mixture", node.path.span, helps=helps)
        return None
    ordered = tuple((name, weight / total) for name, weight in sorted(weights.items()))
    digest = context.environment.digest(path)
    return model.FromFile(weights=ordered, path=node.path.value, digest=digest, origin=origin)


class Weights(RootModel[dict[str, closed.Amount]]):
    """The weights in a file, by domain."""


def with_law(
    context: Context, mixture: model.Mixture, node: ast.Budget | None, budget: model.Budget | None
) -> model.Mixture:
    """The mixture with the budget's law if its mixer needs a law; any other mixture unchanged."""
    if not isinstance(mixture, model.Computed) or mixture.origin is None or not spec.find("mixers", mixture.mixer).law:
        return mixture
    if budget is not None and budget.law is not None and budget.law.facts is not None:
        return mixture.model_copy(update={"law": budget.law.facts})
    if budget is not None and budget.law is not None:
        message = f"`mixture {mixture.mixer}` needs a law with quality bands, and {budget.law.name} has none"
        context.error(
            "R1209",
            message,
            mixture.origin.span,
            also=((budget.law.origin.span, "the law"),),
            helps=("use infolaw or infolaw+",),
        )
    elif node is None or node.block is None or not any(one.name.text == "law" for one in node.block.settings):
        message = f"`mixture {mixture.mixer}` needs a `law` in the budget"
        helps = ('write `budget 30B tokens { model 1.7B params, law infolaw("laws/ours.json") }`',)
        context.error("R1209", message, mixture.origin.span, helps=helps)
    return mixture
