"""`budget T tokens { model, law, require }`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from recipec import spec
from recipec.diagnostics import Failure
from recipec.ir import model
from recipec.semantics import extensions, quantities
from recipec.semantics.blocks import Form, Settings, settings
from recipec.semantics.context import Context, LawOf
from recipec.syntax import ast

BUDGET = {"model": Form(), "law": Form(), "require": Form(many=True)}

Quantity: TypeAlias = Literal["loss", "wasted", "repetition", "regret"]

QUANTITIES: tuple[Quantity, ...] = ("loss", "wasted", "repetition", "regret")

STANDARD = "std.law."


def budget(context: Context, node: ast.Budget | None) -> model.Budget | None:
    """The budget; reads the law, so that an unusable one is found before any data is read."""
    if node is None:
        return None
    tokens = quantities.whole(context, node.tokens, "tokens", 1)
    found = settings(context, node.block, BUDGET, "`budget`")
    parameters = quantities.whole(context, found["model"][0].values[0], "params", 1) if found["model"] else None
    stated = {setting.name.text for setting in node.block.settings} if node.block else set()
    law = None
    if found["law"]:
        law = _law(context, found["law"][0], parameters, model_stated="model" in stated)
    require = _requirements(context, found, law_stated="law" in stated)
    if tokens is None:
        return None
    return model.Budget(tokens=tokens, model=parameters, law=law, require=require, origin=model.Origin.of(node.span))


def _law(context: Context, setting: ast.Setting, parameters: int | None, *, model_stated: bool) -> model.Law | None:
    """The law from `law infolaw("laws/ours.json")` or `law std.law.chinchilla`."""
    value = setting.values[0]
    function: ast.Name | None
    match value:
        case ast.Name(text=name) if name.startswith(STANDARD):
            function, path = None, name
        case ast.Call(function=function, arguments=(ast.Argument(name=None, value=ast.String(value=written)),)):
            path = written
        case _:
            helps = ('write `law infolaw("laws/ours.json")`, or `law std.law.infolaw_2026`',)
            context.error("R0208", "expected a law with its file", value.span, helps=helps)
            return None
    if parameters is None:
        if not model_stated:
            helps = ("write for example `model 1.7B params`",)
            context.error("R0203", "a budget with a `law` has no `model`", setting.span, helps=helps)
        return None
    known = function is not None and spec.known("laws", function.text)
    if function is not None and known and extensions.extension(context, "laws", function) is None:
        return None
    try:
        found = context.environment.law(path, context.folder, parameters, value.span)
    except Failure as failure:
        context.diagnostics.extend(failure.diagnostics)
        return None
    if function is not None and function.text.replace("_plus", "+") != found.name:
        message = f"`{path}` is a law of {found.name}, not of {function.text}"
        context.error("R1208", message, value.span, helps=(f'write `law {_word(found)}("{path}")`',))
        return None
    plugin = spec.origin("laws", _word(found))
    facts = found.facts.model_copy(update={"plugin": plugin}) if found.facts is not None else None
    origin = model.Origin.of(setting.span)
    return model.Law(name=found.name, path=path, digest=found.digest, facts=facts, plugin=plugin, origin=origin)


def _word(law: LawOf) -> str:
    return law.name.replace("+", "_plus")


def _requirements(context: Context, found: Settings, *, law_stated: bool) -> tuple[model.Requirement, ...]:
    """The requirements, at most one per quantity."""
    result: dict[Quantity, tuple[model.Requirement, ast.Setting]] = {}
    for setting in found["require"]:
        requirement = _requirement(context, setting)
        if requirement is None:
            continue
        if requirement.quantity in result:
            context.duplicate(
                f"the requirement on {requirement.quantity}", setting.span, result[requirement.quantity][1].span
            )
        elif not law_stated and requirement.quantity != "repetition":
            helps = ('write for example `law infolaw("laws/ours.json")`',)
            message = f"`require {requirement.quantity}` needs a `law` in the budget"
            context.error("R0203", message, setting.span, helps=helps)
        result.setdefault(requirement.quantity, (requirement, setting))
    return tuple(requirement for requirement, _ in result.values())


def _requirement(context: Context, setting: ast.Setting) -> model.Requirement | None:
    """The requirement from `require QUANTITY <= VALUE`."""
    value = setting.values[0]
    if not (isinstance(value, ast.Binary) and isinstance(value.left, ast.Name)):
        helps = ("write for example `require loss <= 2.45`",)
        context.error("R0208", "expected a requirement of the form `loss <= 2.45`", value.span, helps=helps)
        return None
    quantity = next((known for known in QUANTITIES if known == value.left.text), None)
    if quantity is None:
        context.unknown("R0222", "requirement", value.left.text, value.left.span, QUANTITIES)
        return None
    if value.operator != "<=":
        helps = (f"write `{quantity} <= …`: smaller is better",)
        context.error("R0208", f"a requirement on {quantity} is an upper bound", value.span, helps=helps)
        return None
    relative = quantity == "regret" and isinstance(value.right, ast.Quantity) and value.right.unit == "%"
    most = _most(context, quantity, value.right, relative=relative)
    if most is None:
        return None
    return model.Requirement(quantity=quantity, most=most, relative=relative, origin=model.Origin.of(setting.span))


def _most(context: Context, quantity: Quantity, expr: ast.Expr, *, relative: bool) -> float | None:
    """The bound in the unit of its quantity: `wasted` a share, `repetition` times or a plain number, others nats."""
    if quantity == "wasted" or relative:
        return quantities.share(context, expr)
    if quantity == "repetition":
        times = isinstance(expr, ast.Quantity) and expr.unit == "times"
        found = quantities.between(context, expr, "times" if times else "", 1)
    else:
        found = quantities.between(context, expr, "", 0, above=quantity == "loss")
    return None if found is None else float(found)
