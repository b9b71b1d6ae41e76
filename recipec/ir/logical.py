"""The logical plan: a chain of operations per source, merged into one selection and one dataset.

    s0 := Read[web]            rows of the shards, with the columns that later steps need
    s1 := Filter[s0]           cheap clauses
    s2 := Score[s1]            one value per document and call
    s3 := Filter[s2]           clauses over scores
    s4 := Gather[s3, …]        all sources together; duplicates; the candidates
    s5 := Rank[s4]             normalise, merge, rank, hash
    s6 := Sample[s5]           expect, allocate, draw
    s7 := Write[s6]            dataset, ledger, manifest

Operations are pydantic models because plan files contain them: `apply` runs exactly these. An operation names its
inputs by their position in `LogicalPlan.ops`; inputs come first.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field

from recipec.ir import model
from recipec.ir.expressions import Expression, Frozen


class Predicate(Frozen):
    """A `where` clause for one source. A document for which it is not true gets `text` as `rejected_by`."""

    text: str
    condition: Expression


class Output(Frozen):
    """A value that a `Read` computes in addition to the fixed columns, as column `name`."""

    name: str
    expression: Expression


class Read(Frozen):
    """Rows of one source's shards, and the clauses over what is read of them.

    Result per shard (Parquet, in row order, every row of the shard): `row BIGINT` (0-based), `doc_id VARCHAR`,
    `domain VARCHAR`, `tokens BIGINT`, `bad VARCHAR` (null, or why the row is unreadable, and after a
    separator the value that is), then `outputs` and what
    `predicates` compare (see `inputs.facts`). Shards that are read directly have none. The first of `predicates` that is
    not true gives `rejected_by VARCHAR`, and `evidence VARCHAR`, what it compared, wherever documents are used.
    """

    kind: Literal["read"] = "read"
    source: model.Source
    predicates: tuple[Predicate, ...] = ()
    outputs: tuple[Output, ...] = ()


class Filter(Frozen):
    """Clauses over columns and scores, in order. Result: `rejected_by`, and `evidence VARCHAR` of the clause."""

    kind: Literal["filter"] = "filter"
    input: int
    predicates: tuple[Predicate, ...]


class Score(Frozen):
    """One score call over the texts of the rows that are neither rejected nor unreadable in its input.

    Result per shard (Parquet): `row BIGINT`, `value` of the call's type. Rejected rows are not in the result.
    """

    kind: Literal["score"] = "score"
    input: int
    source: model.Source
    call: model.ScoreCall
    target: model.Target | None = None


class GatherCriterion(Frozen):
    name: str
    values: tuple[Expression, ...]  # one per input; over `Read` outputs (as `Column`) and scores
    direction: Literal["higher", "lower"]
    cascade: bool = False  # some values are predictions: `exact_<criterion> BOOLEAN` marks those that are not


class Gather(Frozen):
    """All sources combined, with duplicates resolved.

    Candidates: `source, doc_id, shard VARCHAR, row, domain, tokens, bad, rejected_by, evidence,
    score_<criterion> DOUBLE…, cap DOUBLE` (per-document repetition limit or null), `nest INTEGER` (bit k set = in
    nested quota k), `number BIGINT` (of the row among those of all shards). A NaN or infinite score makes the row
    unreadable. They are stored (Parquet) only if there are `duplicates`, and else worked out where they are used.
    """

    kind: Literal["gather"] = "gather"
    inputs: tuple[int, ...]
    criteria: tuple[GatherCriterion, ...] = ()
    duplicates: tuple[model.Duplicates, ...] = ()
    caps: tuple[str, ...] = ()  # names of `Read` outputs whose minimum is the document's own limit
    nests: tuple[str, ...] = ()  # names of boolean `Read` outputs, bit 0 first


class Rank(Frozen):
    """Result: the candidates with `merged DOUBLE, rank DOUBLE` (null where not in the pool) and `draw DOUBLE` (u_i)."""

    kind: Literal["rank"] = "rank"
    input: int
    seed: int
    criteria: tuple[tuple[str, Literal["higher", "lower"]], ...]
    quality: model.Quality
    # The criteria of `sample top`, () for the merged quality: ranked over all domains instead, ties by document. With M
    # criteria a document's rank is M times its best one, so that each criterion gets 1/M of the share.
    top: tuple[str, ...] | None = None


class Sample(Frozen):
    """Result: the ledger's columns: `expected, scale, cap, copies, reason` added to the ranked candidates.

    Its input is a `Rank`, or, in a recipe with phases, the `Sample` of the previous phase: then `draw` and `cap` are
    what that phase leaves of them, `before BIGINT` counts the copies of all earlier phases, and `spent DOUBLE` is their
    Σ min(c·S, R). `already` is the number of tokens that the earlier phases asked for. `targets` are those on which the
    mixer measures. A limit of `repeats` without `most` lifts the general one for its domain.
    """

    kind: Literal["sample"] = "sample"
    input: int
    sample: model.Sampling
    mixture: model.Mixture
    quotas: tuple[model.Quota, ...]
    repeats: tuple[model.Repeat, ...]
    tokens: int | None
    shortfall: Literal["error", "shrink"]
    allow_vanishing: bool
    already: int = 0
    targets: tuple[model.Target, ...] = ()
    oversize: Literal["stop", "skip"] = "stop"
    allow_empty: bool = False


class Write(Frozen):
    """The dataset, its ledger and its manifest."""

    kind: Literal["write"] = "write"
    input: int
    output: model.Output
    seed: int
    sources: tuple[model.Source, ...]


T = TypeVar("T", Gather, Rank, Write)

Op = Annotated[Read | Filter | Score | Gather | Rank | Sample | Write, Field(discriminator="kind")]


class LogicalPlan(Frozen):
    ops: tuple[Op, ...]

    def one(self, kind: type[T]) -> tuple[int, T]:
        """The position and the operation of a kind that every plan has exactly once."""
        return next((position, op) for position, op in enumerate(self.ops) if isinstance(op, kind))

    @property
    def end(self) -> int:
        """The position of the `Sample` that determines the dataset: the last one, if there are phases."""
        return max(position for position, op in enumerate(self.ops) if isinstance(op, Sample))

    @property
    def sample(self) -> Sample:
        op = self.ops[self.end]
        assert isinstance(op, Sample)
        return op
