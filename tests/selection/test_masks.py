"""Columns of the documents that pass: the same in memory and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recipec.arrays import Array
from recipec.places import sealed
from recipec.selection.columns import ROWS, DomainRange, Layout, masked, opened

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("large", [1, 1 << 40])
def test_a_mask_takes_what_indexing_takes(tmp_path: Path, share: float, large: int) -> None:
    random = np.random.default_rng(3)
    rows = ROWS + 1000
    made: dict[str, Array] = {"draw": random.random(rows), "tokens": random.integers(1, 3000, rows).astype(np.uint16)}
    for name, values in made.items():
        with sealed.replacing(tmp_path / f"{name}.bin") as temporary:
            values.tofile(temporary)
    layout = Layout(
        rows=rows,
        candidates=rows,
        domains=(DomainRange(name="a", start=0, stop=rows),),
        stats=(),
        rejected=(),
        columns=(("draw", "float64"), ("tokens", "uint16")),
    )
    passing = random.random(rows) < share
    kept = layout.model_copy(update={"rows": int(passing.sum())})
    before = set(tmp_path.iterdir())
    found = masked(opened(tmp_path, layout), kept, passing, tmp_path, large)
    for name, values in made.items():
        assert found[name].dtype == values.dtype
        assert np.array_equal(found[name], values[passing])
    assert "nest" not in found
    assert set(tmp_path.iterdir()) == before
