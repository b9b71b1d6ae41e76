"""Models and what a forward pass leaves of texts, against transformers run as plainly as can be."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipec.database import connection
from recipec.diagnostics import Failure
from recipec.ir.passes import Wanted
from recipec.models import cache, extraction, loading, projections
from recipec.models.job import Job
from recipec.models.worker import Worker
from recipec.places import publish
from tests import tiny_model
from tests.conftest import Run

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

TEXTS = [tiny_model.text(seed, 1 + seed * 7 % 60) for seed in range(23)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def tokens(folder: Path) -> list[list[int]]:
    return extraction.encode(loading.tokenizer(folder), TEXTS, 40)


def neurons(**changes: Any) -> Wanted:
    return Wanted(**{"kind": "neurons", "model": "m", "length": 40, "neurons": "up", "top_k": 5, **changes})


def extracted(folder: Path, tokens: list[list[int]], *wanted: Wanted, limit: int = 100) -> list[Any]:
    extractor = extraction.Extractor(loading.load(folder, wanted[0].dtype, "cpu"), wanted, limit)
    seen: list[int] = []
    results = extractor(tokens, seen.append)
    assert sum(seen) == len(tokens)
    return results


@pytest.mark.parametrize("limit", [1, 97, 100_000])
def test_the_neurons_are_those_of_the_authors_code(folder: Path, tokens: list[list[int]], limit: int) -> None:
    [found] = extracted(folder, tokens, neurons(), limit=limit)
    assert found.dtype == np.uint16
    assert found.tolist() == [one.tolist() for one in tiny_model.published_neurons(folder, TEXTS, top_k=5, length=40)]


def test_one_pass_gives_what_passes_of_their_own_give(folder: Path, tokens: list[list[int]]) -> None:
    """Also where one looks at fewer tokens or layers than another: what comes later cannot be seen."""
    wanted = (
        neurons(),
        neurons(length=7, top_k=3),
        neurons(neurons="down", depth=2),
        Wanted(kind="loss", model="m", length=40),
        Wanted(kind="loss", model="m", length=9),
    )
    together = extracted(folder, tokens, *wanted)
    for one, found in zip(wanted, together, strict=True):
        [alone] = extracted(folder, [ids[: one.length] for ids in tokens], one)
        assert np.allclose(alone, found, rtol=1e-5, equal_nan=True)
    assert together[2].shape == (len(TEXTS), 2, 5)


@pytest.mark.parametrize("word", ["up", "down", "q", "k", "v", "o"])
def test_neurons_of_every_projection(folder: Path, tokens: list[list[int]], word: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    outputs: list[Any] = []
    for layer in model.model.layers:
        part = layer.mlp if word in ("up", "down") else layer.self_attn
        getattr(part, f"{word}_proj").register_forward_hook(lambda _module, _given, output: outputs.append(output))
    [found] = extracted(folder, tokens, neurons(neurons=word))
    for number in (0, 7, 22):
        outputs.clear()
        with torch.no_grad():
            model(input_ids=torch.tensor([tokens[number]]))
        expected = [output[0].abs().mean(0).topk(5).indices.sort().values.tolist() for output in outputs]
        assert found[number].tolist() == expected


def test_the_loss_is_that_of_transformers(folder: Path, tokens: list[list[int]]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    [found] = extracted(folder, tokens, Wanted(kind="loss", model="m", length=40))
    for ids, value in zip(tokens, found, strict=True):
        if len(ids) == 1:
            assert math.isnan(value)
            continue
        given = torch.tensor([ids])
        with torch.no_grad():
            assert value == pytest.approx(float(model(input_ids=given, labels=given).loss), rel=1e-5)


def test_nothing_runs_after_what_is_needed(folder: Path, tokens: list[list[int]]) -> None:
    model = loading.load(folder, "fp32", "cpu")
    ran: list[str] = []
    for name, module in [*model.decoder.named_modules(), ("head", model.head)]:
        module.register_forward_hook(lambda _module, _given, _output, name=name: ran.append(name))
    extraction.Extractor(model, [neurons(depth=2)], 100)(tokens[:2], lambda _: None)
    assert "layers.1.mlp.up_proj" in ran
    assert not {"layers.1.mlp.down_proj", "layers.2.mlp.up_proj", "norm", "head"} & set(ran)


def test_too_little_memory_halves_the_batch(folder: Path) -> None:
    """A process that may not have the memory for all texts at once gives what it gives with enough of it."""
    script = f"""
