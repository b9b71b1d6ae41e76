"""`Array`: the type that numeric functions take and return; their docstrings give the shape and the unit."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
