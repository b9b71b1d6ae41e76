"""The typed recipe: every name bound, every unit converted, every default filled in.

`resolve` makes it from the syntax tree; `planning.lower` makes the logical plan from it. Expressions exist once per
source, in the order of `Recipe.sources`, since the same name may be another column (or type) in each.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from recipec.ir.expressions import Expression, Frozen, Type

# Values of a recipe say where they come from, so that these belong to its vocabulary: `model.Origin`.
from recipec.ir.provenance import Need as Need
from recipec.ir.provenance import Origin as Origin
from recipec.ir.provenance import Plugin as Plugin
from recipec.ir.search import Search


class TokenCount(Frozen):
    """Where a document's token count comes from."""

    by: Literal["column", "tokenizer", "estimate"]
    column: Expression | None = None  # integer-typed, for "column"
    tokenizer: str = ""  # name or path, for "tokenizer"


class Source(Frozen):
    """A set of shards whose rows are candidate documents."""

    name: str
    shards: tuple[str, ...]  # globs, as written, relative to the recipe's folder
    schema_: tuple[tuple[str, Type], ...]
    id: Expression  # converted to string when read
    text: str  # the column
    tokens: TokenCount
    domain: Expression  # converted to string; a constant = the source's name when the recipe names none
    plugin: Plugin | None = None  # that gives the format of its shards
    origin: Origin


class Target(Frozen):
    """Examples of what the dataset is for."""

    name: str
    examples: tuple[str, ...]  # globs
    text: str  # template with {field}s
    holdout: float  # share in [0, 1)
    origin: Origin


class ScoreCall(Frozen):
    """A value computed from a document's text by an extension of `recipec.criteria`.

    Two identical calls are one `ScoreCall`. `name` is the canonical text of the call ("mean_word_length()"), `function`
    the module, `params` the validated parameters as JSON.
    """

    name: str
    function: str
    params: dict[str, Any]
    type: Type
    plugin: Plugin | None = None
    origin: Origin


class Clause(Frozen):
    """A `where`: documents for which the condition is not true are rejected (null is not true)."""

    text: str  # canonical text of the condition; the ledger's `rejected_by`
    conditions: tuple[Expression, ...]  # one per source
    origin: Origin


class Duplicates(Frozen):
    """`where not duplicate(key)`: of documents with equal keys that pass every other clause, the smallest
    (source, doc_id) stays."""

    text: str
    keys: tuple[Expression, ...]  # one per source
    origin: Origin


class Criterion(Frozen):
    """A quality criterion. The raw value is kept; `direction` says which way is better."""

    name: str
    values: tuple[Expression, ...]  # one per source: over columns, or one `Score`
    direction: Literal["higher", "lower"]
    origin: Origin


class Weights(Frozen):
    """α of one domain (or of all without an own block): criterion -> weight, all >= 0, not all 0. Not listed = 0."""

    domain: str | None
    weights: tuple[tuple[str, NonNegativeFloat], ...]
    origin: Origin


class Quality(Frozen):
    normalize: Literal["zscore", "rank", "minmax"] = "zscore"
    missing: Literal["error", "worst", "drop"] = "error"
    weights: tuple[Weights, ...] = ()  # the one with domain None first
    path: str = ""  # of the search that the weights come from, with its sha256
    digest: str = ""


class Curve(Frozen):
    """QuaDMix's sampling curve of one domain (None: every domain without its own).

    S(r) = (2 / (1 + exp(-lambda_ (omega - r)))) ** eta + epsilon where r <= omega, else epsilon.
    A domain's own curve takes what it does not state from the general one.
    """

    domain: str | None
    lambda_: NonNegativeFloat = 500.0
    omega: Annotated[float, Field(ge=0, le=1)] = 0.08
    eta: NonNegativeFloat = 1.0
    epsilon: NonNegativeFloat = 0.001
    origin: Origin | None = None


class Quadmix(Frozen):
    """`path` is of the search that the curves come from, with its sha256, "" where the recipe states them."""

    kind: Literal["quadmix"] = "quadmix"
    curves: tuple[Curve, ...]  # the one with domain None first
    path: str = ""
    digest: str = ""
    origin: Origin | None = None


class Top(Frozen):
    """`sample top 20% by fit`: the best documents by a criterion, ties by document, until `share` of the pool's tokens
    (over all domains). By several criteria each gets an equal part of the share, and a document that several reach is
    taken once (NAG, arXiv 2604.15706, section 3). By none the merged quality ranks.
    """

    kind: Literal["top"] = "top"
    share: Annotated[float, Field(gt=0, le=1)]
    criteria: tuple[str, ...] = ()
    origin: Origin | None = None


class All(Frozen):
    kind: Literal["all"] = "all"
    origin: Origin | None = None


Sampling = Annotated[Quadmix | Top | All, Field(discriminator="kind")]


class LawFacts(Frozen):
    """What of a law file decides a mixture of greatest information, at the budget's model size.

    Attributes:
        digest: sha256 of the law file.
        theta: a band d has the quality exp(−theta·d).
        absorption: λ(N).
        bands: quality bands that the law knows.
    """

    digest: str
    theta: float
    absorption: float
    bands: PositiveInt
    plugin: Plugin | None = None


class Natural(Frozen):
    """`mixture natural`: what the sampling curves give."""

    kind: Literal["natural"] = "natural"
    origin: Origin | None = None


class Shares(Frozen):
    """`mixture { science 30%, code 70% }`. The weights sum to 1; a domain that is not listed has 0."""

    kind: Literal["shares"] = "shares"
    weights: tuple[tuple[str, NonNegativeFloat], ...]
    origin: Origin | None = None


