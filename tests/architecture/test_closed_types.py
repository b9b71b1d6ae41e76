"""Every field of every file that is read back has a closed type: no open mapping, no bare number.

Plans and manifests also have the parameters of words, which `planning.words` judges (tests/planning/test_stranger.py).
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, JsonValue, RootModel

from recipec.cli import reweight_view, search_show
from recipec.dataset import staging
from recipec.execution import contained, exporting
from recipec.inputs import schemas
from recipec.ir import closed, execution, selection
from recipec.ir.expressions import Frozen
from recipec.laws import lawfile
from recipec.models import cache, job, training
from recipec.places import lease, state
from recipec.planning import rates, reasons
from recipec.proxies import records
from recipec.search import course
from recipec.selection import columns
from recipec.semantics import mixtures, searched
from recipec.tikmix import lookahead, measurement

READ: tuple[type[BaseModel], ...] = (
    search_show.Stored,
    reweight_view.Written,
    staging.Began,
    execution.DataFile,
    contained.Inside,
    exporting.Listed,
    schemas.Entries,
    selection.Cascade,
    selection.Selection,
    lawfile.LawFile,
    cache.Note,
    cache.Digests,
    job.Tokenised,
    job.Influence,
    training.Saved,
    lease.Holder,
    state.Project,
    rates.Histories,
    reasons.LastPlan,
    records.Record,
    course.Draws,
    columns.Layout,
    mixtures.Weights,
    searched.Parameters,
    lookahead.Labels,
    measurement.Measured,
)


def inside(kind: Any, constrained: bool = False) -> Iterator[tuple[Any, bool]]:
    """The types in a type, each with whether it is constrained."""
    if kind is JsonValue:
        return
    if typing.get_origin(kind) is Annotated:
        yield from inside(typing.get_args(kind)[0], constrained=True)
        return
    yield kind, constrained
    if typing.get_origin(kind) is not typing.Literal:
        for one in typing.get_args(kind):
            yield from inside(one)


def models(kind: type[BaseModel], seen: set[type[BaseModel]]) -> None:
    """Adds a model and those of its fields."""
    if kind in seen:
        return
    seen.add(kind)
    kind.model_rebuild()
    for field in kind.model_fields.values():
        for one, _ in inside(field.annotation):
            if isinstance(one, type) and issubclass(one, BaseModel):
                models(one, seen)


def open_fields(kind: type[BaseModel]) -> list[str]:
    """The fields of a model, and of those in it, into which anything fits."""
    kinds: set[type[BaseModel]] = set()
    models(kind, kinds)
    found = []
    for one in kinds:
        if not issubclass(one, RootModel) and one.model_config.get("extra") != "forbid":
            found.append(f"{one.__name__} takes other fields")
        for name, field in one.model_fields.items():
            for part, constrained in inside(field.annotation, constrained=bool(field.metadata)):
                if part in (Any, dict, list, tuple) or (part in (int, float) and not constrained):
                    found.append(f"{one.__name__}.{name} is {part}")
    return found


@pytest.mark.parametrize("kind", READ, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_what_is_read_back_has_closed_types(kind: type[BaseModel]) -> None:
    assert open_fields(kind) == []


class Open(Frozen):
    number: int
    rows: tuple[dict[str, float], ...]
    value: dict[str, Any]
    closed: closed.Count


def test_an_open_type_is_found() -> None:
    names = {one.partition(" is ")[0] for one in open_fields(Open)}
    assert names == {"Open.number", "Open.rows", "Open.value"}
