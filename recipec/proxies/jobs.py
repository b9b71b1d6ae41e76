"""Exports trainings as folders for a cluster to run, and collects their records.

DIR/corpus/              the pool as tokens, shared by all jobs
DIR/checkpoint/          the model to start training from, if any
DIR/<name>-<seed>/       job.json, order.npy, shards.txt (sources of the text), command.txt; record.json once it has run
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import closed
from recipec.models.job import Train
from recipec.places import local, sealed
from recipec.proxies.corpus import TOKENS, Corpus
from recipec.proxies.records import Proxy, Record, Training
from recipec.proxies.trainings import LARGEST, job_of, write_order
from recipec.proxies.trainings import stored as stored_record
from recipec.source import read_bytes, strange

if TYPE_CHECKING:
    from recipec.execution.pool import Pool


def stored(pool: Pool, corpus: Corpus, proxy: Proxy, trainings: Sequence[Training]) -> list[Record | None]:
    """The stored records of trainings, None for those without one."""
    found: list[Record | None] = []
    for training in trainings:
        record = stored_record(Path(job_of(pool, corpus, proxy, training).out))
        found.append(record.model_copy(update={"name": training.name}) if record else None)
    return found


def export(pool: Pool, corpus: Corpus, proxy: Proxy, trainings: Sequence[Training], folder: Path) -> list[Path]:
    """Writes a folder per training that has no record; returns the folders."""
    missing = [
        training
        for training, record in zip(trainings, stored(pool, corpus, proxy, trainings), strict=True)
        if record is None
    ]
    if not missing:
        return []
    _copied([corpus.folder / name for name in TOKENS], folder / "corpus")
    if corpus.checkpoint:
        source = Path(corpus.checkpoint)
        _copied(
            [path for path in sorted(source.iterdir()) if path.suffix in (".json", ".safetensors")],
            folder / "checkpoint",
        )
    shards = "".join(f"{shard.sha256}  {shard.path}\n" for shard in pool.shards)
    places = []
    for number, training in enumerate(missing):
        pool.progress("export jobs", number, len(missing), "jobs")
        place = folder / f"{training.name.replace(' ', '-')}-{training.seed}"
        place.mkdir(parents=True, exist_ok=True)
        write_order(pool, corpus, training, place / "order.npy")
        job = job_of(pool, corpus, proxy, training)
        checkpoint = "../checkpoint" if corpus.checkpoint else ""
        paths = {
            "corpus": "../corpus",
            "order": "order.npy",
            "checkpoint": checkpoint,
            "folder": ".",
            "out": "record.json",
        }
        local.write_text(place / "shards.txt", shards)
        local.write_text(place / "command.txt", f"python -m recipec.proxies.job {place.name}\n")
        changed = job.model_copy(update={**paths, "device": "auto", "threads": None})
        local.write_text(place / "job.json", changed.model_dump_json(indent=2) + "\n")
        places.append(place)
    pool.progress("export jobs", len(missing), len(missing), "jobs")
    return places


def _copied(files: Sequence[Path], into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for path in files:
        with local.replacing(into / path.name) as temporary:
            shutil.copyfile(path, temporary)


def read(folder: Path) -> Train:
    """Reads the job in a folder. Jobs are not trusted: whatever it says, it only reads and writes next to itself.

    Raises:
        Failure: there is no job, or it cannot be read.
    """
    try:
        job = closed.parsed(Train, read_bytes(folder / "job.json", local.LARGEST_NOTE))
        Proxy.model_validate(job.proxy, strict=True)
    except OSError as error:
        raise Failure(Diagnostic("R1413", f"`{folder}` holds no job: {error.strerror}")) from None
    except ValueError as error:
        raise Failure(Diagnostic("R1413", f"`{folder}` holds no job: {closed.reason(error)}")) from None
    paths = {
        "corpus": folder.parent / "corpus",
        "order": folder / "order.npy",
        "folder": folder,
        "out": folder / "record.json",
    }
    for path in (paths["order"], *(paths["corpus"] / name for name in TOKENS)):
        if local.exists(path) and (what := strange(path)):
            raise Failure(Diagnostic("R1413", f"`{path}` is {what}, not a regular file"))
    checkpoint = str(folder.parent / "checkpoint") if job.checkpoint else ""
    return job.model_copy(
        update={**{name: str(path) for name, path in paths.items()}, "checkpoint": checkpoint, "keep": ""}
    )


def collect(pool: Pool, corpus: Corpus, proxy: Proxy, trainings: Sequence[Training], folder: Path) -> tuple[int, int]:
    """Stores the records found in a folder of jobs; returns how many belong to these trainings, and how many to others.

    Raises:
        Failure: lists every record that cannot be read, or says that there is none.
    """
    places = {one.key: Path(one.out) for one in (job_of(pool, corpus, proxy, training) for training in trainings)}
    problems, taken, others = [], 0, 0
    for path in sorted(folder.glob("*/record.json")):
        try:
            record = closed.parsed(Record, read_bytes(path, LARGEST))
        except (OSError, ValueError) as error:
            reason = closed.reason(error) if isinstance(error, ValueError) else str(error)
            problems.append(Diagnostic("R1413", f"`{path}` is not a record: {reason}"))
            continue
        if record.key not in places:
            others += 1
            continue
        with sealed.replacing(places[record.key]) as temporary:
            temporary.write_text(record.model_dump_json() + "\n", encoding="utf-8")
        taken += 1
    if problems:
        raise Failure(*problems)
    if not taken and not others:
        helps = ("run the command of each job first",)
        raise Failure(Diagnostic("R1413", f"`{folder}` has no folder with a record.json", helps=helps))
    return taken, others
