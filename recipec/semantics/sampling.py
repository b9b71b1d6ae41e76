"""The quality score and the sampling: `quality`, `sample`."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.ir import model
from recipec.numbers import plain
from recipec.semantics import quantities
from recipec.semantics import searched as searched_parameters
from recipec.semantics.blocks import Form, settings
from recipec.semantics.context import Context
from recipec.semantics.quantities import domain_name
from recipec.syntax import ast

QUALITY = {
    "normalize": Form(),
    "missing": Form(),
    "ties": Form(),
    "weights": Form((0, 2), domain=True, maybe_block=True),
}

WORDS = {
    "normalize": (("zscore", "rank", "minmax"), "normalisation"),
    "missing": (("error", "worst", "drop"), "way to treat missing scores"),
    "ties": (("share", "split"), "way to rank ties"),
}
"""The settings of `quality` that are a word of a closed set: those words, and what they choose."""

CURVES = {"curve": Form((0, 0), domain=True, block=True)}

CURVE = {name: Form() for name in ("lambda", "omega", "eta", "epsilon")}


def quality(context: Context, node: ast.Quality | None, criteria: Sequence[model.Criterion]) -> model.Quality:
    """Normalisation, missing scores, ties and weights; a single criterion needs no weight."""
    found = settings(context, node.block if node else None, QUALITY, "`quality`")
    words = {
        name: word
        for name, (allowed, what) in WORDS.items()
        for setting in found[name]
        if (word := quantities.word(context, setting.values[0], allowed, what)) is not None
    }
    known = [criterion.name for criterion in criteria]
    blocks: list[model.Weights | None] = []
    searched: dict[str, str] = {}
    for setting in found["weights"]:
        match setting.values:
            case (ast.Name(text="from"), ast.String() as file) if setting.domain is None and setting.block is None:
                read = searched_parameters.weights(context, file, known, model.Origin.of(setting.span))
                if read is not None:
                    blocks += read[0]
                    searched = {"path": read[1].path, "digest": read[1].digest}
            case () if setting.block is not None:
                blocks.append(_weights(context, setting, criteria))
            case _:
                helps = ('write `weights { … }`, or `weights from "best.json"`',)
                context.error("R0208", "`weights` needs a block `{ … }`", setting.span, helps=helps)
    weights = [block for block in blocks if block is not None]
    _check_twice(context, weights)
    if not found["weights"] and len(criteria) == 1:
        weights = [model.Weights(domain=None, weights=((criteria[0].name, 1.0),), origin=criteria[0].origin)]
    weights.sort(key=lambda block: (block.domain is not None, block.domain or ""))
    return model.Quality.model_validate({**words, "weights": tuple(weights), **searched})


RANKLESS = {"top": "takes documents of equal quality in the order of their ids", "all": "ranks no documents"}
"""Ways to sample in which no documents share a rank."""


def check_ties(
    context: Context, quality: ast.Quality | None, sample: ast.Sample | None, criteria: Sequence[model.Criterion]
) -> None:
    """Reports `ties split` where no documents share a rank."""
    split = next((one for one in quality.block.settings if _splits(one)), None) if quality is not None else None
    ranked = bool(criteria) or "value of a criterion" in context.mistaken
    method = sample.method.text if sample is not None else "quadmix" if ranked else "all"
    if split is None or method not in RANKLESS:
        return
    message = "`ties split` has no effect " + (f"with `sample {method}`" if sample else "without a criterion")
    also = ((sample.span, RANKLESS[method]),) if sample is not None else ()
    helps = ("remove it; only `sample quadmix` gives documents of equal quality one rank",)
    context.error("R0208", message, split.span, also=also, helps=helps)


def _splits(setting: ast.Setting) -> bool:
    match setting.name.text, setting.values:
        case "ties", (ast.Name(text="split"),):
            return True
        case _:
            return False


def _check_twice(context: Context, weights: Sequence[model.Weights]) -> None:
    """Reports domains whose weights are both in a file and stated."""
    first: dict[str | None, model.Weights] = {}
    for block in weights:
        if block.domain in first:
            what = "the weights" if block.domain is None else f"the weights of `{block.domain}`"
            context.duplicate(what, block.origin.span, first[block.domain].origin.span)
        first.setdefault(block.domain, block)


def _weights(context: Context, setting: ast.Setting, criteria: Sequence[model.Criterion]) -> model.Weights | None:
    """One `weights { … }`: every name must be a criterion, no weight negative, and not all 0."""
    known = {criterion.name for criterion in criteria}
    result: dict[str, float] = {}
    places: dict[str, ast.Setting] = {}
    mistaken = False
    for line in setting.block.settings if setting.block else ():
        name = line.name.text
        if name not in known:
            context.unknown("R0220", "criterion", name, line.name.span, known)
            mistaken = True
        elif name in places:
            context.duplicate(f"the weight of `{name}`", line.span, places[name].span)
            mistaken = True
        elif len(line.values) != 1 or line.domain is not None or line.assigned or line.block is not None:
            helps = (f"write `weights for {line.domain.span.text} {{ … }}`",) if line.domain is not None else ()
            context.error("R0208", f"expected one weight after `{name}`", line.span, helps=helps)
            mistaken = True
        else:
            value = quantities.between(context, line.values[0], "", 0)
            mistaken |= value is None
            result[name], places[name] = float(value or 0), line
    if mistaken:
        return None
    if not any(result.values()):
        context.error("R0221", "the weights sum to zero", setting.span, label="no criterion counts")
        return None
    domain = domain_name(setting.domain) if setting.domain is not None else None
    return model.Weights(domain=domain, weights=tuple(sorted(result.items())), origin=model.Origin.of(setting.span))


def sample(
    context: Context, node: ast.Sample | None, criteria: Sequence[model.Criterion], quality: model.Quality
) -> model.Sampling:
    """The sampling; without a statement QuaDMix if there are criteria, else all."""
    if node is None:
        return _quadmix(context, None, criteria, quality) if criteria else model.All()
    method = quantities.word(context, node.method, ("quadmix", "top", "all"), "way to sample")
    origin = model.Origin.of(node.span)
    _check_parts(context, node, method)
    if method == "top":
        return _top(context, node, criteria, quality) or model.All()
    if method == "all":
        return model.All(origin=origin)
    if method == "quadmix" and not criteria:
        context.error(
            "R0235",
            "`sample quadmix` needs a criterion to rank by",
            node.span,
            helps=("state a `criterion`, or `sample all`",),
        )
    if node.origin is not None and method == "quadmix":
        known = [criterion.name for criterion in criteria]
        found = searched_parameters.curves(context, node.origin.path, known, origin)
        return found or model.All()
    return _quadmix(context, node, criteria, quality)


def _check_parts(context: Context, node: ast.Sample, method: str | None) -> None:
    """Reports parts of the statement that the sampling method does not use."""
    parts = (
        ("share", node.share, "top"),
        ("`by`", node.by[0] if node.by else None, "top"),
        ("block", node.block, "quadmix"),
        ("`from`", node.origin, "quadmix"),
    )
    if node.origin is not None and node.block is not None:
        helps = ("state the curves, or take them from the search",)
        context.error("R0208", "`sample quadmix from` takes no block", node.block.span, helps=helps)
    for what, part, owner in parts:
        if part is not None and method is not None and method != owner:
            message = f"`sample {method}` takes no {what}"
            context.error("R0208", message, part.span, label=f"only `sample {owner}` has one")


def _top(
    context: Context, node: ast.Sample, criteria: Sequence[model.Criterion], quality: model.Quality
) -> model.Top | None:
    share = quantities.share(context, node.share, above=True) if node.share is not None else None
    if node.share is None:
        helps = ("write for example `sample top 20%`",)
        context.error("R0203", "`sample top` does not say how much", node.span, helps=helps)
    names = [criterion.name for criterion in criteria]
    merged = any(weights.domain is None for weights in quality.weights)
    if not node.by and len(names) != 1 and not merged:
        how = ("add `by CRITERION`", "or `quality { weights { … } }` to rank by the merged quality")
        context.error("R0203", "`sample top` does not say by which criterion", node.span, helps=how)
        return None
    known = set(names)
    first: dict[str, ast.Name] = {}
    for by in node.by:
        if by.text not in known:
            context.unknown("R0220", "criterion", by.text, by.span, names)
        earlier = first.setdefault(by.text, by)
        if earlier is not by:
            context.duplicate(f"criterion `{by.text}`", by.span, earlier.span)
    chosen = tuple(by.text for by in node.by) or ((names[0],) if len(names) == 1 else ())
    if share is None or not known.issuperset(chosen):
        return None
    return model.Top(share=share, criteria=chosen, origin=model.Origin.of(node.span))


def _quadmix(
    context: Context, node: ast.Sample | None, criteria: Sequence[model.Criterion], quality: model.Quality
) -> model.Quadmix:
    if len(criteria) > 1 and all(weights.domain is not None for weights in quality.weights):
        mistaken = any(found.code in ("R0220", "R0221", "R0208", "R0210") for found in context.diagnostics)
        if not mistaken:
            names = ", ".join(f"{criterion.name} {plain(1 / len(criteria), 2)}" for criterion in criteria)
            context.error(
                "R0236",
                f"{len(criteria)} criteria and no weights to merge them",
                criteria[-1].origin.span,
                helps=(f"add `quality {{ weights {{ {names} }} }}`",),
            )
    found = settings(context, node.block if node else None, CURVES, "`sample quadmix`")
    general = model.Curve(domain=None, origin=model.Origin.of(node.span) if node else None)
    own: list[model.Curve] = []
    for setting in sorted(found["curve"], key=lambda setting: setting.domain is not None):
        curve = _curve(context, setting, general)
        if curve.domain is None:
            general = curve
        else:
            own.append(curve)
    origin = model.Origin.of(node.span) if node else None
    return model.Quadmix(curves=(general, *sorted(own, key=lambda curve: curve.domain or "")), origin=origin)


def _curve(context: Context, setting: ast.Setting, general: model.Curve) -> model.Curve:
    found = settings(context, setting.block, CURVE, "`curve`")
    values = {}
    for name, lines in found.items():
        if lines:
            expr = lines[0].values[0]
            if name == "omega" and isinstance(expr, ast.Quantity) and expr.unit == "%":
                value = quantities.between(context, expr, "%", 0, 100)
                value = None if value is None else value / 100
            else:
                value = quantities.between(context, expr, "", 0, 1 if name == "omega" else None)
            if value is not None:
                values["lambda_" if name == "lambda" else name] = float(value)
    domain = domain_name(setting.domain) if setting.domain is not None else None
    return general.model_copy(update={**values, "domain": domain, "origin": model.Origin.of(setting.span)})
