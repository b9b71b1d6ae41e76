"""Curvature of one linear layer, and gradients multiplied by its inverse.

Grosse et al. 2023 (arXiv 2308.03296, section 2.2): the Gauss-Newton Hessian of a layer's weights is approximated by A ⊗
B with A = E[aaᵀ] of its inputs and B = E[δδᵀ] of its output gradients (K-FAC), or with eigenvalues measured in that
basis, Λ = E[(Q_Bᵀ G Q_A)²] (EK-FAC). Labels are drawn from the model. All expectations are per token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["ekfac", "kfac", "diagonal", "identity"]

DAMPING = 0.1
"""Share of the mean eigenvalue that is added to all eigenvalues."""


@dataclass(slots=True)
class Curvature:
    """Curvature of a layer with a weight (out, in).

    Attributes:
        damping: share of the mean eigenvalue that is added to all eigenvalues.
        passes: the passes over the data that estimate it, in order: "factors" and "eigenvalues" as `kind` needs.
    """

    kind: Kind
    damping: float = DAMPING
    tokens: int = 0
    inputs: Any = None  # (in, in) sum of aaᵀ, then its eigenvectors
    outputs: Any = None  # (out, out) sum of δδᵀ, then its eigenvectors
    values: Any = None  # (out, in) sum of squares, then Λ
    _seen: int = field(default=0)

    @property
    def passes(self) -> tuple[str, ...]:
        return PASSES[self.kind]

    def factors(self, a: Tensor, delta: Tensor) -> None:
        """Adds a batch to the factors.

        Args:
            a: (B, T, in) inputs.
            delta: (B, T, out) gradients of the summed loss; zero for tokens without loss.
        """
        flat, grad = a.flatten(0, 1), delta.flatten(0, 1)
        self.tokens += len(flat)
        inputs, outputs = flat.T @ flat, grad.T @ grad
        self.inputs = inputs if self.inputs is None else self.inputs + inputs
        self.outputs = outputs if self.outputs is None else self.outputs + outputs

    def decompose(self) -> None:
        """Finishes the pass `factors`: computes eigenvectors, and K-FAC's eigenvalues."""
        import torch

        pairs = [torch.linalg.eigh(one.double() / self.tokens) for one in (self.inputs, self.outputs)]
        (of_inputs, self.inputs), (of_outputs, self.outputs) = [(v.float(), q.float()) for v, q in pairs]
        if self.kind == "kfac":
            self.values = torch.outer(of_outputs.clamp(min=0), of_inputs.clamp(min=0))

    def eigenvalues(self, a: Tensor, delta: Tensor) -> None:
        """Adds the squared gradients of whole sequences, in the eigenbasis for EK-FAC."""
        if self.kind == "ekfac":
            a, delta = a @ self.inputs, delta @ self.outputs
        for one, grad in zip(a, delta, strict=True):
            square = (grad.T @ one).square_()
            self.values = square if self.values is None else self.values.add_(square)
        self._seen += a.shape[0] * a.shape[1]

    def end(self) -> None:
        """Finishes the pass `eigenvalues`."""
        self.values = self.values / self._seen

    def solve(self, gradient: Tensor) -> Tensor:
        """Multiplies gradients (…, out, in) by the damped H⁻¹."""
        if self.kind == "identity":
            return gradient
        damped = self.values + self.damping * self.values.mean()
        if self.kind == "diagonal":
            found: Tensor = gradient / damped
            return found
        return self.outputs @ ((self.outputs.T @ gradient @ self.inputs) / damped) @ self.inputs.T  # type: ignore[no-any-return]


PASSES: dict[Kind, tuple[str, ...]] = {
    "ekfac": ("factors", "eigenvalues"),
    "kfac": ("factors",),
    "diagonal": ("eigenvalues",),
    "identity": (),
}
