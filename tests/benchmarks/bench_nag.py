"""Benchmark: extraction of neurons against the authors' way of running the model, on the same texts.

    python tests/benchmarks/bench_nag.py [--documents 96] [--device cpu]

The authors' way (docs/methods.md): eager attention, the whole model with its head, up_proj a second time, padding on the left,
batches of 8, fp32. Ours: hooks, no head, nothing after the last up_proj, batches by length; fp32 and bf16. The share of the
device's matmul peak counts the multiplications of the layers that run, against the best of some square products in the same
run. Needs `recipec model add smollm2-135m`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from recipec import quickstart
from recipec.database.connection import connect
from recipec.ir.passes import Wanted
from recipec.models import adding, extraction, loading
from recipec.models.worker import TOKENS
from tests import tiny_model

LENGTH, TOP_K = 120, 20


def texts(count: int) -> list[str]:
    with tempfile.TemporaryDirectory() as name, connect() as connection:
        quickstart.build(Path(name))
        found = connection.execute(
            f"SELECT text FROM read_parquet('{name}/*.parquet') WHERE length(text) > 300 ORDER BY md5(text) LIMIT {count}"
        ).fetchall()
    return [row[0] for row in found]


def peak(dtype: str, device: str) -> float:
    """FLOP/s of the best square product."""
    import torch

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    best = 0.0
    for size in (1024, 2048) if device == "cpu" else (4096, 8192, 16384):
        a = torch.randn(size, size, device=device).to(kinds[dtype])
        for _ in range(4):
            started = time.perf_counter()
            for _ in range(3):
                a @ a
            if device != "cpu":
                torch.cuda.synchronize()
            best = max(best, 3 * 2 * size**3 / (time.perf_counter() - started))
    return best


def flops(model: Any, tokens: list[list[int]]) -> float:
    """Of the linear layers and the attention that run: all of the decoder but the last layer's down projection."""
    import torch

    layers = [module for module in model.decoder.modules() if isinstance(module, torch.nn.Linear)]
    weights = sum(layer.weight.numel() for layer in layers) - layers[-1].weight.numel()
    hidden, depth = model.decoder.config.hidden_size, model.decoder.config.num_hidden_layers
    return float(sum(2 * weights * len(one) + 2 * 2 * depth * hidden * len(one) ** 2 / 2 for one in tokens))


def ours(folder: Path, tokens: list[list[int]], dtype: str, device: str) -> tuple[float, np.ndarray[Any, Any], float]:
    model = loading.load(folder, dtype, device)  # type: ignore[arg-type]
    wanted = [Wanted(kind="neurons", model="m", length=LENGTH, neurons="up", top_k=TOP_K, dtype=dtype)]  # type: ignore[arg-type]
    extractor = extraction.Extractor(model, wanted, TOKENS["cpu" if device == "cpu" else "cuda"])
    extractor(tokens[:64], lambda _: None)
    started = time.perf_counter()
    [found] = extractor(tokens, lambda _: None)
    return time.perf_counter() - started, found, flops(model, tokens)


def agreement(found: Any, expected: Any) -> float:
    pairs = zip(np.reshape(found, (-1, TOP_K)), np.reshape(expected, (-1, TOP_K)), strict=True)
    return float(np.mean([np.isin(a, b).mean() for a, b in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=96)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    folder = adding.add("smollm2-135m").folder
    documents = texts(arguments.documents)
    tokens = extraction.encode(loading.tokenizer(folder), documents, LENGTH)
    started = time.perf_counter()
    expected = tiny_model.published_neurons(folder, documents[:96], TOP_K, LENGTH, batch=8)
    reference = len(expected) / (time.perf_counter() - started)
    print(f"authors' way  {reference:8.1f} documents/s")
    for dtype in ("fp32", "bf16"):
        seconds, found, work = ours(folder, tokens, dtype, arguments.device)
        best = peak(dtype, arguments.device)
        rate = len(documents) / seconds
        print(
            f"ours {dtype}     {rate:8.1f} documents/s, {sum(map(len, tokens)) / seconds:,.0f} tokens/s, "
            f"{rate / reference:.2f} x, {agreement(found[: len(expected)], expected):.2%} of indices equal, "
            f"{work / seconds / 1e12:.3f} of {best / 1e12:.3f} TFLOP/s = {work / seconds / best:.0%} of the peak"
        )


if __name__ == "__main__":
    main()
