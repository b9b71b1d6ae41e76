"""Attributes in arrays (`.npy`): every type of numbers, pieces, and arrays that cannot be joined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipec.inputs import arrays
from tests.inputs.beside import COUNT, RECIPE, digest, documents, mistake, planned

pytestmark = pytest.mark.slow

TYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i8"]


@pytest.mark.parametrize("type_", TYPES)
def test_arrays_of_every_type_of_numbers(tmp_path: Path, type_: str) -> None:
    documents(tmp_path, 1)
    values = np.arange(2 * COUNT).reshape(COUNT, 2) % 2 == 1 if type_ == "?" else np.arange(2 * COUNT).reshape(COUNT, 2)
    plain = values.astype(type_)
    np.save(tmp_path / "s.npy", np.asfortranarray(plain) if type_ == "f4" else plain)
    recipe = (
        RECIPE.replace("column(edu)", "column(int(y))")
        .replace("where edu > 0.1 or edu is null\n", "where int(y) == 1 or int(y) >= 21\n")
        .replace("quota a where edu > 3 at least 10%\n", "")
        .replace('  domain = coalesce(topic, "none")\n', "")
    )
    plan = planned(tmp_path, 'attributes "s.npy" by row { columns x, y }', recipe).plan
    assert plan.selection is not None
    expected = COUNT if type_ == "?" else COUNT - 9
    assert [cell.documents for cell in plan.selection.cells] == [expected]


def test_an_array_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(tmp_path, 1)
    np.save(tmp_path / "s.npy", np.array([[i, np.nan if i % 3 else i] for i in range(COUNT)], dtype="f4"))
    recipe = (
        RECIPE.replace("edu", "y").replace('  domain = coalesce(topic, "none")\n', "").replace("quota a", "quota web")
    )
    found = []
    for size in (1 << 20, 7):
        monkeypatch.setattr(arrays, "PIECE", size)
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "data").symlink_to(tmp_path / "data")
        (folder / "s.npy").symlink_to(tmp_path / "s.npy")
        found.append(digest(planned(folder, 'attributes "s.npy" by row { columns x y }', recipe).plan))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((COUNT, 2, 1)), "R0303 the shard cannot be read: the array has 3 dimensions"),
        (np.zeros(COUNT, dtype="c8"), "R0303 the shard cannot be read: the array has values of type complex64"),
        (np.array(["a"] * COUNT), "R0303 the shard cannot be read: the array has values of type <U1"),
        (np.array([{}] * COUNT), "R0303 the shard cannot be read: it is no NumPy array of numbers"),
        (np.zeros((COUNT, 3)), "R0340 the arrays have 3 columns, and 2 names are listed"),
        (np.zeros((COUNT - 1, 2)), "R0340 `s.npy` has 59 rows, and its shard `data/0.parquet` has 60"),
        (np.zeros((0, 2)), "R0340 `s.npy` has 0 rows, and its shard `data/0.parquet` has 60"),
        (
            None,
            "R0303 the shard cannot be read: it is no NumPy array of numbers: mmap length is greater than file size",
        ),
    ],
)
def test_arrays_that_cannot_be_joined(tmp_path: Path, array: Any, message: str) -> None:
    documents(tmp_path, 1)
    np.save(tmp_path / "s.npy", np.zeros((COUNT, 2)) if array is None else array)
    if array is None:
        (tmp_path / "s.npy").write_bytes((tmp_path / "s.npy").read_bytes()[:-8])
    recipe = RECIPE.replace("edu", "y").replace("coalesce(topic", "coalesce(string(x)")
    assert mistake(tmp_path, 'attributes "s.npy" by row { columns x, y }', recipe).startswith(message)
