"""`short_line_ratio(below: 30)`"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from recipec.criteria._text import filled_lines, ratio
from recipec.spec import Criterion


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    below: int = Field(default=30, ge=1, le=100_000, description="length in characters below which a line is short")


def sql(text: str, params: Params) -> str:
    short = f"len(list_filter({filled_lines(text)}, lambda l: length(l) < {params.below}))"
    return ratio(short, f"len({filled_lines(text)})")


SPEC = Criterion(
    name="short_line_ratio",
    summary="Share of lines shorter than `below` characters, in [0, 1]; empty lines do not count.",
    source="Penedo et al. 2024 (FineWeb), arXiv 2406.17557, section 3.6: keep below 0.67",
    params=Params,
    direction="lower",
    cost=0.017,
    sql=sql,
)
