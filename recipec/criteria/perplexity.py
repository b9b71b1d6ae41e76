"""`perplexity(model: "smollm2-135m")`"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recipec.ir.passes import Dtype, Wanted
from recipec.spec import PLACE, Criterion


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str = Field(default="smollm2-135m", description="the language model", json_schema_extra=PLACE)
    length: int = Field(default=120, ge=2, le=1_000_000, description="number of tokens of a document that are read")
    dtype: Dtype = Field(default="fp32", description="fp32, bf16 or fp16")


def wants(params: Params) -> Wanted:
    return Wanted(kind="loss", model=params.model, dtype=params.dtype, length=params.length)


def features(losses: np.ndarray[Any, Any], params: Params) -> np.ndarray[Any, Any]:
    """Perplexity (n,), smaller is better, from the mean negative log-likelihood (n,) in nats."""
    result: np.ndarray[Any, Any] = np.exp(losses)
    return result


SPEC = Criterion(
    name="perplexity",
    summary="Perplexity of the first `length` tokens of a document under a language model, above 1; null for a single "
    "token. With the same length as `nag` on the same model, it needs no second pass.",
    source="Wenzek et al. 2019 (CCNet), arXiv 1911.00359, section 3",
    params=Params,
    direction="lower",
    cost=500.0,
    wants=wants,
    features=features,
)
