"""Everything that a recipe reads, from a store and from a web server: examples, attributes, mixtures, parameters, laws."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from recipec import pipeline, resources
from recipec.ir.execution import Manifest
from tests.conftest import Run
from tests.places import web
from tests.places.store import Bucket, free_port

pytestmark = pytest.mark.slow

RECIPE = """
source web {{
  shards "{place}/web/{{0..1}}.parquet"
  id id
  text text
  tokens n
  domain topic
  attributes "{place}/scores.parquet" by id {{ columns edu }}
  attributes "{place}/values/0.npy" "{place}/values/1.npy" by row {{ columns p_code, p_math }}
}}

target questions {{
  examples "{place}/questions.jsonl.gz"
  text "{{question}}"
}}

target lines {{
  examples "{place}/lines.txt"
}}

criterion edu = column(edu) higher is better
criterion words = distinct_word_ratio() higher is better

where not overlaps(questions, ngram: 4)
where not overlaps(lines, ngram: 4)
where p_code < 0.9

quality {{ weights from "{place}/best.json" }}
sample quadmix from "{place}/best.json"
mixture from "{place}/mixture.json"
budget 20K tokens {{ model 1B params, law infolaw("{place}/law.json") }}
shortfall shrink
output jsonl "out"
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "web").mkdir(parents=True)
    (folder / "values").mkdir()
    with duckdb.connect() as connection:
        for number in range(2):
            text = "'Text ' || range || ' about ' || range % 13 || repeat(' word', 20 + range % 17)"
            rows = f"SELECT 'd{number}-' || range AS id, {text} AS text, 20 + range % 17 AS n, "
            rows += "CASE WHEN range % 3 = 0 THEN 'sci' ELSE 'web' END AS topic FROM range(600)"
            connection.execute(f"COPY ({rows}) TO '{folder}/web/{number}.parquet'")
            np.save(folder / f"values/{number}.npy", np.linspace(0, 1, 1200, dtype="f4").reshape(600, 2))
        scores = "SELECT 'd' || range // 600 || '-' || range % 600 AS id, (range * 7919 % 1000) / 1000 AS edu"
        connection.execute(f"COPY ({scores} FROM range(1200)) TO '{folder}/scores.parquet'")
    (folder / "questions.jsonl.gz").write_bytes(gzip.compress(b'{"question": "Text 5 about 5 word word"}\n' * 3))
    (folder / "lines.txt").write_text("Text about words\nmore words about text\n")
    (folder / "mixture.json").write_text(json.dumps({"weights": {"sci": 0.4, "web": 0.6}}))
    weights = {"edu": 0.7, "words": 0.3, "lambda": 40.0, "omega": 0.4, "eta": 2.0, "epsilon": 0.01}
    (folder / "best.json").write_text(json.dumps({"weights": weights}))
    (folder / "law.json").write_text(resources.law("std.law.infolaw_2026"))
    return folder


def applied(folder: Path, place: str) -> Manifest:
    folder.mkdir()
    (folder / "a.recipe").write_text(RECIPE.format(place=place))
    return pipeline.apply(pipeline.plan(folder / "a.recipe", {}).plans[0])


def test_everything_that_is_read_may_lie_in_a_store(world: Path, bucket: Bucket, tmp_path: Path, run: Run) -> None:
    bucket.fill(world, "deep/er/")
    here = applied(tmp_path / "here", str(world))
    there = applied(tmp_path / "there", f"{bucket.url}/deep/er")
    assert here.rows > 100
    assert (there.digest, there.data) == (here.digest, here.data)
    assert "ok: " in run("verify", tmp_path / "there/out").out
    assert "0 B" in (found := run("gc", tmp_path / "there")).out, found
    plan = ("plan", tmp_path / "there/a.recipe", "--detailed-exitcode")
    assert run(*plan).code == 0
    bucket.put("deep/er/questions.jsonl.gz", gzip.compress(b'{"question": "Text 6 about 6 word word"}\n'))
    assert run(*plan).code == 2


def test_everything_that_is_read_may_lie_on_a_web_server(world: Path, tmp_path: Path, run: Run) -> None:
    here = applied(tmp_path / "here", str(world))
    for etags in (True, False):
        with web.serving(world, etags=etags) as address:
            there = applied(tmp_path / f"there-{etags}", address)
            assert (there.digest, there.data) == (here.digest, here.data)
            kinds = {shard.sha256.partition(" ")[0] for shard in there.shards}
            assert kinds == {"etag" if etags else "modified"}
        assert "ok: " in run("verify", tmp_path / f"there-{etags}/out").out


def test_web_servers_that_cannot_be_used(world: Path, tmp_path: Path, run: Run) -> None:
    recipe = tmp_path / "a.recipe"
    (world / "secret.parquet").write_bytes(b"x")

    def told(place: str) -> str:
        recipe.write_text(f'source a {{ shards "{place}", id id, text text, tokens n, domain topic }}\n')
        found = run("check", recipe)
        assert found.code == 1
        return found.err

    with web.serving(world) as address:
        assert "error[R0301]: a web server does not list its files" in told(f"{address}/web/*.parquet")
        assert "error[R0301]: no file matches" in told(f"{address}/web/9.parquet")
        assert "error[R0315]: access is refused: 403 Forbidden" in told(f"{address}/secret.parquet")
    assert "error[R0316]: the store cannot be reached: " in told(f"http://127.0.0.1:{free_port()}/a.parquet")
    with web.serving(world, ranges=False) as address:
        assert "the server does not answer requests for parts of a file" in told(f"{address}/web/0.parquet")


def test_a_law_of_a_store_predicts(world: Path, bucket: Bucket, run: Run, tmp_path: Path) -> None:
    bucket.fill(world)
    (tmp_path / "runs.csv").write_text("tokens,params,unique\n1e9,1e8,1e9\n")
    words = ("predict", "--runs", tmp_path / "runs.csv", "--law")
    here, there = run(*words, world / "law.json"), run(*words, f"{bucket.url}/law.json")
    assert (there.code, there.out) == (here.code, here.out)
    missing = run(*words, f"{bucket.url}/no.json")
    assert (missing.code, "R0902" in missing.err) == (1, True)
