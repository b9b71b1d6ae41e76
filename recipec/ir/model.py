"""The typed recipe: every name bound, every unit converted, every default filled in.

`resolve` builds it from the syntax tree; `planning.lower` builds the logical plan from it. Expressions exist once per
source, in the order of `Recipe.sources`, because the same name may be a different column (or type) in each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from recipec.ir import closed
from recipec.ir.attributes import Attributes
from recipec.ir.budget import Budget as Budget
from recipec.ir.budget import Law as Law
from recipec.ir.budget import LawFacts as LawFacts
from recipec.ir.budget import Requirement as Requirement
from recipec.ir.expressions import Expression, Frozen, Type, scores_of

# Values of a recipe record where they come from, so these are part of its vocabulary: `model.Origin`.
from recipec.ir.provenance import Need as Need
from recipec.ir.provenance import Origin as Origin
from recipec.ir.provenance import Plugin as Plugin
from recipec.ir.search import Search
from recipec.ir.shapes import ShapeText


class TokenCount(Frozen):
    """The origin of a document's token count."""

    by: Literal["column", "tokenizer", "estimate"]
    column: Expression | None = None  # integer-typed, for "column"
    tokenizer: closed.Path = ""  # name or path, for "tokenizer"


class Source(Frozen):
    """A set of shards whose rows are candidate documents."""

    name: str
    shards: tuple[closed.Path, ...]  # globs, as written, relative to the recipe's folder
    schema_: tuple[tuple[str, ShapeText], ...]  # of all shards together (see `ir.shapes`)
    named: tuple[tuple[str, Expression], ...] = ()  # `column NAME = …`, in order
    id: Expression  # converted to string when read
    text: str  # a reference (see `ir.paths`)
    tokens: TokenCount
    domain: Expression  # converted to string; the source's name as a constant when the recipe states none
    attributes: tuple[Attributes, ...] = ()  # in the order of the recipe
    plugin: Plugin | None = None  # the package that provides the format of its shards
    origin: Origin


class Target(Frozen):
    """Examples of the task that the dataset is for."""

    name: str
    examples: tuple[closed.Path, ...]  # globs
    text: str  # template with {field}s
    holdout: Annotated[float, Field(ge=0, lt=1)]
    origin: Origin


class ScoreCall(Frozen):
    """A value computed from a document's text by an extension of `recipec.criteria`.

    Two identical calls are one `ScoreCall`. `name` is the canonical text of the call ("mean_word_length()"), `function`
    the module, `params` the validated parameters as JSON.
    """

    name: str
    function: closed.Word
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
    """A quality criterion. The raw value is kept; `direction` says whether higher or lower is better."""

    name: str
    values: tuple[Expression, ...]  # one per source: over columns, or one `Score`
    direction: Literal["higher", "lower"]
    origin: Origin


class Weights(Frozen):
    """α of one domain (or of all without their own): criterion -> weight, all >= 0, not all 0. Not listed = 0."""

    domain: str | None
    weights: tuple[tuple[str, closed.Amount], ...]
    origin: Origin


def _repeated(names: Iterable[str | None]) -> bool:
    listed = list(names)
    return len(set(listed)) < len(listed)


class Quality(Frozen):
    normalize: Literal["zscore", "rank", "minmax"] = "zscore"
    missing: Literal["error", "worst", "drop"] = "error"
    ties: Literal["share", "split"] = "share"  # whether documents of equal merged quality share one rank
    weights: tuple[Weights, ...] = ()  # the one with domain None first
    path: closed.Path = ""  # the search file that the weights come from, with its sha256
    digest: closed.Sha256OrNone = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Quality:
        for one in self.weights:
            if not any(weight for _, weight in one.weights) or _repeated(name for name, _ in one.weights):
                raise ValueError("weights of quality are all 0, or of one criterion twice")
        if _repeated(one.domain for one in self.weights) or any(one.domain is None for one in self.weights[1:]):
            raise ValueError("weights of quality are those of all domains first, then of each domain once")
        return self


class Curve(Frozen):
    """QuaDMix's sampling curve of one domain (None: every domain without its own).

    S(r) = (2 / (1 + exp(-lambda_ (omega - r)))) ** eta + epsilon where r <= omega, else epsilon.
    A domain's own curve takes missing parameters from the general one.
    """

    domain: str | None
    lambda_: closed.Amount = 500.0
    omega: Annotated[float, Field(ge=0, le=1)] = 0.08
    eta: closed.Amount = 1.0
    epsilon: closed.Amount = 0.001
    origin: Origin | None = None


