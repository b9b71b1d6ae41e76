"""`nag(target: science_qa, model: "smollm2-135m", top_k: 20)`"""

from __future__ import annotations

import re

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from recipec.arrays import Array
from recipec.ir.passes import Dtype, Wanted
from recipec.spec import PLACE, Criterion

PIECE = 128
"""Number of texts whose neurons are looked up at once."""

LAYERS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    target: str = Field(description="the target whose neurons a document should activate")
    model: str = Field(default="smollm2-135m", description="the language model", json_schema_extra=PLACE)
    top_k: int = Field(default=20, ge=1, le=65_536, description="neurons per layer")
    length: int = Field(default=120, ge=1, le=1_000_000, description="number of tokens of a document that are read")
    neurons: str = Field(default="up", description="up, down, q, k, v, o, or the name of a projection")
    layers: str = Field(default="all", description='"all", or layer numbers from 0: "0-9,12"')
    power: float = Field(
        default=1.0, gt=0, description="power to which a neuron's frequency is raised before normalisation"
    )
    dtype: Dtype = Field(default="fp32", description="fp32, bf16 or fp16")
    cascade: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="predict most scores, such that the selection keeps this share of what exact scores would select",
        json_schema_extra={"word": "recall"},
    )

    @field_validator("layers")
    @classmethod
    def _layers(cls, value: str) -> str:
        if value == "all":
            return value
        if not LAYERS.fullmatch(value.replace(" ", "")):
            raise ValueError('expected "all" or numbers of layers such as "0-9,12"')
        return value.replace(" ", "")


class Prepared(Params):
    """The parameters with the target's profile.

    Attributes:
        profile: (L, N) float64: per layer the frequency of each neuron in the examples' sets, summing to 1.
    """

    profile: np.ndarray


def chosen(layers: str) -> list[int] | None:
    """Parses `layers` to layer numbers, ascending; None for all."""
    if layers == "all":
        return None
    numbers: set[int] = set()
    for part in layers.split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return sorted(numbers)


def wants(params: Params) -> Wanted:
    layers = chosen(params.layers)
    return Wanted(
        kind="neurons",
        model=params.model,
        dtype=params.dtype,
        length=params.length,
        neurons=params.neurons,
        top_k=params.top_k,
        depth=None if layers is None else layers[-1] + 1,
    )


def profile(examples: Array, power: float = 1.0) -> Array:
    """A target's profile: (L, N) float64, where N - 1 is the largest neuron seen; each layer sums to 1.

    Args:
        examples: (n, L, K) uint16.
    """
    count, depth, _ = examples.shape
    width = int(examples.max()) + 1
    counts = np.zeros((depth, width))
    for layer in range(depth):
        counts[layer] = np.bincount(examples[:, layer].ravel(), minlength=width)
    frequency = (counts / count) ** power
    result: Array = frequency / frequency.sum(axis=1, keepdims=True)
    return result


def prepare(params: Params, used: Array, held: Array) -> Prepared:
    """Adds the profile of the target's examples to the parameters.

    Raises:
        ValueError: there are fewer than two examples, or a layer does not exist.
    """
    if len(used) < 2:
        raise ValueError(f"it has {len(used)} example{'s' * (len(used) != 1)} to use, and a profile needs at least 2")
    layers = chosen(params.layers)
    if layers is not None and layers[-1] >= used.shape[1]:
        raise ValueError(f"the model has {used.shape[1]} layers, the last is {used.shape[1] - 1}")
    found = profile(used, params.power)
    if layers is not None:
        found = found[layers]
    return Prepared(**params.model_dump(), profile=found)


def features(neurons: Array, params: Prepared) -> Array:
    """Similarity (n,) in [0, 1], larger is closer: the mean over layers of the profile's sum over a text's neurons.

    Args:
        neurons: (n, L, K) uint16.
    """
    layers = chosen(params.layers)
    if layers is not None:
        neurons = neurons[:, layers]
    count, depth, top_k = neurons.shape
    # Neurons beyond the profile's width are in no example.
    width = max(int(neurons.max(initial=0)) + 1, params.profile.shape[1])
    table = np.zeros((depth, width))
    table[:, : params.profile.shape[1]] = params.profile
    offsets = np.repeat(np.arange(depth) * width, top_k)
    result = np.empty(count)
    # In pieces that fit in the CPU cache; all indices are within the table, so that nothing is clipped.
    for start in range(0, count, PIECE):
        places = neurons[start : start + PIECE].reshape(-1, depth * top_k) + offsets
        result[start : start + PIECE] = table.take(places, mode="clip").sum(axis=1)
    found: Array = result / depth
    return found


def parts(neurons: Array, params: Prepared) -> Array:
    """Each neuron's part in one text's similarity: (L, K) float64, summing to it, 0 in layers that do not count."""
    layers = chosen(params.layers) or range(len(neurons))
    given = np.zeros(neurons.shape)
    for row, layer in enumerate(layers):
        known = neurons[layer] < params.profile.shape[1]
        given[layer, known] = params.profile[row, neurons[layer][known]]
    return given / len(params.profile)


SPEC = Criterion(
    name="nag",
    summary="Similarity of a document to a target by the neurons that both activate in a language model, in [0, 1].",
    source="arXiv 2604.15706 (NAG): 20 neurons per layer, 120 tokens, the top 20% of tokens",
    params=Params,
    direction="higher",
    cost=500.0,
    wants=wants,
    prepare=prepare,
    features=features,
    parts=parts,
)
