"""`manifest.json`: the contents and origin of a dataset, written last."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import mixing
from recipec.ir.execution import MANIFEST_VERSION, DataFile, ExecutionPlan, Manifest
from recipec.ir.provenance import without_origins
from recipec.places import digests, local

NAME = "manifest.json"

HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape of half a character; one without its other half is no text, and could not be hashed."""


def plan_digest(plan: ExecutionPlan) -> str:
    """The identity of a plan's dataset: the digest of its canonical JSON, without what depends on the state, the clock,
    the folder or the layout of the recipe's text (costs, actions, reasons, warnings, file times, the folder, lines),
    without its search, and without the results of laws and measurements."""
    unsaid = {"folder", "exact", "sample", "warnings", "selection", "forecast", "reweighting"}
    value = plan.model_dump(mode="json", exclude={*unsaid, "shards", "attributes"})
    _identify_mixtures(value, plan)
    value = without_origins(value)
    # Shards have no origins, and searching many thousands of them would take seconds.
    value["shards"] = plan.model_dump(mode="json", include={"shards"})["shards"]
    value["recipe"]["folder"] = value["recipe"]["path"] = ""
    del value["recipe"]["search"]
    for shard in value["shards"]:
        del shard["mtime_ns"]
        if not any(shard["joined"]):
            del shard["joined"]
    for step in value["steps"]:
        del step["cost"], step["action"], step["reason"], step["engine"]
    return hashlib.sha256(digests.canonical_json(value).encode()).hexdigest()


def _identify_mixtures(value: dict[str, Any], plan: ExecutionPlan) -> None:
    """Restores the older form of plans and mixtures, so that existing datasets still match their plans."""
    value["version"] = 1
    recipe = value["recipe"]
    if not recipe["needs"]:
        del recipe["needs"]
    recipe["mixture"] = mixing.identified(plan.recipe.mixture)
    phases = (*plan.recipe.phases, *plan.recipe.before)
    for said, phase in zip((*recipe["phases"], *recipe["before"]), phases, strict=True):
        said["mixture"] = mixing.identified(phase.mixture)
    for said, step in zip(value["steps"], plan.steps, strict=True):
        said["op"] = mixing.identified_op(step.op)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    local.write_text(folder / NAME, text_of(manifest.model_dump(mode="json")))


def text_of(value: dict[str, Any]) -> str:
    """The text of a manifest's JSON value, as it is written."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a dataset.

    Raises:
        Failure: it does not exist, is damaged, or was written by another version of recipec.
    """
    return _validated(read_value(folder), folder / NAME)


def read_value(folder: Path) -> dict[str, Any]:
    """The JSON value of a dataset's manifest, as of version 2 or later.

    Raises:
        Failure: as `read_manifest`, but its fields are not checked.
    """
    path = folder / NAME
    try:
        text = local.read_text(path)
        value = json.loads(text)
        if HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except FileNotFoundError:
        message = "no manifest.json: the folder is not a recipec dataset"
        raise Failure(Diagnostic("R0607", message, place=str(folder))) from None
    except (OSError, ValueError, RecursionError) as error:
        raise Failure(Diagnostic("R0607", f"the manifest cannot be read: {error}", place=str(path))) from None
    version = value.get("version") if isinstance(value, dict) else None
    if version == 1:
        _renew(value)
    elif version not in (2, 3, MANIFEST_VERSION):
        message = f"the manifest has version {version}, expected {MANIFEST_VERSION}"
        raise Failure(Diagnostic("R0607", message, place=str(path)))
    found: dict[str, Any] = value
    return found


def files_of(described: Manifest) -> tuple[DataFile, ...]:
    """All files listed in a manifest."""
    return (*described.data, *described.ledger, *described.unreadable)


def _validated(value: dict[str, Any], path: Path) -> Manifest:
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"the manifest is damaged at `{where}`: {first['msg'].lower()}"
        raise Failure(Diagnostic("R0607", message, place=str(path))) from None


def _renew(value: dict[str, Any]) -> None:
    """Converts a manifest of version 1, in which one class held every kind of mixture, to version 2."""
    value["version"] = 2
    recipe, selection = value.get("recipe"), value.get("selection")
    if not isinstance(recipe, dict) or not isinstance(selection, dict):
        return
    old = recipe.get("mixture")
    if isinstance(old, dict) and old.get("kind") == "tikmix":
        # The decided weights were stored in the recipe.
        selection["weights"] = old.get("weights", [])
    phases = (recipe.get(name) for name in ("phases", "before"))
    for holder in (recipe, *(one for some in phases if isinstance(some, list) for one in some)):
        old = holder.get("mixture") if isinstance(holder, dict) else None
        if isinstance(old, dict):
            holder["mixture"] = _renewed(old)


def _renewed(old: dict[str, Any]) -> dict[str, Any]:
    kind, origin = old.get("kind"), old.get("origin")
    if kind == "natural":
        return {"kind": "natural", "origin": origin}
    if kind == "explicit" and old.get("path"):
        file = {name: old.get(name) for name in ("weights", "path", "digest")}
        return {"kind": "file", **file, "origin": origin}
    if kind == "explicit":
        return {"kind": "shares", "weights": old.get("weights"), "origin": origin}
    return {"kind": "computed", "mixer": kind, "params": old.get("params", {}), "law": old.get("law"), "origin": origin}
