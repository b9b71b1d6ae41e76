"""The dataset: data, ledger, unreadable rows, card and manifest; written completely or not at all, and verified."""

from recipec.dataset.destination import is_published, locate
from recipec.dataset.ledger import tables
from recipec.dataset.manifest import plan_digest, read_manifest
from recipec.dataset.seal import planned_seal
from recipec.dataset.verification import verify
from recipec.dataset.writing import write

__all__ = ["is_published", "locate", "plan_digest", "planned_seal", "read_manifest", "tables", "verify", "write"]
