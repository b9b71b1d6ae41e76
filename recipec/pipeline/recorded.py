"""The text of a recipe in a plan file: it goes into the dataset's manifest and card, so it must say what the plan does.

The text is compiled again and compared with the typed recipe. For that nothing is read: what a text refers to outside
itself (columns, laws, files of weights) is taken from the plan, which is compared with the files where it is applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recipec import semantics, syntax
from recipec.diagnostics import Diagnostic, Failure, has_errors
from recipec.inputs import environment, shards
from recipec.ir import model
from recipec.ir.execution import ExecutionPlan
from recipec.ir.paths import Part
from recipec.ir.shapes import Columns
from recipec.places import remote
from recipec.planning import phases
from recipec.semantics.context import Stores
from recipec.semantics.quantities import domain_name
from recipec.semantics.searched import CURVE
from recipec.source import Source, Span
from recipec.syntax import ast

ELSEWHERE = frozenset({"path", "folder", "params", "canonical", "search", "before", "phases"})
"""The fields of a recipe that its text does not state, or states as parameters that are substituted in it."""


def check(plan: ExecutionPlan, file: Path) -> None:
    """Raises Failure if the text of a plan's recipe says other than its typed recipe.

    Args:
        file: the plan file.
    """
    recipe = plan.recipe
    problem = _unlike(plan, recipe.canonical)
    if problem and recipe.budget is not None:
        # The text of a phase is that of the whole recipe, its tokens, and its own statements.
        text = _of_phase(recipe, recipe.budget)
        problem = problem if text is None else _unlike(plan, text, phase=True)
    if problem:
        message = f"the plan file is damaged: the text of its recipe says other than the plan: {problem}"
        raise Failure(Diagnostic("R0707", message, place=str(file), helps=("plan the recipe again",)))


def _unlike(plan: ExecutionPlan, text: str, *, phase: bool = False) -> str:
    """How a text differs from the typed recipe, in words; "" if it does not."""
    recipe = plan.recipe
    tree, mistakes = syntax.parse(Source(text, recipe.path))
    if has_errors(mistakes):
        return mistakes[0].message
    if not phase and sorted(text.splitlines()) != sorted(_lines(tree.statements)):
        return "it is not in canonical form"
    folder = Path(recipe.folder)
    found = semantics.resolve(tree, path=recipe.path, folder=folder, overrides={}, environment=Recorded(plan))
    if found.recipe is None:
        return next(one.message for one in found.diagnostics if has_errors([one]))
    said, does = (_compared(one) for one in (_with_files(found.recipe, recipe, phase=phase), recipe))
    return next((f"`{name}` differs" for name in does if said[name] != does[name]), "")


def _lines(statements: Sequence[ast.Statement]) -> Iterator[str]:
    return (line for one in statements for line in syntax.statement_text(one).rstrip("\n").splitlines())


def _compared(recipe: model.Recipe) -> dict[str, Any]:
    """What is compared of a recipe: everything but where in the text it stands."""
    value: dict[str, Any] = _without_origins(recipe.model_dump(mode="json", exclude=set(ELSEWHERE)))
    value["quotas"] = sorted(value["quotas"], key=lambda quota: (quota["domain"] or "", quota["text"]))
    return value


def _without_origins(value: Any) -> Any:
    """JSON without locations. Unlike `provenance.without_origins` it keeps fields that say nothing new: they are compared."""
    if isinstance(value, dict):
        return {name: _without_origins(one) for name, one in value.items() if name != "origin"}
    return [_without_origins(one) for one in value] if isinstance(value, list) else value


def _with_files(said: model.Recipe, recipe: model.Recipe, *, phase: bool) -> model.Recipe:
    """What a text says, with what it leaves to others: the weights of a file of which it gives the name, and in a phase the
    law of the whole recipe and the folder of the phase in the output."""
    changes: dict[str, Any] = {}
    mine, other = said.mixture, recipe.mixture
    if isinstance(mine, model.FromFile) and isinstance(other, model.FromFile) and mine.path == other.path:
        changes["mixture"] = mine.model_copy(update={"weights": other.weights})
    if phase and said.budget is not None and recipe.budget is not None and said.budget.tokens == recipe.budget.tokens:
        changes["budget"] = recipe.budget
    if phase and said.output is not None and recipe.output is not None:
        inside = f"{said.output.path}/{phases.name(len(recipe.before))}"
        if recipe.output.path == inside:
            changes["output"] = said.output.model_copy(update={"path": inside})
    return said.model_copy(update=changes)


def _of_phase(recipe: model.Recipe, budget: model.Budget) -> str | None:
    """The text of a recipe of one phase as that of a recipe without phases; None if it is no such text.

    A quota of a phase replaces that of the whole recipe. A law, of which the text says nothing, is that of its mixture.
    """
    before, mark, after = recipe.canonical.rpartition(f"budget {budget.tokens} tokens\n")
    whole, own = (syntax.parse(Source(text, recipe.path))[0].statements for text in (before, after))
    if not mark or not all(isinstance(one, ast.Mixture | ast.Quota) for one in own):
        return None
    if any(sorted(text.splitlines()) != sorted(_lines(those)) for text, those in ((before, whole), (after, own))):
        return None
    replaced = {domain_name(one.domain) for one in own if isinstance(one, ast.Quota)}
    kept = [
        one
        for one in whole
        if not (isinstance(one, ast.Quota) and one.condition is None and domain_name(one.domain) in replaced)
    ]
    needs_law = isinstance(recipe.mixture, model.Computed) and recipe.mixture.law is not None
    block = f' {{\n  model {budget.model or 1} params\n  law infolaw("{MIXED}")\n}}' if needs_law else ""
    return "".join(f"{line}\n" for line in _lines([*kept, *own])) + f"budget {budget.tokens} tokens{block}\n"


MIXED = "the law of the mixture"
"""The name of the law of a phase's mixture, of which the text of the phase says nothing."""


