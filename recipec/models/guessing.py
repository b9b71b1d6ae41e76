"""Fits and applies predictors in the process that runs models, which has their tokenizer and embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recipec.arrays import Array
from recipec.database.connection import Settings, connect
from recipec.database.sql import literal
from recipec.models import extraction, loading
from recipec.models.job import Fit, Predict
from recipec.models.predictor import Predictor, fit
from recipec.places import local

CHUNK = 4096


@dataclass(slots=True)
class Guesser:
    """Runs `Fit` and `Predict` jobs; keeps the tokenizer and the embeddings of the last model."""

    model: str = ""
    tokenizer: Any = None
    table: Any = None

    def forget(self) -> None:
        self.model, self.tokenizer, self.table = "", None, None

    def run(self, job: Fit | Predict, done: Callable[[int], None]) -> None:
        if self.model != job.model:
            folder = Path(job.model)
            self.tokenizer = loading.tokenizer(folder)
            decoder: Any = loading.load(folder, "fp32", "cpu").decoder
            self.table = decoder.get_input_embeddings().weight
            self.model = job.model
        if isinstance(job, Fit):
            self._fit(job)
        else:
            self._predict(job, done)

    def _fit(self, job: Fit) -> None:
        with connect(Settings(memory="1GB"), folders=[Path(job.texts).parent, Path(job.held).parent]) as connection:
            columns = connection.execute(
                f"SELECT * FROM read_parquet({literal(job.texts)}) ORDER BY place"
            ).fetchnumpy()
            tokens = extraction.encode(self.tokenizer, columns["text"].tolist(), job.length)
            names = sorted((name for name in columns if name.startswith("score_")), key=lambda name: int(name[6:]))
            scores = np.stack([np.asarray(columns[name]) for name in names], axis=1)
            predictor, held = fit(tokens, scores, self._embed)
            with local.replacing(Path(job.predictor)) as temporary, temporary.open("wb") as file:
                np.savez(file, **{name: getattr(predictor, name) for name in FIELDS})
            _write(connection, Path(job.held), np.arange(len(held)), held)

    def _predict(self, job: Predict, done: Callable[[int], None]) -> None:
        with np.load(job.predictor, allow_pickle=False) as stored:
            predictor = Predictor(**{name: stored[name] for name in FIELDS})
        rows, values = [np.empty(0, np.int64)], [np.empty((0, len(predictor.mean)))]
        with connect(Settings(memory="1GB"), folders=[Path(job.texts).parent]) as connection:
            found = connection.execute(f"SELECT row, text FROM read_parquet({literal(job.texts)})")
            while batch := found.fetchmany(CHUNK):
                tokens = extraction.encode(self.tokenizer, [text for _, text in batch], job.length)
                some = [(row, ids) for (row, _), ids in zip(batch, tokens, strict=True) if ids]
                if some:
                    rows.append(np.array([row for row, _ in some], np.int64))
                    values.append(predictor([ids for _, ids in some], self._embed))
                done(len(batch))
        with connect(Settings(memory="1GB"), folders=[Path(job.out).parent]) as connection:
            _write(connection, Path(job.out), np.concatenate(rows), np.concatenate(values))

    def _embed(self, tokens: Sequence[Sequence[int]]) -> Array:
        """Mean static embeddings (n, H) float64 of texts."""
        import torch

        lengths = torch.tensor([0, *(len(one) for one in tokens[:-1])])
        flat = torch.tensor([token for one in tokens for token in one])
        with torch.inference_mode():
            found = torch.nn.functional.embedding_bag(flat, self.table, lengths.cumsum(0), mode="mean")
        return np.asarray(found.double().numpy())


FIELDS = ("center", "scale", "ngrams", "random", "mean")


def _write(connection: Any, path: Path, rows: Array, values: Array) -> None:
    columns = ", ".join(f"unnest(${number + 2} :: DOUBLE[]) AS value_{number}" for number in range(values.shape[1]))
    with local.replacing(path) as temporary:
        connection.execute(
            f"COPY (SELECT unnest($1 :: BIGINT[]) AS row, {columns}) TO {literal(str(temporary))} (FORMAT parquet)",
            [rows, *values.T],
        )
