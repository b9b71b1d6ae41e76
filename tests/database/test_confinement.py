"""What queries can reach: the folders that a connection was made for, and nothing else, whatever their text is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from recipec.database import confinement
from recipec.database.connection import another, connect, shared
from recipec.database.sql import file, literal
from tests.conftest import write_parquet


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that is not among those in which the queries of all tests may read."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(params=["inside", "it's [odd] *?{a} é"])
def inside(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / str(request.param)
    folder.mkdir()
    return folder


@pytest.fixture
def private(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "private/a.parquet", "SELECT 1 AS secret")


@pytest.fixture
def connection(inside: Path, private: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(folders=[inside]) as made:
        yield made


def test_files_of_its_folders_are_read_and_written(connection: duckdb.DuckDBPyConnection, inside: Path) -> None:
    one, deep = inside / "a*.parquet", inside / "new/deep"
    deep.mkdir(parents=True)
    connection.execute(f"COPY (SELECT 1 AS x) TO {literal(str(one))} (FORMAT parquet)")
    connection.execute(f"COPY (FROM {file(one)}) TO {literal(str(deep / 'b.parquet'))} (FORMAT parquet)")
    copy = f"COPY (SELECT 1 AS x, 2 AS y) TO {literal(str(inside / 'parts'))} (FORMAT parquet, PARTITION_BY (y))"
    connection.execute(copy)
    assert connection.execute(f"FROM read_parquet([{file(one)}, {file(deep / 'b.parquet')}])").fetchall() == [(1,)] * 2
    assert connection.execute(f"SELECT num_rows FROM parquet_file_metadata({file(one)})").fetchall() == [(1,)]


REFUSED = [
    "FROM read_parquet('{private}')",
    "FROM '{private}'",
    "FROM read_parquet('{inside}/../private/a.parquet')",
    "FROM read_parquet('{inside}/link/a.parquet')",
    "FROM read_parquet('{inside}/linked.parquet')",
    "FROM read_parquet('{inside}x/../private/*.parquet')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('/proc/self/environ')",
    "FROM read_csv('/dev/stdin')",
    "FROM glob('/etc/*')",
    "FROM parquet_schema('{private}')",
    "COPY (SELECT 1) TO '{private}.new' (FORMAT parquet)",
    "COPY (SELECT 1) TO '{inside}/link/new.csv'",
    "COPY (SELECT 1 AS a, 2 AS b) TO '{inside}/link/parts' (FORMAT parquet, PARTITION_BY (a))",
    "ATTACH '{private}.duckdb' AS other",
    "EXPORT DATABASE '{private}.exported'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FROM read_csv('https://example.com/a.csv')",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET allowed_paths = ['/etc/passwd']",
    "RESET enable_external_access",
    "RESET allowed_directories",
]


@pytest.mark.parametrize("query", REFUSED)
def test_everything_else_is_refused(
    connection: duckdb.DuckDBPyConnection, inside: Path, private: Path, query: str
) -> None:
    (inside / "link").symlink_to(private.parent)
    (inside / "linked.parquet").symlink_to(private)
    before = set(private.parent.rglob("*"))
    text = query.replace("{private}", str(private)).replace("{inside}", str(inside).replace("'", "''"))
    for cursor in (connection, another(connection)):
        with pytest.raises(duckdb.Error):
            cursor.execute(text).fetchall()
    assert set(private.parent.rglob("*")) == before
    with pytest.raises(duckdb.Error):
        connection.execute("FROM read_text('/etc/passwd')").fetchall()


def test_later_settings_are_still_possible(connection: duckdb.DuckDBPyConnection) -> None:
    for setting in ("threads = 1", "memory_limit = '1GB'", "preserve_insertion_order = true"):
        connection.execute(f"SET {setting}")


def test_a_run_spills_to_its_own_folder(tmp_path: Path) -> None:
    from recipec.database.connection import Settings

    with connect(Settings(memory="100MB", threads=2, temp=tmp_path / "temp"), folders=[tmp_path / "other"]) as made:
        made.execute("CREATE TABLE t AS SELECT i, repeat('x', 60) || i AS s FROM range(3_000_000) r(i)")
        assert made.execute("SELECT count(*) FROM (FROM t ORDER BY hash(i))").fetchall() == [(3_000_000,)]


def test_a_folder_behind_a_link_is_reached_by_both_names(tmp_path: Path, private: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(private.parent)
    for folder in (link, private.parent):
        with connect(folders=[folder]) as made:
            for name in (link / "a.parquet", private):
                assert made.execute(f"FROM {file(name)}").fetchall() == [(1,)]


def test_short_queries_reach_the_files_that_they_are_for(tmp_path: Path, private: Path) -> None:
    mine = write_parquet(tmp_path / "mine/b.parquet", "SELECT 2 AS x")
    with shared([mine]) as made:
        assert made.execute(f"FROM {file(mine)}").fetchall() == [(2,)]
        with pytest.raises(duckdb.Error):
            made.execute(f"FROM {file(private)}").fetchall()
    (mine.parent / "linked.parquet").symlink_to(private)
    with shared([mine.parent / "linked.parquet"]) as made:
        assert made.execute(f"FROM {file(mine.parent / 'linked.parquet')}").fetchall() == [(1,)]


def test_folders_that_are_named_first_share_one_database(tmp_path: Path) -> None:
    confinement.reach([tmp_path])
    version = confinement.REACHED.version
    for name in "abc":
        with shared([tmp_path / name / "x.parquet"]):
            pass
    assert confinement.REACHED.version == version


def test_folders_of_earlier_work_are_forgotten(tmp_path: Path) -> None:
    reached = confinement.Folders()
    reached.add(tmp_path / str(number) for number in range(confinement.MOST * 2))
    assert len(reached.all()) <= confinement.MOST
    reached.add([tmp_path / "x"])
    assert tmp_path / "x" in reached.all()
