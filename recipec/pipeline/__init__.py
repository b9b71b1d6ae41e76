"""The compiler: load, parse, resolve, lower, optimise, index, read, score, select, schedule; and apply.

Names are imported lazily: `check` needs only one of these modules, and the others import most of recipec.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipec.pipeline.applying import admit, apply
    from recipec.pipeline.compiling import Compiled, compile_recipe
    from recipec.pipeline.describing import Schema, schemas
    from recipec.pipeline.exporting import export_scores
    from recipec.pipeline.keeping import collect, state
    from recipec.pipeline.measuring import look_ahead, measure_influence, probe
    from recipec.pipeline.opening import settings
    from recipec.pipeline.planning import TEXT_LIMIT, Planned, plan
    from recipec.pipeline.predicting import decided, forecasts, is_stored
    from recipec.pipeline.searching import open_trials

__all__ = [
    "TEXT_LIMIT",
    "Compiled",
    "Planned",
    "Schema",
    "admit",
    "apply",
    "collect",
    "compile_recipe",
    "decided",
    "export_scores",
    "forecasts",
    "is_stored",
    "look_ahead",
    "measure_influence",
    "open_trials",
    "plan",
    "probe",
    "schemas",
    "settings",
    "state",
]

_PLACES = {
    "TEXT_LIMIT": "planning",
    "Compiled": "compiling",
    "Planned": "planning",
    "admit": "applying",
    "apply": "applying",
    "compile_recipe": "compiling",
    "decided": "predicting",
    "export_scores": "exporting",
    "forecasts": "predicting",
    "is_stored": "predicting",
    "look_ahead": "measuring",
    "measure_influence": "measuring",
    "open_trials": "searching",
    "plan": "planning",
    "probe": "measuring",
    "Schema": "describing",
    "schemas": "describing",
    "settings": "opening",
    "collect": "keeping",
    "state": "keeping",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
