"""The influence job: turns texts into token sequences, measures, and writes the result as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from recipec.database.connection import Settings, connect
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.models import extraction, group_influence, loading
from recipec.models.job import Measure
from recipec.places import sealed

PARTS = 1000
"""Progress units reported per measurement."""

LONGEST = 1_000_000
"""Maximum number of tokens used of one text."""


def run(job: Measure, done: Callable[[int], None]) -> None:
    """Measures influence and writes `out`; `done` is called with the thousandths of the work done since the last call.

    Raises:
        Failure: a domain has too little text, a task has none, or the model cannot be measured.
    """
    loading.use_threads(job.threads)
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
    sealed.write_value(Path(job.out), value)


Span = tuple[int, int]
"""The tokens (from, to) of a sequence whose loss counts."""


def _sequences(
    job: Measure, tokenizer: Any
) -> tuple[list[list[list[int]]], list[list[Span]], list[list[list[int]]], dict[str, Any]]:
    """The sequences of tasks with their spans, the sequences of domains, and the number of tokens of each."""
    texts: dict[tuple[str, int], list[tuple[str, int, int, int | None]]] = {}
    made = counted = 0
    with connect(Settings(memory="1GB"), folders=[Path(job.texts).parent]) as connection:
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
            words = f"{there:,} tokens, and {job.shards} parts of {job.length} are the minimum"
            problems.append(f"domain `{name}` has too little text: {words}")
    if problems:
        helps = ("use a smaller --length or --parts, or a larger --tokens; or leave the domain out",)
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
    """Yields each text's tokens and the span of those in its completion; None if there is nothing to predict."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    encodings = tokenizer.encode_batch([one[0] for one in examples], add_special_tokens=False)
    for (_, start, stop, _), encoding in zip(examples, encodings, strict=True):
        # The first token cannot be predicted: nothing precedes it.
        inside = [n for n, (a, b) in enumerate(encoding.offsets) if n and a < stop and b > start]
        yield (encoding.ids, (inside[0], inside[-1] + 1)) if inside else None


def _packed(encoded: Sequence[Sequence[int]], length: int, tokens: int) -> list[list[int]]:
    """Concatenates texts and cuts them into sequences of exactly `length` tokens, at most `tokens` tokens in all."""
    flat = [token for one in encoded for token in one]
    count = min(len(flat), tokens) // length
    return [flat[number * length : (number + 1) * length] for number in range(count)]
