"""`where spaces() > 3`"""

from __future__ import annotations

from pydantic import BaseModel

from recipec.spec import Criterion


class Params(BaseModel):
    pass


SPEC = Criterion(
    name="spaces",
    summary="Spaces in the text.",
    source="Acme",
    params=Params,
    type="integer",
    sql=lambda text, params: f"length({text}) - length(replace({text}, ' ', ''))",
)
