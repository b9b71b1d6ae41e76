"""What is wrong with a recipe or its data, as values; `cli.views` draws them.

Nothing between finding a mistake and showing it formats text for a terminal. Every code has one line in `CODES` and a
test of its whole rendered text.
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
    """A second place that explains a diagnostic: "defined here", "conflicts with this"."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fact that a person must know.

    Attributes:
        code: a key of `CODES`, such as "R0201".
        message: one short lower-case sentence without a final dot: what was expected and what was found.
        span: where in the recipe; None where no recipe line is to blame (a shard, the disk).
        label: what is said under the carets.
        labels: further places, each with its own words.
        helps: what can be done, each a line; empty when nothing sensible can be said.
        place: where outside the recipe: "data/a.parquet, row 17".
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
    """Stops a command with diagnostics; the command line shows them and exits with `exit_code`."""

    def __init__(self, *diagnostics: Diagnostic, exit_code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__("; ".join(diagnostic.message for diagnostic in diagnostics))
        self.diagnostics = diagnostics
        self.exit_code = exit_code


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    """A key that sorts diagnostics by file, line and column."""
    span = diagnostic.span
    return (span.source.path, span.line, span.column) if span else ("", 0, 0)


MOST_COMPARED = 2_000
"""Known names among which a near one is looked for. Nobody reads more, and each takes its time at every mistake."""


def did_you_mean(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """A help line with the nearest known name, or the known names when there are few, or nothing (also where there are
    too many to look through; no more of them than that are taken from `known`)."""
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
    "R0004": "a bracket that closes nothing, or the wrong one",
    "R0005": "a bracket that is never closed",
    "R0006": "brackets nested too deep",
    "R0007": "a word that begins no statement",
    "R0008": "an unexpected character",
    "R0009": "a statement or line that ends too early",
    "R0010": "an unexpected word",
    "R0011": "an unknown unit",
    "R0012": "a number that is too long",
    "R0013": "an unknown escape in a string",
    "R0014": "a recipe that is too large",
    "R0015": "comparisons that chain",
    # R02xx: names, types and meaning (semantics)
    "R0201": "an unknown setting",
    "R0202": "something is stated twice",
    "R0203": "something needed is missing",
    "R0204": "an unknown name in an expression",
    "R0205": "an unknown column",
    "R0206": "an operand of the wrong type",
    "R0207": "an unknown function or criterion",
    "R0208": "an argument or value of the wrong form",
    "R0209": "a number with the wrong unit: a share is not a count",
    "R0210": "a number out of range",
    "R0211": "an unknown parameter",
    "R0212": "`use` of something that is not there",
    "R0213": "`use` goes in a circle",
    "R0214": "`--set` of a parameter that the recipe does not have",
    "R0215": "`--set` with something that is no value",
    "R0216": "a condition that is neither true nor false",
    "R0217": "a criterion that is no number",
    "R0218": "a criterion without a direction",
    "R0220": "an unknown criterion in weights or `by`",
    "R0221": "weights that sum to zero",
    "R0222": "an unknown word",
    "R0223": "shares of a mixture that do not sum to 100%",
    "R0224": "a quota whose least is more than its most",
    "R0225": "quotas that ask for more than all",
    "R0227": "an unknown target",
    "R0228": "a regular expression that is none",
    "R0230": "a role bound to a column of the wrong type",
    "R0231": "an unknown output format",
    "R0232": "a mixture file that cannot be read",
    "R0233": "a call that has no place inside an expression",
    "R0235": "`sample quadmix` without a criterion",
    "R0236": "several criteria without weights",
    "R0237": "a mixture that needs a target",
    "R0240": "a `needs` that names no package and its versions",
    "R0241": "a package that is needed and not installed",
    "R0242": "a package of another version than is needed",
    "R0243": "a word of a plug-in without its `needs`",
    "R0244": "a word that several packages give",
    "R0245": "a plug-in that cannot be used",
    "R0246": "a `needs` of a package whose words are not used",
    "R0247": "a plug-in that failed at work",
    "R0248": "an extension that is not installed",
    # R03xx: shards, the index, rows (planning.index, planning.reading)
    "R0301": "a glob that no file matches",
    "R0302": "a shard of no known format",
    "R0303": "a shard that cannot be read",
    "R0304": "a shard that changed while it was read",
    "R0305": "a tokenizer that cannot be used",
    "R0306": "shards of one source with different columns",
    "R0307": "an id that stands twice",
    "R0309": "a path with a scheme that is not supported",
    "R0320": "a domain that no document has",
    "R0321": "documents repeat often and no limit is set",
    "R0322": "more rows are unreadable than the recipe allows",
    # R04xx: criteria and targets
    "R0401": "a target whose examples are not there",
    "R0402": "a target without examples",
    "R0403": "a template that does not fit the examples",
    "R0404": "examples that cannot serve their purpose",
    "R0405": "a process that computes criteria was killed",
    # R05xx: selection, quotas, budgets
    "R0501": "a domain without weights",
    "R0502": "documents without a score that counts",
    "R0503": "a mixture with a weight for a domain that is not there",
    "R0504": "quotas of one domain that cross",
    "R0505": "a quota that cannot hold",
    "R0506": "quotas that together ask for more than the budget",
    "R0507": "a budget that the pool cannot fill",
    "R0508": "a domain with a weight and no planned document",
    # R06xx: output, ledger, state, locks
    "R0601": "the output path leaves the recipe's folder",
    "R0602": "something that is no dataset of recipec stands at the output path",
    "R0603": "the output folder cannot be written",
    "R0604": "the disk has too little room, or is full",
    "R0605": "the output lies among the inputs or in the state folder",
    "R0606": "candidates, decisions and written documents do not add up",
    "R0607": "a dataset's manifest is missing, damaged or of another version",
    "R0608": "another process holds the lock of the state folder",
    "R0610": "a column has types in the sources that no one type can hold",
    "R0612": "selected documents were not found again in their shard",
    "R0621": "a file of a dataset is missing",
    "R0622": "a dataset holds a file that its manifest does not list",
    "R0623": "a file of a dataset has other bytes than its manifest says",
    "R0624": "a file of a dataset has other rows or tokens than its manifest says",
    "R0625": "a dataset's digest is not what its documents give",
    "R0626": "a ledger row is not what the recipe derives",
    "R0627": "the data hold other documents than the ledger selects",
    "R0628": "a total in the manifest is not what the ledger gives",
    # R07xx: plans and commands
    "R0701": "a `--set` is not NAME=VALUE",
    "R0702": "`--set` with a plan file",
    "R0703": "`apply` cannot ask without a terminal",
    "R0704": "the plan was not applied",
    "R0705": "a folder is no dataset",
    "R0706": "a file that cannot be read or written",
    "R0707": "a plan file that is none, damaged, or of another version",
    "R0708": "a plan that no longer fits its shards",
    "R0709": "nothing to apply: a recipe without output",
    "R0711": "a starter recipe that cannot be made",
    "R0712": "a quickstart folder that holds something else",
    "R0801": "a document that the dataset does not know",
    "R0710": "a selection that differs from the planned one",
    # R09xx: laws, runs and predictions
    "R0901": "an unknown law",
    "R0902": "a law file that cannot be read",
    "R0903": "a law file that is corrupt",
    "R0904": "a law file of a newer version",
    "R0905": "a table that cannot be read",
    "R0906": "a table without a needed column",
    "R0907": "values that no run can have",
    # R11xx: language models and their neurons
    "R1101": "a model that is not on this machine",
    "R1102": "a model that cannot be used",
    "R1103": "a package that models need is not installed",
    "R1104": "a model that cannot be fetched",
    "R1105": "a model without the projection that is asked for",
    "R1106": "a forward pass that failed",
    "R1107": "a target that cannot be scored by its neurons",
    "R1108": "nothing to probe: no criterion by a target's neurons",
    "R1109": "a target wholly inside the pool",
    # R12xx: fitting laws, predictions, requirements of a budget
    "R1201": "losses of several tokenizers in one table",
    "R1202": "runs that cannot determine a law",
    "R1203": "`--fix` of something that cannot be fixed so",
    "R1204": "a method that the law does not have",
    "R1205": "a `--column` that is not NAME=COLUMN",
    "R1206": "an option of `fit` or `predict` that is missing, or does not go with another",
    "R1207": "a fitted law that calls for care",
    "R1208": "a law file of another law than the recipe says",
    "R1209": "`mixture infolaw` without a law that can decide it",
    "R1210": "a requirement that the plan does not meet",
    "R1211": "a requirement that the law cannot judge",
    "R1212": "a law evaluated out of its fitted range",
    "R1213": "a requirement on loss that the prediction meets and its interval does not",
    # R13xx: domain weights by influence
    "R1301": "domains that only one of two tables has",
    "R1302": "influences or labels that are no numbers",
    "R1303": "a prior that is no distribution",
    "R1304": "an option of `reweight` that cannot be used",
    "R1305": "bounds within which a task must fare worse than under the prior",
    "R1306": "mixtures that no predictor can be fitted on",
    "R1307": "weights that call for care",
    "R1308": "a recipe whose domains' influence cannot be measured",
    "R1309": "too little text to measure influence on",
    "R1310": "a checkpoint whose loss or gradient is no number",
    "R1312": "influence that is not measured yet",
    "R1311": "influence whose ranking is within noise",
    # R14xx: search of mixtures and sampling parameters
    "R1401": "a package that regressors need is not installed",
    "R1402": "two tables of runs that do not go together",
    "R1403": "rows that are no mixtures",
    "R1404": "runs that diverged",
    "R1405": "too few runs for cross-validation",
    "R1406": "losses that are all the same",
    "R1407": "an answer that calls for care",
    "R1408": "parameters of a search that cannot be used",
    "R1409": "a recipe whose parameters cannot be searched",
    "R1410": "an answer that cannot be met",
    "R1411": "draws that cannot be met, or datasets that are not as the real one",
    "R1412": "bounds of a search that leave nothing",
    "R1414": "an option of `search` that cannot be used",
    "R1413": "jobs of trainings that cannot be collected",
    # R16xx: proxies
    "R1601": "nothing to train a proxy on",
    "R1602": "a target whose loss a proxy cannot have",
    "R1603": "no device that trains",
    # R15xx: phases
    "R1501": "a statement that has no place in a phase",
    "R1502": "a phase that does not end where it must",
    "R1503": "phases without a budget",
    "R1504": "a phase whose checkpoint is not there yet",
    "R1505": "a command that takes a single dataset, for a recipe with phases",
}
"""Code -> its one-line meaning, as the documentation lists it."""
