"""Errors and warnings about a recipe or its data, as values; `cli.views` renders them.

No code between finding an error and showing it formats text for a terminal. Every code has one line in `CODES` and a
test of its complete rendered text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from itertools import islice

from recipec.source import Span


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


class ExitCode(int, Enum):
    """The exit codes of every command (docs/words.md, Commands)."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    UNFORMATTED = 3
    STALE = 4
    LOCKED = 5
    INFEASIBLE = 6
    USAGE = 64
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Label:
    """A secondary location that explains a diagnostic: "defined here", "conflicts with this"."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning that the user must know about.

    Attributes:
        code: a key of `CODES`, such as "R0201".
        message: one short lower-case sentence without a final period: what was expected and what was found.
        span: the location in the recipe; None if no recipe line is at fault (a shard, the disk).
        label: the text under the carets.
        labels: further locations, each with its own text.
        helps: suggested fixes, one line each; empty when there is nothing useful to suggest.
        place: the location outside the recipe: "data/a.parquet, row 17".
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    labels: tuple[Label, ...] = ()
    helps: tuple[str, ...] = ()
    place: str = ""
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        assert self.code in CODES, f"{self.code} is missing from CODES"


class Failure(Exception):
    """Aborts a command with diagnostics; the command line shows them and exits with `exit_code`."""

    def __init__(self, *diagnostics: Diagnostic, exit_code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__("; ".join(diagnostic.message for diagnostic in diagnostics))
        self.diagnostics = diagnostics
        self.exit_code = exit_code


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    """The key that sorts diagnostics by file, line and column."""
    span = diagnostic.span
    return (span.source.path, span.line, span.column) if span else ("", 0, 0)


MOST_COMPARED = 2_000
"""The most known names that are searched for a close match. Nobody reads more, and each costs time at every error."""


def did_you_mean(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """A help line with the closest known name, or with all known names when there are few, or nothing.

    Also nothing when there are more than `MOST_COMPARED` names; at most one more than that is taken from `known`.
    """
    names = sorted(set(islice(known, MOST_COMPARED + 1)))
    if len(names) > MOST_COMPARED:
        return ()
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return (f"did you mean `{near[0]}`?",)
    if 0 < len(names) <= 12:
        return ("known: " + ", ".join(f"`{name}`" for name in names),)
    return ()


CODES: dict[str, str] = {
    # R00xx: reading and parsing a recipe (syntax)
    "R0001": "a recipe that cannot be read",
    "R0002": "a recipe that is not UTF-8",
    "R0003": "a string without an end",
    "R0004": "a closing bracket without a matching opening one",
    "R0005": "a bracket that is never closed",
    "R0006": "brackets or expressions nested too deeply",
    "R0007": "a word that does not begin a statement",
    "R0008": "an unexpected character",
    "R0009": "a statement or line that ends too early",
    "R0010": "an unexpected word",
    "R0011": "an unknown unit",
    "R0012": "a number that is too long",
    "R0013": "an unknown escape in a string",
    "R0014": "a recipe that is too large",
    "R0015": "chained comparisons",
    # R02xx: names, types and meaning (semantics)
    "R0201": "an unknown setting",
    "R0202": "a duplicate definition or setting",
    "R0203": "a required part of the recipe is missing",
    "R0204": "an unknown name in an expression",
    "R0205": "an unknown column",
    "R0206": "an operand of the wrong type",
    "R0207": "an unknown function or criterion",
    "R0208": "an argument or value of the wrong form",
    "R0209": "a number with the wrong unit: a share is not a count",
    "R0210": "a number out of range",
    "R0211": "an unknown parameter",
    "R0212": "`use` of a recipe that cannot be found",
    "R0213": "circular `use`",
    "R0214": "`--set` of a parameter that the recipe does not have",
    "R0215": "`--set` with an invalid value",
    "R0216": "a condition that is not boolean",
    "R0217": "a criterion that is not a number",
    "R0218": "a criterion without a direction",
    "R0220": "an unknown criterion in weights or `by`",
    "R0221": "weights that sum to zero",
    "R0222": "an unknown word",
    "R0223": "shares of a mixture that do not sum to 100%",
    "R0224": "a quota whose minimum is more than its maximum",
    "R0225": "quotas whose minimums exceed 100%",
    "R0227": "an unknown target",
    "R0228": "an invalid regular expression",
    "R0230": "a role bound to a column of the wrong type",
    "R0231": "an unknown output format",
    "R0232": "a mixture file that cannot be read",
    "R0233": "a call that is not allowed inside an expression",
    "R0235": "`sample quadmix` without a criterion",
    "R0236": "several criteria without weights",
    "R0237": "a mixture that needs a target",
    "R0240": "a `needs` that does not name a package and its versions",
    "R0241": "a required package is not installed",
    "R0242": "an installed package has another version than required",
    "R0243": "a word of a plug-in without its `needs`",
    "R0244": "a word that several packages provide",
    "R0245": "a plug-in that cannot be used",
    "R0246": "a `needs` of a package whose words are not used",
    "R0247": "a plug-in that failed while it ran",
    "R0248": "an extension that is not installed",
    "R0250": "a source whose documents have no ids",
    "R0251": "a statement for a source that the recipe does not have",
    # R03xx: shards, the index, rows (planning.index, planning.reading)
    "R0301": "a glob that no file matches",
    "R0302": "a shard of unknown format",
    "R0303": "a shard that cannot be read",
    "R0304": "a shard that changed while it was read",
    "R0305": "a tokenizer that cannot be used",
    "R0306": "shards of one source with different columns",
    "R0307": "a duplicate id",
    "R0308": "a column that some shards of a source lack",
    "R0312": "a field of a file that a folder states too",
    "R0311": "columns that cannot keep their names in a dataset",
    "R0313": "a store whose client is not installed",
    "R0314": "a bucket that does not exist",
    "R0315": "a store that refuses access",
    "R0316": "a store that cannot be reached or used",
    "R0317": "settings of stores that cannot be used",
    "R0340": "attributes that do not fit the shards",
    "R0341": "an id that stands twice in attributes",
    "R0342": "documents without attributes, or attributes without a document",
    "R0309": "a path with a scheme that is not supported",
    "R0310": "one of several globs that no file matches",
    "R0320": "a domain that no document has",
    "R0321": "documents repeat often and no limit is set",
    "R0322": "more rows are unreadable than the recipe allows",
    # R04xx: criteria and targets
    "R0401": "a target whose examples are missing",
    "R0402": "a target without examples",
    "R0403": "a template that does not fit the examples",
    "R0404": "examples that cannot serve their purpose",
    "R0405": "a process that computes criteria was killed",
    "R0406": "examples that a criterion cannot look for, or finds by chance",
    # R05xx: selection, quotas, budgets
    "R0501": "a domain without weights",
    "R0502": "documents without a usable score",
    "R0503": "a mixture with a weight for a domain that does not exist",
    "R0504": "partially overlapping quotas of one domain",
    "R0505": "a quota that cannot be met",
    "R0506": "quotas that together ask for more than the budget",
    "R0507": "a budget that the pool cannot fill",
    "R0508": "a domain with a weight and no planned document",
    "R0509": "the pool is empty",
    "R0510": "a document is too large for what is left of a domain's tokens",
    "R0511": "too many documents are equally good",
    "R0512": "every document is drawn",
    "R0513": "most of what is drawn is beyond omega",
    "R0514": "a clause that rejects every document",
    # R06xx: output, ledger, state, locks
    "R0601": "the output path leaves the recipe's folder",
    "R0602": "the output path holds something that is not a recipec dataset",
    "R0603": "the output folder cannot be written",
    "R0604": "the disk has too little space, or is full",
    "R0605": "the output is among the inputs or in the state folder",
    "R0606": "candidates, decisions and written documents do not add up",
    "R0607": "a dataset's manifest is missing, damaged or of another version",
    "R0608": "another process holds the lock of the state folder",
    "R0609": "what is stored in the state folder is damaged again and again",
    "R0610": "a column whose types in the sources have no common type",
    "R0612": "selected documents were not found again in their shard",
    "R0613": "too little memory",
    "R0614": "too many open files",
    "R0615": "what a recipe uses of the state folder is not known",
    "R0616": "a folder without state",
    "R0617": "another dataset was published at the place of an output meanwhile",
    "R0621": "a file of a dataset is missing",
    "R0622": "a dataset holds a file that its manifest does not list",
    "R0623": "a file of a dataset differs in bytes from its manifest",
    "R0624": "a file of a dataset differs in rows or tokens from its manifest",
    "R0625": "a dataset's digest does not match its documents",
    "R0626": "a ledger row differs from what the recipe derives",
    "R0627": "the data contain other documents than the ledger selects",
    "R0628": "a total in the manifest does not match the ledger",
    "R0629": "a dataset's manifest is not the one that its seal is of",
    "R0630": "a dataset has another seal than expected",
    # R07xx: plans and commands
    "R0701": "a `--set` is not NAME=VALUE",
    "R0702": "`--set` with a plan file",
    "R0703": "`apply` cannot ask for confirmation without a terminal",
    "R0704": "the plan was not applied",
    "R0705": "a folder that is not a dataset",
    "R0706": "a file that cannot be read or written",
    "R0707": "a file that is not a plan, is damaged, or has another version",
    "R0708": "a plan that no longer fits its shards",
    "R0709": "nothing to apply: a recipe without output",
    "R0711": "a starter recipe that cannot be made",
    "R0712": "a quickstart folder that holds something else",
    "R0713": "a plan file or a dataset that leads to another place, which nobody has allowed",
    "R0730": "a recipe without scores to export",
    "R0731": "scores that are left out of an export",
    "R0801": "a document that is unknown to the dataset",
    "R0710": "a selection that differs from the planned one",
    # R09xx: laws, runs and predictions
    "R0901": "an unknown law",
    "R0902": "a law file that cannot be read",
    "R0903": "a law file that is corrupt",
    "R0904": "a law file of a newer version",
    "R0905": "a table that cannot be read",
    "R0906": "a table without a required column",
    "R0907": "values that are impossible for a run",
    # R11xx: language models and their neurons
    "R1101": "a model that is not on this machine",
    "R1102": "a model that cannot be used",
    "R1103": "a package that models need is not installed",
    "R1104": "a model that cannot be downloaded",
    "R1105": "a model without the requested projection",
    "R1106": "a forward pass that failed",
    "R1107": "a target that cannot be scored by its neurons",
    "R1108": "nothing to probe: no criterion by a target's neurons",
    "R1109": "a target that is entirely inside the pool",
    # R12xx: fitting laws, predictions, requirements of a budget
    "R1201": "losses of several tokenizers in one table",
    "R1202": "runs that cannot determine a law",
    "R1203": "`--fix` of a parameter or value that cannot be fixed",
    "R1204": "a method that the law does not have",
    "R1205": "a `--column` that is not NAME=COLUMN",
    "R1206": "an option of `fit` or `predict` that is missing, or incompatible with another",
    "R1207": "a fitted law to be used with caution",
    "R1208": "a law file of another law than the recipe says",
    "R1209": "`mixture infolaw` without a law that can decide it",
    "R1210": "a requirement that the plan does not meet",
    "R1211": "a requirement that the law cannot judge",
    "R1212": "a law evaluated outside its fitted range",
    "R1213": "a requirement on loss that the prediction meets but its interval does not",
    # R13xx: domain weights by influence
    "R1301": "domains that only one of two tables has",
    "R1302": "influences or labels that are not numbers",
    "R1303": "a prior that is not a distribution",
    "R1304": "an option of `reweight` that cannot be used",
    "R1305": "bounds under which a task must do worse than under the prior",
    "R1306": "mixtures to which no predictor can be fitted",
    "R1307": "weights to be used with caution",
    "R1308": "a recipe whose domains' influence cannot be measured",
    "R1309": "too little text to measure influence on",
    "R1310": "a checkpoint whose loss or gradient is not a number",
    "R1312": "influence that is not measured yet",
    "R1311": "influence whose ranking is within noise",
    # R14xx: search of mixtures and sampling parameters
    "R1401": "a package that regressors need is not installed",
    "R1402": "two tables of runs that do not match",
    "R1403": "rows that are not mixtures",
    "R1404": "runs that diverged",
    "R1405": "too few runs for cross-validation",
    "R1406": "losses that are all the same",
    "R1407": "an answer to be used with caution",
    "R1408": "parameters of a search that cannot be used",
    "R1409": "a recipe whose parameters cannot be searched",
    "R1410": "an answer that cannot be met",
    "R1411": "draws that cannot be met, or datasets unlike the real one",
    "R1412": "bounds of a search that leave nothing to search",
    "R1414": "an option of `search` that cannot be used",
    "R1413": "training jobs that cannot be collected",
    # R16xx: proxies
    "R1601": "nothing to train a proxy on",
    "R1602": "a target whose loss cannot be measured on a proxy",
    "R1603": "no device for training",
    # R15xx: phases
    "R1501": "a statement that is not allowed in a phase",
    "R1502": "a phase that does not end where it must",
    "R1503": "phases without a budget",
    "R1504": "a phase whose checkpoint does not exist yet",
    "R1505": "a command that takes a single dataset, for a recipe with phases",
    # R20xx: clusters
    "R2001": "a cluster that cannot be used",
    "R2002": "a task whose workers are lost again and again",
}
"""The one-line meaning of each code, as the documentation lists it."""
