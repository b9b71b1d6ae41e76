"""The facts about a row that a `Read` keeps, whatever its clauses ask of them: clauses are evaluated on facts.

So the result of a read does not depend on thresholds: `where length(text) >= 200` needs the fact `length(text)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from recipec.database.sql import PARTIAL
from recipec.ir import logical
from recipec.ir.expressions import CARRIED, HIDDEN, Apply, Column, Constant, Expression, columns_of, describe
from recipec.places.digests import canonical_json

CONNECTIVES = frozenset({"and", "or", "not"})

COMPARED = CONNECTIVES | frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
"""Functions that are evaluated anew, over what they compare."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A `Read` without clauses, and its clauses over the outputs of that."""

    read: logical.Read
    predicates: tuple[logical.Predicate, ...]


@lru_cache(maxsize=64)
def facts(op: logical.Read) -> Facts:
    """A `Read` divided into what is read and what is asked of it."""
    if not op.predicates:
        return Facts(op, ())
    taking = _Taking(op.source.text, {output.name: output.expression for output in op.outputs})
    predicates = tuple(p.model_copy(update={"condition": taking.of(p.condition)}) for p in op.predicates)
    outputs = tuple(logical.Output(name=name, expression=found) for name, found in sorted(taking.found.items()))
    return Facts(op.model_copy(update={"predicates": (), "outputs": outputs}), predicates)


@dataclass(frozen=True, slots=True)
class _Taking:
    """Replaces what clauses compare by outputs; `found` has the expression of each by its name."""

    text: str
    found: dict[str, Expression]

    def of(self, part: Expression) -> Expression:
        if isinstance(part, Constant):
            return part
        if isinstance(part, Column) and part.name != self.text:
            return self._output(CARRIED + part.name, part)
        if isinstance(part, Apply) and part.function in PARTIAL and not self._is_long(part):
            # Whether it has a value is a fact as well: a row without is unreadable.
            return self._output(CARRIED + describe(part), part)
        if is_short(part, self.text):
            return self._output((HIDDEN if part.type == "boolean" else CARRIED) + describe(part), part)
        if isinstance(part, Apply) and (part.function in CONNECTIVES or not any(map(self._is_long, part.operands))):
            return part.model_copy(update={"operands": tuple(self.of(operand) for operand in part.operands)})
        # A test of the text itself: only its outcome is kept.
        digest = hashlib.sha256(canonical_json(part.model_dump(mode="json")).encode()).hexdigest()[:16]
        return self._output(HIDDEN + digest, part)

    def _is_long(self, part: Expression) -> bool:
        """Whether a value may be as long as the text."""
        if self.text not in columns_of(part) or is_short(part, self.text):
            return False
        return not isinstance(part, Apply) or part.type == "string" or any(map(self._is_long, part.operands))

    def _output(self, name: str, expression: Expression) -> Column:
        while self.found.get(name, expression) != expression:
            name += " "
        self.found[name] = expression
        return Column(name=name, type=expression.type)


def is_short(part: Expression, text: str) -> bool:
    """Whether an expression gives, from the text alone, a value worth keeping: a number, a test or a fingerprint."""
    if not isinstance(part, Apply) or columns_of(part) != {text} or part.function in COMPARED:
        return False
    if part.type == "boolean":
        # The ledger shows what a clause compared, unless that is the text itself.
        return all(not isinstance(one, Apply) for one in part.operands)
    return part.type in ("integer", "float") or part.function == "fingerprint"


def needed(op: logical.Read) -> frozenset[str]:
    """The names of the columns that the expressions of a `Read` use."""
    return frozenset().union(*(columns_of(part) for part in expressions(op)))


def expressions(op: logical.Read) -> Iterator[Expression]:
    source = op.source
    yield from (source.id, source.domain)
    if source.tokens.column is not None:
        yield source.tokens.column
    yield from (predicate.condition for predicate in op.predicates)
    yield from (output.expression for output in op.outputs)
