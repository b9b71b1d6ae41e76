"""Op `Score` of criteria that use a language model: extracts missing features, then computes every score from them.

One pass over a text serves all targets of a model and its perplexity. Features are stored by the content of the text,
so that a document never runs through a model twice, however recipes, shards or targets change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec import plugins, spec
from recipec.arrays import Array
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import scans, targets
from recipec.ir import logical, model
from recipec.ir.execution import Shard
from recipec.ir.passes import Wanted
from recipec.models import cache, features
from recipec.models.client import Client
from recipec.models.job import Device, Job
from recipec.places import local, sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 16_384
"""The number of stored features scored at once: 20 MB for 30 layers of 20 neurons."""


Done = Callable[[int], None]


def wanted(call: model.ScoreCall) -> Wanted | None:
    """What a call needs from a model; None if it needs none."""
    extension = spec.find("criteria", call.function)
    return None if extension.wants is None else extension.wants(extension.params.model_validate(call.params))


def cascade_of(call: model.ScoreCall) -> float | None:
    """The recall that the cascade of a call must reach; None if every score is exact."""
    value = call.params.get("cascade")
    return float(value) if isinstance(value, int | float) else None


@dataclass(slots=True)
class Scorer:
    """Scores by models for one run.

    Attributes:
        root: the state folder.
        folder: the recipe's folder.
    """

    connection: DuckDBPyConnection
    root: Path
    folder: Path
    device: Device = "auto"
    threads: int | None = None
    client: Client = field(default_factory=Client)
    _prepared: dict[tuple[str, model.Target | None], Any] = field(default_factory=dict)

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.close()

    def store(self, one: Wanted) -> Path:
        """The path of the features of a kind."""
        return self.root / "features" / features.key(one, cache.find(one.model, self.folder).digest)

    def missing(self, ops: Sequence[logical.Score], shard: Shard, survivors: str) -> int:
        """Creates the temporary table `contents` (row, text key per op); returns how many texts a model must read."""
        wants = [self._wanted(op) for op in ops]
        texts = self._texts(ops, shard, survivors)
        keys = ", ".join(f"{features.content_sql('text', one)} AS content_{n}" for n, one in enumerate(wants))
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE contents AS SELECT row, {keys} FROM {texts}")
        lacking = " OR ".join(f"({self._lacks(n, one)})" for n, one in enumerate(wants))
        found = self.connection.execute(
            f"SELECT count(DISTINCT content_{_longest(wants)}) FROM contents WHERE {lacking}"
        ).fetchall()
        return int(found[0][0])

    def score(
        self, ops: Sequence[logical.Score], shard: Shard, survivors: str, destinations: Sequence[Path], done: Done
    ) -> None:
        """Writes the results of score calls over one shard (see `logical.Score`), one file per call."""
        wants = [self._wanted(op) for op in ops]
        prepared = [self.params(op) for op in ops]
        self._extract(wants, self._texts(ops, shard, survivors), done)
        self.missing(ops, shard, survivors)
        for number, (op, one) in enumerate(zip(ops, wants, strict=True)):
            rows, values = self._values(op, one, prepared[number], number)
            exact = ", true AS exact" if cascade_of(op.call) else ""
            with sealed.replacing(destinations[number]) as temporary:
                self.connection.execute(
                    f"COPY (SELECT unnest($1) AS row, unnest($2 :: DOUBLE[]) AS value{exact} ORDER BY row) "
                    f"TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)",
                    [rows, values],
                )
        self.connection.execute("DROP TABLE contents")

    def values(
        self, ops: Sequence[logical.Score], shard: Shard, documents: str, done: Done
    ) -> tuple[Array, list[Array]]:
        """Rows (n,) of documents, and per op their scores (n,), NaN where the model yields none.

        Args:
            documents: a table expression with the `row`s.
        """
        wants = [self._wanted(op) for op in ops]
        prepared = [self.params(op) for op in ops]
        self._extract(wants, self._texts(ops, shard, documents), done)
        self.missing(ops, shard, documents)
        every = np.array(
            [row for (row,) in self.connection.execute("SELECT row FROM contents ORDER BY row").fetchall()]
        )
        results = []
        for number, (op, one) in enumerate(zip(ops, wants, strict=True)):
            rows, values = self._values(op, one, prepared[number], number)
            mine = np.full(len(every), np.nan)
            mine[np.searchsorted(every, rows)] = values
            results.append(mine)
        self.connection.execute("DROP TABLE contents")
        return every.astype(np.int64), results

    def params(self, op: logical.Score) -> Any:
        """The parameters with which a criterion is called, prepared from the features of its target's examples.

        Raises:
            Failure: the examples cannot be used.
        """
        key = (op.call.name, op.target)
        if key not in self._prepared:
            extension = spec.find("criteria", op.call.function)
            values = extension.params.model_validate(op.call.params)
            if extension.prepare is not None and op.target is not None:
                used, held = targets.texts(op.target, self.folder)
                try:
                    values = extension.prepare(values, *self.examples(self._wanted(op), used, held))
                except ValueError as error:
                    message = f"target `{op.target.name}` cannot be used: {error}"
                    raise Failure(Diagnostic("R1107", message, op.call.origin.span)) from None
            self._prepared[key] = values
        return self._prepared[key]

    def examples(self, one: Wanted, *parts: Sequence[str]) -> list[Array]:
        """The features of texts outside the pool, such as a target's examples: one array per part, in its order.

        A text of one token has the loss NaN.

        Raises:
            ValueError: a text has no tokens, and thus no neurons.
        """
        every = list(itertools.chain(*parts))
        self.connection.execute("CREATE OR REPLACE TEMP TABLE example_texts AS SELECT unnest($1) AS text", [every])
        self._extract([one], "example_texts", lambda _: None)
        keys = [features.content(text, one) for text in every]
        found = dict(
            self.connection.execute(
                f"SELECT content, value FROM {features.relation(self.store(one), one)} "
                f"WHERE content IN (SELECT {features.content_sql('text', one)} FROM example_texts)"
            ).fetchall()
        )
        empty = sum(found[key] is None for key in keys) if one.kind == "neurons" else 0
        if empty:
            raise ValueError(f"{empty:,} of its examples have no text")
        shape = (0, 0, one.top_k) if one.kind == "neurons" else (0,)
        dtype = np.uint16 if one.kind == "neurons" else np.float64
        result = []
        for part in parts:
            values = [found[features.content(text, one)] for text in part]
            result.append(_array(values, one) if values else np.empty(shape, dtype))
        return result

    def observed(self, op: logical.Score) -> tuple[float, str]:
        """Bytes of a document's stored features, and the device that computed them; "" if there are none."""
        one = self._wanted(op)
        paths = features.files(self.store(one))[:1]
        if not paths:
            return 0.0, ""
        sealed.check(paths)
        size = "octet_length(value)" if one.kind == "neurons" else "8"
        found = self.connection.execute(
            f"SELECT coalesce(avg({size}), 0), any_value(device) FROM read_parquet({literal(str(paths[0]))})"
        ).fetchall()
        return float(found[0][0]), str(found[0][1])

    def _wanted(self, op: logical.Score) -> Wanted:
        one = wanted(op.call)
        assert one is not None
        return one

    def _texts(self, ops: Sequence[logical.Score], shard: Shard, survivors: str) -> str:
        found = scans.texts(ops[0].source, shard, self.folder)
        return f"(SELECT survivors.row, text FROM {found} AS scanned JOIN {survivors} AS survivors ON row = __row)"

    def _lacks(self, number: int, one: Wanted) -> str:
        stored = features.relation(self.store(one), one)
        return f"content_{number} NOT IN (SELECT content FROM {stored})"

    def _extract(self, wants: Sequence[Wanted], texts: str, done: Done) -> None:
        """Runs each model once over the texts that lack some of its features."""
        kinds = sorted(set(wants), key=lambda one: (_pass_key(one), one.model_dump_json()))
        # Kinds that change the pass itself cannot share one.
        for (name, *_), group in itertools.groupby(kinds, key=_pass_key):
            self._pass(name, tuple(group), texts, done)

    def _pass(self, name: str, wants: tuple[Wanted, ...], texts: str, done: Done) -> None:
        file = self.root / "tmp" / "texts.parquet"
        with local.replacing(file) as temporary:
            self.connection.execute(
                f"COPY ({self._lacking(wants, texts)}) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
            )
        count = self.connection.execute(f"SELECT count(*) FROM read_parquet({literal(str(file))})").fetchall()[0][0]
        if count:
            found = cache.find(name, self.folder)
            job = Job(
                model=str(found.folder),
                digest=found.digest,
                dtype=wants[0].dtype,
                wanted=wants,
                texts=str(file),
                folders=tuple(str(self.store(one)) for one in wants),
                device=self.device,
                threads=self.threads,
            )
            self.client.run(job, done)
        local.remove(file)

    def _lacking(self, wants: Sequence[Wanted], texts: str) -> str:
        """SQL of the texts that a pass must process, each once, with the keys of the missing features."""
        longest = _longest(wants)
        keys = ", ".join(f"{features.content_sql('text', one)} AS content_{n}" for n, one in enumerate(wants))
        # Two texts may differ only after the part that a shorter length uses: one of them is enough.
        marked = ", ".join(
            f"CASE WHEN {self._lacks(n, one)} AND row_number() OVER (PARTITION BY content_{n} ORDER BY content_{longest}) = 1 "
            f"THEN content_{n} END AS content_{n}"
            for n, one in enumerate(wants)
        )
        some = " OR ".join(f"content_{n} IS NOT NULL" for n in range(len(wants)))
        return f"""
            SELECT * FROM (
                SELECT text, {marked} FROM (
                    SELECT DISTINCT substr(text, 1, {wants[longest].characters}) AS text, {keys} FROM {texts}
                )
            ) WHERE {some} ORDER BY md5(text)
        """

    def _values(self, op: logical.Score, one: Wanted, prepared: Any, number: int) -> tuple[Array, Array]:
        """Rows and values of the documents of `contents`, without texts that have no tokens."""
        extension = spec.find("criteria", op.call.function)
        found = self.connection.execute(
            f"SELECT row, value FROM contents JOIN {features.relation(self.store(one), one)} AS stored "
            f"ON stored.content = content_{number} WHERE value IS NOT NULL"
        )
        rows: list[Array] = [np.empty(0, np.int64)]
        values: list[Array] = [np.empty(0)]
        while batch := found.fetchmany(BATCH):
            rows.append(np.array([row for row, _ in batch], np.int64))
            stacked = _array([value for _, value in batch], one)
            with plugins.blamed(op.call.plugin, f"criterion `{op.call.function}`", op.call.origin.span):
                values.append(extension.features(stacked, prepared))
        return np.concatenate(rows), np.concatenate(values)


def _array(values: Sequence[Any], one: Wanted) -> Array:
    return features.stacked(values, one) if one.kind == "neurons" else np.array(values, np.float64)


def _pass_key(one: Wanted) -> tuple[str, str, str, tuple[tuple[int, ...], ...]]:
    return one.model, one.dtype, one.neurons if one.deactivated else "", one.deactivated


def _longest(wants: Sequence[Wanted]) -> int:
    return max(range(len(wants)), key=lambda number: wants[number].length)


def check(calls: Iterable[model.ScoreCall], folder: Path) -> None:
    """Checks that every model that calls name is on this machine.

    Raises:
        Failure: has one diagnostic per missing model.
    """
    problems: list[Diagnostic] = []
    seen: set[str] = set()
    for call in calls:
        one = wanted(call)
        if one is None or one.model in seen:
            continue
        seen.add(one.model)
        try:
            cache.find(one.model, folder, call.origin.span)
        except Failure as failure:
            problems += failure.diagnostics
    if problems:
        raise Failure(*problems)
