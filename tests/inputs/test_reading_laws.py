"""Laws of reading: a selection and its values do not depend on the order of rows, on files, or on the format of shards."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Run
from tests.inputs import awkward
from tests.inputs.awkward import Row

pytestmark = pytest.mark.slow

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)

# Neither NaN nor infinities are JSON.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)

SAME = st.fixed_dictionaries(
    {},
    optional={
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "x": st.none() | FLOATS,
        "s": st.none() | TEXTS,
        "ok": st.none() | st.booleans(),
        "meta": st.none() | st.fixed_dictionaries({}, optional={"q": st.none() | st.integers(-9, 9), "w": TEXTS}),
        "tags": st.none() | st.lists(TEXTS, max_size=3),
    },
)
"""Fields that have one kind of value in all rows, as a table has them."""

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)

RECIPE = """source web {
  shards "d/**/*.*"
  id id
  text text
  domain = coalesce(s, "none")
}
where n is null or n % 3 != 1
where meta.q is null or meta.q > -5
where tags[1] is null or tags[1] != "a"
criterion x = column(x) higher is better
quality { missing worst }
sample quadmix { curve { lambda 20, omega 0.5, eta 1, epsilon 0.1 } }
allow bad 100%
allow vanishing
allow empty
"""


def numbered(found: Sequence[Row]) -> list[Row]:
    return [{"id": f"d{number}", "text": f"text {number}", **row} for number, row in enumerate(found)]


def split(found: Sequence[Row], seed: int) -> list[list[Row]]:
    """The rows in another order, in three pieces."""
    order = random.Random(seed).sample(list(found), len(found))
    return [order[start::3] for start in range(3)]


def applied(
    run: Run, folder: Path, files: dict[str, bytes | pa.Table], recipe: str, kind: str
) -> tuple[str, list[Row]]:
    """The digest of the selection over some files, and the rows of the dataset."""
    shutil.rmtree(folder, ignore_errors=True)
    awkward.write(folder, files)
    (folder / "a.recipe").write_text(f'{recipe}output {kind} "out"\n')
    result = run("apply", folder / "a.recipe", "--yes")
    assert result.code == 0, result.err
    manifest = json.loads((folder / "out/manifest.json").read_text())
    return manifest["digest"], awkward.read(folder / "out")


def plain(value: Any) -> Any:
    """A value as rows of lines and of tables are compared: without what is null, and without the difference of 1 and 1.0."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else value


# Shrinking a failure takes minutes: every example is a whole run.
LAWS = settings(
    max_examples=4,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@LAWS
@given(found=st.lists(SAME, min_size=4, max_size=12), seed=st.integers(0, 99))
def test_files_order_and_format_change_nothing(tmp_path: Path, run: Run, found: list[Row], seed: int) -> None:
    full: Row = {"n": 3, "x": 0.5, "s": "a", "ok": True, "meta": {"q": 1, "w": "b"}, "tags": ["c"]}
    many = numbered([full, *found])
    pieces = split(many, seed)
    layouts: list[dict[str, bytes | pa.Table]] = [
        {"d/a.jsonl": awkward.lines(many)},
        {f"d/{n}.jsonl.zst": awkward.PACKERS[".zst"](awkward.lines(piece)) for n, piece in enumerate(pieces)},
        {"d/a.parquet": pa.Table.from_pylist(many, schema_of(many))},
        {f"d/part={n}/a.parquet": pa.Table.from_pylist(piece, schema_of(piece)) for n, piece in enumerate(pieces)},
        {
            "d/a.parquet": pa.Table.from_pylist(pieces[0], schema_of(many)),
            "d/b.jsonl": awkward.lines(pieces[1] + pieces[2]),
        },
    ]
    digests = set()
    for files in layouts:
        digest, _ = applied(run, tmp_path / "w", files, RECIPE, "parquet")
        digests.add(digest)
    assert len(digests) == 1


def schema_of(many: Sequence[Row]) -> pa.Schema:
    """The columns that some rows have, with the types that JSON lines of all of them would have."""
    types = {
        "id": pa.string(),
        "text": pa.string(),
        "n": pa.int64(),
        "x": pa.float64(),
        "s": pa.string(),
        "ok": pa.bool_(),
        "meta": pa.struct([("q", pa.int64()), ("w", pa.string())]),
        "tags": pa.list_(pa.string()),
    }
    known = {name for row in many for name in row}
    return pa.schema([(name, type_) for name, type_ in types.items() if name in known])


@LAWS
@given(found=st.lists(st.dictionaries(TEXTS, ANY, max_size=4), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_lines_of_any_values_come_out_as_they_went_in(tmp_path: Path, run: Run, found: list[Row], seed: int) -> None:
    # One row is readable, whatever the others are.
    many = [{**row, "id": f"d{number}", "text": "a text"} for number, row in enumerate([{}, *found])]
    files: dict[str, bytes | pa.Table] = {
        f"d/{n}.jsonl": awkward.lines(piece) for n, piece in enumerate(split(many, seed))
    }
    recipe = 'source web { shards "d/*", id id, text text }\nsample all\nallow bad 100%\nallow empty\n'
    _, written = applied(run, tmp_path / "w", files, recipe, "jsonl")
    made = {row["id"]: {name: value for name, value in row.items() if name not in OURS} for row in written}
    expected = {row["id"]: row for row in many}
    assert made == {id_: expected[id_] for id_ in made}
    # A line with such a key may be unreadable; no other is.
    assert {row["id"] for row in many if not has_nul(row)} <= set(made)
    _, tabled = applied(run, tmp_path / "w", files, recipe, "parquet")
    assert {row["id"] for row in tabled} == set(made)


OURS = ("_source", "_doc_id", "_domain", "_tokens", "_copy")


def has_nul(value: Any) -> bool:
    """Whether a key has the character NUL, which makes a line unreadable."""
    if isinstance(value, dict):
        return any("\0" in name or has_nul(inner) for name, inner in value.items())
    return isinstance(value, list) and any(map(has_nul, value))
