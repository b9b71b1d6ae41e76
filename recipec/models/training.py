"""Trains a small Llama on documents in a given order and computes its loss on targets, in the models process."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure
from recipec.models import loading
from recipec.models.job import STATE, Train
from recipec.places import publish, sealed

if TYPE_CHECKING:
    from torch import Tensor, nn


PARTS = 1000
"""Progress units reported per training."""

WARM, END = 0.05, 0.1
"""Share of the steps for warm-up of the learning rate; its final value as a share of the peak."""

BEYOND = 4.0
"""Nats above the loss of the first step at which a training counts as diverged."""

TASK_TOKENS = 8192
"""Tokens per batch when computing a target's loss."""


@dataclass(slots=True)
class Packed:
    """Documents in their order, each followed by an end token, as one long sequence that repeats from the start."""

    order: Array
    starts: Array
    lengths: Array
    tokens: Array
    end: int
    ends: Array = field(init=False)

    def __post_init__(self) -> None:
        self.ends = (self.lengths[self.order] + 1).cumsum()

    @property
    def size(self) -> int:
        return int(self.ends[-1])

    def __call__(self, first: int, count: int) -> Array:
        """The tokens (count,) int64 from position `first` on."""
        places = np.arange(first, first + count, dtype=np.int64) % self.size
        documents = np.searchsorted(self.ends, places, side="right")
        lengths = self.lengths[self.order[documents]]
        inside = places - (self.ends[documents] - lengths - 1)
        last = inside == lengths
        found = self.tokens[np.where(last, 0, self.starts[self.order[documents]] + inside)].astype(np.int64)
        found[last] = self.end
        return found


def run(job: Train, done: Callable[[int], None]) -> None:
    """Trains and writes `out`; continues from the last saved state.

    Raises:
        Failure: there is nothing to train on, or the checkpoint cannot be loaded.
    """
    import torch

    loading.use_threads(job.threads)
    started = time.monotonic()
    facts = json.loads((Path(job.corpus) / "corpus.json").read_text(encoding="utf-8"))
    data = _packed(job, facts)
    model = _model(job, facts["vocabulary"])
    training = Training(job, model, data)
    before = training.resume()
    start = before["start"] if before else losses(model, job, facts["tasks"], training.device)
    training.go(start, before, done)
    after = losses(model, job, facts["tasks"], training.device)
    value = {
        "name": job.name,
        "seed": job.seed,
        "losses": {name: loss for name, loss in after.items() if math.isfinite(loss)},
        "start": start,
        "tokens": training.step * training.tokens,
        "steps": training.step,
        "epochs": training.step * training.tokens / data.size,
        "parameters": sum(one.numel() for one in model.parameters()),
        "seconds": training.seconds + time.monotonic() - started,
        "device": training.device if training.device == "cpu" else torch.cuda.get_device_name(training.device),
        "diverged": training.diverged,
        "key": job.key,
    }
    if job.keep:
        keep(model, job, Path(job.keep))
    with sealed.replacing(Path(job.out)) as temporary:
        temporary.write_text(json.dumps(value) + "\n", encoding="utf-8")
    training.state.unlink(missing_ok=True)


def _packed(job: Train, facts: dict[str, Any]) -> Packed:
    folder = Path(job.corpus)
    order = np.load(job.order, allow_pickle=False)
    if not len(order):
        raise Failure(Diagnostic("R1601", f"training `{job.name}` has no document to train on"))
    lengths, starts = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("lengths", "starts"))
    tokens = np.memmap(folder / "tokens.bin", dtype=facts["dtype"], mode="r")
    return Packed(order, starts, lengths, tokens, facts["end"])


def _model(job: Train, vocabulary: int) -> nn.Module:
    """A Llama with random weights from the seed, or the checkpoint."""
    import torch

    torch.manual_seed(job.seed)
    if job.checkpoint:
        return loading.causal(Path(job.checkpoint), "fp32", job.device).train().requires_grad_(True)
    from transformers import LlamaConfig, LlamaForCausalLM

    p = job.proxy
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=p["hidden"],
        intermediate_size=p["ffn"],
        num_hidden_layers=p["layers"],
        num_attention_heads=p["heads"],
        num_key_value_heads=p["heads"],
        max_position_embeddings=p["context"],
        tie_word_embeddings=True,
    )
    model: Any = LlamaForCausalLM(config)
    found: nn.Module = model.to(job.device).train()
    return found


