"""Runs the trainings that have no record yet, in one process per device."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import closed
from recipec.models.client import Client
from recipec.models.job import STATE, Train
from recipec.places import digests, local, sealed
from recipec.proxies.corpus import Corpus
from recipec.proxies.records import RECORD_VERSION, Proxy, Record, Training

if TYPE_CHECKING:
    from recipec.execution.pool import Pool

LARGEST = 1 << 20
"""Maximum size of a record in bytes."""

THREADED = 20_000_000
"""Number of parameters from which a training on the CPU gets all cores; smaller ones run in parallel."""


def key(corpus: Corpus, proxy: Proxy, training: Training) -> str:
    """The identity of a training: a hash of everything that determines its losses."""
    value = {
        "version": RECORD_VERSION,
        "corpus": corpus.folder.name,
        "proxy": proxy.model_dump(mode="json"),
        "seed": training.seed,
        "copies": hashlib.sha256(np.load(training.copies, allow_pickle=False).astype("<i8").tobytes()).hexdigest(),
    }
    return digests.sha256_text(digests.canonical_json(value))[:32]


def train(pool: Pool, corpus: Corpus, proxy: Proxy, trainings: Sequence[Training]) -> list[Record]:
    """Returns the records of trainings, in their order, after running those without a stored record.

    An interrupted training continues from its last saved state. One whose process dies is retried on another device if
    there is one.

    Raises:
        Failure: a training could not be run on any device.
    """
    jobs = [job_of(pool, corpus, proxy, training) for training in trainings]
    missing: dict[str, Train] = {}
    for job, training in zip(jobs, trainings, strict=True):
        if job.key not in missing and (stored(Path(job.out)) is None or (job.keep and not Path(job.keep).is_dir())):
            write_order(pool, corpus, training, Path(job.order))
            # A training that was interrupted begins anew if what it saved is damaged.
            sealed.is_whole(Path(job.folder) / STATE)
            missing[job.key] = job
    if missing:
        first = next(iter(missing.values()))
        run_all(pool, list(missing.values()), devices_for(pool, first))
    found = [_read(Path(job.out)) for job in jobs]
    return [one.model_copy(update={"name": training.name}) for one, training in zip(found, trainings, strict=True)]


def stored(path: Path) -> Record | None:
    """The record in a file of the state folder, or None. If it is damaged, or no record, it is removed, with a note."""
    if not sealed.is_whole(path):
        return None
    try:
        return closed.parsed(Record, local.read_text(path, LARGEST))
    except (OSError, ValueError):
        sealed.drop([path])
        return None


def _read(path: Path) -> Record:
    """The record that a training has written.

    Raises:
        Damaged: it is damaged or gone.
    """
    record = stored(path)
    if record is None:
        raise sealed.Damaged([path])
    return record


def job_of(pool: Pool, corpus: Corpus, proxy: Proxy, training: Training) -> Train:
    """The job of a training for the process that runs models."""
    identity = key(corpus, proxy, training)
    place = corpus.folder / "runs" / identity
    place.mkdir(parents=True, exist_ok=True)
    assert pool.scorer is not None
    return Train(
        corpus=str(corpus.folder),
        order=str(place / "order.npy"),
        proxy=proxy.model_dump(mode="json"),
        checkpoint=corpus.checkpoint,
        name=training.name,
        seed=training.seed,
        key=identity,
        folder=str(place),
        keep=training.keep,
        out=str(place / "record.json"),
        device=pool.scorer.device,
        threads=pool.scorer.threads,
    )


def write_order(pool: Pool, corpus: Corpus, training: Training, path: Path) -> None:
    """Writes the numbers of the documents in training order, with each copy placed by its own hash."""
    if sealed.is_whole(path):
        return
    copies = np.load(training.copies, allow_pickle=False)
    documents = f"read_parquet({literal(str(corpus.folder / 'documents.parquet'))})"
    seed = literal(f"order\x1f{training.seed}\x1f")
    rows = pool.connection.execute(
        f"SELECT number FROM (SELECT d.*, unnest(range(c.copies)) AS copy FROM {documents} AS d "
        f"JOIN (SELECT unnest($1 :: BIGINT[]) AS number, unnest($2 :: BIGINT[]) AS copies) AS c USING (number)) "
        f"ORDER BY md5_number_lower({seed} || source || chr(31) || doc_id || chr(31) || copy), number, copy",
        [np.flatnonzero(copies).tolist(), copies[copies > 0].tolist()],
    ).fetchnumpy()
    with sealed.replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.asarray(rows["number"], np.int64))


def copies_for(corpus: Corpus, weights: Mapping[str, float], tokens: int, seed: int) -> np.ndarray[Any, Any]:
    """Copies (n,) of documents for a mixture: from each domain the documents with the smallest hashes until its share
    of the tokens is reached, repeated if there are too few."""
    copies = np.zeros(len(corpus.tokens), np.int64)
    numbers = np.argsort(_mixed(corpus.keys, seed), kind="stable")
    for domain, weight in weights.items():
        mine = numbers[corpus.domains[numbers] == domain]
        have = int(corpus.tokens[mine].sum())
        if not have or weight <= 0:
            continue
        whole, rest = divmod(weight * tokens, have)
        copies[mine] += int(whole)
        copies[mine[: int(np.searchsorted(corpus.tokens[mine].cumsum(), rest, side="left")) + 1]] += 1
    return copies


def _mixed(keys: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Mixes keys with a seed (the finaliser of SplitMix64)."""
    z = keys + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: np.ndarray[Any, Any] = z ^ (z >> np.uint64(31))
    return found


