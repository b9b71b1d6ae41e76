"""A compiler for language-model pretraining data.

    planned = recipec.plan(Path("science.recipe"), {"budget": "10B"})   what will be selected
    manifest = recipec.apply(planned.plan)                              the dataset
    recipec.explain(connection, dataset, "doc-17")                      why a document is in or out

Importing this package loads none of them: each name is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipec.audit.explanation import explain
    from recipec.diagnostics import Diagnostic, Failure
    from recipec.pipeline import apply, plan
    from recipec.syntax import parse

__version__ = "0.1.0"

__all__ = ["Diagnostic", "Failure", "apply", "explain", "parse", "plan"]

_PLACES = {
    "Diagnostic": "recipec.diagnostics",
    "Failure": "recipec.diagnostics",
    "apply": "recipec.pipeline",
    "explain": "recipec.audit.explanation",
    "parse": "recipec.syntax",
    "plan": "recipec.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
