"""What the process that runs models is asked to do."""

from __future__ import annotations

from typing import Literal

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

    model: str
    dtype: Dtype
    wanted: tuple[Wanted, ...]
    texts: str
    folders: tuple[str, ...]
    device: Device = "auto"
    threads: int | None = None