import resource, sys, torch
from recipec.ir.passes import Wanted
from recipec.models import extraction, loading
torch.set_num_threads(1)
model = loading.load(__import__("pathlib").Path({str(folder)!r}), "fp32", "cpu")
wanted = [Wanted(kind="neurons", model="m", length=400, neurons="up", top_k=5)]
tokens = [[(row * 7 + place) % 300 for place in range(400)] for row in range(200)]
small = extraction.Extractor(model, wanted, 400)(tokens, lambda n: None)[0]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 30_000_000, resource.RLIM_INFINITY))
extractor = extraction.Extractor(model, wanted, 80_000)
found = extractor(tokens, lambda n: None)[0]
assert (found == small).mean() > 0.99, (found == small).mean()
print(extractor.limit)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert 400 <= int(ended.stdout) < 80_000


def test_a_model_without_the_projection_says_what_it_has(folder: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=50)).base_model
    with pytest.raises(Failure) as raised:
        projections.find(model, "up")
    found = raised.value.diagnostics[0]
    assert (found.code, found.message) == ("R1105", "layer 0 of the model has no `up_proj` for `neurons: up`")
    assert "mlp.c_fc" in found.helps[0]
    assert len(projections.find(model, "mlp.c_fc")) == 2
    with pytest.raises(Failure, match="has 2 modules `c_proj`"):
        projections.find(model, "c_proj")


def test_more_neurons_than_there_are(folder: Path, tokens: list[list[int]]) -> None:
    with pytest.raises(Failure, match="`top_k: 97` is more than the 96 neurons of a layer"):
        extracted(folder, tokens, neurons(top_k=97))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECIPEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_add_list_and_remove(folder: Path, own_cache: Path, run: Run) -> None:
    assert "no models" in run("model", "list").out
    added = run("model", "add", "Ours", "--from", folder)
    assert added.code == 0
    assert added.out.startswith("added ours: ")
    [listed] = json.loads(run("model", "list", "--json").out)
    assert (listed["name"], listed["digest"]) == ("ours", cache.digest(folder))
    assert run("model", "add", "ours", "--from", folder).code == 0
    wrong = run("model", "remove", "our")
    assert wrong.code == 1
    assert "did you mean `ours`?" in wrong.err
    assert run("model", "remove", "ours").out.startswith("removed ours")
    assert not list((own_cache / "models").iterdir())


