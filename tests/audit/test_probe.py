"""`recipec probe` on a tiny model: its figures against the plainest computation of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec.audit import measures
from tests import tiny_model
from tests.conftest import Run
from tests.criteria.test_nag import CELL, LAW, LENGTH, RECIPE, TOP_K, documents, model, pool, recipe

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

__all__ = ["model", "pool"]  # fixtures

SCORES = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=30)


@settings(deadline=None, max_examples=50)
@given(SCORES, SCORES)
def test_the_auc_is_the_share_of_pairs(above: list[float], below: list[float]) -> None:
    found = measures.separation(np.array(above), np.array(below))
    assert found is not None
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in above for b in below]
    assert found.auc == pytest.approx(sum(pairs) / len(pairs))
    assert found.low <= found.high
    mirrored = measures.separation(np.array(below), np.array(above))
    assert mirrored is not None
    assert mirrored.auc == pytest.approx(1 - found.auc)


def test_the_interval_covers() -> None:
    """The true AUC of two normal groups one deviation apart, in most of many samples."""
    generator = np.random.default_rng(5)
    truth, inside = 0.7602, 0
    for _ in range(100):
        found = measures.separation(generator.normal(1, 1, 40), generator.normal(0, 1, 60))
        assert found is not None
        inside += found.low <= truth <= found.high
    assert 88 <= inside <= 99


@given(st.text(max_size=200))
def test_edits_keep_what_they_say(text: str) -> None:
    assert sorted(measures.shuffled(text).split()) == sorted(text.split())
    assert measures.shuffled(text) == measures.shuffled(text)


def test_facts_are_exchanged() -> None:
    texts = ["In 1905 the young Einstein wrote 4 papers.", "By 1687, old Newton had 3 laws.", "No facts here."]
    found = measures.exchanged(texts)
    assert found[2] == texts[2]
    for old, new in zip(texts[:2], found[:2], strict=True):
        assert not set(measures.NUMBER.findall(old)) & set(measures.NUMBER.findall(new)) or old != new
        assert measures.NUMBER.sub("#", measures.NAME.sub("@", old)) == measures.NUMBER.sub(
            "#", measures.NAME.sub("@", new)
        )
    assert "Newton" in found[0]
    assert "Einstein" in found[1]


def test_overlap_of_profiles() -> None:
    one = np.array([[0.5, 0.5], [1.0, 0.0]])
    other = np.array([[0.0, 0.5, 0.5], [0.0, 0.5, 0.5]])
    assert measures.overlap(one, one) == 1
    assert measures.overlap(one, other) == measures.overlap(other, one) == 0.25


def similarity(model: Path, used: list[str], texts: list[str]) -> list[float]:
    from tests.criteria.test_nag import similarity as plain

    found = plain(model, used, texts)
    return [found[text] for text in texts]


def test_a_probe_of_two_targets(pool: Path, model: Path, run: Run) -> None:
    path = recipe(pool, "where length(text) > 0", "sample top 20% by law")
    shown = run("probe", path, "--html", pool / "p.html", "--documents", 40)
    assert shown.code == 0, shown.err
    assert "law: target law, 6 examples in its profile, each example scored by a profile of the others" in shown.out
    assert "the targets of cell and law share" in shown.out
    assert "<svg" in (pool / "p.html").read_text()
    found = json.loads(run("probe", path, "--documents", 40, "--json").out)
    assert found["pool"] == 40
    [cell, law] = found["targets"]
    examples = sorted(f"{q} {a}" for q, a in LAW)
    expected = [
        similarity(model, [e for n, e in enumerate(examples) if n % 5 != number % 5], [example])[0]
        for number, example in enumerate(examples)
    ]
    assert law["scores"]["examples"] == pytest.approx(expected, rel=1e-12)
    assert len(cell["scores"]["pool"]) == 40
    texts = {doc: text for doc, text, _, _ in documents(pool)}
    best = law["typical"][0]
    assert best["score"] == pytest.approx(similarity(model, examples, [texts[best["name"]]])[0], rel=1e-12)
    assert best["score"] == max(law["scores"]["pool"])


def test_held_out_examples_are_the_ones_that_are_scored(pool: Path, run: Run) -> None:
    (pool / "law.jsonl").write_text(
        "".join(json.dumps({"q": tiny_model.text(n, 8), "a": "b"}) + "\n" for n in range(40))
    )
    text = RECIPE.replace('text "{q} {a}"', 'text "{q} {a}"\n  holdout 25%')
    path = recipe(pool, "where length(text) > 0", "sample top 20% by law", text=text)
    [_, law] = json.loads(run("probe", path, "--documents", 20, "--json").out)["targets"]
    assert law["held"]
    assert law["examples"] + len(law["scores"]["examples"]) == 40
    assert 3 <= len(law["scores"]["examples"]) <= 20


def test_deactivation_is_what_zeroing_does(pool: Path, model: Path, run: Run) -> None:
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    path = recipe(pool, "where length(text) > 0", "sample top 20% by law")
    shown = run("probe", path, "--documents", 5, "--deactivate")
    assert "without its 15 neurons the loss on its examples goes from " in shown.out
    [cell, _] = json.loads(run("probe", path, "--documents", 5, "--deactivate", "--json").out)["targets"]
    plain = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    sets = tiny_model.published_neurons(model, CELL, TOP_K, LENGTH)

    def loss() -> float:
        values = []
        for text in CELL:
            ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False).ids[:LENGTH]])
            with torch.no_grad():
                values.append(float(plain(input_ids=ids, labels=ids).loss))
        return float(np.mean(values))

    assert cell["deactivation"]["intact"] == pytest.approx(loss(), rel=1e-5)
    for number, layer in enumerate(plain.model.layers):
        counts = np.bincount(np.concatenate([one[number] for one in sets]), minlength=tiny_model.NEURONS)
        zeroed = np.argsort(-counts, kind="stable")[:TOP_K]
        with torch.no_grad():
            layer.mlp.up_proj.weight[zeroed] = 0
    assert cell["deactivation"]["target"] == pytest.approx(loss(), rel=1e-5)
    assert cell["deactivation"]["random_low"] <= cell["deactivation"]["random"] <= cell["deactivation"]["random_high"]


def test_nothing_to_probe(world: Path, run: Run) -> None:
    from tests.conftest import SOURCE

    path = world / "a.recipe"
    path.write_text(SOURCE + "criterion edu = column(edu) higher is better\n")
    result = run("probe", path)
    assert result.code == 1
    assert "error[R1108]: no criterion of the recipe scores by a target's neurons" in result.err
