"""`mixture tikmix(target: science_qa, checkpoint: "smollm2-135m", method: direct)`"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from recipec.spec import PLACE, Mixer


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    target: str | None = Field(default=None, description="the only task (default: every target)")
    checkpoint: str = Field(
        default="smollm2-135m", description="the model at which influence is measured", json_schema_extra=PLACE
    )
    method: Literal["direct", "model"] = Field(default="direct", description="TiKMiX-D or TiKMiX-M")
    curvature: Literal["ekfac", "kfac", "diagonal", "identity"] = Field(default="ekfac", description="of the loss")
    layers: Literal["mlp", "all"] = Field(default="mlp", description="linear layers that count")
    tokens: int = Field(default=32_768, ge=1, description="of a domain that are measured")
    length: int = Field(default=256, ge=2, le=1_000_000, description="of a sequence, in tokens")
    parts: int = Field(default=4, ge=2, le=1000, description="of the sample, for errors")
    alpha: float = Field(default=1.0, ge=0, description="the worth of gains that are alike")
    beta: float = Field(default=1.0, ge=0, description="the worth of gains")
    gamma: float = Field(default=1.0, ge=0, description="the worth of weights that are alike (entropy)")
    label: Literal["lookahead", "influence"] = Field(
        default="lookahead",
        description="of `method: model`: a few steps of training on each mixture, or influence itself",
    )
    candidates: int = Field(default=256, ge=16, le=100_000, description="mixtures that `method: model` labels")
    ahead: int = Field(default=32_768, ge=1, description="tokens of training that `label: lookahead` looks ahead")
    rate: float = Field(default=1e-4, gt=0, description="learning rate of `label: lookahead`")
    prior: Literal["pool", "quotas"] = Field(
        default="pool",
        description="the weights that no task may fare worse than: the pool's tokens, or what quotas make of them",
    )
    window: int = Field(default=1, ge=1, description="phases over whose weights the mean is taken, this one among them")
    noise: Literal["warn", "refuse"] = Field(default="warn", description="where the ranking of domains is within noise")


SPEC = Mixer(
    name="tikmix",
    summary="Domain weights by the influence of domains on targets at a checkpoint; no target fares worse than before.",
    source="TiKMiX, arXiv 2508.17677, Eq. 9 to 11",
    params=Params,
)
