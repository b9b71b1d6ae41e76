"""Step results in the state folder: `steps/<id>/<shard>.parquet` per shard, or `steps/<id>/result.parquet` with
`result.json`, which is written last. Files with a checksum are complete (`places.sealed`)."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, RootModel

from recipec.ir import closed
from recipec.ir.execution import Shard
from recipec.places import digests, local, sealed

STATE = sealed.STATE

Model = TypeVar("Model", bound=BaseModel)


FOLDERS = ("steps", "features", "repacked", "proxies", "measured", "influence", "tmp")
"""The folders of a state folder."""

NESTED = ("steps", "features", "proxies", "influence")
"""Those that have only folders."""

FILES = ("lock", "lock.json")
"""The files of the lock."""


class Project(RootModel[closed.Key]):
    """The name of a state folder, in its note."""


def prepare(root: Path) -> None:
    """Gives other names to files where a state folder has folders, and to folders where the lock has its files."""
    strange = [path for name in FOLDERS if local.exists(path := root / name) and not path.is_dir()]
    strange += [path for name in FILES if (path := root / name).is_dir()]
    for name in NESTED:
        with contextlib.suppress(OSError), os.scandir(root / name) as entries:
            strange += [Path(entry.path) for entry in entries if not entry.is_dir()]
    for path in strange:
        local.set_aside(path)


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
        found = self.note("project", Project)
        if found is None:
            found = Project(uuid.uuid4().hex)
            self.keep_note("project", found.root)
        return found.root

    def shard_name(self, step: str, shard: Shard) -> str:
        """The name, relative to `root`, of a step's result for a shard; depends on the shard's bytes, not its path."""
        return f"steps/{step}/{shard.key}.parquet"

    def shard_result(self, step: str, shard: Shard) -> Path:
        """The path of a step's result for one shard."""
        return self.root / self.shard_name(step, shard)

    def missing(self, step: str, shards: Sequence[Shard]) -> tuple[Shard, ...]:
        """The shards for which a step has no result. What lies there without a checksum is removed."""
        folder = self.root / "steps" / step
        try:
            there = frozenset(os.listdir(folder))
        except OSError:
            return tuple(shards)
        whole = there & sealed.recorded(folder).keys()
        found = [shard for shard in shards if f"{shard.key}.parquet" not in whole]
        sealed.drop([folder / name for shard in found if (name := f"{shard.key}.parquet") in there])
        return tuple(found)

    def forget_shards(self, keys: Sequence[str], steps: Sequence[str]) -> None:
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
        """Whether a step is complete. If what completes it is damaged, that is removed, with a note."""
        return sealed.has_value(self._facts(step))

    def keep_facts(self, step: str, facts: Any) -> None:
        """Completes a step by writing its small results as JSON."""
        sealed.write_value(self._facts(step), facts)

    def facts(self, step: str, kind: type[Model]) -> Model:
        """What completed a step, of a closed type.

        Raises:
            Damaged: it is damaged, gone or of another type.
        """
        try:
            return sealed.read_value(self._facts(step), kind)
        except (OSError, ValueError):
            self.forget(step)
            raise sealed.Damaged([self._facts(step)]) from None

    def forget(self, step: str) -> None:
        """Makes a step incomplete, so that it runs again."""
        local.put_away(self._facts(step))

    def _facts(self, step: str) -> Path:
        return self.root / "steps" / step / "result.json"

    def keep_note(self, name: str, value: Any) -> None:
        """Stores a value between runs on which no result depends."""
        sealed.write_value(self.root / f"{name}.json", value)

    def note(self, name: str, kind: type[Model]) -> Model | None:
        """The value stored by `keep_note`, of a closed type, or None if it is missing, damaged or of another type, which
        is said."""
        with contextlib.suppress(OSError):
            return sealed.value_of(self.root / f"{name}.json", kind)
        return None