class Recorded:
    """`semantics.Environment` of what a plan says of files: nothing is read."""

    def __init__(self, plan: ExecutionPlan) -> None:
        self._plan, self._recipe = plan, plan.recipe

    def check_place(self, written: str, span: Span, stores: Stores) -> None:
        environment.Files().check_place(written, span, stores)

    def file(self, written: str, folder: Path) -> Path:
        return remote.at(written, folder)

    def schema(self, globs: Sequence[str], folder: Path, span: Span) -> Columns:
        for source in self._recipe.sources:
            if source.shards == tuple(globs):
                return source.schema_
        raise Failure(Diagnostic("R0301", "the plan has no such shards", span))

    def conflict(self, globs: Sequence[str], folder: Path, parts: Sequence[Part]) -> str:
        return ""

    def attributes(self, globs: Sequence[str], folder: Path, span: Span) -> tuple[Columns, bool]:
        for source in self._recipe.sources:
            for one in source.attributes:
                if one.files == tuple(globs):
                    files = (side.path for side in self._plan.attributes if side.source == source.name)
                    arrays = not one.id and all(shards.is_array(Path(path)) for path in (*files, *globs))
                    known = dict(one.schema_)
                    return (*one.schema_, *([(one.id, "VARCHAR")] if one.id and one.id not in known else [])), arrays
        raise Failure(Diagnostic("R0301", "the plan has no such attributes", span))

    def format(self, globs: Sequence[str], folder: Path, span: Span) -> str | None:
        names = {source.name for source in self._recipe.sources if source.shards == tuple(globs)}
        path = next((shard.path for shard in self._plan.shards if shard.source in names), None)
        return None if path is None else shards.format_of(Path(path)).name

    def pattern_error(self, pattern: str) -> str | None:
        return environment.Files().pattern_error(pattern)

    def law(self, path: str, folder: Path, params: int, span: Span) -> semantics.LawOf:
        budget, mixture = self._recipe.budget, self._recipe.mixture
        if budget is not None and budget.law is not None and budget.law.path == path:
            return semantics.LawOf(budget.law.name, budget.law.digest, budget.law.facts)
        if path == MIXED and isinstance(mixture, model.Computed) and mixture.law is not None:
            return semantics.LawOf("infolaw", mixture.law.digest, mixture.law)
        raise Failure(Diagnostic("R0902", "the plan has no such law", span))

    def read_text(self, path: Path, span: Span) -> str:
        """The weights and parameters that the plan has from a file, as such a file would state them."""
        return json.dumps({"weights": dict(value for part in self._of(path) for value in part[1])})

    def digest(self, path: Path) -> str:
        return next(digest for digest, _ in self._of(path))

    def _of(self, path: Path) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """What the plan has from a file: its digest and values by their names there."""
        recipe = self._recipe
        mixture, sample, quality = recipe.mixture, recipe.sample, recipe.quality
        if isinstance(mixture, model.FromFile) and self._is(mixture.path, path):
            yield mixture.digest, list(mixture.weights)
        if isinstance(sample, model.Quadmix) and self._is(sample.path, path):
            curves = [
                (_named(word, curve.domain), getattr(curve, name))
                for curve in sample.curves
                for word, name in CURVE.items()
            ]
            yield sample.digest, curves
        if self._is(quality.path, path):
            values = [(_named(name, one.domain), value) for one in quality.weights for name, value in one.weights]
            yield quality.digest, values

    def _is(self, written: str, path: Path) -> bool:
        return bool(written) and self.file(written, Path(self._recipe.folder)) == path


def _named(word: str, domain: str | None) -> str:
    """The name of a parameter in a file: of a domain, or of all without their own."""
    return word if domain is None else f"{word}_{domain}"
