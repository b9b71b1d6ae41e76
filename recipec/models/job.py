"""What the process that runs models is asked to do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recipec.ir.expressions import Frozen
from recipec.ir.passes import Dtype, Wanted

Device = Literal["auto", "cpu", "cuda"]


class Job(Frozen):
    """One pass over texts.

    Attributes:
        model: the model's folder.
        wanted: what is wanted of each text, all of one model and dtype.
        texts: a Parquet file: `text`, and for each of `wanted` `content_<n>`, its key there, null where it is stored.
        folders: where the features of each of `wanted` go.
        threads: of the CPU; None for all.
    """

    kind: Literal["pass"] = "pass"
    model: str
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
        predictor: where the predictor goes (`.npz`).
        held: where predictions of documents that a fit has not seen go: `value_<n>`, in the order of `texts`.
    """

    kind: Literal["fit"] = "fit"
    model: str
    length: int
    texts: str
    predictor: str
    held: str


class Predict(Frozen):
    """Predicts the scores of texts: from `texts` (row, text) to `out` (row, value_<n>), without texts that have no token."""

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
        texts: a Parquet file in the order of a hash: `kind` ("task" or "domain"), `number` of it, `place`, `text`; of a task
            the characters `start` to `stop` of it whose loss counts, of a domain its tokens as the recipe has `counted` them.
        tokens: of each domain's sample, in sequences of `length`; a task's texts are a sequence each, cut to `length`.
        layers: "mlp" or "all"; `shards`: R parts of a sample; `memory`: bytes for a group of layers.
        folder: where what groups of layers give is kept; `out`: a JSON file: `influence` (R, n, m), and the tokens of tasks and
            domains that were there.
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
        corpus: a folder of documents as tokens; `order`: the numbers of the documents to train on (.npy).
        proxy: its settings; `checkpoint`: the folder that training goes on from, "" for random weights of `seed`.
        key: the identity of the training; `folder`: where its state is saved; `out`: its record, a JSON file.
        keep: a folder for the trained model, "" for none.
        device: "cpu", "cuda" or one of several, "cuda:1".
        save: seconds after which the state is saved again: the work that a kill may lose.
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
    """Asks for the devices there are."""

    kind: Literal["devices"] = "devices"
    device: Device = "auto"


AnyJob = Annotated[Job | Fit | Predict | Measure | Train | Devices, Field(discriminator="kind")]
