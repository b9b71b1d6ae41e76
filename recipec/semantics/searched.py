"""Sampling parameters that a search found: `sample quadmix from "best.json"`, `quality { weights from "best.json" }`.

`recipec search --parameters` names them as its tables do: `omega_code` is ω of the domain code, `omega` that of every
domain without its own; `edu_code` is the weight of the criterion edu in the domain code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import RootModel

from recipec.diagnostics import Failure
from recipec.ir import closed, model
from recipec.numbers import exact
from recipec.semantics import quantities
from recipec.semantics.context import Context
from recipec.semantics.quantities import Values
from recipec.syntax import ast

CURVE = {"lambda": "lambda_", "omega": "omega", "eta": "eta", "epsilon": "epsilon"}
"""Parameters of curves -> their names in the model."""


@dataclass(frozen=True, slots=True)
class Searched:
    """Attributes:
    curves, weights: by domain; the key None is for every domain without its own.
    """

    curves: dict[str | None, Values]
    weights: dict[str | None, Values]
    path: str
    digest: str


def read(context: Context, path: ast.String, criteria: Sequence[str]) -> Searched | None:
    """The parameters in a file, or None (with diagnostics)."""
    if quantities.place(context, path, "a file", stores="read") is None:
        return None
    file = context.environment.file(path.value, context.folder)
    try:
        found = json.loads(context.environment.read_text(file, path.span))
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None
    except (ValueError, RecursionError) as error:
        reason = f"{str(error)[:1].lower()}{str(error)[1:]}"
        context.error("R1408", f"`{path.value}` is not valid JSON: {reason}", path.span)
        return None
    values = quantities.numbers(Parameters, found.get("weights") if isinstance(found, dict) else None)
    if not values:
        helps = ("write it with `recipec search --parameters … -o FILE`",)
        context.error("R1408", f"`{path.value}` contains no search parameters", path.span, helps=helps)
        return None
    digest = context.environment.digest(file)
    result = Searched({}, {}, path.value, digest)
    good = [_sort(context, path, name, value, criteria, result) for name, value in values.items()]
    return result if all(good) else None


class Parameters(RootModel[dict[str, closed.Number]]):
    """The values in a file, by the names of parameters."""


def _sort(
    context: Context, path: ast.String, name: str, value: float, criteria: Sequence[str], result: Searched
) -> bool:
    """Adds a parameter to `result`; a diagnostic if it is unknown or out of range."""
    for words, place in ((CURVE, result.curves), (dict.fromkeys(criteria), result.weights)):
        # Longest name first: the name of one criterion may be a prefix of another.
        for word in sorted(words, key=len, reverse=True):
            if name != word and not name.startswith(f"{word}_"):
                continue
            most = 1.0 if word == "omega" and words is CURVE else float("inf")
            if not 0 <= value <= most:
                bounds = "between 0 and 1" if most == 1 else "at least 0"
                context.error("R1408", f"`{name}` of `{path.value}` is {exact(value)}, expected {bounds}", path.span)
                return False
            place.setdefault(name[len(word) + 1 :] or None, {})[word] = value
            return True
    known = ", ".join(f"`{word}`" for word in (*CURVE, *criteria))
    message = f"`{name}` of `{path.value}` is not a parameter of this recipe"
    context.error("R1408", message, path.span, helps=(f"expected {known}, alone or followed by `_` and a domain",))
    return False


def curves(context: Context, path: ast.String, criteria: Sequence[str], origin: model.Origin) -> model.Quadmix | None:
    """The curves in a file; a domain takes missing parameters from the curve for all domains."""
    found = read(context, path, criteria)
    if found is None:
        return None
    if not found.curves:
        context.error("R1408", f"`{path.value}` has no parameter of a curve", path.span)
        return None
    general = {CURVE[word]: value for word, value in found.curves.get(None, {}).items()}
    whole = model.Curve(domain=None, origin=origin, **general)
    own = [
        whole.model_copy(update={"domain": domain, **{CURVE[word]: value for word, value in values.items()}})
        for domain, values in sorted((d, v) for d, v in found.curves.items() if d is not None)
    ]
    return model.Quadmix(curves=(whole, *own), origin=origin, path=found.path, digest=found.digest)


def weights(
    context: Context, path: ast.String, criteria: Sequence[str], origin: model.Origin
) -> tuple[tuple[model.Weights, ...], Searched] | None:
    """The weights in a file, one block per domain."""
    found = read(context, path, criteria)
    if found is None:
        return None
    blocks = []
    for domain, values in found.weights.items():
        if not any(values.values()):
            where = f" of `{domain}`" if domain is not None else ""
            context.error("R0221", f"the weights{where} in `{path.value}` sum to zero", path.span)
            return None
        blocks.append(model.Weights(domain=domain, weights=tuple(sorted(values.items())), origin=origin))
    if not blocks:
        context.error("R1408", f"`{path.value}` has no weight of a criterion", path.span)
        return None
    return tuple(blocks), found