class Quadmix(Frozen):
    """`path` is the search file that the curves come from, with its sha256; "" if the recipe states them."""

    kind: Literal["quadmix"] = "quadmix"
    curves: tuple[Curve, ...]  # the one with domain None first
    path: closed.Path = ""
    digest: closed.Sha256OrNone = ""
    origin: Origin | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Quadmix:
        if not self.curves or self.curves[0].domain is not None or _repeated(one.domain for one in self.curves):
            raise ValueError("curves are that of all domains first, then of each domain once")
        return self


class Top(Frozen):
    """`sample top 20% by fit`: the best documents by a criterion, ties by document, until `share` of the pool's tokens
    (over all domains). With several criteria each gets an equal part of the share, and a document selected by several
    is taken once (NAG, arXiv 2604.15706, section 3). Without criteria, documents are ranked by the merged quality.
    """

    kind: Literal["top"] = "top"
    share: Annotated[float, Field(gt=0, le=1)]
    criteria: tuple[str, ...] = ()
    origin: Origin | None = None


class All(Frozen):
    kind: Literal["all"] = "all"
    origin: Origin | None = None


Sampling = Annotated[Quadmix | Top | All, Field(discriminator="kind")]


class Natural(Frozen):
    """`mixture natural`: the weights that result from the sampling curves."""

    kind: Literal["natural"] = "natural"
    origin: Origin | None = None


