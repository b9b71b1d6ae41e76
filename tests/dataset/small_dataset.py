"""A small dataset to be written and read again: shards, decisions, a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from recipec import dataset
from recipec.database.connection import Settings, connect
from recipec.database.sql import literal
from recipec.dataset import derivation, manifest, seal
from recipec.ir import logical, model
from recipec.ir.execution import ExecutionPlan, Manifest, Shard
from recipec.ir.expressions import Column, Constant, Type
from recipec.ir.selection import Reason, Selection
from recipec.places import digests
from recipec.selection.digest import digest

SEED = 7

ORIGIN = model.Origin(file="a.recipe", line=3, column=1, length=6, text='output parquet "out"')

WEB: tuple[tuple[str, Type], ...] = (("id", "string"), ("text", "string"), ("url", "string"))
CODE: tuple[tuple[str, Type], ...] = (("id", "string"), ("text", "string"), ("stars", "integer"))


@dataclass(frozen=True)
class World:
    """A folder with shards and the result of `Sample` over them."""

    folder: Path
    plan: ExecutionPlan
    op: logical.Write
    sampled: Path
    selection: Selection

    def with_output(self, **changes: Any) -> World:
        made = self.op.output.model_copy(update=changes)
        recipe = self.plan.recipe.model_copy(update={"output": made})
        return replace(
            self,
            op=self.op.model_copy(update={"output": made}),
            plan=self.plan.model_copy(update={"recipe": recipe}),
        )

    def write(self, threads: int = 1, memory: str = "1GB", **more: Any) -> Manifest:
        with connect(Settings(memory=memory, threads=threads)) as connection:
            rows = f"SELECT * FROM read_parquet({literal(str(self.sampled))})"
            return dataset.write(connection, self.op, lambda: rows, self.selection, self.plan, **more)

    @property
    def out(self) -> Path:
        return self.folder / self.op.output.path


def source(name: str, schema: Any) -> model.Source:
    return model.Source(
        name=name,
        shards=(f"data/{name}*.parquet",),
        schema_=schema,
        id=Column(name="id", type="string"),
        text="text",
        tokens=model.TokenCount(by="estimate"),
        domain=Constant(value=name, type="string"),
        origin=ORIGIN,
    )


def make_world(folder: Path, documents: int = 300) -> World:
    """Two sources of different columns in three shards; every 50th row has no text, every 7th fails a clause."""
    (folder / "data").mkdir(parents=True)
    shards = []
    with connect(Settings(memory="1GB", threads=1)) as connection:
        for name, number, schema in (("web", 0, WEB), ("web", 1, WEB), ("code", 0, CODE)):
            path = f"data/{name}-{number}.parquet"
            last = "'http://é/' || i AS url" if schema is WEB else "i % 90 AS stars"
            connection.execute(
                f"COPY (SELECT 'd{number}-' || i AS id, CASE WHEN i % 50 <> 0 THEN repeat('tëxt ' || i || ' ', "
                f"1 + i % 13) END AS text, {last} FROM range(1, {documents + 1}) AS t(i)) "
                f"TO {literal(str(folder / path))} (FORMAT parquet)"
            )
            file = folder / path
            stat = file.stat()
            shards.append(
                Shard(
                    source=name,
                    path=path,
                    sha256=digests.sha256_file(file),
                    bytes=stat.st_size,
                    mtime_ns=stat.st_mtime_ns,
                    rows=documents,
                    schema_=schema,
                )
            )
        made = model.Output(format="parquet", path="out", shard=6_000, origin=ORIGIN)
        recipe = make_recipe(folder, made)
        sampled = folder / "sampled.parquet"
        write_sampled(connection, folder, shards, recipe, sampled)
        found = select(connection, sampled)
    plan = ExecutionPlan(
        recipec="0.1.0", recipe=recipe, folder=str(folder), shards=tuple(shards), steps=(), selection=found, exact=True
    )
    return World(folder, plan, logical.Write(input=0, output=made, seed=SEED, sources=recipe.sources), sampled, found)


def make_recipe(folder: Path, made: model.Output) -> model.Recipe:
    return model.Recipe(
        path="a.recipe",
        folder=str(folder),
        canonical='seed 7\noutput parquet "out"\n',
        params=(),
        seed=SEED,
        sources=(source("code", CODE), source("web", WEB)),
        sample=model.Quadmix(
            curves=(
                model.Curve(domain=None, omega=0.5, epsilon=0.3),
                model.Curve(domain="code", lambda_=20.0, omega=0.6),
            )
        ),
        repeats=(model.Repeat(domain=None, most=4, origin=ORIGIN),),
        output=made,
    )


def write_sampled(
    connection: duckdb.DuckDBPyConnection, folder: Path, shards: list[Shard], recipe: model.Recipe, path: Path
) -> None:
    """What `Sample` gives, by the formulas of the design; `merged` is any number."""
    rows = " UNION ALL ".join(
        f"SELECT {literal(s.source)} AS source, id AS doc_id, {literal(s.path)} AS shard, file_row_number AS row, "
        f"{literal(s.source)} AS domain, coalesce(1 + strlen(text) // 4, 0) AS tokens, "
        f"CASE WHEN text IS NULL THEN 'text is null' END AS bad, "
        f"CASE WHEN text IS NOT NULL AND file_row_number % 7 = 0 THEN 'n > 0' END AS rejected_by "
        f"FROM read_parquet({literal(str(folder / s.path))}, file_row_number = true)"
        for s in shards
    )
    connection.execute(
        f"""
        COPY (
            WITH read AS ({rows}),
            pool AS (SELECT *, hash(doc_id) % 1000 / 1000.0 :: DOUBLE AS merged, {derivation.draw(SEED)} AS draw
                FROM read WHERE bad IS NULL AND rejected_by IS NULL),
            ranked AS (SELECT *, sum(tokens) OVER (PARTITION BY domain ORDER BY merged)
                / CAST(sum(tokens) OVER (PARTITION BY domain) AS DOUBLE) AS rank FROM pool),
            expecting AS (SELECT *, {derivation.expected(recipe)} AS expected, 1.7 :: DOUBLE AS scale,
                4.0 :: DOUBLE AS cap FROM ranked),
            drawn AS (SELECT *, CAST({derivation.COPIES} AS INTEGER) AS copies FROM expecting),
            all_ AS (SELECT * FROM drawn UNION ALL BY NAME
                SELECT *, 0 AS copies FROM read WHERE bad IS NOT NULL OR rejected_by IS NOT NULL)
            SELECT source, doc_id, shard, row, domain, tokens, bad, rejected_by, NULL :: VARCHAR AS evidence,
                merged AS score_q, merged, rank, expected, scale, cap, draw, copies,
                CASE WHEN bad IS NOT NULL THEN 'unreadable' WHEN rejected_by IS NOT NULL THEN 'filtered'
                    WHEN copies > 0 AND rank > CASE domain WHEN 'code' THEN 0.6 ELSE 0.5 END THEN 'selected_tail'
                    WHEN copies > 0 THEN 'selected'
                    WHEN rank > CASE domain WHEN 'code' THEN 0.6 ELSE 0.5 END THEN 'below_threshold'
                    ELSE 'not_drawn' END AS reason
            FROM all_ ORDER BY source, doc_id
        ) TO {literal(str(path))} (FORMAT parquet)
        """
    )


def select(connection: duckdb.DuckDBPyConnection, sampled: Path) -> Selection:
    relation = f"read_parquet({literal(str(sampled))})"
    reasons = connection.execute(
        "SELECT domain, reason, coalesce(bad, rejected_by), count(*), CAST(sum(tokens) AS BIGINT) "
        f"FROM {relation} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    names = ("domain", "reason", "rejected_by", "documents", "tokens")
    return Selection(
        stats=(),
        cells=(),
        reasons=tuple(Reason(**dict(zip(names, row, strict=True))) for row in reasons),
        candidates=sum(row[3] for row in reasons),
        budget=None,
        allocated=None,
        digest=digest(connection, relation, SEED),
    )


def tree(folder: Path) -> dict[str, str]:
    """Every file of a folder with its sha256."""
    return {str(p.relative_to(folder)): digests.sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def sql(query: str) -> list[tuple[Any, ...]]:
    with connect(Settings(memory="1GB", threads=1)) as connection:
        return connection.execute(query).fetchall()


def verify(folder: Path) -> list[str]:
    with connect(Settings(memory="1GB", threads=2)) as connection:
        return [problem.code for problem in dataset.verify(connection, folder)]


def reseal(folder: Path, described: dict[str, Any]) -> None:
    """Writes a manifest, and its seal there and in the card, as a forger would."""
    before, described["seal"] = described["seal"], seal.seal_of(described)
    (folder / "manifest.json").write_text(manifest.text_of(described))
    card = folder / "README.md"
    card.write_text(card.read_text().replace(before, described["seal"]))
