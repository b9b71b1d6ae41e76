"""The seal of a dataset: the root of a Merkle tree over its manifest, data, ledger, unreadable rows and card.

A leaf is sha256 of 0x00, a name, 0x00 and the sha256 of what has that name; a node is sha256 of 0x01 and its two children;
leaves are in the order of their names, and a node without a partner moves up as it is (as in RFC 6962, so that one file
can be proven with the hashes beside its path to the root). Every field of the manifest but the seal itself takes part, by
its canonical JSON, and the card with the seal's digits as zeros.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from recipec.dataset.manifest import plan_digest
from recipec.ir.execution import ExecutionPlan, Manifest
from recipec.ir.selection import Selection
from recipec.places.digests import canonical_json, sha256_text

BLANK = "0" * 64
"""In the place of the seal in the text that it seals."""


def root(parts: Mapping[str, str]) -> str:
    """The root over the parts, hexadecimal sha256 by name."""
    level = [_hashed(b"\0" + name.encode() + b"\0" + bytes.fromhex(parts[name])) for name in sorted(parts)]
    while len(level) > 1:
        level = [
            _hashed(b"\1" + b"".join(level[at : at + 2])) if at + 1 < len(level) else level[at]
            for at in range(0, len(level), 2)
        ]
    return level[0].hex()


def sealed(manifest: Manifest) -> Manifest:
    """A manifest with its seal; the files and the card that it lists are complete."""
    return manifest.model_copy(update={"seal": seal_of(manifest.model_dump(mode="json"))})


def seal_of(manifest: Mapping[str, Any]) -> str:
    """The seal of a manifest's JSON value, whatever it states as its own."""
    value = {name: said for name, said in manifest.items() if name != "seal"}
    files = [file for kind in ("data", "ledger", "unreadable") for file in value[kind]]
    return root(
        {
            "manifest.json": sha256_text(canonical_json(value)),
            "README.md": value["card"],
            **{file["path"]: file["sha256"] for file in files},
        }
    )


def card_hash(text: str, seal: str = BLANK) -> str:
    """The sha256 of a card that states a seal, as if it stated zeros."""
    return sha256_text(text.replace(seal, BLANK, 1))


def planned_seal(plan: ExecutionPlan, selection: Selection) -> str:
    """The seal of what a plan knows of its dataset."""
    return planned(plan_digest(plan), selection.digest)


def planned(plan: str, selection: str) -> str:
    """The seal of the digests of a plan and of its selection."""
    return root({"plan": sha256_text(plan), "selection": sha256_text(selection)})


def _hashed(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
