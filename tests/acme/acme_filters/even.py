"""`mixture even(target: qa)`"""

from __future__ import annotations

from pydantic import BaseModel

from recipec.spec import Mixer


class Params(BaseModel):
    target: str | None = None


SPEC = Mixer(name="even", summary="The same share for every domain.", source="Acme", params=Params)
