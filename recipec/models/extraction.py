"""Computes features of texts by one forward pass: the neurons of highest impact in each layer, or the loss.

Impact is reduced to (B, N) inside hooks, so that no activation outlives its layer. The head runs only for a loss, and
without one nothing runs after the last projection that is needed. Texts are padded on the right, which does not affect
a causal model with positions from the left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir.passes import Wanted
from recipec.models import projections
from recipec.models.loading import Loaded

if TYPE_CHECKING:
    import torch
    from torch import nn


HEAD_POSITIONS = 4096
"""Number of positions whose logits are in memory at once."""


class _Enough(Exception):
    """Raised to end a forward pass early, when everything needed has been computed."""


@dataclass(slots=True)
class Extractor:
    """Extracts features of texts by one model on one device.

    Attributes:
        limit: tokens per batch; halved permanently when the device runs out of memory.
    """

    model: Loaded
    wanted: Sequence[Wanted]
    limit: int

    def __call__(self, tokens: Sequence[Sequence[int]], done: Callable[[int], None]) -> list[Array]:
        """Computes the wanted features of n texts.

        Args:
            tokens: a non-empty list of token ids per text.
            done: called with the number of texts after each batch.

        Returns:
            one array per item of `wanted`: (n, depth, top_k) uint16, or (n,) float64 with NaN for texts of one token.
        """
        longest = max(one.length for one in self.wanted)
        lengths = np.array([min(len(one), longest) for one in tokens])
        order = np.argsort(-lengths, kind="stable")
        results: list[Array | None] = [None] * len(self.wanted)
        start = 0
        while start < len(order):
            size = max(1, self.limit // int(lengths[order[start]]))
            rows = order[start : start + size]
            found = self._guarded([tokens[row][:longest] for row in rows])
            if found is None:
                self.limit //= 2
                continue
            for number, values in enumerate(found):
                whole = results[number]
                if whole is None:
                    whole = results[number] = np.empty((len(order), *values.shape[1:]), values.dtype)
                whole[rows] = values
            start += len(rows)
            done(len(rows))
        return [values for values in results if values is not None]

    def _guarded(self, batch: Sequence[Sequence[int]]) -> list[Array] | None:
        """Computes the wanted features of a batch, or None if the device has too little memory for it."""
        import torch

        try:
            return self._batch(batch)
        except RuntimeError as error:
            # The CPU's allocator raises a plain RuntimeError.
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise
            if len(batch) == 1:
                message = f"the device has too little memory for one text of {len(batch[0])} tokens"
                raise Failure(Diagnostic("R1106", message)) from None
        if self.model.device != "cpu":
            torch.cuda.empty_cache()
        return None

    def _batch(self, batch: Sequence[Sequence[int]]) -> list[Array]:
        import torch

        lengths = torch.tensor([len(one) for one in batch])
        ids = torch.zeros((len(batch), int(lengths.max())), dtype=torch.int64)
        for row, one in enumerate(batch):
            ids[row, : len(one)] = torch.tensor(one)
        ids, lengths = ids.to(self.model.device), lengths.to(self.model.device)
        impacts: dict[int, list[torch.Tensor]] = {}
        hidden: torch.Tensor | None = None
        with torch.inference_mode(), self._hooks(lengths, int(ids.shape[1]), impacts):
            with contextlib.suppress(_Enough):
                hidden = self.model.decoder(input_ids=ids, use_cache=False).last_hidden_state
            return [
                _losses(self.model, hidden, ids, lengths, one.length).cpu().numpy()
                if one.kind == "loss" and hidden is not None
                else torch.stack(impacts[number], dim=1).cpu().numpy().astype(np.uint16)
                for number, one in enumerate(self.wanted)
            ]

    def _hooks(self, lengths: torch.Tensor, width: int, impacts: dict[int, list[torch.Tensor]]) -> _Hooks:
        """Hooks that collect the neurons of each kind; the last one ends the pass if no loss is wanted."""
        hooks = _Hooks()
        first = self.wanted[0]
        if first.deactivated:
            for module, layer in zip(
                projections.find(self.model.decoder, first.neurons), first.deactivated, strict=False
            ):
                hooks.add(module, _zeroer(layer))
        kinds = [(number, one) for number, one in enumerate(self.wanted) if one.kind == "neurons"]
        modules = {number: projections.find(self.model.decoder, one.neurons)[: one.depth] for number, one in kinds}
        only = all(one.kind == "neurons" for one in self.wanted)
        deepest = max((len(found) for found in modules.values()), default=0)
        last = [number for number, _ in kinds if len(modules[number]) == deepest]
        for number, one in kinds:
            impacts[number] = []
            for module in modules[number]:
                hooks.add(module, _reducer(impacts[number], lengths, width, one))
        if only:
            ending = {id(modules[number][-1]) for number in last}
            hooks.end_after([modules[number][-1] for number in last], len(ending))
        return hooks


class _Hooks:
    """Forward hooks that are registered while the `with` block runs."""

    def __init__(self) -> None:
        self.handles: list[Any] = []

    def add(self, module: nn.Module, hook: Callable[..., Any]) -> None:
        self.handles.append(module.register_forward_hook(hook))

    def end_after(self, modules: Sequence[nn.Module], count: int) -> None:
        """Ends the pass when `count` different modules of these have run."""
        seen: set[int] = set()

        def end(module: nn.Module, _inputs: Any, _output: Any) -> None:
            seen.add(id(module))
            if len(seen) == count:
                raise _Enough

        for module in modules:
            self.add(module, end)

    def __enter__(self) -> _Hooks:
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self.handles:
            handle.remove()


def _reducer(
    impacts: list[torch.Tensor], lengths: torch.Tensor, width: int, one: Wanted
) -> Callable[[nn.Module, Any, torch.Tensor], None]:
    """A hook that appends the indices (B, top_k) of the highest-impact neurons of a projection's output (B, T, N)."""
    import torch

    counted = lengths.clamp(max=one.length)
    even = bool((counted == min(width, one.length)).all())
    seen = torch.arange(min(width, one.length), device=lengths.device)
    mask = None if even else (seen[None, :] < counted[:, None]).unsqueeze(-1)

    def reduce(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        values = output[:, : one.length]
        # The norm is a sum over the same tokens as the mean, so it gives the same order of neurons.
        size = torch.linalg.vector_norm(values if mask is None else values * mask, ord=1, dim=1, dtype=torch.float32)
        if one.top_k > size.shape[1]:
            raise Failure(
                Diagnostic("R1105", f"`top_k: {one.top_k}` is more than the {size.shape[1]} neurons of a layer")
            )
        impacts.append(size.topk(one.top_k, dim=1, sorted=False).indices.sort(dim=1).values)

    return reduce


def _zeroer(neurons: Sequence[int]) -> Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]:
    """A hook that sets neurons of a projection to 0."""

    def zero(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[..., list(neurons)] = 0
        return output

    return zero


def _losses(model: Loaded, hidden: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor, length: int) -> torch.Tensor:
    """The mean negative log-likelihood (B,) of tokens 2 to n; NaN if there is no second token."""
    import torch

    counted = lengths.clamp(max=length)
    steps = max(1, HEAD_POSITIONS // hidden.shape[0])
    total = torch.zeros(len(ids), dtype=torch.float64, device=ids.device)
    for start in range(0, min(hidden.shape[1], length) - 1, steps):
        stop = min(start + steps, min(hidden.shape[1], length) - 1)
        logits = model.head(hidden[:, start:stop]).float()
        if model.softcap is not None:
            logits = model.softcap * torch.tanh(logits / model.softcap)
        wrong = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), ids[:, start + 1 : stop + 1].flatten(), reduction="none"
        ).view(len(ids), -1)
        positions = torch.arange(start + 1, stop + 1, device=ids.device)
        total += (wrong.double() * (positions[None, :] < counted[:, None])).sum(dim=1)
    return total / (counted - 1)


def encode(tokenizer: Any, texts: Sequence[str], length: int) -> list[list[int]]:
    """The first `length` tokens of each text, without special tokens."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
