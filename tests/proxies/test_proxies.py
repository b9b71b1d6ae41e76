"""Proxies trained for real: order and packing against plain loops, records, resuming, and what is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from recipec import proxies  # noqa: E402
from recipec.diagnostics import Failure  # noqa: E402
from recipec.execution.pool import Pool  # noqa: E402
from recipec.models.training import Packed  # noqa: E402
from recipec.pipeline import compile_recipe, opening  # noqa: E402
from recipec.progress import silent  # noqa: E402
from recipec.proxies import trainings  # noqa: E402
from tests import tiny_model  # noqa: E402
from tests.conftest import SOURCE, wait_for  # noqa: E402

pytestmark = pytest.mark.slow

RECIPE = (
    "seed 3\n"
    + SOURCE
    + """target law {
  examples "law.txt"
}
target cell {
  examples "cell.txt"
  holdout 50%
}
where length(text) > 5
"""
)

SMALL = proxies.Proxy(
    hidden=32, layers=2, heads=2, ffn=64, context=32, vocabulary=300, tokens=6_000, batch=4, rate=5e-3
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proxies")
    (folder / "data").mkdir()
    with duckdb.connect() as connection:
        # Each domain leans to words of its own.
        texts = [tiny_model.text(18 * n + 6 * (n % 3), 30, least=0.001) for n in range(300)]
        connection.execute("CREATE TABLE pool AS SELECT unnest($1) AS i, unnest($2) AS text", [list(range(300)), texts])
        for part in range(2):
            connection.execute(
                "COPY (SELECT 'd' || i AS id, text, 40 AS n, ['a', 'b', 'c'][1 + i % 3] AS topic FROM pool "
                f"WHERE i % 2 = {part}) TO '{folder}/data/{part}.parquet'"
            )
    (folder / "law.txt").write_text("\n".join(tiny_model.text(18 * n + 18_000, 20, least=0.001) for n in range(20)))
    (folder / "cell.txt").write_text("\n".join(tiny_model.text(18 * n + 18_006, 20, least=0.001) for n in range(9)))
    (folder / "r.recipe").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def run(world: Path) -> Iterator[Pool]:
    path = world / "r.recipe"
    compiled = compile_recipe(path, {})
    with opening.opened(compiled, opening.settings(path), "cpu", silent) as (place, _):
        found = place.run(compiled.recipe)
        found.read()
        found.score(models=False)
        yield found.pool


@pytest.fixture(scope="module")
def corpus(run: Pool) -> proxies.Corpus:
    return proxies.prepare(run, SMALL, run.recipe.targets)


def training(folder: Path, copies: Any, name: str = "one", seed: int = 1, keep: str = "") -> proxies.Training:
    path = folder / f"{name}.npy"
    np.save(path, np.asarray(copies, np.int64))
    return proxies.Training(name=name, seed=seed, copies=str(path), keep=keep)


def test_documents_are_packed_one_after_the_other() -> None:
    tokens = np.arange(100, 130, dtype=np.uint16)
    starts, lengths = np.array([0, 5, 12]), np.array([5, 7, 3])
    order = [2, 0, 0, 1]
    packed = Packed(np.array(order), starts, lengths, tokens, 9)
    whole = [t for n in order for t in [*tokens[starts[n] : starts[n] + lengths[n]].tolist(), 9]]
    assert packed.size == len(whole)
    for first in range(0, 3 * len(whole), 7):
        assert packed(first, 11).tolist() == [whole[(first + n) % len(whole)] for n in range(11)]


def test_the_corpus_is_the_pool(world: Path, corpus: proxies.Corpus) -> None:
    rows = duckdb.execute(f"SELECT doc_id, domain FROM '{corpus.folder}/documents.parquet' ORDER BY number").fetchall()
    assert [row[0] for row in rows] == sorted(f"d{n}" for n in range(300))
    from recipec.models import loading

    tokenizer = loading.tokenizer(corpus.folder)
    starts = np.load(corpus.folder / "starts.npy")
    tokens = np.fromfile(corpus.folder / "tokens.bin", np.uint16)
    texts = dict(duckdb.execute(f"SELECT id, text FROM '{world}/data/*.parquet'").fetchall())
    for number in (0, 1, 150, 299):
        mine = tokens[starts[number] : starts[number] + corpus.tokens[number]].tolist()
        assert tokenizer.decode(mine) == texts[rows[number][0]]
    with np.load(corpus.folder / "tasks.npz") as tasks:
        held = (tasks["owners"] == 0).sum()
        assert 0 < held < 9
        assert (tasks["owners"] == 1).sum() == 20


def test_a_proxy_learns_what_it_is_given(run: Pool, corpus: proxies.Corpus, tmp_path: Path) -> None:
    of = {domain: (corpus.domains == domain).astype(int) for domain in "abc"}
    trainings = [
        training(tmp_path, of["a"], "a"),
        training(tmp_path, of["b"], "b"),
        training(tmp_path, of["a"], "again"),
    ]
    first, second, again = proxies.train(run, corpus, SMALL, trainings)
    # Domain a has the words of `law`, b those of `cell`.
    assert first.losses["law"] < second.losses["law"] - 0.1
    assert second.losses["cell"] < first.losses["cell"] - 0.1
    assert all(first.losses[name] < first.start[name] for name in corpus.tasks)
    assert (again.losses, again.key, again.name) == (first.losses, first.key, "again")
    assert first.steps == 47
    assert first.tokens == 47 * 128
    assert first.epochs == pytest.approx(first.tokens / (corpus.tokens[of["a"] > 0] + 1).sum())
    assert first.diverged is None
    [stored] = [path for path in (corpus.folder / "runs").iterdir() if path.name == first.key]
    before = (stored / "record.json").stat().st_mtime_ns
    assert proxies.train(run, corpus, SMALL, trainings[:1])[0] == first
    assert (stored / "record.json").stat().st_mtime_ns == before


def test_order_is_of_the_seed_alone(run: Pool, corpus: proxies.Corpus, tmp_path: Path) -> None:
    copies = np.arange(300) % 3
    one, other = training(tmp_path, copies, "x", seed=1), training(tmp_path, copies, "y", seed=2)
    first, second = proxies.train(run, corpus, SMALL.model_copy(update={"tokens": 256}), [one, other])
    orders = [np.load(corpus.folder / "runs" / record.key / "order.npy") for record in (first, second)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(np.repeat(np.arange(300), copies))
    assert orders[0].tolist() != orders[1].tolist()


def test_divergence_is_recorded(run: Pool, corpus: proxies.Corpus, tmp_path: Path) -> None:
    wild = SMALL.model_copy(update={"rate": 1e4})
    [record] = proxies.train(run, corpus, wild, [training(tmp_path, np.ones(300), "wild")])
    assert record.diverged is not None
    assert record.steps < 47


def test_copies_of_a_mixture(corpus: proxies.Corpus) -> None:
    total = int(corpus.tokens.sum())
    copies = proxies.copies_for(corpus, {"a": 0.7, "b": 0.3, "none": 0.0}, total, seed=4)
    drawn = {domain: int((copies * corpus.tokens)[corpus.domains == domain].sum()) for domain in "abc"}
    assert drawn["c"] == 0
    assert drawn["a"] == pytest.approx(0.7 * total, abs=200)
    assert drawn["b"] == pytest.approx(0.3 * total, abs=200)
    assert copies[corpus.domains == "a"].min() >= 1
    assert np.ptp(copies[corpus.domains == "a"]) <= 1


def test_a_kept_proxy_is_a_checkpoint(run: Pool, corpus: proxies.Corpus, tmp_path: Path) -> None:
    kept = training(tmp_path, np.ones(300), "kept", keep=str(tmp_path / "model"))
    [record] = proxies.train(run, corpus, SMALL, [kept])
    onwards = SMALL.model_copy(update={"start": str(tmp_path / "model"), "tokens": 1_280, "rate": 1e-3})
    after = proxies.prepare(run, onwards, run.recipe.targets)
    [gone_on] = proxies.train(run, after, onwards, [training(tmp_path, np.ones(300), "on")])
    assert gone_on.start == pytest.approx(record.losses, abs=1e-5)
    assert gone_on.losses["law"] < record.losses["law"]


def test_a_device_that_vanishes(run: Pool, corpus: proxies.Corpus, tmp_path: Path) -> None:
    short = SMALL.model_copy(update={"tokens": 256})
    mine = [training(tmp_path, np.ones(300), "v", seed=seed) for seed in range(20, 23)]
    jobs = [trainings.job_of(run, corpus, short, one) for one in mine]
    for job, one in zip(jobs, mine, strict=True):
        trainings.write_order(run, corpus, one, Path(job.order))
    with pytest.raises(Failure):
        trainings.run_all(run, jobs, [("cuda:9", None)])
    trainings.run_all(run, jobs, [("cuda:9", None), ("cpu", 1)])
    found = proxies.train(run, corpus, short, mine)
    assert [record.device for record in found] == ["cpu"] * 3


def test_nothing_to_train_on(run: Pool, corpus: proxies.Corpus, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="training `none` has no document to train on"):
        proxies.train(run, corpus, SMALL, [training(tmp_path, np.zeros(300), "none")])


def test_a_killed_training_goes_on(run: Pool, corpus: proxies.Corpus, tmp_path: Path) -> None:
    """Killed after it has saved its state; the losses are those of a training that was left alone."""
    longer = SMALL.model_copy(update={"tokens": 40_000})
    one = training(tmp_path, np.ones(300), "long", seed=9)
    job = trainings.job_of(run, corpus, longer, one)
    trainings.write_order(run, corpus, one, Path(job.order))
    code = (
        "import sys\nfrom recipec.models import training\nfrom recipec.models.job import Train\n"
        "training.run(Train.model_validate_json(sys.argv[1]), lambda _: None)\n"
    )
    command = [sys.executable, "-c", code, job.model_copy(update={"threads": 1, "save": 0.0}).model_dump_json()]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    state = Path(job.folder) / "state.safetensors"
    wait_for(state.is_file)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.is_file()
    assert not Path(job.out).exists()
    [resumed] = proxies.train(run, corpus, longer, [one])
    Path(job.out).unlink()
    [whole] = proxies.train(run, corpus, longer, [one])
    assert json.loads(json.dumps(resumed.losses)) == pytest.approx(whole.losses, abs=1e-6)
    assert not state.exists()
