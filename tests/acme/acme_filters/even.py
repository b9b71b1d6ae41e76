"""`mixture even`"""

from __future__ import annotations

from recipec.ir.mixing import Decided
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    domains = sorted({pool.domain for pool in problem.pools})
    return Decided({domain: 1 / len(domains) for domain in domains})


SPEC = Mixer(
    name="even",
    summary="The same share for every domain.",
    source="Acme",
    params=NoParams,
    decide=decide,
)
