"""`nag(target: science_qa, model: "smollm2-135m", top_k: 20)`"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from recipec.spec import Criterion


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    target: str = Field(description="the target whose neurons a document should activate")
    model: str = Field(default="smollm2-135m", description="the language model")
    top_k: int = Field(default=20, ge=1, le=65_536, description="neurons a layer")


SPEC = Criterion(
    name="nag",
    summary="Similarity of a document to a target by the neurons both activate in a language model, in [0, 1].",
    source="arXiv 2604.15706 (NAG)",
    params=Params,
    direction="higher",
    cost=500.0,
    available="arrives with NAG scoring",
)