def run_all(pool: Pool, jobs: Sequence[Train], devices: Sequence[tuple[str, int | None]]) -> None:
    """Runs jobs in parallel, one at a time per device; jobs of a device that fails are run on the others.

    Args:
        devices: device names, each with the number of threads of a training there.

    Raises:
        Failure: no device is left before all jobs are done.
    """
    waiting: queue.Queue[Train] = queue.Queue()
    for job in jobs:
        waiting.put(job)
    lock, done, problems = threading.Lock(), 0.0, []

    def work(device: str, threads: int | None) -> bool:
        """Runs jobs until none is waiting; returns whether the device still works."""
        nonlocal done
        client = Client()
        try:
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return True

                def count(parts: int) -> None:
                    nonlocal done
                    with lock:
                        done += parts / PARTS
                        pool.progress("train proxies", int(done * PARTS), len(jobs) * PARTS, "parts")

                try:
                    client.run(job.model_copy(update={"device": device, "threads": threads}), count)
                except Failure as failure:
                    # Another device may still work; the training continues from its saved state.
                    waiting.put(job)
                    problems.append(failure)
                    return False
        finally:
            client.close()

    while devices and not waiting.empty():
        with ThreadPoolExecutor(len(devices)) as workers:
            results = [workers.submit(work, *device) for device in devices]
        devices = [device for device, result in zip(devices, results, strict=True) if result.result()]
    if not waiting.empty():
        first = problems[0].diagnostics[0] if problems else Diagnostic("R1603", "no device is left to train on")
        raise Failure(first)


PARTS = 1000
"""Progress units reported per training."""


def devices_for(pool: Pool, job: Train) -> list[tuple[str, int | None]]:
    """The devices with the number of threads of each: CUDA devices, else the CPU, once per core for small models."""
    assert pool.scorer is not None
    if pool.scorer.device != "cpu":
        # torch is only loaded in the worker processes, so ask one which devices there are.
        client = Client()
        try:
            found = client.devices(pool.scorer.device)
        finally:
            client.close()
        if found != ["cpu"]:
            return [(one, None) for one in found]
    cores = job.threads or len(os.sched_getaffinity(0))
    size = 12 * job.proxy["layers"] * job.proxy["hidden"] ** 2
    if job.checkpoint:
        size = sum(path.stat().st_size for path in Path(job.checkpoint).glob("*.safetensors")) // 4
    return [("cpu", cores)] if size > THREADED else [("cpu", 1)] * cores
