"""Real text that every Python installation has, and a recipe for it."""

from recipec.quickstart.corpus import build
from recipec.quickstart.recipe import text

__all__ = ["build", "text"]
