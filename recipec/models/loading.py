"""Loads a model's weights and tokenizer from a folder, without network access and without running the model's code."""

from __future__ import annotations

import functools
import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec.diagnostics import Diagnostic, Failure
from recipec.ir.passes import Dtype

if TYPE_CHECKING:
    from torch import nn

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "true",
}


@dataclass(slots=True)
class Loaded:
    """A model on one device.

    Attributes:
        decoder: from token ids (B, T) int64 to hidden states, without the head.
        head: from hidden states (…, H) to logits (…, V).
        softcap: the bound of the soft capping of logits (Gemma 2), or None.
        vocabulary: the vocabulary size V.
    """

    decoder: nn.Module
    head: nn.Module
    softcap: float | None
    vocabulary: int
    device: str


def load(folder: Path, dtype: Dtype, device: str) -> Loaded:
    """Loads the causal language model in a folder, split into its parts, without gradients.

    Raises:
        Failure: it has no configuration that transformers knows, or its weights do not fit the configuration.
    """
    model: Any = causal(folder, dtype, device).eval().requires_grad_(False)
    config = model.config
    return Loaded(
        decoder=model.base_model,
        head=model.get_output_embeddings(),
        softcap=getattr(config, "final_logit_softcapping", None),
        vocabulary=int(config.vocab_size),
        device=device,
    )


def causal(folder: Path, dtype: Dtype, device: str) -> nn.Module:
    """Loads the causal language model in a folder as a transformers model.

    Raises:
        Failure: it has no configuration that transformers knows, or its weights do not fit the configuration.
    """
    os.environ.update(OFFLINE)
    import torch
    from transformers import AutoModelForCausalLM

    model: Any
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=dtypes[dtype], local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except Exception as error:
        # transformers lets all kinds of errors through for a folder that is not a model.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Failure(Diagnostic("R1102", f"the model cannot be loaded: {reason}", place=str(folder))) from None
    found: nn.Module = model.to(device)
    return found


def tokenizer(folder: Path) -> Any:
    """Loads the fast tokenizer of a model.

    Raises:
        Failure: `tokenizer.json` cannot be read.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        # The package raises plain `Exception` for any problem with the file.
        raise Failure(Diagnostic("R1102", f"the tokenizer cannot be read: {error}", place=str(folder))) from None


def use_threads(count: int | None) -> None:
    """Sets how many threads of the CPU torch uses; None for as many as it had at first."""
    import torch

    first = _first_threads()
    torch.set_num_threads(count or first)


@functools.cache
def _first_threads() -> int:
    import torch

    return torch.get_num_threads()


def free() -> None:
    """Gives back the memory of models that nothing holds any more, a GPU's too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def devices(asked: str) -> list[str]:
    """The devices to run on: for "auto" every CUDA device, else the CPU.

    Raises:
        Failure: CUDA is requested and not available.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "cuda" and not count:
        raise Failure(Diagnostic("R1106", "there is no CUDA device on this machine"))
    if asked == "cpu" or not count:
        return ["cpu"]
    return [f"cuda:{number}" for number in range(count)]