class Training:
    """The state of one training."""

    def __init__(self, job: Train, model: nn.Module, data: Packed) -> None:
        import torch

        self.job, self.model, self.data = job, model, data
        self.device = str(next(model.parameters()).device)
        self.context, self.batch = int(job.proxy["context"]), int(job.proxy["batch"])
        self.tokens = self.context * self.batch
        self.steps = max(1, round(job.proxy["tokens"] / self.tokens))
        self.step, self.seconds = 0, 0.0
        self.diverged: int | None = None
        self.state = Path(job.folder) / STATE
        decayed = [one for one in model.parameters() if one.ndim > 1]
        rest = [one for one in model.parameters() if one.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=job.proxy["rate"], betas=(0.9, 0.95), fused=True)

    def rate(self, step: int) -> float:
        """The learning rate of a step: warm-up, then cosine decay, or constant when starting from a checkpoint."""
        warm = max(1, round(WARM * self.steps))
        whole = float(self.job.proxy["rate"])
        if step < warm:
            return float(whole * (step + 1) / warm)
        if self.job.checkpoint:
            return whole
        along = (step - warm) / max(1, self.steps - warm)
        return float(whole * (END + (1 - END) * (1 + math.cos(math.pi * along)) / 2))

    def go(self, start: dict[str, float], before: dict[str, Any] | None, done: Callable[[int], None]) -> None:
        """Runs all remaining steps."""
        import torch
        from torch.nn import functional

        first = before["first"] if before else math.inf
        started = saved = time.monotonic()
        said = PARTS * self.step // self.steps
        done(said)
        mixed = torch.autocast("cuda", torch.bfloat16, enabled=self.device.startswith("cuda"))
        while self.step < self.steps and self.diverged is None:
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(self.step)
            ids = torch.from_numpy(self.data(self.step * self.tokens, self.tokens)).view(self.batch, self.context)
            ids = ids.to(self.device)
            with mixed:
                logits = self.model(input_ids=ids, use_cache=False).logits
            loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            value = float(loss.detach())
            if not math.isfinite(value) or not math.isfinite(float(norm)) or value > first + BEYOND:
                self.diverged = self.step
                break
            first = min(first, value) if self.step == 0 else first
            self.optimizer.step()
            self.step += 1
            done(PARTS * self.step // self.steps - said)
            said = PARTS * self.step // self.steps
            if time.monotonic() - saved > self.job.save:
                saved = time.monotonic()
                self.save({"start": start, "first": first, "seconds": self.seconds + saved - started})

    def save(self, facts: dict[str, Any]) -> None:
        """Saves the weights, the optimizer's moments and the step in one file."""
        from safetensors.torch import save_file

        tensors = {f"weight.{n}": one.detach() for n, one in enumerate(self._parameters())}
        for n, one in enumerate(self._parameters()):
            kept = self.optimizer.state.get(one, {})
            tensors |= {f"{name}.{n}": kept[name] for name in ("exp_avg", "exp_avg_sq", "step") if name in kept}
        with sealed.replacing(self.state) as temporary:
            facts = {**facts, "step": self.step, "key": self.job.key}
            save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, temporary, {"facts": json.dumps(facts)})

    def resume(self) -> dict[str, Any] | None:
        """Restores the saved state of the same training, if there is one."""
        import torch
        from safetensors import safe_open

        if not sealed.is_whole(self.state):
            return None
        with safe_open(str(self.state), "pt") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["facts"])
            if facts["key"] != self.job.key:
                return None
            for n, one in enumerate(self._parameters()):
                with torch.no_grad():
                    one.copy_(file.get_tensor(f"weight.{n}"))
                if f"exp_avg.{n}" in file.keys():  # noqa: SIM118 - a file is not a mapping
                    names = ("exp_avg", "exp_avg_sq", "step")
                    self.optimizer.state[one] = {name: file.get_tensor(f"{name}.{n}").to(one.device) for name in names}
        self.step, self.seconds = facts["step"], facts["seconds"]
        return facts

    def _parameters(self) -> Iterator[Any]:
        return iter(self.model.parameters())


def losses(model: nn.Module, job: Train, tasks: list[str], device: str) -> dict[str, float]:
    """The mean loss per token on each target's examples, in nats, over the marked tokens only."""
    import torch
    from torch.nn import functional

    with np.load(Path(job.corpus) / "tasks.npz", allow_pickle=False) as stored:
        tokens, offsets, spans, owners = (stored[name] for name in ("tokens", "offsets", "spans", "owners"))
    totals, counts = np.zeros(len(tasks)), np.zeros(len(tasks))
    model.eval()
    with torch.inference_mode():
        for mine in _batches(offsets):
            ids, labels = _padded(tokens, offsets, spans, mine)
            logits = model(input_ids=ids.to(device), use_cache=False).logits.float()
            each = functional.cross_entropy(
                logits[:, :-1].transpose(1, 2), labels[:, 1:].to(device), ignore_index=-100, reduction="none"
            )
            np.add.at(totals, owners[mine], each.double().sum(dim=1).cpu().numpy())
            np.add.at(counts, owners[mine], (labels[:, 1:] != -100).sum(dim=1).numpy())
    model.train()
    return {name: float(total / count) for name, total, count in zip(tasks, totals, counts, strict=True)}


def _batches(offsets: Array) -> Iterator[Array]:
    """Yields batches of example numbers sorted by length, each of about TASK_TOKENS tokens including padding."""
    lengths = np.diff(offsets)
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        count = max(1, TASK_TOKENS // max(1, int(lengths[order[start]])))
        while count > 1 and count * int(lengths[order[min(start + count, len(order)) - 1]]) > TASK_TOKENS:
            count -= 1
        yield order[start : start + count]
        start += count


def _padded(tokens: Array, offsets: Array, spans: Array, mine: Array) -> tuple[Tensor, Tensor]:
    """Ids and labels (b, T); the label is -100 for tokens without loss."""
    import torch

    lengths = offsets[mine + 1] - offsets[mine]
    places = np.arange(int(lengths.max()))[None]
    inside = places < lengths[:, None]
    ids = np.where(inside, tokens[np.minimum(offsets[mine][:, None] + places, len(tokens) - 1)], 0)
    marked = (places >= spans[mine][:, :1]) & (places < spans[mine][:, 1:])
    return torch.from_numpy(ids), torch.from_numpy(np.where(marked, ids, -100))


def keep(model: Any, job: Train, folder: Path) -> None:
    """Writes the trained model atomically, as a folder that can be loaded."""
    import shutil

    growing = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(growing, ignore_errors=True)
    model.save_pretrained(str(growing), safe_serialization=True)
    source = Path(job.checkpoint) if job.checkpoint else Path(job.corpus)
    shutil.copyfile(source / "tokenizer.json", growing / "tokenizer.json")
    publish.publish_folder(growing, folder)
