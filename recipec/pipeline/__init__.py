"""The compiler: load, parse, resolve, lower, optimise, index, read, score, select, schedule; and apply."""

from recipec.pipeline.applying import apply, apply_phases
from recipec.pipeline.compiling import Compiled, compile_recipe
from recipec.pipeline.measuring import look_ahead, measure_influence, probe
from recipec.pipeline.opening import settings
from recipec.pipeline.planning import TEXT_LIMIT, Planned, plan
from recipec.pipeline.predicting import forecasts, stored_sample
from recipec.pipeline.searching import searching

__all__ = [
    "TEXT_LIMIT",
    "Compiled",
    "Planned",
    "apply",
    "apply_phases",
    "compile_recipe",
    "forecasts",
    "look_ahead",
    "measure_influence",
    "plan",
    "probe",
    "searching",
    "settings",
    "stored_sample",
]
