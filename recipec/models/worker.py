"""The process that runs models: `python -m recipec.models.worker`.

It keeps torch out of the compiler, and one model loaded across jobs. Jobs arrive as lines of JSON on stdin; events are
written as lines of JSON to stdout: {"done": n} texts, {"end": true}, or {"error": {…}}. It ends when stdin is closed, so
that it never outlives the process that started it.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pydantic import TypeAdapter

from recipec.database.connection import Settings, connect
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.models import cache, extraction, influence_job, loading, training
from recipec.models.guessing import Guesser
from recipec.models.job import AnyJob, Devices, Job, Measure, Rest, Train
from recipec.places import digests, sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHUNK = {"cpu": 512, "cuda": 8192}
"""Number of texts that are tokenised and sorted by length together, per device."""

TOKENS = {"cpu": 2048, "cuda": 131_072}
"""Tokens per batch on a device, unless memory is too small."""

ROWS = 8192
"""Rows per row group, so that a reader holds about 10 MB at once."""

PART_SECONDS = 20.0
"""Seconds of work per part: the most that a kill can lose."""


@dataclass(slots=True)
class Worker:
    """The loaded model, and the stream that events are written to."""

    events: TextIO
    loaded: tuple[Any, ...] = ()
    extractors: list[extraction.Extractor] = field(default_factory=list)
    tokenizer: Any = None

    def say(self, **event: Any) -> None:
        self.events.write(json.dumps(event) + "\n")
        self.events.flush()

    def forget(self) -> None:
        self.loaded, self.tokenizer = (), None
        self.extractors.clear()

    def run(self, job: Job) -> None:
        """Computes and writes the features of a job's texts, in parts."""
        self._load(job)
        written_to, read = [Path(folder) for folder in job.folders], [Path(job.texts).parent]
        with (
            connect(Settings(memory="1GB", threads=1), folders=written_to) as connection,
            connect(Settings(memory="1GB"), folders=read) as reader,
        ):
            names = ", ".join(f"content_{number}" for number in range(len(job.wanted)))
            reader.execute(f"SELECT text, {names} FROM read_parquet({literal(job.texts)})")
            part: list[tuple[Sequence[Any], list[Any]]] = []
            written = time.monotonic()
            while rows := reader.fetchmany(CHUNK[_kind(self.extractors[0].model.device)]):
                part.append(([row[1:] for row in rows], self._extract(job, [row[0] for row in rows])))
                if time.monotonic() - written > PART_SECONDS:
                    self._write(connection, job, part)
                    written = time.monotonic()
            self._write(connection, job, part)

    def _load(self, job: Job) -> None:
        kinds = tuple(one.model_copy(update={"model": ""}) for one in job.wanted)
        key = (job.model, job.digest, job.dtype, kinds, job.device)
        if self.loaded == key:
            return
        loading.use_threads(job.threads)
        folder = Path(job.model)
        self.tokenizer = loading.tokenizer(folder)
        self.extractors = [
            extraction.Extractor(loading.load(folder, job.dtype, device), job.wanted, TOKENS[_kind(device)])
            for device in loading.devices(job.device)
        ]
        # The files were read in between: what they are now, they were then.
        if cache.digest(folder) != job.digest:
            message = f"the model in {folder} changed while it was read"
            raise Failure(Diagnostic("R1102", message, helps=("run the same command again",)))
        self.loaded = key

    def _extract(self, job: Job, texts: Sequence[str]) -> list[list[Any]]:
        """The values to store per item of `wanted`, one per text; None for texts without tokens."""
        tokens = extraction.encode(self.tokenizer, texts, max(one.length for one in job.wanted))
        there = [number for number, ids in enumerate(tokens) if ids]
        shares = [there[number :: len(self.extractors)] for number in range(len(self.extractors))]
        results: list[list[Any]] = [[None] * len(texts) for _ in job.wanted]

        def work(extractor: extraction.Extractor, share: Sequence[int]) -> None:
            arrays = extractor([tokens[number] for number in share], lambda count: self.say(done=count))
            for values, array in zip(results, arrays, strict=True):
                for number, value in zip(share, array, strict=True):
                    values[number] = _stored(value)

        with ThreadPoolExecutor(len(self.extractors)) as pool:
            for done in [pool.submit(work, e, s) for e, s in zip(self.extractors, shares, strict=True) if s]:
                done.result()
        self.say(done=len(texts) - len(there))
        return results

    def _write(self, connection: DuckDBPyConnection, job: Job, part: list[tuple[Sequence[Any], list[Any]]]) -> None:
        """Writes the missing features of each kind, and empties `part`."""
        device = _name(self.extractors[0].model.device)
        for number, one in enumerate(job.wanted):
            contents = [keys[number] for chunk, _ in part for keys in chunk]
            values = [value for _, chunk in part for value in chunk[number]]
            kept = [row for row in zip(contents, values, strict=True) if row[0] is not None]
            if not kept:
                continue
            kind = "BLOB" if one.kind == "neurons" else "DOUBLE"
            query = (
                f"COPY (SELECT unnest($1) AS content, unnest($2 :: {kind}[]) AS value, {literal(device)} AS device) "
                f"TO '{{}}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS})"
            )
            name = digests.sha256_text("\n".join(row[0] for row in kept))[:32]
            with sealed.replacing(Path(job.folders[number]) / f"{name}.parquet") as temporary:
                quoted = str(temporary).replace("'", "''")
                connection.execute(query.format(quoted), [[row[0] for row in kept], [row[1] for row in kept]])
        part.clear()


def _stored(value: Any) -> bytes | float | None:
    """One text's value in its stored form; None for a loss that is not finite."""
    if value.ndim:
        return bytes(value.astype("<u2").tobytes())
    return float(value) if math.isfinite(value) else None


def _kind(device: str) -> str:
    return "cpu" if device == "cpu" else "cuda"


def _name(device: str) -> str:
    """The device's name as stored beside its results."""
    import torch

    return "cpu" if device == "cpu" else torch.cuda.get_device_name(device)


def _jobs(waiting: queue.Queue[str]) -> None:
    """Reads jobs into the queue; ends the process when stdin is closed."""
    for line in sys.stdin:
        waiting.put(line)
    os._exit(0)


def main() -> None:
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Redirect anything that a library prints to stderr, so that it does not mix with events.
    os.dup2(2, 1)
    waiting: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_jobs, args=(waiting,), daemon=True).start()
    worker = Worker(events)
    guesser = Guesser()
    read: TypeAdapter[AnyJob] = TypeAdapter(AnyJob)
    while True:
        try:
            job = read.validate_json(waiting.get())
            if isinstance(job, Job):
                worker.run(job)
            elif isinstance(job, Devices):
                worker.say(devices=loading.devices(job.device))
            elif isinstance(job, Rest):
                worker.forget()
                guesser.forget()
                loading.free()
            elif isinstance(job, Train):
                training.run(job, lambda count: worker.say(done=count))
            elif isinstance(job, Measure):
                influence_job.run(job, lambda count: worker.say(done=count))
            else:
                guesser.run(job, lambda count: worker.say(done=count))
            worker.say(end=True)
        except Failure as failure:
            first = failure.diagnostics[0]
            worker.say(error={"code": first.code, "message": first.message, "helps": list(first.helps)})
        except KeyboardInterrupt:
            os._exit(130)


if __name__ == "__main__":
    main()
