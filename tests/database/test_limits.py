"""Limits of the machine (memory, open files, disk) are named as such; no shard is blamed."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
from pathlib import Path

import duckdb
import pytest

from recipec.database.disk import check_memory, disk_errors, limit_reached
from recipec.diagnostics import Failure
from recipec.places import descriptors
from tests.conftest import RECIPEC, Run, rows, write_parquet

pytestmark = pytest.mark.slow

SOURCE = 'source web { shards "d", id id, text text }\nsample all\noutput parquet "out" { shuffle }\n'


def small_shards(folder: Path, suffix: str, count: int = 90) -> Path:
    (folder / "d").mkdir()
    for number in range(count):
        path = folder / f"d/{number:03}.jsonl"
        path.write_text("".join(json.dumps({"id": f"{number}-{i}", "text": "five words"}) + "\n" for i in range(2)))
        if suffix == ".parquet":
            write_parquet(path.with_suffix(suffix), f"SELECT * FROM read_json('{path}')")
            path.unlink()
    (folder / "a.recipe").write_text(SOURCE)
    return folder / "a.recipe"


@pytest.mark.parametrize(("suffix", "limit"), [(".jsonl", 24), (".parquet", 24), (".jsonl", 64)])
def test_many_shards_with_few_descriptors(tmp_path: Path, suffix: str, limit: int) -> None:
    recipe = small_shards(tmp_path, suffix)
    done = subprocess.run(
        [*RECIPEC, "apply", recipe, "--yes"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert rows(f"SELECT count(*), count(DISTINCT id) FROM '{tmp_path}/out/data/*.parquet'") == [(180, 180)]


def test_the_soft_limit_of_descriptors_is_raised() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, before[1]), before[1]))
        assert descriptors.for_one_query() == min(200, before[1]) // 2
        descriptors.raise_limit()
        assert descriptors.limit() == min(before[1], descriptors.ENOUGH)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "R0604", "the disk is full: No space left on device"),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), "R0604", "the disk is full"),
        (OSError(errno.EMFILE, "Too many open files", "/x/y"), "R0614", "too many open files: this process may have"),
        (duckdb.IOException('IO Error: Cannot open file "/x/y": Too many open files'), "R0614", "too many open files"),
        (MemoryError(), "R0613", "this machine has too little memory for the engine: an allocation failed"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "R0613", "this machine has too little memory"),
        (RuntimeError("can't start new thread"), "R0613", "no more threads"),
    ],
)
def test_errors_that_come_from_a_limit(error: Exception, code: str, expected: str) -> None:
    failure = limit_reached(error, "/here")
    assert failure is not None
    assert (failure.diagnostics[0].code, expected in failure.diagnostics[0].message) == (code, True)
    assert failure.diagnostics[0].helps
    assert code != "R0614" or failure.diagnostics[0].place == "/x/y"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "x"), ValueError("No space left"), duckdb.BinderException("x")]
)
def test_other_errors_do_not(error: Exception) -> None:
    assert limit_reached(error, "") is None


@pytest.mark.parametrize(
    ("error", "code", "place"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/state/x"), "R0603", "/state"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/a.parquet"), "R0706", "/data/a.parquet"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/data/a.parquet"), "R0706", "/data/a.parquet"),
        (duckdb.IOException("IO Error: x: Read-only file system"), "R0603", "/state"),
    ],
)
def test_an_error_about_a_file_names_it(error: Exception, code: str, place: str) -> None:
    with pytest.raises(Failure) as caught, disk_errors(Path("/state")):
        raise error
    assert (caught.value.diagnostics[0].code, caught.value.diagnostics[0].place) == (code, place)


def test_too_little_memory_is_said_with_what_is_needed(tmp_path: Path, run: Run) -> None:
    recipe = small_shards(tmp_path, ".jsonl", 3)
    few = run("apply", recipe, "--yes", "--memory", "10MB")
    assert few.code == 1
    assert "error[R0613]: 9.96 MB of memory is too little: at least 64 MB are needed" in few.err
    more = run("apply", recipe, "--yes", "--memory", "70MB", "--threads", "2")
    # Whether two threads read at the same moment is their affair.
    if more.code:
        assert "error[R0613]: the memory limit of 66.7 MiB is too small: " in more.err
        assert "more are needed at once" in more.err
        assert "replace the shard" not in more.err
    assert run("apply", recipe, "--yes", "--memory", "1GB", "--threads", "2").code == 0


def test_the_least_memory_is_accepted(tmp_path: Path, run: Run) -> None:
    assert run("apply", small_shards(tmp_path, ".parquet", 3), "--yes", "--memory", "64MB").code == 0
    check_memory(64_000_000)


def test_a_full_temporary_folder_is_a_full_disk() -> None:
    with duckdb.connect(config={"memory_limit": "20MB", "threads": 1}) as connection:
        connection.execute("SET max_temp_directory_size = '1MB'")
        with pytest.raises(duckdb.Error) as caught:
            connection.execute(
                "CREATE TABLE t AS SELECT i, md5(i :: VARCHAR) AS x FROM range(2000000) AS r(i) ORDER BY x"
            )
    failure = limit_reached(caught.value, "/state")
    assert failure is not None
    assert failure.diagnostics[0].code == "R0604"
    assert os.linesep not in failure.diagnostics[0].message
