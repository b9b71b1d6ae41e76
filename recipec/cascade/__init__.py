"""Cascades: a model sees a part of the documents, a cheap predictor the rest."""

from recipec.cascade.cascades import Cascades

__all__ = ["Cascades"]
