"""Step results in the state folder: `steps/<id>/<shard>.parquet` per shard, or `steps/<id>/result.parquet` with
`result.json`, which is written last. Existing files are complete."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.ir.execution import Shard
from recipec.places import digests, local

STATE = ".recipec"


@dataclass(frozen=True, slots=True)
class Store:
    """The state folder of the recipes of a folder. Deleting it costs time, never correctness.

    Attributes:
        recipe: the file name of the planned recipe, for the note about its last plan.
    """

    root: Path
    recipe: str = ""

    @classmethod
    def beside(cls, folder: Path, recipe: str = "") -> Store:
        """The store of the recipes of a folder."""
        return cls(folder / STATE, Path(recipe).name)

    @property
    def last_plan(self) -> str:
        """The name of the note about the recipe's last plan."""
        return f"last_plan-{digests.sha256_text(self.recipe)[:16]}"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def project(self) -> str:
        """A name of this state folder that no other has."""
        found = self.note("project")
        if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{32}", found):
            found = uuid.uuid4().hex
            self.keep_note("project", found)
        return found

    def shard_name(self, step: str, shard: Shard) -> str:
        """The name, relative to `root`, of a step's result for a shard; depends on the shard's bytes, not its path."""
        return f"steps/{step}/{shard.key}.parquet"

    def shard_result(self, step: str, shard: Shard) -> Path:
        """The path of a step's result for one shard."""
        return self.root / self.shard_name(step, shard)

    def missing(self, step: str, shards: Sequence[Shard]) -> tuple[Shard, ...]:
        """The shards for which a step has no result."""
        try:
            there = frozenset(os.listdir(self.root / "steps" / step))
        except OSError:
            return tuple(shards)
        return tuple(shard for shard in shards if f"{shard.key}.parquet" not in there)

    def forget(self, keys: Sequence[str], steps: Sequence[str]) -> None:
        """Removes the results of all steps for some shards, and the whole results of some steps."""
        for folder in (self.root / "steps").iterdir() if (self.root / "steps").is_dir() else ():
            for key in keys:
                local.remove(folder / f"{key}.parquet")
        for step in steps:
            local.remove(self._facts(step))
            local.remove(self.result(step))

    def result(self, step: str) -> Path:
        return self.root / "steps" / step / "result.parquet"

    def has_result(self, step: str) -> bool:
        return self._facts(step).is_file()

    def keep_facts(self, step: str, facts: Any) -> None:
        """Completes a step by writing its small results as JSON."""
        local.write_text(self._facts(step), json.dumps(facts, ensure_ascii=False) + "\n")

    def facts(self, step: str) -> Any:
        return json.loads(self._facts(step).read_text(encoding="utf-8"))

    def _facts(self, step: str) -> Path:
        return self.root / "steps" / step / "result.json"

    def keep_note(self, name: str, value: Any) -> None:
        """Stores a value between runs on which no result depends."""
        local.write_text(self.root / f"{name}.json", json.dumps(value, ensure_ascii=False) + "\n")

    def note(self, name: str) -> Any:
        """The value stored by `keep_note`, or None if it is missing or damaged."""
        try:
            return json.loads((self.root / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