class FromFile(Frozen):
    """`mixture from "weights.json"`: weights as in `Shares`, read from `path`, whose sha256 is `digest`."""

    kind: Literal["file"] = "file"
    weights: tuple[tuple[str, NonNegativeFloat], ...]
    path: str
    digest: str
    origin: Origin | None = None


class Computed(Frozen):
    """`mixture tikmix(…)`: weights that a mixer computes when documents are drawn.

    Attributes:
        mixer: the word, a module of `recipec.mixers`.
        params: its arguments, validated.
        law: facts of the budget's law, where the mixer needs them.
        plugin: the package that gives the mixer, None for recipec itself.
    """

    kind: Literal["computed"] = "computed"
    mixer: str
    params: dict[str, Any] = Field(default_factory=dict)
    law: LawFacts | None = None
    plugin: Plugin | None = None
    origin: Origin | None = None


Mixture = Annotated[Natural | Shares | FromFile | Computed, Field(discriminator="kind")]
"""Domain weights before the quotas. `selection.mixing` finds the mixer of each, which decides the numbers."""


class Amount(Frozen):
    """A bound of a quota: a share of the dataset's tokens in [0, 1], or a token count."""

    kind: Literal["share", "tokens"]
    value: NonNegativeFloat
    origin: Origin


class Quota(Frozen):
    """Bounds on a domain's drawn tokens, or on the part of it for which `conditions` hold.

    Nested quotas of one domain are numbered by their position; two of them must be disjoint or one inside the other.
    """

    domain: str
    conditions: tuple[Expression, ...] = ()  # one per source; () = the whole domain
    text: str = ""  # canonical text of the condition
    least: Amount | None = None
    most: Amount | None = None
    origin: Origin


class Repeat(Frozen):
    """R: at most so many copies of a document. A domain's own limit replaces the general one; a per-document limit
    (an expression over columns) applies besides either, the smaller counts."""

    domain: str | None
    most: NonNegativeInt | None = None
    per_document: tuple[Expression, ...] = ()  # one per source
    origin: Origin


class Law(Frozen):
    """`law infolaw("laws/ours.json")` or `law std.law.infolaw_2026`.

    `facts` is None for a law without quality bands. `name` is the law's word, `path` as written.
    """

    name: str
    path: str
    digest: str
    facts: LawFacts | None = None
    plugin: Plugin | None = None
    origin: Origin


class Requirement(Frozen):
    """`require loss <= 2.45`: what a plan must meet.

    `most` is in nats per token for `loss`, a share for `wasted`, tokens per unique token for `repetition`; for `regret`
    nats per token, or a share of the best loss where `relative`.
    """

    quantity: Literal["loss", "wasted", "repetition", "regret"]
    most: float
    relative: bool = False
    origin: Origin


class Budget(Frozen):
    tokens: PositiveInt
    model: PositiveInt | None = None  # parameters
    law: Law | None = None
    require: tuple[Requirement, ...] = ()
    origin: Origin


class Phase(Frozen):
    """A stretch of training with a mixture of its own.

    Attributes:
        until: tokens from the start of training at which it ends.
        tokens: of it alone.
        quotas: its own and those of the recipe that it does not replace.
        canonical: the canonical text of what it states.
    """

    until: PositiveInt
    tokens: PositiveInt
    mixture: Mixture
    quotas: tuple[Quota, ...]
    canonical: str
    origin: Origin


class Output(Frozen):
    format: str  # the word: "parquet", "jsonl"
    plugin: Plugin | None = None  # that gives the format
    path: str  # as written, relative to the recipe's folder
    shard: PositiveInt = 512_000_000  # bytes of uncompressed text columns in a shard, about
    compression: str = "zstd"
    shuffle: bool = False
    copies: Literal["rows", "column"] = "rows"
    columns: tuple[str, ...] = ()  # () = every column of the source
    origin: Origin | None = None


class Recipe(Frozen):
    """A whole recipe, ready to be planned."""

    path: str  # of the recipe file, as shown to people
    folder: str  # absolute folder that relative paths start from
    canonical: str  # its canonical text, parameters substituted
    params: tuple[tuple[str, str], ...]
    seed: int
    sources: tuple[Source, ...]
    targets: tuple[Target, ...] = ()
    scores: tuple[ScoreCall, ...] = ()
    where: tuple[Clause, ...] = ()
    duplicates: tuple[Duplicates, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    quality: Quality = Quality()
    sample: Sampling
    mixture: Mixture = Natural()
    quotas: tuple[Quota, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    budget: Budget | None = None
    shortfall: Literal["error", "shrink"] = "error"
    allow_bad: float = 0.001  # share of rows that may be unreadable before a run stops
    allow_vanishing: bool = False
    output: Output | None = None  # apply needs one
    phases: tuple[Phase, ...] = ()  # all of them, in a recipe as it is written
    search: Search | None = None
    needs: tuple[Need, ...] = ()
    before: tuple[Phase, ...] = ()  # in the recipe of one phase: those before it

    @property
    def clauses(self) -> tuple[Clause | Duplicates, ...]:
        """Every `where`."""
        return (*self.where, *self.duplicates)

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The packages whose words the recipe uses, by name, each once."""
        mixtures = (self.mixture, *(phase.mixture for phase in (*self.phases, *self.before)))
        law = self.budget.law if self.budget else None
        computed = [mixture for mixture in mixtures if isinstance(mixture, Computed)]
        users = (*self.sources, *self.scores, *computed, law, self.output)
        found = {user.plugin for user in users if user is not None and user.plugin is not None}
        return tuple(sorted(found, key=lambda plugin: plugin.package))
