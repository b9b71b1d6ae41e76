"""Selection: which documents, how often, and why. It all runs in DuckDB, out of core; solvers only see domains."""

from recipec.selection.digest import digest
from recipec.selection.gathering import GatherInput, gather
from recipec.selection.ranking import rank
from recipec.selection.sampling import candidates, redrawn, sample

__all__ = ["GatherInput", "candidates", "digest", "gather", "rank", "redrawn", "sample"]
