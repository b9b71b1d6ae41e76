"""The rules of a `Sample` as SQL per row: expected copies, ω, and the row's nested quotas."""

from __future__ import annotations

from recipec.database.sql import literal
from recipec.ir import logical, model
from recipec.selection.allocation import mask
from recipec.selection.exact import FRACTION

UNIT = 2.0**FRACTION
"""Expected copies are multiples of 1 / UNIT (`selection.exact`)."""

INFINITE = "'inf' :: DOUBLE"


def expected(op: logical.Sample, rank: str = "rank") -> str:
    """SQL of S_i: QuaDMix eq. 3 with the curve of the row's domain; for `top`, 1 within the share; for `all`, 1."""
    match op.sample:
        case model.Quadmix():
            general, own = op.sample.curves[0], op.sample.curves[1:]
            cases = "".join(f" WHEN {literal(curve.domain or '')} THEN {_curve(curve, rank)}" for curve in own)
            return f"CASE domain{cases} ELSE {_curve(general, rank)} END" if cases else _curve(general, rank)
        case model.Top():
            return f"CASE WHEN {rank} <= {literal(op.sample.share)} THEN 1.0 :: DOUBLE ELSE 0.0 :: DOUBLE END"
        case _:
            return "1.0 :: DOUBLE"


def _curve(curve: model.Curve, rank: str) -> str:
    lambda_, omega, eta, epsilon = (literal(float(v)) for v in (curve.lambda_, curve.omega, curve.eta, curve.epsilon))
    within = f"pow(2 / (1 + exp(- {lambda_} * ({omega} - {rank}))), {eta}) + {epsilon}"
    chosen = f"(CASE WHEN {rank} <= {omega} THEN {within} ELSE {epsilon} END)"
    return f"(floor({chosen} * {UNIT} + 0.5) / {UNIT})"


def threshold(op: logical.Sample) -> str:
    """SQL of ω of the row's domain, above which only ε remains; for `top`, the share; for `all`, 1."""
    match op.sample:
        case model.Quadmix():
            general, own = op.sample.curves[0], op.sample.curves[1:]
            cases = "".join(f" WHEN {literal(curve.domain or '')} THEN {literal(curve.omega)}" for curve in own)
            rest = literal(general.omega)
            return f"(CASE domain{cases} ELSE {rest} END)" if cases else rest
        case model.Top():
            return literal(op.sample.share)
        case _:
            return "1.0 :: DOUBLE"


def nest_of(op: logical.Sample) -> str:
    """SQL of a row's nest: the bits of the quotas of its own domain."""
    domains = sorted({quota.domain for quota in op.quotas if quota.conditions})
    cases = "".join(f" WHEN {literal(domain)} THEN nest & {mask(op, domain)}" for domain in domains)
    return f"(CASE domain{cases} ELSE 0 END)" if cases else "0"
