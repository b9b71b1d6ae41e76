"""Numbers as people read them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from recipec import numbers
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (290.4, 2, "290"),
        (2.9e2, 2, "290"),
        (0.00012341, 4, "0.0001234"),
        (0.5, 4, "0.5"),
        (0.0, 4, "0"),
        (20, 4, "20"),
        (1234.5678, 4, "1,235"),
        (1234567.8, 4, "1,234,568"),
        (-0.12345, 3, "-0.123"),
        (9999.7, 4, "10,000"),
        (1e-12, 3, "1×10⁻¹²"),
        (2.94e21, 3, "2.94×10²¹"),
        (math.inf, 4, "∞"),
        (math.nan, 4, "not a number"),
        (np.float32(0.25), 4, "0.25"),
    ],
)
def test_a_number_with_some_digits(value: float, digits: int, expected: str) -> None:
    assert numbers.plain(value, digits) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.001, "0.1%"), (0.25, "25%"), (1.0, "100%"), (1 / 3, "33.3%"), (1e-6, "0.0001%"), (12.5, "1,250%"), (0, "0%")],
)
def test_a_share(value: float, expected: str) -> None:
    assert numbers.percent(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (123456789.0, "123456789"),
        (123456789, "123456789"),
        (10**17 + 1, "100000000000000001"),
        (1e-05, "0.00001"),
        (0.1, "0.1"),
        (-3.0, "-3"),
        (1e22, "10000000000000000000000"),
    ],
)
def test_all_digits_as_a_recipe_writes_them(value: float, expected: str) -> None:
    assert numbers.exact(value) == expected


def test_changes_have_a_sign() -> None:
    assert [numbers.signed(value, 3) for value in (0.5, -0.5, 0.0, 1234.0)] == ["+0.5", "-0.5", "+0", "+1,234"]


def test_no_text_for_people_has_an_exponent() -> None:
    """`:g` writes 290 with two digits as `2.9e+02`, and a share without its per cent."""
    files = {path: path.read_text(encoding="utf-8") for path in (REPOSITORY / "recipec").rglob("*.py")}
    # A number that is rounded by its text, and becomes a number again, is no text.
    shown = {
        path: re.sub(r"float\(f[\"'].*?[\"']\)", "", text) for path, text in files.items() if path.name != "numbers.py"
    }
    found = {
        str(path): words for path, text in shown.items() if (words := re.findall(r"\{[^{}\"]+:[+.0-9]*[ge]\}", text))
    }
    assert found == {}
