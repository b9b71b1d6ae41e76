"""The influence job: texts to sequences of tokens, the measurement, and its result as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from recipec.database.connection import Settings, connect
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.models import extraction, group_influence, loading
from recipec.models.job import Measure
from recipec.places import local

PARTS = 1000
"""Of the work, that are reported one by one."""

LONGEST = 1_000_000
"""Tokens of one text that are looked at."""


def run(job: Measure, done: Callable[[int], None]) -> None:
    """Measures, and writes `out`; `done` is called with thousandths of the work.

    Raises:
        Failure: a domain has too little text, a task none, or the model cannot be measured.
    """
    import torch

    if job.threads:
        torch.set_num_threads(job.threads)
    folder = Path(job.model)
    tasks, spans, domains, tokens = _sequences(job, loading.tokenizer(folder))
    model = loading.load(folder, "fp32", loading.devices(job.device)[0])
    settings = group_influence.Settings(
        kind=job.curvature, layers=job.layers, shards=job.shards, memory=job.memory, seed=job.seed
    )
    seen = 0.0

    def count(share: float) -> None:
        nonlocal seen
        done(int(PARTS * (seen + share)) - int(PARTS * seen))
        seen += share

    found = group_influence.measure(model, tasks, domains, settings, Path(job.folder), count, spans)
    value = {"influence": found.tolist(), **tokens}
    local.write_text(Path(job.out), json.dumps(value) + "\n")


Span = tuple[int, int]
"""Of a sequence, from and to which token its loss counts."""


def _sequences(
    job: Measure, tokenizer: Any
) -> tuple[list[list[list[int]]], list[list[Span]], list[list[list[int]]], dict[str, Any]]:
    """Sequences of tasks with their spans, sequences of domains, and how many tokens each came to."""
    texts: dict[tuple[str, int], list[tuple[str, int, int, int | None]]] = {}
    made = counted = 0
    with connect(Settings(memory="1GB")) as connection:
        rows = connection.execute(
            f"SELECT kind, number, text, start, stop, counted FROM read_parquet({literal(job.texts)}) "
            f"ORDER BY kind, number, place"
        ).fetchall()
    for kind, number, *example in rows:
        texts.setdefault((kind, number), []).append(tuple(example))
    tasks, spans, domains, problems = [], [], [], []
    for number, name in enumerate(job.tasks):
        marked = [one for one in _marked(tokenizer, texts.get(("task", number), []), job.length) if one is not None]
        tasks.append([ids for ids, _ in marked])
        spans.append([span for _, span in marked])
        if not marked:
            problems.append(f"target `{name}` has no text of two tokens, or no completion within {job.length}")
    for number, name in enumerate(job.domains):
        mine = texts.get(("domain", number), [])
        encoded = extraction.encode(tokenizer, [one[0] for one in mine], LONGEST)
        made += sum(len(ids) for ids, one in zip(encoded, mine, strict=True) if one[3] is not None)
        counted += sum(one[3] or 0 for one in mine)
        domains.append(_packed(encoded, job.length, job.tokens))
        if len(domains[-1]) < job.shards:
            there = sum(map(len, domains[-1]))
            words = f"{there:,} tokens, and {job.shards} parts of {job.length} are the least"
            problems.append(f"domain `{name}` has too little text: {words}")
    if problems:
        helps = ("a smaller --length, --parts or a larger --tokens; or leave the domain out",)
        raise Failure(Diagnostic("R1309", "; ".join(problems), helps=helps))
    counts = {
        "task_tokens": [sum(stop - start for start, stop in one) for one in spans],
        "domain_tokens": [sum(map(len, one)) for one in domains],
        "ratio": made / counted if counted else 1.0,
    }
    return tasks, spans, domains, counts


def _marked(
    tokenizer: Any, examples: Sequence[tuple[str, int, int, int | None]], length: int
) -> Iterator[tuple[list[int], Span] | None]:
    """Of each text its tokens and those among them that are of its completion; None where there is nothing to predict."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    encodings = tokenizer.encode_batch([one[0] for one in examples], add_special_tokens=False)
    for (_, start, stop, _), encoding in zip(examples, encodings, strict=True):
        # The first token has nothing before it.
        inside = [n for n, (a, b) in enumerate(encoding.offsets) if n and a < stop and b > start]
        yield (encoding.ids, (inside[0], inside[-1] + 1)) if inside else None


def _packed(encoded: Sequence[Sequence[int]], length: int, tokens: int) -> list[list[int]]:
    """Texts one after the other, cut into sequences of exactly `length` tokens: as many as are asked for and there."""
    flat = [token for one in encoded for token in one]
    count = min(len(flat), tokens) // length
    return [flat[number * length : (number + 1) * length] for number in range(count)]
