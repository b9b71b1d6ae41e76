"""Gradients of linear layers from inputs and output gradients caught by hooks, without gradients of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipec.diagnostics import Diagnostic, Failure
from recipec.models.loading import Loaded

if TYPE_CHECKING:
    from torch import Tensor, nn

LAYERS = ("mlp", "all")

Catch = Callable[[int, Any, Any], None]
"""Called with the number of a layer, its inputs (B, T, in) and output gradients (B, T, out)."""


def linear_layers(model: Loaded, which: str) -> list[tuple[str, nn.Linear]]:
    """The decoder's linear layers with their names: those of MLPs, or all.

    Raises:
        Failure: it has none.
    """
    from torch import nn

    found = [(name, module) for name, module in model.decoder.named_modules() if isinstance(module, nn.Linear)]
    if which == "mlp":
        # A layer with attention in its name is not in an MLP.
        found = [(name, module) for name, module in found if "attn" not in name and "attention" not in name]
    if not found:
        raise Failure(
            Diagnostic("R1105", f"`{type(model.decoder).__name__}` has no linear layers to measure influence by")
        )
    return found


@dataclass(frozen=True, slots=True)
class Batch:
    """Attributes:
    ids: (B, T) int64, padded on the right.
    labels: (B, T) int64: the next token, or -100 for no loss; None for labels drawn from the model.
    """

    ids: Tensor
    labels: Tensor


def batches(
    sequences: Sequence[Sequence[int]], tokens: int, device: str, spans: Sequence[tuple[int, int]] | None = None
) -> Iterator[Batch]:
    """Yields the sequences of at least two tokens, in their order, in batches of about `tokens` tokens.

    Args:
        spans: per sequence the tokens (from, to) whose loss counts; without spans, all but the first.
    """
    import torch

    start = 0
    while start < len(sequences):
        longest, end = 0, start
        while end < len(sequences):
            longest = max(longest, len(sequences[end]))
            if end > start and longest * (end - start + 1) > tokens:
                break
            end += 1
        mine = sequences[start:end]
        width = max(len(one) for one in mine)
        ids = torch.zeros((len(mine), width), dtype=torch.int64)
        labels = torch.full((len(mine), width), -100, dtype=torch.int64)
        for row, one in enumerate(mine):
            ids[row, : len(one)] = torch.tensor(one)
            first, last = (1, len(one)) if spans is None else spans[start + row]
            labels[row, first - 1 : last - 1] = torch.tensor(one[first:last])
        yield Batch(ids.to(device), labels.to(device))
        start = end


class Catcher:
    """Runs batches forward and backward, and passes the inputs and output gradients of chosen layers to a callback."""

    def __init__(self, model: Loaded, layers: Sequence[nn.Linear]) -> None:
        self.model, self.layers = model, list(layers)
        self._inputs: dict[int, Any] = {}
        self._catch: Catch = lambda *_: None

    def __enter__(self) -> Catcher:
        self._hooks = [layer.register_forward_hook(self._hook(n)) for n, layer in enumerate(self.layers)]
        return self

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hook(self, number: int) -> Any:
        def seen(_: Any, inputs: tuple[Any, ...], output: Any) -> None:
            a = inputs[0].detach()
            output.register_hook(lambda grad: self._catch(number, a, grad.detach()))

        return seen

    def run(self, batch: Batch, catch: Catch, generator: Any = None) -> tuple[float, int]:
        """Runs a batch; returns the summed loss in nats and the number of tokens it is over.

        Args:
            generator: draws labels from the model, instead of using the batch's own.

        Raises:
            Failure: the loss is not finite.
        """
        import torch
        from torch.nn import functional

        self._catch = catch
        embedded = self.model.decoder.get_input_embeddings()(batch.ids).detach().requires_grad_(True)  # type: ignore[operator]
        with torch.enable_grad():
            hidden = self.model.decoder(inputs_embeds=embedded, use_cache=False).last_hidden_state
            logits = self.model.head(hidden).float()
            if self.model.softcap is not None:
                logits = self.model.softcap * torch.tanh(logits / self.model.softcap)
            labels = batch.labels if generator is None else _drawn(logits, batch.labels, generator)
            loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum")
            if not torch.isfinite(loss):
                raise Failure(Diagnostic("R1310", "the loss of the checkpoint is not finite"))
            loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()), int((batch.labels != -100).sum())


def _drawn(logits: Tensor, labels: Tensor, generator: Any) -> Tensor:
    import torch

    chances = torch.softmax(logits.detach().flatten(0, 1), dim=-1)
    found = torch.multinomial(chances, 1, generator=generator).view_as(labels)
    return torch.where(labels == -100, labels, found)
