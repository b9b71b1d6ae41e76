"""The quickstart's corpus, text that every Python installation has, and recipes for it; also the starter of `init`."""

from recipec.quickstart.corpus import build
from recipec.quickstart.recipe import text

__all__ = ["build", "text"]
