"""Finds the attributes of the rows of shards: one join of all files with many shards, or each file with its shard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb
import numpy as np

from recipec.database.sql import column, expression, file, literal
from recipec.database.values import FAULT
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import arrays, packing, scans, shards, together
from recipec.ir import logical, paths, shapes
from recipec.ir.attributes import Attributes
from recipec.ir.execution import Shard, SideFile
from recipec.ir.expressions import columns_of
from recipec.places import remote, sealed
from recipec.spec import References

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHARDS = 64
"""The most large shards that one query joins: it keeps a file open, and a row group in memory, for each."""

TOGETHER = 16
"""The most large files that one query reads."""

FILES = 512
"""The most small files that one query reads, or joins."""

FEW_ROWS = 500_000
"""The most rows of small files together."""

HASHES = 1 << 26
"""The most hashes of ids that are in memory at once."""

SHOWN = 5
"""The most repeated ids that are named."""

OPTIONS = "FORMAT parquet, COMPRESSION zstd"

File = TypeVar("File", Shard, SideFile)

Todo = Mapping[Path, tuple[Shard, Sequence[SideFile]]]
"""By the path of what is to be stored: the shard, and the files that have its attributes."""


@dataclass(frozen=True, slots=True)
class Join:
    """One join of a source's shards with attributes, whose values `wanted` are stored."""

    connection: DuckDBPyConnection
    op: logical.Read
    number: int
    wanted: References
    folder: Path

    @property
    def one(self) -> Attributes:
        return self.op.source.attributes[self.number]

    def by_row(self, todo: Todo) -> Iterator[int]:
        """Stores the attributes of shards from the file of each; yields the number of shards that are done."""
        for done, (destination, (_, [side])) in enumerate(todo.items(), start=1):
            with sealed.replacing(destination) as temporary:
                self._copy_file(side, temporary)
            yield done

    def by_id(self, todo: Todo, files: Sequence[SideFile]) -> Iterator[int]:
        """Stores the attributes of shards from all files; yields the number of shards that are done."""
        self._load(files)
        self._check_unique(files)
        done = 0
        for batch in groups([(place, shard) for place, (shard, _) in todo.items()], SHARDS):
            with sealed.replacing_all([place for place, _ in batch]) as temporaries:
                self._join([shard for _, shard in batch], temporaries)
            done += len(batch)
            yield done
        self.connection.execute("DROP TABLE side")

    def _copy_file(self, side: SideFile, destination: Path) -> None:
        path = remote.at(side.path, self.folder)
        if shards.is_array(path):
            with shards.reading(path):
                self._copy_array(path, side, destination)
            return
        query = f"SELECT __row AS row, {self._values()} FROM {self._scan(side, self.wanted)}"
        with self._blaming({path: query}):
            self._copy(query, destination)

    def _copy_array(self, path: Path, side: SideFile, destination: Path) -> None:
        self._make_table("row BIGINT")
        own = tuple((name, shape) for (name, _), (_, shape) in zip(self.one.schema_, side.schema_, strict=True))
        for piece in arrays.pieces(self.connection, packing.mappable(path, self.folder), own, self.wanted, "__row"):
            self.connection.execute(f"INSERT INTO side SELECT __row, {self._values()} FROM {piece}")
        self._copy("SELECT * FROM side", destination)
        self.connection.execute("DROP TABLE side")

    def _copy(self, query: str, destination: Path) -> None:
        self.connection.execute(f"COPY ({query}) TO {literal(str(destination))} ({OPTIONS})")

    def _make_table(self, key: str) -> None:
        """Creates the table of values by a key: fault, v0, v1, …"""
        listed = "".join(f", v{number} {type_}" for number, (_, type_) in enumerate(self.wanted))
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE side ({key}, fault VARCHAR{listed})")

    def _values(self) -> str:
        return ", ".join([f"{FAULT} AS fault", *(f"{column(r)} AS v{n}" for n, (r, _) in enumerate(self.wanted))])

    def _scan(self, side: SideFile, wanted: References) -> str:
        """A table expression of values of a file's rows."""
        path = remote.at(side.path, self.folder)
        if not side.rows:
            return scans.no_rows(wanted, "__row")
        with shards.reading(path):
            return shards.format_of(path).scan(packing.readable(path, self.folder), side.schema_, wanted, "__row")

    def _load(self, files: Sequence[SideFile]) -> None:
        """Fills the table `side` with the values of all rows that have an id."""
        self._make_table("id VARCHAR")
        queries = ((side, self._with_id(side, self._values(), self.wanted)) for side in files)
        self._insert("side", queries)

    def _insert(self, table: str, queries: Iterable[tuple[File, str]]) -> None:
        """Inserts the rows of queries over files, of which many run together. They are not joined before: every part of a
        union that is joined would need memory of its own."""
        for batch in groups([(query, one) for one, query in queries], TOGETHER):
            with self._blaming({remote.at(one.path, self.folder): query for query, one in batch}):
                self.connection.execute(f"INSERT INTO {table} {' UNION ALL '.join(query for query, _ in batch)}")

    def _with_id(self, side: SideFile, values: str, wanted: References) -> str:
        """SQL of the rows of a file that have an id, with that id as text."""
        name = paths.reference([self.one.id])
        type_ = dict(wanted).get(name) or shapes.taken(shapes.at(side.schema_, [self.one.id]) or shapes.NULL)
        scan = self._scan(side, list(dict([*wanted, (name, type_)]).items()))
        id_ = f"{column(name)} ->> '$'" if type_ == "JSON" else f"CAST({column(name)} AS VARCHAR)"
        return f"SELECT {id_} AS id, {values} FROM {scan} WHERE {id_} IS NOT NULL"

    def _check_unique(self, files: Sequence[SideFile]) -> None:
        """Raises Failure if an id stands twice in the files, naming both places of some."""
        repeated = self._repeated()
        if not len(repeated):
            return
        query = (
            "SELECT id FROM side WHERE list_contains($1 :: UBIGINT[], hash(id)) GROUP BY id HAVING count(*) > 1 "
            f"ORDER BY id LIMIT {SHOWN}"
        )
        found = self.connection.execute(query, [repeated.tolist()]).fetchall()
        if found:
            raise Failure(*(self._duplicate(id_, files) for (id_,) in found))

    def _repeated(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Hashes that more than one row's id has: sorting them takes a fraction of what grouping ids would."""
        total = int(self.connection.execute("SELECT count(*) FROM side").fetchall()[0][0])
        passes = -(-total // HASHES)
        for part in range(passes):
            condition = f"WHERE hash(id) % {passes} = {part}" if passes > 1 else ""
            hashes = self.connection.execute(f"SELECT hash(id) AS h FROM side {condition}").fetchnumpy()["h"]
            hashes.sort()
            again = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
            if len(again):
                return again[:1000]
        return np.empty(0, dtype=np.uint64)

    def _duplicate(self, id_: str, files: Sequence[SideFile]) -> Diagnostic:
        places: list[str] = []
        for side in files:
            query = self._with_id(side, "__row", [])
            rows = self.connection.execute(f"SELECT __row FROM ({query}) WHERE id = $1 ORDER BY 1", [id_]).fetchall()
            places += [f"{side.path}, row {row}" for (row,) in rows]
            if len(places) > 1:
                break
        return Diagnostic(
            "R0341",
            f"the id `{id_}` stands twice in the attributes of source `{self.op.source.name}`",
            self.one.origin.span,
            place=" and ".join(places[:2]),
            helps=("a document has one row of attributes: drop a file, or the other rows",),
        )

    def _join(self, many: Sequence[Shard], destinations: Sequence[Path]) -> None:
        """Writes the values of all rows of some shards that have attributes."""
        create = f"CREATE OR REPLACE TEMP TABLE documents ({together.NUMBER} BIGINT, row BIGINT, doc_id VARCHAR)"
        self.connection.execute(create)
        self._insert("documents", ((shard, self._ids(number, shard)) for number, shard in enumerate(many)))
        values = ", ".join(["fault", *(f"v{number}" for number in range(len(self.wanted)))])
        query = f"SELECT {together.NUMBER}, row, {values} FROM documents JOIN side ON doc_id = id"
        written = together.parts(self.connection, query, destinations)
        self.connection.execute("DROP TABLE documents")
        for number, destination in enumerate(destinations):
            if number not in written:
                self._copy(f"SELECT 0 :: BIGINT AS row, {values} FROM side WHERE false", destination)

    def _ids(self, number: int, shard: Shard) -> str:
        """SQL of the numbers of a shard and of its rows, and their ids."""
        source = self.op.source
        scan = scans.scan(source, shard, self.folder, sorted(columns_of(source.id)))
        return f"SELECT {number}, __row, CAST({expression(source.id)} AS VARCHAR) FROM {scan}"

    @contextlib.contextmanager
    def _blaming(self, queries: Mapping[Path, str]) -> Iterator[None]:
        """Raises an error of the block as the failure of the first file whose query has it alone."""
        try:
            yield
        except duckdb.Error:
            for path, query in queries.items():
                try:
                    self.connection.execute(f"SELECT sum(hash(columns(*))) FROM ({query})").fetchall()
                except duckdb.Error as error:
                    raise shards.unreadable(path, error) from None
            raise


Item = TypeVar("Item")


def groups(items: Sequence[tuple[Item, File]], least: int) -> Iterator[list[tuple[Item, File]]]:
    """Items with their files in order, in groups of `least`, or of more while their files are small."""
    group: list[tuple[Item, File]] = []
    rows_ = 0
    for item, one in items:
        full = len(group) >= least and (rows_ + one.rows > FEW_ROWS or len(group) >= max(FILES, least))
        if full:
            yield group
            group, rows_ = [], 0
        group.append((item, one))
        rows_ += one.rows
    if group:
        yield group


def rows(connection: DuckDBPyConnection, stored: Sequence[Path]) -> int:
    """The number of rows of stored attributes."""
    sealed.check(stored)
    found = 0
    for start in range(0, len(stored), 1000):
        listed = ", ".join(map(file, stored[start : start + 1000]))
        query = f"SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata([{listed}])"
        found += int(connection.execute(query).fetchall()[0][0])
    return found
