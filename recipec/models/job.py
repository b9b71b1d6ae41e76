"""The jobs of the process that runs models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipec.ir.expressions import Frozen
from recipec.ir.passes import Dtype, Wanted

Device = Literal["auto", "cpu", "cuda"]

STATE = "state.safetensors"
"""The file in a training's folder with what an interrupted one continues from."""


class Job(Frozen):
    """Computes features of texts in one pass.

    Attributes:
        model: the model's folder; `digest`: what its files must be.
        wanted: the features to compute of each text, all of one model and dtype.
        texts: a Parquet file: `text`, and per item of `wanted` a key `content_<n>`, null if it is stored already.
        folders: where the features of each item of `wanted` are written.
        threads: number of CPU threads; None for all.
    """

    kind: Literal["pass"] = "pass"
    model: str
    digest: str
    dtype: Dtype
    wanted: tuple[Wanted, ...]
    texts: str
    folders: tuple[str, ...]
    device: Device = "auto"
    threads: int | None = None


class Fit(Frozen):
    """Fits a predictor of scores.

    Attributes:
        texts: a Parquet file in the order of a hash: `text` and `score_<n>`.
        predictor: where the predictor is written (`.npz`).
        held: where out-of-fold predictions are written: `value_<n>`, in the order of `texts`.
    """

    kind: Literal["fit"] = "fit"
    model: str
    length: int
    texts: str
    predictor: str
    held: str


class Predict(Frozen):
    """Predicts the scores of texts: from `texts` (row, text) to `out` (row, value_<n>), without texts of no tokens."""

    kind: Literal["predict"] = "predict"
    model: str
    length: int
    texts: str
    predictor: str
    out: str


class Measure(Frozen):
    """Measures the influence of domains on tasks.

    Attributes:
        tasks, domains: their names.
        texts: a Parquet file in hash order: `kind` ("task" or "domain"), its `number`, `place`, `text`; for a task the
            characters `start` to `stop` of the text whose loss counts, for a domain the tokens `counted` by the recipe.
        tokens: tokens per domain, in sequences of `length`; each text of a task is one sequence, cut to `length`.
        layers: "mlp" or "all"; `shards`: number R of parts of a sample; `memory`: bytes for a group of layers.
        folder: where results of groups of layers are stored; `out`: a JSON file: `influence` (R, n, m), and the numbers
            of tokens that tasks and domains had.
    """

    kind: Literal["measure"] = "measure"
    model: str
    tasks: tuple[str, ...]
    domains: tuple[str, ...]
    texts: str
    curvature: Literal["ekfac", "kfac", "diagonal", "identity"] = "ekfac"
    layers: Literal["mlp", "all"] = "mlp"
    tokens: int = 32_768
    length: int = 256
    shards: int = 4
    memory: int = 2_000_000_000
    seed: int = 0
    folder: str
    out: str
    device: Device = "auto"
    threads: int | None = None


class Train(Frozen):
    """Trains a proxy (recipec.proxies).

    Attributes:
        corpus: a folder of tokenised documents; `order`: the numbers of the documents to train on (.npy).
        proxy: its settings; `checkpoint`: the folder to start training from, "" for random weights from `seed`.
        key: the identity of the training; `folder`: where its state is saved; `out`: its record, a JSON file.
        keep: a folder for the trained model, "" for none.
        device: "cpu", "cuda", or one of several, such as "cuda:1".
        save: seconds between saves of the state: the most work that a kill can lose.
    """

    kind: Literal["train"] = "train"
    corpus: str
    order: str
    proxy: dict[str, Any]
    checkpoint: str = ""
    name: str
    seed: int
    key: str
    folder: str
    keep: str = ""
    out: str
    device: str = "cpu"
    threads: int | None = None
    save: float = 60.0


class Devices(Frozen):
    """Asks which devices are available."""

    kind: Literal["devices"] = "devices"
    device: Device = "auto"


class Rest(Frozen):
    """Forgets the model: the process waits for another client."""

    kind: Literal["rest"] = "rest"


AnyJob = Annotated[Job | Fit | Predict | Measure | Train | Devices | Rest, Field(discriminator="kind")]
