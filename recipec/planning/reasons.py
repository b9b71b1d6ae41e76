"""Why a step must run: the difference from the last plan, in the words of the recipe, with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from recipec.ir import closed, logical, model
from recipec.ir.execution import Shard
from recipec.ir.expressions import Frozen
from recipec.ir.provenance import says_nothing
from recipec.places.state import Store
from recipec.planning.fingerprints import inputs


class Planned(Frozen):
    """A step of the last plan. Its operation is only compared with that of the next: it may be of an older recipec."""

    id: closed.StepId
    op: dict[str, JsonValue]


class LastPlan(Frozen):
    """The note about the last plan of a recipe: what it was, and the items of the state folder that it used."""

    steps: dict[str, Planned]
    shards: dict[str, closed.Sha256]
    attributes: dict[str, list[list[closed.Sha256OrNone]]]
    plugins: dict[closed.Package, closed.Version]
    uses: tuple[closed.Member, ...] = ()


def remembered(
    plan: logical.LogicalPlan, ids: Sequence[str], shards: Sequence[Shard], plugins: Sequence[model.Plugin]
) -> dict[str, Any]:
    """The facts that the next plan needs to explain why a step must run."""
    return {
        "steps": {
            key(plan, position): {"id": ids[position], "op": op.model_dump(mode="json")}
            for position, op in enumerate(plan.ops)
        },
        "shards": {f"{shard.source}\x1f{shard.path}": shard.sha256 for shard in shards},
        "attributes": _attributes(shards),
        "plugins": {plugin.package: plugin.version for plugin in plugins},
    }


def key(plan: logical.LogicalPlan, position: int) -> str:
    """The key by which a step of this plan and one of the last plan are "the same step"."""
    op = plan.ops[position]
    match op:
        case logical.Read():
            return f"read {op.source.name}"
        case logical.Score():
            return f"score {op.source.name} {op.call.name}"
        case logical.Filter():
            filters = [p for p, other in enumerate(plan.ops[:position]) if isinstance(other, logical.Filter)]
            return f"filter {len(filters)}"
        case _:
            return op.kind


def reason(
    plan: logical.LogicalPlan,
    position: int,
    ids: Sequence[str],
    shards: Sequence[Shard],
    plugins: Sequence[model.Plugin],
    store: Store,
) -> str:
    """Why the step at `position` has no stored result."""
    last = store.note(store.last_plan, LastPlan)
    if last is None or not last.steps:
        return "first run"
    before = last.steps.get(key(plan, position))
    if before is None:
        return "new step"
    if before.id != ids[position]:
        change = difference(before.op, plan.ops[position].model_dump(mode="json"))
        if change:
            return change
        for other in inputs(plan.ops[position]):
            earlier = last.steps.get(key(plan, other))
            if earlier is None or earlier.id != ids[other]:
                return f"its input changed: {key(plan, other)}"
    changed = shard_changes(last.shards, shards) or _attribute_changes(last.attributes, shards)
    return changed or _other_plugins(last.plugins, plugins) or "no stored result"


def _attributes(shards: Sequence[Shard]) -> dict[str, list[list[str]]]:
    """What the shards of each source are joined with."""
    found: dict[str, list[list[str]]] = {}
    for shard in shards:
        if any(shard.joined) and list(shard.joined) not in (mine := found.setdefault(shard.source, [])):
            mine.append(list(shard.joined))
    return found


def _attribute_changes(before: Mapping[str, list[list[str]]], shards: Sequence[Shard]) -> str:
    """ "changed attributes of web"."""
    now = _attributes(shards)
    names = sorted(name for name in now.keys() & before.keys() if now[name] != before[name])
    return f"changed attributes of {', '.join(names)}" if names else ""


def _other_plugins(before: Mapping[str, str], plugins: Sequence[model.Plugin]) -> str:
    """The packages named in a dataset's manifest whose versions changed."""
    return ", ".join(
        f"{plugin.package} {before[plugin.package]} → {plugin.version}"
        for plugin in plugins
        if before.get(plugin.package, plugin.version) != plugin.version
    )


def shard_changes(before: Mapping[str, str], shards: Sequence[Shard]) -> str:
    """ "new shard data/b.parquet", or the number of changed shards."""
    now = {f"{shard.source}\x1f{shard.path}": shard.sha256 for shard in shards}
    words = []
    for what, names in (
        ("new", sorted(now.keys() - before.keys())),
        ("changed", sorted(name for name in now.keys() & before.keys() if now[name] != before[name])),
        ("removed", sorted(before.keys() - now.keys())),
    ):
        if len(names) == 1:
            words.append(f"{what} shard {names[0].partition(chr(31))[2]}")
        elif names:
            words.append(f"{len(names)} {what} shards")
    return ", ".join(words)


IGNORED = frozenset({"origin", "input", "inputs", "shards", "schema_", "attributes"})


def difference(before: Any, after: Any, name: str = "", place: str = "") -> str:
    """The first difference between two descriptions of a step: "omega changed at line 22"."""
    if isinstance(after, dict) and isinstance(before, dict):
        place = _place(after) or place
        plugins = before.get("plugin"), after.get("plugin")
        if plugins[0] != plugins[1] and all(one is None or _is_plugin(one) for one in plugins):
            # With another version of the package, everything else about the word may differ too.
            return plugin_change(*plugins)
        for field in sorted(before.keys() | after.keys()):
            if field in IGNORED or (field not in before and says_nothing(field, after[field])):
                continue
            # A change of the kind or the mixer is a change of the mixture itself.
            word = name if field in ("kind", "mixer") else field
            found = difference(before.get(field), after.get(field), word, place)
            if found:
                return found
        return ""
    if isinstance(after, list) and isinstance(before, list):
        for old, new in zip(before, after, strict=False):
            found = difference(old, new, name, place)
            if found:
                return found
        if len(before) != len(after):
            grown = len(after) > len(before)
            extra = after[len(before)] if grown else None
            return f"{_word(name)} {'added' if grown else 'removed'}{(_place(extra) if grown else '') or place}"
        return ""
    return "" if before == after else f"{_word(name)} changed{place}"


def _is_plugin(value: Any) -> bool:
    """Whether a value is a `Plugin` (a parameter named `plugin` is not)."""
    return isinstance(value, dict) and value.keys() == model.Plugin.model_fields.keys()


def plugin_change(before: Any, after: Any) -> str:
    """ "acme-filters 1.2 → 1.3", or the change of the package that provides a word."""
    old, new = (model.Plugin.model_validate(one) if one else None for one in (before, after))
    if old is not None and new is not None:
        return f"{old} → {new.version if old.package == new.package else new}"
    return f"{old or 'recipec'} → {new or 'recipec'}"


def _word(name: str) -> str:
    words = {
        "lambda_": "lambda",
        "tokens": "budget",
        "most": "limit",
        "conditions": "condition",
        "predicates": "where clause",
        "repeats": "repetition limit",
        "allow_empty": "allow empty",
    }
    return words.get(name, name)


def _place(value: Any) -> str:
    """The location of a part of a step in the recipe, or in the standard recipe that it uses."""
    origin = value.get("origin") if isinstance(value, dict) else None
    if not isinstance(origin, dict) or not origin.get("line"):
        return ""
    file = str(origin.get("file"))
    return f" at {file}:{origin['line']}" if file.startswith("std.") else f" at line {origin['line']}"
