"""Semantic analysis: names, types, units, parameters and imports of a recipe."""

from recipec.semantics.context import Columns, Environment, LawOf
from recipec.semantics.resolver import Resolved, canonical, resolve

__all__ = ["Columns", "Environment", "LawOf", "Resolved", "canonical", "resolve"]
