"""A tiny random Llama with a tokenizer of its own, and the plainest way to find its neurons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, HIDDEN, NEURONS = 3, 32, 96

WORDS = tuple(
    "the of law proof number theorem river code import return field wave energy court appeal judge cell gene".split()  # noqa: SIM905
)


def text(seed: int, words: int, least: float = 0.02) -> str:
    """Words by a seed: each seed leans to a part of them, the more the less `least` is."""
    generator = np.random.default_rng(seed)
    weights = np.roll(np.geomspace(1, least, len(WORDS)), seed % len(WORDS))
    return " ".join(generator.choice(WORDS, size=words, p=weights / weights.sum()))


def proxy(tokens: int) -> str:
    """The `proxy` of a search whose trainings take a moment."""
    return f"""  proxy {{
    hidden 16
    layers 1
    heads 2
    ffn 32
    context 32
    vocabulary 512
    batch 4
    tokens {tokens} tokens
    rate 0.005
  }}
"""


def build(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Writes config.json, model.safetensors and tokenizer.json."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text(seed, 200) for seed in range(20)], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    sizes = {"hidden_size": HIDDEN, "intermediate_size": NEURONS, "num_hidden_layers": LAYERS, **changes}
    config = LlamaConfig(
        vocab_size=300,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        **sizes,
    )
    model = LlamaForCausalLM(config).eval()
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config.to_dict(), "architectures": ["LlamaForCausalLM"]}))
    return folder


def published_neurons(folder: Path, texts: Sequence[str], top_k: int, length: int, batch: int = 6) -> list[Any]:
    """Sets of neurons as docs/methods.md says that the authors compute them: eager attention, padding on the left, the whole
    model with its head, up_proj run a second time on the input of the MLP. A list of (L, K) index arrays."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    results: list[Any] = []
    for start in range(0, len(texts), batch):
        rows = [tokenizer.encode(one, add_special_tokens=False).ids[:length] for one in texts[start : start + batch]]
        width = max(len(row) for row in rows)
        ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        inputs: list[Any] = []
        handles = [
            layer.mlp.register_forward_pre_hook(lambda _module, given, inputs=inputs: inputs.append(given[0]))
            for layer in model.model.layers
        ]
        with torch.no_grad():
            model(input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0))
            found = []
            for layer, given in zip(model.model.layers, inputs, strict=True):
                impact = (layer.mlp.up_proj(given).abs() * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
                found.append(impact.topk(top_k, dim=1).indices.sort(dim=1).values)
        for handle in handles:
            handle.remove()
        results += list(torch.stack(found, dim=1).numpy())
    return results
