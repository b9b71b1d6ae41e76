"""The dataset: data, ledger, dead letters, card and manifest; written whole or not at all, and verified."""

from recipec.output.destination import is_published, locate
from recipec.output.ledger import tables
from recipec.output.manifest import plan_digest, read_manifest
from recipec.output.verification import verify
from recipec.output.writing import write

__all__ = ["is_published", "locate", "plan_digest", "read_manifest", "tables", "verify", "write"]
