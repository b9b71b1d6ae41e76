"""A format is one file: a toy of one, from outside, is written, verified, and read as shards by the product."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from recipec import spec
from recipec.database.sql import column
from recipec.diagnostics import Failure
from recipec.inputs import shards
from tests.conftest import SOURCE, Run, rows
from tests.plugins.plugin_world import Lay

TOY = '''"""Values with a bar between them, written batch by batch in Python."""

import csv

from recipec.database import types, values
from recipec.database.sql import file, ident, literal
from recipec.spec import Format, Structure


def table(paths, more=""):
    return f"read_csv([{', '.join(map(file, paths))}], delim = '|', header = true{more})"


def columns(connection, path):
    return types.columns(connection, table([path]))


def structure(connection, path):
    rows = connection.execute(f"SELECT count(*) FROM {table([path])}").fetchall()[0][0]
    return Structure(columns(connection, path), rows)


def scan(path, own, wanted, row):
    names = values.selected(own, wanted)
    return f"(SELECT row_number() OVER () - 1 AS {ident(row)}{names} FROM {table([path], ', parallel = false')})"


def write(connection, query, path, compression, row_group):
    found, count = connection.execute(query), 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="|")
        writer.writerow([column[0] for column in found.description])
        while batch := found.fetchmany(64):
            writer.writerows(batch)
            count += len(batch)
    return count


def read_back(paths, columns):
    types = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in columns)
    names = ", ".join(ident(name) for name, _ in columns)
    return f"(SELECT {names} FROM {table(paths, f', types = {{{types}}}')})"


SPEC = Format(
    name="toy",
    summary="values with bars between them",
    suffixes=(".toy",),
    compressions=("none",),
    suffix=lambda compression: ".toy",
    columns=columns,
    structure=structure,
    scan=scan,
    write=write,
    read_back=read_back,
    loader="csv",
)
'''


NEEDS = 'needs "toy"\n'


@pytest.fixture
def toy(lay: Lay) -> None:
    """The format `toy`, of a package beside recipec."""
    lay("toy", {"formats": {"toy": "toy"}}, TOY)


def test_a_format_of_one_file_is_written_verified_and_read(toy: None, world: Path, run: Run) -> None:
    first, second = world / "first.recipe", world / "second.recipe"
    first.write_text(NEEDS + SOURCE + 'sample all\noutput toy "out" { shard 4KB }\n')
    assert run("apply", first, "--yes").code == 0
    assert run("verify", world / "out").code == 0
    written = sorted((world / "out/data").iterdir())
    assert len(written) > 1
    assert {path.suffix for path in written} == {".toy"}
    assert '"data/*.toy"' in (world / "out/README.md").read_text()
    again = SOURCE.replace("data/*.parquet", "out/data/*.toy")
    second.write_text(NEEDS + again + 'sample all\noutput parquet "again" { columns id text }\n')
    assert run("apply", second, "--yes").code == 0
    assert run("verify", world / "again").code == 0
    read = f"SELECT id, text FROM '{world}/again/data/*.parquet' ORDER BY id"
    assert rows(read) == rows(f"SELECT id, text FROM '{world}/data/*.parquet' ORDER BY id")


def test_damage_to_its_files_is_found(toy: None, world: Path, run: Run) -> None:
    recipe = world / "a.recipe"
    recipe.write_text(NEEDS + SOURCE + 'sample all\noutput toy "out"\n')
    assert run("apply", recipe, "--yes").code == 0
    part = world / "out/data/part-00000.toy"
    part.write_text(part.read_text().replace("doc-7|", "doc-x|"))
    assert "R0623" in run("verify", world / "out").err


def test_the_longest_suffix_says_the_format(toy: None, lay: Lay) -> None:
    longer = TOY.replace('"toy"', '"other"').replace('(".toy",)', '(".long.toy", "y")')
    lay("other", {"formats": {"other": "other"}}, longer)
    names = ("a.Parquet", "a.Toy", "a.long.toy", "a.way", "a.NDJSON.gz", "a.json")
    assert {name: shards.format_of(Path(name)).name for name in names} == {
        "a.Parquet": "parquet",
        "a.Toy": "toy",
        "a.long.toy": "other",
        "a.way": "other",
        "a.NDJSON.gz": "jsonl",
        "a.json": "jsonl",
    }
    with pytest.raises(Failure, match="no known format"):
        shards.format_of(Path("a.gz"))


@pytest.mark.parametrize("name", spec.names("formats"))
def test_a_format_reads_what_it_writes(name: str, tmp_path: Path) -> None:
    format_ = spec.find("formats", name)
    for compression in format_.compressions:
        # A glob's own characters in a name are only characters.
        path = tmp_path / f"a[1]{format_.suffix(compression)}"
        assert path.name.endswith(tuple(format_.suffixes))
        with duckdb.connect() as connection:
            query = 'SELECT i, \'text \' || i AS "a ""text\'" FROM range(5000) AS r(i)'
            if format_.lines is not None:
                query = f"SELECT CAST(to_json(r) AS VARCHAR) AS line FROM ({query}) AS r"
            assert format_.write(connection, query, path, compression, 2048) == 5000
            fields = (("i", "BIGINT"), ("a \"text'", "VARCHAR"))
            found = format_.structure(connection, path)
            assert (found.columns, found.rows, found.unreadable) == (fields, 5000, 0)
            assert format_.columns(connection, path) == fields
            wanted = [("a \"text'", "VARCHAR")]
            scanned = f"(SELECT n, {column(wanted[0][0])} FROM {format_.scan(path, fields, wanted, 'n')})"
            assert connection.execute(f"FROM {scanned} WHERE n = 4321").fetchall() == [(4321, "text 4321")]
            back = format_.read_back([path, path], (("i", "BIGINT"),))
            assert connection.execute(f"SELECT count(*), sum(i) FROM {back}").fetchall() == [(10000, 24995000)]
