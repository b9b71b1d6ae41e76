"""The neurons that a document shares with a target: the decomposed NAG score, from stored features alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from recipec import spec
from recipec.database.sql import literal
from recipec.diagnostics import Failure
from recipec.inputs import scans, targets
from recipec.ir import model
from recipec.ir.execution import Shard
from recipec.ir.expressions import Frozen
from recipec.models import cache, features
from recipec.scoring.by_model import wanted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Neuron(Frozen):
    """One neuron that a document shares with the target; `gave` is its contribution to the similarity."""

    layer: int
    neuron: int
    gave: float


class Match(Frozen):
    """The neurons that a document shares with a target, largest contribution first.

    Attributes:
        of: the total number of the document's neurons.
    """

    criterion: str
    target: str
    of: int
    neurons: tuple[Neuron, ...]


def match(
    connection: DuckDBPyConnection,
    recipe: model.Recipe,
    state: Path,
    criterion: str,
    call: model.ScoreCall,
    document: str,
) -> Match | None:
    """The contributions of a document's neurons to a score; None if its features or the target's are not stored here.

    Args:
        state: the recipe's state folder.
        document: the text.
    """
    one = wanted(call)
    extension = spec.find("criteria", call.function)
    target = next((target for target in recipe.targets if target.name == call.params.get("target")), None)
    if one is None or extension.parts is None or target is None:
        return None
    folder = Path(recipe.folder)
    try:
        used = targets.texts(target, folder)[0]
        relation = features.relation(state / "features" / features.key(one, cache.find(one.model, folder).digest), one)
    except Failure:
        return None
    keys = [features.content(text, one) for text in (document, *used)]
    found = dict(
        connection.execute(
            f"SELECT content, value FROM {relation} WHERE content IN (SELECT unnest($1))", [sorted(set(keys))]
        ).fetchall()
    )
    if any(found.get(key) is None for key in keys):
        return None
    mine, *examples = (features.stacked([found[key]], one)[0] for key in keys)
    params = extension.params.model_validate(call.params)
    given = extension.parts(mine, extension.prepare(params, np.stack(examples), mine[None][:0]))
    order = np.argsort(-given, axis=None, kind="stable")
    return Match(
        criterion=criterion,
        target=target.name,
        of=mine.size,
        neurons=tuple(
            Neuron(layer=int(place // mine.shape[1]), neuron=int(mine.flat[place]), gave=float(given.flat[place]))
            for place in order[: np.count_nonzero(given)]
        ),
    )


def text(connection: DuckDBPyConnection, source: model.Source, shard: Shard, folder: Path, row: int) -> str | None:
    """A document's text, read from its shard; None if the shard no longer exists."""
    try:
        texts = scans.texts(source, shard, folder)
        found = connection.execute(f"SELECT text FROM {texts} WHERE __row = {literal(row)}").fetchall()
    except (duckdb.Error, Failure):
        return None
    return str(found[0][0]) if found and found[0][0] is not None else None
