"""Step results in the state folder: `steps/<id>/<shard>.parquet` a shard, or `steps/<id>/result.parquet` and its
`result.json`, which is written last. A file that is there is whole."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.ir.execution import Shard
from recipec.places import digests, local

STATE = ".recipec"


@dataclass(frozen=True, slots=True)
class Store:
    """The state folder of the recipes of a folder. Deleting it loses time, never correctness.

    Attributes:
        recipe: the file name of the one that is planned, for what is remembered of its last plan.
    """

    root: Path
    recipe: str = ""

    @classmethod
    def beside(cls, folder: Path, recipe: str = "") -> Store:
        """The store of the recipes of a folder."""
        return cls(folder / STATE, Path(recipe).name)

    @property
    def last_plan(self) -> str:
        """The name of the note of a recipe's last plan."""
        return f"last_plan-{digests.sha256_text(self.recipe)[:16]}"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def shard_name(self, step: str, shard: Shard) -> str:
        """The name, relative to `root`, of the result of a step for one shard: by the shard's bytes, wherever they lie."""
        return f"steps/{step}/{shard.sha256[:32]}.parquet"

    def shard_result(self, step: str, shard: Shard) -> Path:
        """Where the result of a step for one shard is."""
        return self.root / self.shard_name(step, shard)

    def missing(self, step: str, shards: Sequence[Shard]) -> tuple[Shard, ...]:
        """The shards for which a step has no result."""
        try:
            there = frozenset(os.listdir(self.root / "steps" / step))
        except OSError:
            return tuple(shards)
        return tuple(shard for shard in shards if f"{shard.sha256[:32]}.parquet" not in there)

    def result(self, step: str) -> Path:
        return self.root / "steps" / step / "result.parquet"

    def has_result(self, step: str) -> bool:
        return self._facts(step).is_file()

    def keep_facts(self, step: str, facts: Any) -> None:
        """Ends a step: its small results as JSON."""
        local.write_text(self._facts(step), json.dumps(facts, ensure_ascii=False) + "\n")

    def facts(self, step: str) -> Any:
        return json.loads(self._facts(step).read_text(encoding="utf-8"))

    def _facts(self, step: str) -> Path:
        return self.root / "steps" / step / "result.json"

    def keep_note(self, name: str, value: Any) -> None:
        """Something to remember between runs that no result depends on."""
        local.write_text(self.root / f"{name}.json", json.dumps(value, ensure_ascii=False) + "\n")

    def note(self, name: str) -> Any:
        """What `keep_note` kept, or None; a damaged note is none."""
        try:
            return json.loads((self.root / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
