"""The influence of a recipe's domains on its targets at a checkpoint: what is measured, where it is kept."""

from recipec.tikmix.measurement import Measured, Options, measure

__all__ = ["Measured", "Options", "measure"]
