"""TiKMiX: the influence of a recipe's domains on its targets at a checkpoint, and domain weights from it."""

from recipec.tikmix.measurement import Measured, Options, measure

__all__ = ["Measured", "Options", "measure"]