def _shares(weights: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    if _repeated(name for name, _ in weights) or (weights and abs(sum(weight for _, weight in weights) - 1) > 1e-5):
        raise ValueError("weights of domains do not sum to 1, or are of one domain twice")
    return weights


class Shares(Frozen):
    """`mixture { science 30%, code 70% }`. The weights sum to 1; a domain that is not listed has 0."""

    kind: Literal["shares"] = "shares"
    weights: Annotated[tuple[tuple[str, closed.Amount], ...], AfterValidator(_shares)]
    origin: Origin | None = None


class FromFile(Frozen):
    """`mixture from "weights.json"`: weights as in `Shares`, read from `path`, whose sha256 is `digest`."""

    kind: Literal["file"] = "file"
    weights: Annotated[tuple[tuple[str, closed.Amount], ...], AfterValidator(_shares)]
    path: closed.Path
    digest: closed.Sha256
    origin: Origin | None = None


class Computed(Frozen):
    """`mixture tikmix(…)`: weights that a mixer computes when documents are drawn.

    Attributes:
        mixer: the word, a module of `recipec.mixers`.
        params: its validated arguments.
        law: facts of the budget's law, if the mixer needs them.
        plugin: the package that provides the mixer, None for recipec itself.
    """

    kind: Literal["computed"] = "computed"
    mixer: closed.Word
    params: dict[str, Any] = Field(default_factory=dict)
    law: LawFacts | None = None
    plugin: Plugin | None = None
    origin: Origin | None = None


Mixture = Annotated[Natural | Shares | FromFile | Computed, Field(discriminator="kind")]
"""Domain weights before the quotas. `selection.mixing` finds the mixer of each, which computes the numbers."""


class Amount(Frozen):
    """A bound of a quota: a share of the dataset's tokens in [0, 1], or a token count."""

    kind: Literal["share", "tokens"]
    value: closed.Amount
    origin: Origin


class Quota(Frozen):
    """Bounds on a domain's drawn tokens, or on those of the part for which `conditions` hold.

    Nested quotas of one domain are numbered by their position; any two must be disjoint, or one inside the other.
    """

    domain: str
    conditions: tuple[Expression, ...] = ()  # one per source; () = the whole domain
    text: str = ""  # canonical text of the condition
    least: Amount | None = None
    most: Amount | None = None
    origin: Origin


STANDARD_LIMIT = "std.repeat.epochs"
"""The standard recipe with the limit of recipes that state no general one."""

DEFAULT_LIMIT = f"{STANDARD_LIMIT} (default)"
"""The file of that limit's origin, where no `use` asks for it."""


class Repeat(Frozen):
    """R: the maximum number of copies of a document. A domain's own limit replaces the general one; a per-document
    limit (an expression over columns) applies in addition to either, and the smaller one counts. Without `most` and
    `per_document` it is `repeat unlimited`."""

    domain: str | None
    most: closed.Count | None = None
    per_document: tuple[Expression, ...] = ()  # one per source
    origin: Origin

    @property
    def unlimited(self) -> bool:
        return self.most is None and not self.per_document

    @property
    def by_default(self) -> bool:
        """Whether this is the limit of a recipe that states no general one."""
        return self.origin.file == DEFAULT_LIMIT


class Phase(Frozen):
    """A stage of training with its own mixture.

    Attributes:
        until: tokens from the start of training at which it ends.
        tokens: tokens of this phase alone.
        quotas: its own, and those of the recipe that it does not replace.
        canonical: the canonical text of its statements.
    """

    until: closed.Positive
    tokens: closed.Positive
    mixture: Mixture
    quotas: tuple[Quota, ...]
    canonical: str
    origin: Origin


class Output(Frozen):
    format: closed.Word  # the word: "parquet", "jsonl"
    plugin: Plugin | None = None  # the package that provides the format
    path: closed.Path  # as written, relative to the recipe's folder
    shard: closed.Positive = 512_000_000  # approximate bytes of uncompressed text columns in a shard
    compression: closed.Word = "zstd"
    shuffle: bool = False
    copies: Literal["rows", "column"] = "rows"
    columns: tuple[str, ...] = ()  # () = every column of the source
    origin: Origin | None = None


class Recipe(Frozen):
    """A complete recipe, ready to be planned."""

    path: str  # of the recipe file, as shown to users
    folder: closed.Path  # absolute folder against which relative paths are resolved
    canonical: str  # its canonical text, with parameters substituted
    params: tuple[tuple[str, str], ...]
    seed: closed.Whole
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
    oversize: Literal["stop", "skip"] = "stop"
    allow_bad: closed.Share = 0.001  # share of rows that may be unreadable before a run stops
    allow_vanishing: bool = False
    allow_empty: bool = False
    output: Output | None = None  # apply needs one
    phases: tuple[Phase, ...] = ()  # all of them, in a recipe as written
    search: Search | None = None
    needs: tuple[Need, ...] = ()
    before: tuple[Phase, ...] = ()  # in the recipe of one phase: the earlier phases

    @model_validator(mode="after")
    def _is_whole(self) -> Recipe:
        """Checks what the types of the parts cannot express: expressions exist once per source, names lead somewhere."""
        count, known = len(self.sources), {call.name for call in self.scores}
        once = [one.conditions for one in self.where] + [one.keys for one in self.duplicates]
        once += [one.values for one in self.criteria]
        quotas = (*self.quotas, *(one for phase in (*self.phases, *self.before) for one in phase.quotas))
        stated = [quota.conditions for quota in quotas]
        stated += [one.per_document for one in self.repeats]
        every = [*once, *filter(None, stated)]
        if any(len(values) != count for values in every):
            raise ValueError("a recipe has each expression once per source")
        if any(scores_of(value) - known for values in every for value in values):
            raise ValueError("an expression has a score that the recipe does not define")
        criteria = [one.name for one in self.criteria]
        for names in ([one.name for one in self.sources], criteria, [one.name for one in self.targets], [*known]):
            if len(set(names)) < len(names):
                raise ValueError("a name stands for two things")
        ranked = self.sample.criteria if isinstance(self.sample, Top) else ()
        if {*ranked, *(name for one in self.quality.weights for name, _ in one.weights)} - set(criteria):
            raise ValueError("a criterion is weighed or sampled that the recipe does not define")
        return self

    @property
    def clauses(self) -> tuple[Clause | Duplicates, ...]:
        """Every `where`."""
        return (*self.where, *self.duplicates)

    def limit(self, domain: str) -> Repeat | None:
        """The limit of a domain's documents apart from their own: the domain's, else the general one."""
        stated = {repeat.domain: repeat for repeat in self.repeats if not repeat.per_document}
        return stated.get(domain, stated.get(None))

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The packages whose words the recipe uses, sorted by name, each once."""
        mixtures = (self.mixture, *(phase.mixture for phase in (*self.phases, *self.before)))
        law = self.budget.law if self.budget else None
        computed = [mixture for mixture in mixtures if isinstance(mixture, Computed)]
        users = (*self.sources, *self.scores, *computed, law, self.output)
        found = {user.plugin for user in users if user is not None and user.plugin is not None}
        return tuple(sorted(found, key=lambda plugin: plugin.package))
