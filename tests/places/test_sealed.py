"""Stored files with checksums: every damage is noticed, removed and said; nothing whole is taken for damaged."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, RootModel

from recipec.diagnostics import Failure
from recipec.places import sealed
from recipec.places.sealed import Damaged
from recipec.progress import noting


class Value(RootModel[JsonValue]):
    """Any value: of what type it is is the business of whoever reads it."""


@pytest.fixture
def notes() -> Iterator[list[str]]:
    said: list[str] = []
    with noting(said.append):
        yield said


def write(path: Path, content: bytes) -> Path:
    with sealed.replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def change(path: Path, content: bytes) -> None:
    """Writes other content, later than what was there: times of files are coarse."""
    after = os.stat(path).st_mtime_ns + 10**9
    path.write_bytes(content)
    os.utime(path, ns=(after, after))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(min_size=1, max_size=300), at=st.integers(0), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed_once(tmp_path: Path, notes: list[str], content: bytes, at: int, bit: int) -> None:
    # A name belongs to one content: what an earlier example wrote would be whole too.
    shutil.rmtree(tmp_path / "steps", ignore_errors=True)
    path = write(tmp_path / "steps" / "0123456789abcdef" / "a.parquet", content)
    sealed.check([path])
    damaged = bytearray(content)
    damaged[at % len(content)] ^= 1 << bit
    change(path, bytes(damaged))
    notes.clear()
    with pytest.raises(Damaged):
        sealed.check([path])
    assert not path.exists()
    assert notes == ["a stored result of step 0123456789ab is damaged or has no checksum; it is made again"]
    assert not sealed.is_stored(path)
    assert not sealed.is_whole(path)
    assert len(notes) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(at=st.integers(0), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_list_of_checksums_never_makes_damage_whole(tmp_path: Path, at: int, bit: int, cut: bool) -> None:
    paths = [write(tmp_path / f"score_{number}.bin", bytes([number])) for number in range(3)]
    sums = tmp_path / "sums"
    whole = sums.read_bytes()
    place = at % len(whole)
    damaged = bytearray(whole)
    damaged[place] ^= 1 << bit
    sums.write_bytes(whole[:place] if cut else bytes(damaged))
    for number, path in enumerate(paths):
        change(path, path.read_bytes())
        assert not sealed.is_whole(path) or path.read_bytes() == bytes([number])
        write(path, bytes([number]))
        assert sealed.is_whole(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    at=st.integers(0),
    bit=st.integers(0, 7),
)
def test_a_value_is_itself_or_damaged(tmp_path: Path, value: object, at: int, bit: int) -> None:
    path = tmp_path / "value.json"
    sealed.write_value(path, value)
    assert sealed.read_value(path, Value).root == value
    assert json.loads(path.read_text("utf-8"))["value"] == value
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011 - a UnicodeDecodeError is one, and none has a text of ours
        sealed.read_value(path, Value)


def test_a_file_that_is_replaced_by_a_killed_process_counts_as_what_it_is(tmp_path: Path) -> None:
    """The checksum is written before the rename: one of a file that never came does not harm the one that is there."""
    path = write(tmp_path / "a", b"old")
    with contextlib.suppress(KeyboardInterrupt), sealed.replacing(path) as temporary:
        temporary.write_bytes(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    with (tmp_path / "sums").open("ab") as file:
        file.write(b"00000000 3 a\n12345")
    change(path, b"old")
    assert sealed.is_whole(path)
    write(tmp_path / "b", b"other")
    change(tmp_path / "b", b"other")
    assert sealed.is_whole(tmp_path / "b")


def test_what_has_no_checksum_is_not_used(tmp_path: Path, notes: list[str]) -> None:
    write(tmp_path / "a", b"1")
    (tmp_path / "b").write_bytes(b"2")
    assert not sealed.is_stored(tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert len(notes) == 1
    notes.clear()
    (tmp_path / "sums").unlink()
    change(tmp_path / "a", b"1")
    assert not sealed.is_whole(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert len(notes) == 1


def test_folders_in_the_place_of_files_are_set_aside(tmp_path: Path) -> None:
    for name in ("a", "sums", "c.json"):
        (tmp_path / name / "mine").mkdir(parents=True)
    assert not sealed.is_stored(tmp_path / "a")
    assert not sealed.is_whole(tmp_path / "a")
    write(tmp_path / "a", b"1")
    assert sealed.is_whole(tmp_path / "a")
    assert sealed.value_of(tmp_path / "c.json", Value) is None
    sealed.write_value(tmp_path / "c.json", 1)
    assert sealed.value_of(tmp_path / "c.json", Value) == Value(1)
    assert all((tmp_path / f"{name}.put-away-1" / "mine").is_dir() for name in ("a", "sums", "c.json"))


def test_a_file_is_read_once_while_it_stays_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"x" * 1000)
    (tmp_path / "sums").unlink()
    sealed.check([path])
    change(path, b"x" * 1000)
    with pytest.raises(Damaged):
        sealed.check([path])


def test_work_begins_anew_until_nothing_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def work() -> bytes:
        try:
            sealed.check([path])
        except Damaged:
            write(path, b"made")
            raise
        return path.read_bytes()

    assert sealed.again(work) == b"made"


def test_a_disk_that_loses_what_was_just_written_is_a_failure(tmp_path: Path) -> None:
    def work() -> None:
        change(write(tmp_path / "a", b"made"), b"lost")
        sealed.check([tmp_path / "a"])

    with pytest.raises(Failure) as failure:
        sealed.again(work)
    found = failure.value.diagnostics[0]
    assert (found.code, found.message) == ("R0609", "what was just stored is damaged or gone")
