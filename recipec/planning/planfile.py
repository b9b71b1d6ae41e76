"""Plan files: versioned JSON, validated on reading, since they may be untrusted.

A plan file has, besides the plan, where its recipe's folder is from its own: a folder may be moved or copied with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recipec import spec
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import paths
from recipec.ir.execution import PLAN_VERSION, ExecutionPlan, PhasedPlan
from recipec.ir.logical import Gather, LogicalPlan, Read, Sample
from recipec.ir.model import Computed
from recipec.places import local


def write(plan: ExecutionPlan | PhasedPlan, path: Path) -> None:
    """Writes a plan file, completely or not at all."""
    one = plan.phases[0] if isinstance(plan, PhasedPlan) else plan
    value = plan.model_dump(mode="json")
    if local.is_file(path) or not local.exists(path):
        value[PLACE] = os.path.relpath(local.real(Path(one.folder)), local.real(path).parent)
    try:
        local.write_for_user(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise Failure(
            Diagnostic("R0706", f"the plan file cannot be written: {error.strerror}", place=str(path))
        ) from None


def read(path: Path) -> ExecutionPlan | PhasedPlan:
    """The plan in a file.

    Raises:
        Failure: the file does not exist, is not a plan, has another version, or is damaged.
    """
    value = _json(path)
    version = value.get("version") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not ("steps" in value or "phases" in value) or version is None:
        kind = value.get("kind") if isinstance(value, dict) else None
        what = f"a report of `{kind}`" if isinstance(kind, str) else "JSON"
        raise Failure(Diagnostic("R0707", f"this is {what}, but not a plan file", place=str(path), helps=(HOW,)))
    if version != PLAN_VERSION:
        message = f"the plan file has version {version!s:.20}, expected {PLAN_VERSION}"
        if version in range(1, PLAN_VERSION):
            message = f"the plan file has version {version}, of an older recipec: this one reads version {PLAN_VERSION}"
        raise Failure(Diagnostic("R0707", message, place=str(path), helps=("plan the recipe again",)))
    found = value.pop(PLACE, None)
    try:
        plan = PhasedPlan.model_validate(value) if "phases" in value else ExecutionPlan.model_validate(value)
        for one in plan.phases if isinstance(plan, PhasedPlan) else (plan,):
            if one.recipe.folder != one.folder:
                raise ValueError("the plan and its recipe have different folders")
            sources = {source.name for source in one.recipe.sources}
            if any(file.source not in sources for file in (*one.shards, *one.attributes)):
                raise ValueError("a file belongs to a source that the recipe does not have")
            _check(LogicalPlan(ops=tuple(step.op for step in one.steps)))
            for name in _columns(one.recipe.model_dump(mode="json")):
                paths.parts(name)
        # A place that no folder can have is damage, too.
        if isinstance(found, str):
            plan = _placed(plan, local.real(path).parent / found)
    except (ValidationError, ValueError, RecursionError) as error:
        message = f"the plan file is damaged{_detail(error)}"
        raise Failure(Diagnostic("R0707", message, place=str(path), helps=("plan the recipe again",))) from None
    return plan


def _columns(value: Any) -> Iterator[str]:
    """The references to values of rows in a JSON value of a recipe."""
    left = [value]
    while left:
        match left.pop():
            case {"kind": "column", "name": str(name)}:
                yield name
            case dict() as fields:
                left += fields.values()
            case list() as items:
                left += items


PLACE = "place"


def _placed(plan: ExecutionPlan | PhasedPlan, folder: Path) -> ExecutionPlan | PhasedPlan:
    """A plan with the folder in which it is now."""
    if isinstance(plan, PhasedPlan):
        return plan.model_copy(update={"phases": tuple(_in(one, folder) for one in plan.phases)})
    return _in(plan, folder)


def _in(plan: ExecutionPlan, folder: Path) -> ExecutionPlan:
    real = local.real(folder)
    if real == local.real(Path(plan.folder)):
        return plan
    recipe = plan.recipe.model_copy(update={"folder": str(real)})
    return plan.model_copy(update={"folder": str(real), "recipe": recipe})


HOW = "`recipec plan RECIPE -o FILE` writes one"


def _json(path: Path) -> object:
    try:
        text = local.read_text(path)
    except UnicodeDecodeError:
        message = "this is not a plan file: its bytes are not text"
        raise Failure(Diagnostic("R0707", message, place=str(path), helps=(HOW,))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Failure(Diagnostic("R0706", f"the plan file cannot be read: {reason}", place=str(path))) from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        message = "this is not a plan file: not JSON"
        if text.lstrip().startswith("{"):
            message = "the plan file is cut off or damaged: not JSON"
        elif not text.strip():
            message = "this is not a plan file: it is empty"
        raise Failure(Diagnostic("R0707", message, place=str(path), helps=(HOW,))) from None


def _detail(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f": {str(error).lower()}"
    first = error.errors()[0]
    form = "it has not the form of such a value" if first["type"] == "string_pattern_mismatch" else str(first["msg"])
    return f" at `{'.'.join(map(str, first['loc']))}`: {form.lower()}"


def read_one(path: Path) -> ExecutionPlan:
    """The plan in a file; if it has phases, `PATH#2` is that of the second.

    Raises:
        Failure: as in `read`, or the file has phases and none is named.
    """
    name, mark, number = str(path).rpartition("#")
    named = mark and number.isdecimal() and not local.is_file(path)
    plan = read(Path(name) if named else path)
    if isinstance(plan, ExecutionPlan):
        return plan
    count = len(plan.phases)
    if not named or not 1 <= int(number) <= count:
        helps = (f"name one of them: `{name if named else path}#1`" + (f" to `#{count}`" if count > 1 else ""),)
        raise Failure(Diagnostic("R1505", "the plan file has phases, but this command takes only one", helps=helps))
    return plan.phases[int(number) - 1]


def _check(plan: LogicalPlan) -> None:
    """Checks what the types cannot express: inputs come before their users, and mixers are known."""
    from recipec.planning.fingerprints import inputs

    for position, op in enumerate(plan.ops):
        if any(not 0 <= other < position for other in inputs(op)):
            raise ValueError(f"step {position} has an input that does not come before it")
    for op in plan.ops:
        # Whether the package of a plug-in mixer is installed is checked when the plan is applied.
        mixture = op.mixture if isinstance(op, Sample) else None
        if isinstance(mixture, Computed) and mixture.plugin is None and mixture.mixer not in spec.own("mixers"):
            raise ValueError(f"unknown mixture `{mixture.mixer}`")
    if sum(isinstance(op, Gather) for op in plan.ops) != 1:
        raise ValueError("a plan has one gather")
    if not any(isinstance(op, Read) for op in plan.ops):
        raise ValueError("a plan reads nothing")
