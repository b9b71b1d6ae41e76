"""Small Parquet tables that stand for much: refused before it is in memory."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipec.database import tables
from recipec.diagnostics import Failure
from tests.conftest import Run

pytestmark = pytest.mark.slow

LONG = 100_000_000


def repeated() -> dict[str, Any]:
    """One long text in every row, stored once."""
    return {"run": pa.DictionaryArray.from_arrays(pa.array([0] * 50, pa.int32()), pa.array(["x" * LONG]))}


def rows_of(text: Any, more: int = 4) -> dict[str, Any]:
    return {"run": ["a"] * more + [text]}


LARGE: dict[str, tuple[Any, bool, str]] = {
    "dictionary": (repeated, True, "a text of 100,000,000 bytes in row 1, column `run`, more than 10,000"),
    "plain": (lambda: rows_of("x" * LONG), False, "a text of 100,000,000 bytes in row 5, column `run`, more than 10,000"),
    "bytes": (lambda: rows_of(b"x" * LONG, 0), False, "a text of 100,000,000 bytes in row 1, column `run`"),
    "many": (lambda: {"run": ["x" * LONG] * 5}, False, "500,000,162 bytes when it is unpacked, more than 256,000,000"),
    "other column": (lambda: {"run": ["a"], "note": ["y" * 10_001]}, False, "10,001 bytes in row 1, column `note`"),
    "list": (lambda: {"run": [["x" * LONG]] * 2}, False, "`run` of `PATH` has lists or structures, expected numbers or names"),
    "structure": (lambda: {"run": [{"a": "x" * LONG}]}, False, "`run` of `PATH` has lists or structures"),
}  # fmt: skip


def write(path: Path, columns: dict[str, Any], *, dictionary: bool) -> Path:
    size = len(next(iter(columns.values())))
    table = pa.table({**columns, "loss": [1.0] * size})
    pq.write_table(table, path, compression="zstd", use_dictionary=dictionary)
    return path


@functools.cache
def least(folder: Path) -> int:
    """What reading takes at least."""
    return peak(write(folder / "s.parquet", {"run": ["a"]}, dictionary=True))


def peak(path: Path) -> int:
    """The most bytes of memory of a process that reads a table, or is refused."""
    script = (
        "import contextlib, sys; from pathlib import Path; from recipec.database import tables\n"
        "from recipec.diagnostics import Failure\n"
        "with contextlib.suppress(Failure): tables.load(Path(sys.argv[1]))\n"
        "[line] = [line for line in open('/proc/self/status') if line.startswith('VmHWM:')]; print(line.split()[1])"
    )
    return 1024 * int(subprocess.check_output([sys.executable, "-c", script, path], text=True))


@pytest.mark.parametrize("kind", LARGE)
def test_a_small_file_of_long_texts_is_refused(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    make, dictionary, said = LARGE[kind]
    path = write(tmp_path / "t.parquet", make(), dictionary=dictionary)
    assert path.stat().st_size < 100_000
    with pytest.raises(Failure) as refused:
        tables.load(path)
    assert said.replace("PATH", str(path)) in refused.value.diagnostics[0].message
    # Once, at most, such a text is in memory, with what reading takes; not fifty times, or five.
    assert peak(path) < least(tmp_path_factory.getbasetemp()) + 3.5 * LONG


def test_names_of_the_greatest_length_are_read(tmp_path: Path, run: Run) -> None:
    columns = {"run": [f"{number}".ljust(tables.LONGEST_TEXT, "x") for number in range(3)]}
    path = write(tmp_path / "t.parquet", columns, dictionary=False)
    assert tables.load(path) == {**columns, "loss": [1.0] * 3}
    longer = write(tmp_path / "u.parquet", {"run": [columns["run"][0] + "x"]}, dictionary=False)
    result = run("search", "--mixtures", longer, "--losses", longer, "--target", "loss")
    assert result.code == 1
    assert result.err == (
        f"error[R0905]: the table `{longer}` is too large: it has a text of 10,001 bytes in row 1, column `run`, "
        "more than 10,000\n\n"
    )
