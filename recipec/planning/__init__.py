"""Planning: from the typed recipe to steps with identities, costs and reasons."""

from recipec.planning.lowering import lower
from recipec.planning.optimiser import optimise
from recipec.planning.text import text

__all__ = ["lower", "optimise", "text"]
