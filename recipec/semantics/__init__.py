"""Semantic analysis: names, types, units, parameters and imports of a recipe."""

from recipec.semantics.context import Environment, LawOf
from recipec.semantics.resolver import Resolved, canonical, resolve

__all__ = ["Environment", "LawOf", "Resolved", "canonical", "resolve"]
