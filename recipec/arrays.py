"""`Array`: what functions over numbers take and give; their docstrings say the shape and the unit."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
