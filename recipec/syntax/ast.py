"""The syntax tree: frozen nodes named after the rules of grammar/recipe.lark, each with its span.

Equality ignores spans, so that `parse(format(tree)) == tree` is the round trip. Comments are not nodes: the formatter
reads them from the source. Blocks hold generic `Setting`s; the resolver knows which settings each block accepts, so
that a misspelt one is reported like any other unknown name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from recipec.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    span: Span = field(compare=False, repr=False, kw_only=True)


# -- expressions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name(Node):
    """`doc_id`, or dotted as in `std.quality.web`; the text of a back-quoted column "`odd name`" has no quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Path(Node):
    """A value inside a column: `tags[1]`, ``meta.`odd key` ``; or a column by a back-quoted name that holds a dot or bracket.

    `parts` are names, and numbers of elements of lists. A plain dotted path, `meta.source`, is a `Name`.
    """

    parts: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class String(Node):
    """`"text"`: `value` with escapes resolved."""

    value: str


@dataclass(frozen=True, slots=True)
class Quantity(Node):
    """A number with an optional unit: `0.5`, `20%`, `30B tokens`, `1.7B params`, `512MB`, `4 times`.

    `value` includes the factor K/M/B/T (`30B` -> 30000000000), but a percentage is *not* divided (20% -> 20, unit "%").
    `unit` is one of "", "%", "tokens", "params", "times", "bytes"; `512MB` -> value 512000000, unit "bytes"; `MiB` is 2^20.
    `text` is the spelling of the number as written ("30B", "0.50", "512MB"), kept by the formatter.
    """

    value: Decimal
    unit: str
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class ParamRef(Node):
    """`$budget`."""

    name: str


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """`ngram: 13` (name "ngram"), `cascade: recall 95%` (with the word "recall"), or a positional argument (name None)."""

    name: str | None
    value: Expr
    word: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`nag(target: science_qa, top_k: 20)`, `length(text)`; `function` may be dotted."""

    function: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`operator` is "not" or "-"."""

    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`operator` is one of "or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "matches"."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class In(Node):
    """`lang in ("en", "de")`, `lang not in (…)`."""

    operand: Expr
    items: tuple[Expr, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """`url is null`, `url is not null`."""

    operand: Expr
    negated: bool


Expr: TypeAlias = Name | Path | String | Quantity | Boolean | ParamRef | Call | Unary | Binary | In | IsNull


# -- settings ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting(Node):
    """One line of a block.

    `shards "a/*.parquet"`, `tokens by "smollm2-135m"` (values Name("by"), String), `domain = lower(topic)`
    (`assigned` true), `omega 0.01..0.5` (values Name(".."), 0.01, 0.5), `for code { … }` (name "for"),
    `column stars = max_stars` (values Name("stars"), …; `assigned` true), `attributes "a.parquet" by id { … }` (values
    String, Name("by"), Name("id")), `weights for code { … }`, `lambda 500`, `shuffle` (no value), `require loss <= 2.45`
    (values Binary("<=", Name("loss"), …)), `curve for science { omega 0.2 }`.
    """

    name: Name
    domain: Name | String | None  # the one after `for`
    values: tuple[Expr, ...]
    assigned: bool
    block: Block | None


@dataclass(frozen=True, slots=True)
class Block(Node):
    """`{ … }`: settings separated by newlines or commas."""

    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Share(Node):
    """`science 30%` inside `mixture { … }`."""

    domain: Name | String
    share: Expr


@dataclass(frozen=True, slots=True)
class FromFile(Node):
    """`from "search.json"`."""

    path: String


# -- statements --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Use(Node):
    """`use std.quality.web`."""

    path: Name


@dataclass(frozen=True, slots=True)
class Needs(Node):
    """`needs "acme-filters >= 1.2"`."""

    requirement: String


@dataclass(frozen=True, slots=True)
class Param(Node):
    """`param budget = 30B tokens`."""

    name: Name
    value: Expr


@dataclass(frozen=True, slots=True)
class Seed(Node):
    value: Expr


@dataclass(frozen=True, slots=True)
class Source(Node):
    """`source web { … }`."""

    name: Name
    block: Block


@dataclass(frozen=True, slots=True)
class Target(Node):
    """`target science_qa { … }`."""

    name: Name
    block: Block


@dataclass(frozen=True, slots=True)
class Where(Node):
    """`where lang == "en"`; `source` is the one after `for`."""

    condition: Expr
    source: Name | String | None = None


@dataclass(frozen=True, slots=True)
class Criterion(Node):
    """`criterion edu = column(edu_score) higher is better`; `direction` is "higher", "lower" or None when not written."""

    name: Name
    call: Call
    direction: str | None
    source: Name | String | None = None  # the one after `for`


@dataclass(frozen=True, slots=True)
class Quality(Node):
    block: Block


@dataclass(frozen=True, slots=True)
class Sample(Node):
    """`sample quadmix { … }`, `sample quadmix from "s.json"`, `sample top 20% by fit_sci, fit_law`, `sample all`.

    `method` is the word after `sample`; `share` and `by` belong to `top`.
    """

    method: Name
    share: Expr | None
    by: tuple[Name, ...]
    origin: FromFile | None
    block: Block | None


@dataclass(frozen=True, slots=True)
class Mixture(Node):
    """`mixture natural`, `mixture tikmix(…)`, `mixture { science 30%, code 20% }`, `mixture from "m.json"`."""

    value: Name | Call | FromFile | tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Bounds(Node):
    """`between A and B` (both), `at most B`, `at least A`."""

    least: Expr | None
    most: Expr | None


@dataclass(frozen=True, slots=True)
class Quota(Node):
    """`quota code at most 5B tokens`; nested in the domain: `quota code where lang == "py" at most 10%`."""

    domain: Name | String
    condition: Expr | None
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Repeat(Node):
    """`repeat at most 4 times`, `repeat code at most 2 times`, per document: `repeat at most max_copies times`;
    `repeat unlimited`, `repeat code unlimited`, with `most` None."""

    domain: Name | String | None
    most: Expr | None


@dataclass(frozen=True, slots=True)
class Budget(Node):
    """`budget 30B tokens { … }`."""

    tokens: Expr
    block: Block | None


@dataclass(frozen=True, slots=True)
class Allow(Node):
    """`allow bad 0.1%`, `allow vanishing`, `allow empty`."""

    what: Name
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Shortfall(Node):
    """`shortfall shrink`, `shortfall error`."""

    policy: Name


@dataclass(frozen=True, slots=True)
class Oversize(Node):
    """`oversize skip`, `oversize stop`."""

    policy: Name


@dataclass(frozen=True, slots=True)
class Output(Node):
    """`output parquet "out/science_30b" { shard 512MB, compression zstd, shuffle }`."""

    format: Name
    path: Expr
    block: Block | None


@dataclass(frozen=True, slots=True)
class Phase(Node):
    """One `{ … }` of `phases`: `until` is None in the last one."""

    until: Expr | None
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Phases(Node):
    """`phases { until 200B tokens { mixture … } then { mixture … } }`."""

    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Search(Node):
    """`search { omega 0.01..0.5, for code { … }, runs 64, proxy { … } }`."""

    block: Block


Statement: TypeAlias = (
    Use
    | Needs
    | Param
    | Seed
    | Source
    | Target
    | Where
    | Criterion
    | Quality
    | Sample
    | Mixture
    | Quota
    | Repeat
    | Budget
    | Allow
    | Shortfall
    | Oversize
    | Output
    | Phases
    | Search
)


@dataclass(frozen=True, slots=True)
class Recipe(Node):
    """`broken` are the first words of the statements that could not be read, where they begin statements (else "")."""

    statements: tuple[Statement, ...]
    broken: tuple[str, ...] = ()
