"""The execution plan and the manifest: the only versioned values that are written to disk.

`apply` reads nothing but an `ExecutionPlan`; `show`, `diff` and `explain` read the same steps.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.forecast import Forecast
from recipec.ir.logical import Op
from recipec.ir.model import Recipe
from recipec.ir.reweighting import Reweighting
from recipec.ir.selection import Selection
from recipec.ir.shapes import ShapeText

PLAN_VERSION = 4
"""Plans of older versions named places without being asked, and had other digests."""

MANIFEST_VERSION = 4
"""Digests are computed otherwise in 2 and 3: see `selection.digest.digest`."""


class InputFile(Frozen):
    """One input file and its identity. `path` is as found by the glob, relative to the recipe's folder if inside it;
    the identity is the `sha256` of the bytes, or, of an object in a store, what the store states: `etag …`, `version …` or
    `modified …`; size and time are only a quick check that nothing changed. `schema_` are the columns of its own, and
    `unreadable` the rows that cannot be read at all."""

    source: str
    path: closed.Path
    sha256: closed.Identity
    bytes: closed.Count
    mtime_ns: closed.Whole
    rows: closed.Count
    schema_: tuple[tuple[str, ShapeText], ...]
    unreadable: closed.Count = 0
    repaired: bool = False  # whether it is read from what `inputs.repair` made of it

    @property
    def stated(self) -> bool:
        """Whether its identity is what a store states."""
        return closed.STATED in self.sha256

    @property
    def identity(self) -> str:
        """The sha256 of its bytes; of an object in a store, that of what names it and its version: stores may state the same
        of different objects."""
        if not self.stated:
            return self.sha256
        return hashlib.sha256(f"{self.path} {self.bytes} {self.sha256}".encode("utf-8", "surrogateescape")).hexdigest()


class Shard(InputFile):
    """A file with documents.

    Attributes:
        placed: whether the recipe uses the shard's path: results for the same bytes elsewhere then differ.
        joined: for each of the source's attributes, the digest of the files that this shard is joined with and of how; ""
            where the recipe uses none of their columns.
    """

    placed: bool = False
    joined: tuple[closed.Sha256OrNone, ...] = ()

    @property
    def key(self) -> str:
        """What the name of a result for this shard depends on."""
        return self._digest(self.placed)[:32]

    @property
    def content(self) -> str:
        """The identity of its documents: of its bytes, of how they are read, and of the attributes joined with them."""
        return self._digest(placed=False)

    def _digest(self, placed: bool) -> str:
        words = [self.identity, *(["repaired"] if self.repaired else [])]
        words += [*([self.path] if placed else []), *filter(None, self.joined)]
        if len(words) == 1:
            return self.identity
        return hashlib.sha256(" ".join(words).encode("utf-8", "surrogateescape")).hexdigest()


class SideFile(InputFile):
    """A file with attributes of a source's documents.

    Attributes:
        number: the position of its `attributes` among those of the source.
    """

    number: closed.Count


class Estimate(Frozen):
    """A figure with its provenance: `basis` is "exact", or describes how it was estimated."""

    value: closed.Number
    basis: str


class Cost(Frozen):
    rows: Estimate
    bytes: Estimate
    seconds: Estimate
    device: Literal["cpu", "cuda"] = "cpu"


LOCAL = "local"
"""The default engine."""


class Step(Frozen):
    """One operation of the execution plan.

    `id` is the hash of the operation, its parameters, the ids of its inputs, the identities of its shards and the
    version of its code. `action` is `reuse` if the whole result is stored, `partial` if that of some shards is.
    `reason` says why it must run ("omega changed at line 22", "new shard data/b.parquet"); "" for reuse.
    """

    id: closed.StepId
    op: Op
    inputs: tuple[closed.StepId, ...]
    action: Literal["run", "partial", "reuse"]
    reason: str
    cost: Cost
    engine: closed.Word = LOCAL  # the engine that runs its tasks


class ExecutionPlan(Frozen):
    """A plan file.

    Attributes:
        exact: whether `selection` is what `apply` will produce; otherwise it is an estimate from `sample`.
        folder: absolute folder against which relative paths of shards, state and output are resolved.
    """

    version: Literal[4] = 4
    recipec: str
    recipe: Recipe
    folder: closed.Path
    shards: tuple[Shard, ...]
    attributes: tuple[SideFile, ...] = ()  # those of which the recipe uses columns
    steps: tuple[Step, ...]
    selection: Selection | None
    exact: bool
    forecast: Forecast | None = None  # the forecast of the budget's law for the selection
    reweighting: Reweighting | None = None  # the measurement behind the mixture, if there is one
    sample: str = ""  # "4 096 of 1 200 000 documents, keyed" when not exact
    warnings: tuple[str, ...] = ()


class PhasedPlan(Frozen):
    """A plan file of a recipe with phases: one plan per phase, in training order.

    Attributes:
        waiting: why the phases after the last of these cannot be planned yet; "" if there are none.
    """

    version: Literal[4] = 4
    phases: tuple[ExecutionPlan, ...]
    waiting: str = ""


class DataFile(Frozen):
    path: closed.Member  # relative to the dataset
    rows: closed.Count
    tokens: closed.Count
    bytes: closed.Count
    sha256: closed.Sha256


class DomainTotal(Frozen):
    domain: str
    documents: closed.Count
    rows: closed.Count
    tokens: closed.Count


class Manifest(Frozen):
    """`manifest.json` of a dataset, written last.

    Attributes:
        card: sha256 of README.md without the seal; `seal`: see `dataset.seal`. Both are "" before version 4.
    """

    version: Literal[2, 3, 4] = 4
    recipec: str
    recipe: Recipe
    plan: closed.Sha256  # of the plan's canonical JSON, without costs and actions
    shards: tuple[Shard, ...]
    attributes: tuple[SideFile, ...] = ()
    selection: Selection
    data: tuple[DataFile, ...]
    ledger: tuple[DataFile, ...]
    unreadable: tuple[DataFile, ...]
    domains: tuple[DomainTotal, ...]
    rows: closed.Count
    tokens: closed.Count
    digest: closed.Sha256
    card: closed.Sha256OrNone = ""
    seal: closed.Sha256OrNone = ""