def test_what_is_no_model_is_refused(folder: Path, own_cache: Path, run: Run, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(folder, part)
    (part / "tokenizer.json").unlink()
    (tmp_path / "junk.gguf").write_bytes(b"GGUF" + bytes(100))
    cases = [
        (("nothing",), "R1101", "no model is known as `nothing`"),
        (("x", "--from", part), "R1102", "`x` is not a model: it has no tokenizer.json"),
        (("x", "--from", tmp_path / "junk.gguf"), "R1102", "`junk.gguf` cannot be read as GGUF"),
        (("smollm2-135m", "--from", tmp_path / "junk.gguf"), "R1102", "its sha256 differs"),
        (("../x", "--from", tmp_path / "no"), "R1102", "`" + str(tmp_path / "no") + "` is not a model"),
        (("a b", "--from", folder), "R1102", "`a b` is not a name for a model"),
    ]
    for words, code, message in cases:
        result = run("model", "add", *words)
        assert result.code == 1
        assert f"error[{code}]" in result.err
        assert message in result.err
    assert not cache.entries()
    assert not list((own_cache / "models").glob("*")), "nothing half-written"


def test_pickled_weights_are_not_read(folder: Path, tmp_path: Path) -> None:
    import torch

    evil = tmp_path / "evil"
    shutil.copytree(folder, evil)
    (evil / "model.safetensors").unlink()
    torch.save({}, evil / "pytorch_model.bin")
    with pytest.raises(Failure, match=r"it has no \*\.safetensors"):
        cache.find(str(evil), tmp_path)
    with pytest.raises(Failure, match="the model cannot be loaded"):
        loading.load(evil, "fp32", "cpu")


def test_code_beside_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    shutil.copytree(folder, evil)
    config = json.loads((evil / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    config["model_type"] = "unheard_of"
    (evil / "config.json").write_text(json.dumps(config))
    (evil / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(Failure, match="the model cannot be loaded"):
        loading.load(evil, "fp32", "cpu")
    assert not (tmp_path / "ran").exists()


def test_the_digest_is_of_what_the_files_hold(folder: Path, own_cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert cache.digest(other) == cache.digest(folder)
    time.sleep(0.01)
    (other / "config.json").write_text((other / "config.json").read_text() + " ")
    assert cache.digest(other) != cache.digest(folder)


def test_files_of_the_same_size_and_time_are_told_apart(folder: Path, own_cache: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    before = cache.digest(other)
    flip(other / "model.safetensors")
    assert cache.digest(other) != before


def flip(path: Path) -> None:
    """Changes the last byte of a file, and neither its size nor its time."""
    found = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_model_whose_files_changed_since_it_was_added_is_not_used(folder: Path, own_cache: Path, run: Run) -> None:
    assert run("model", "add", "ours", "--from", folder).code == 0
    assert cache.find("ours", folder).digest == cache.digest(own_cache / "models/ours")
    flip(own_cache / "models/ours/model.safetensors")
    with pytest.raises(Failure, match="are not those that were added") as caught:
        cache.find("ours", folder)
    assert caught.value.diagnostics[0].helps == ("recipec model remove ours", f"recipec model add {folder}")
    assert run("model", "remove", "ours").code == 0


def test_a_model_that_changes_before_it_is_loaded_stores_nothing(folder: Path, own_cache: Path, tmp_path: Path) -> None:
    """The features would be those of other weights."""
    texts, store = tmp_path / "texts.parquet", tmp_path / "features"
    with connection.connect(folders=[tmp_path]) as writer:
        writer.execute(f"COPY (SELECT 'a few words' AS text, 'key' AS content_0) TO '{texts}' (FORMAT parquet)")
    other = shutil.copytree(folder, tmp_path / "other")
    stated = cache.digest(other)
    flip(other / "model.safetensors")
    one = neurons()
    job = Job(model=str(other), digest=stated, dtype="fp32", wanted=(one,), texts=str(texts), folders=(str(store),))
    worker = Worker(io.StringIO())
    with pytest.raises(Failure, match="changed while it was read"):
        worker.run(job)
    assert not store.exists()
    worker.run(job.model_copy(update={"digest": cache.digest(other)}))
    assert list(store.iterdir())


def test_what_a_killed_addition_left_is_removed_by_the_next(folder: Path, own_cache: Path, run: Run) -> None:
    models = own_cache / "models"
    for name, ours in ((".ours.0a1b2c_d", True), (".ours.more.0a1b2c_d", True), (".ours.0a1b2c_x", False)):
        (models / name).mkdir(parents=True)
        (models / name / "half.safetensors").touch()
        if ours:
            publish.mark(models / name)
    assert run("model", "add", "ours", "--from", folder).code == 0
    assert {path.name for path in models.iterdir()} == {"ours", ".ours.more.0a1b2c_d", ".ours.0a1b2c_x"}
    assert not publish.is_marked(models / "ours")
