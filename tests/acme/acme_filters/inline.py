"""The engine `inline`."""

from __future__ import annotations

from recipec.spec import Engine

SPEC = Engine(name="inline", summary="Tasks one after another, here.", open=lambda: None)
