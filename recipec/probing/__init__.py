"""`probe`: whether a target's neurons tell its own documents from others, before a selection relies on them."""

from recipec.probing.probe import Probe, TargetReport, probe

__all__ = ["Probe", "TargetReport", "probe"]
