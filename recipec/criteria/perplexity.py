"""`perplexity(model: "smollm2-135m")`"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from recipec.spec import Criterion


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str = Field(default="smollm2-135m", description="the language model")


SPEC = Criterion(
    name="perplexity",
    summary="Perplexity of a document under a language model, above 1.",
    source="Wenzek et al. 2019 (CCNet), arXiv 1911.00359, section 3",
    params=Params,
    direction="lower",
    cost=500.0,
    available="arrives with NAG scoring",
)
