"""A found input made small: parts that the fault does not need are left out, or are again as in the seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Fails = Callable[[bytes], bool]
"""Whether an input has the fault."""

MISSING = "(missing)"

Path = tuple[str | int, ...]


def shrunk(data: bytes, seeds: Sequence[bytes], fails: Fails) -> str:
    """The smallest input that was found, as text; of a JSON document what is unlike its seed."""
    try:
        whole, likes = json.loads(data), [json.loads(seed) for seed in seeds]
        like = min(likes, key=lambda one: len(dict(_changes(whole, one, ()))))
        found = _differences(whole, like, fails)
    except (ValueError, RecursionError):
        found = None
    if found is not None:
        return json.dumps({".".join(map(str, path)): value for path, value in found.items()})
    return repr(_shorter(data, fails))


def _differences(value: Any, seed: Any, fails: Fails) -> dict[Path, Any] | None:
    """The changes of a seed by which it has the fault, none of them without need; None if they are not all of it."""
    chosen = dict(_changes(value, seed, ()))
    if not fails(_changed(seed, chosen)):
        return None
    for path in list(chosen):
        fewer = {other: new for other, new in chosen.items() if other != path}
        if fails(_changed(seed, fewer)):
            chosen = fewer
    return chosen


def _changes(value: Any, seed: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and isinstance(seed, dict):
        for key in value.keys() | seed.keys():
            yield from _changes(value.get(key, MISSING), seed.get(key, MISSING), (*path, key))
    elif isinstance(value, list) and isinstance(seed, list) and len(value) == len(seed):
        for number, (one, other) in enumerate(zip(value, seed, strict=True)):
            yield from _changes(one, other, (*path, number))
    elif value != seed:
        yield path, value


def _changed(seed: Any, changes: dict[Path, Any]) -> bytes:
    whole = json.loads(json.dumps({"": seed}))
    for path, value in changes.items():
        holder: Any = whole
        key: str | int = ""
        for part in path:
            holder, key = holder[key], part
        if isinstance(value, str) and value == MISSING:
            del holder[key]
        else:
            holder[key] = value
    return json.dumps(whole[""]).encode()


def _shorter(data: bytes, fails: Fails, most: int = 1000) -> bytes:
    """Leaves out ever smaller parts."""
    size = max(1, len(data) // 2)
    while size and most:
        at = 0
        while at < len(data) and most:
            most -= 1
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
