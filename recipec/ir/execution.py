"""The execution plan and the manifest: the only values that are written to disk, versioned.

`apply` reads nothing but an `ExecutionPlan`; `show`, `diff` and `explain` read the same steps.
"""

from __future__ import annotations

from typing import Literal

from recipec.ir.expressions import Frozen, Type
from recipec.ir.forecast import Forecast
from recipec.ir.logical import Op
from recipec.ir.model import Recipe
from recipec.ir.reweighting import Reweighting
from recipec.ir.selection import Selection

PLAN_VERSION = 2
MANIFEST_VERSION = 2


class Shard(Frozen):
    """One input file and its identity. `path` is as found by the glob, relative to the recipe's folder where it lies
    inside it; `sha256` of the bytes is the identity, the rest only tells quickly that nothing changed."""

    source: str
    path: str
    sha256: str
    bytes: int
    mtime_ns: int
    rows: int
    schema_: tuple[tuple[str, Type], ...]


class Estimate(Frozen):
    """A figure with its provenance: `basis` is "exact", or the words for how it was estimated."""

    value: float
    basis: str


class Cost(Frozen):
    rows: Estimate
    bytes: Estimate
    seconds: Estimate
    device: Literal["cpu", "cuda"] = "cpu"


LOCAL = "local"
"""The engine where none is asked for."""


class Step(Frozen):
    """One operation of the execution plan.

    `id` is the hash of the operation, its parameters, the ids of its inputs, the identities of its shards and the
    version of its code. `action` is `reuse` when the whole result is stored, `partial` when some shards are.
    `reason` says why it must run ("omega changed at line 22", "new shard data/b.parquet"); "" for reuse.
    """

    id: str
    op: Op
    inputs: tuple[str, ...]  # ids of steps
    action: Literal["run", "partial", "reuse"]
    reason: str
    cost: Cost
    engine: str = LOCAL  # what runs its tasks


class ExecutionPlan(Frozen):
    """A plan file.

    Attributes:
        exact: whether `selection` is what `apply` will produce; else it is an estimate from `sample`.
        folder: absolute folder that relative paths of shards, state and output start from.
    """

    version: Literal[2] = 2
    recipec: str
    recipe: Recipe
    folder: str
    shards: tuple[Shard, ...]
    steps: tuple[Step, ...]
    selection: Selection | None
    exact: bool
    forecast: Forecast | None = None  # what the budget's law says of the selection
    reweighting: Reweighting | None = None  # the measurement behind the mixture, where there is one
    sample: str = ""  # "4 096 of 1 200 000 documents, keyed" when not exact
    warnings: tuple[str, ...] = ()


class PhasedPlan(Frozen):
    """A plan file of a recipe with phases: a plan for each, in the order of training.

    Attributes:
        waiting: why the phases that come after the last of these cannot be planned yet; "" where none do.
    """

    version: Literal[2] = 2
    phases: tuple[ExecutionPlan, ...]
    waiting: str = ""


class DataFile(Frozen):
    path: str  # relative to the dataset
    rows: int
    tokens: int
    bytes: int
    sha256: str


class DomainTotal(Frozen):
    domain: str
    documents: int
    rows: int
    tokens: int


class Manifest(Frozen):
    """`manifest.json` of a dataset, written last."""

    version: Literal[2] = 2
    recipec: str
    recipe: Recipe
    plan: str  # sha256 of the plan's canonical JSON without costs and actions
    shards: tuple[Shard, ...]
    selection: Selection
    data: tuple[DataFile, ...]
    ledger: tuple[DataFile, ...]
    unreadable: tuple[DataFile, ...]
    domains: tuple[DomainTotal, ...]
    rows: int
    tokens: int
    digest: str
