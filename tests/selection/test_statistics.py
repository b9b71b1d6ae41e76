"""Statistics of a criterion: the same numbers as by SQL over a table, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recipec.arrays import Array
from recipec.database.connection import connect
from recipec.ir.selection import Stats
from recipec.selection import ranking
from recipec.selection.statistics import ROWS, statistics_of

pytestmark = pytest.mark.fast


ENGINE = connect()


def by_sql(values: Array) -> Stats:
    ENGINE.register("given", {"s": values})
    score = "CASE WHEN NOT isnan(s) THEN CAST(s AS DOUBLE) END AS score_x"
    [found] = ranking.statistics(ENGINE, f"(SELECT NULL AS bad, NULL AS rejected_by, {score} FROM given)", ["x"])
    return found


def large() -> Array:
    random = np.random.default_rng(7)
    found: Array = np.where(random.random(2 * ROWS + 5) < 0.1, np.nan, random.lognormal(5, 3, 2 * ROWS + 5))
    return found


@pytest.mark.parametrize(
    "values",
    [
        np.array([]),
        np.array([np.nan, np.nan]),
        np.array([1.5]),
        np.array([0.0, -0.0]),
        np.array([1e308, -1e308, 5.0]),
        np.array([5e-324, 0.0]),
        np.array([1e9, 1e9 + 1, 1e9 + 2], np.float32),
        large(),
        large().astype(np.float32),
    ],
    ids=repr,
)
def test_as_by_sql(values: Array) -> None:
    assert statistics_of("x", values) == by_sql(values)


@given(arrays.arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_infinity=False, width=64)))
def test_no_order_changes_them(values: Array) -> None:
    found = statistics_of("x", values)
    assert found == by_sql(values)
    assert statistics_of("x", values[np.random.default_rng(len(values)).permutation(len(values))]) == found
