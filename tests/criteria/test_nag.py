"""NAG end to end: recipes that score by a tiny model, against a slow oracle over the authors' neurons."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from recipec.criteria import nag
from tests import tiny_model
from tests.conftest import Run, rows, wait_for

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

TOP_K, LENGTH = 5, 30

RECIPE = """seed 3
source web {
  shards "data/*.parquet"
  id id
  text text
  tokens n
}
target law {
  examples "law.jsonl"
  text "{q} {a}"
}
target cell {
  examples "cell.txt"
}
criterion law = nag(target: law, model: "tiny", top_k: 5, length: 30)
criterion cell = nag(target: cell, model: "tiny", top_k: 5, length: 30)
criterion edu = column(edu) higher is better
output parquet "out/x"
"""

LAW = [(tiny_model.text(11, 9), tiny_model.text(11 + 18 * n, 12)) for n in range(6)]
CELL = [tiny_model.text(15 + 18 * n, 30) for n in range(5)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def pool(tmp_path: Path, model: Path) -> Path:
    """120 documents in two shards, two targets, the model; one document has no text."""
    (tmp_path / "data").mkdir()
    texts = [tiny_model.text(seed, 3 + seed % 40) for seed in range(119)] + [""]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE pool AS SELECT unnest($1) AS i, unnest($2) AS text", [list(range(120)), texts])
        for number in range(2):
            connection.execute(
                f"COPY (SELECT 'd' || lpad(i :: VARCHAR, 3, '0') AS id, text, 5 + i % 11 AS n, (hash(i) % 997) / 997.0 AS edu "
                f"FROM pool WHERE i % 2 = {number}) TO '{tmp_path}/data/{number}.parquet'"
            )
    (tmp_path / "law.jsonl").write_text("".join(json.dumps({"q": q, "a": a}) + "\n" for q, a in LAW))
    (tmp_path / "cell.txt").write_text("\n".join(CELL) + "\n")
    (tmp_path / "tiny").symlink_to(model)
    return tmp_path


def recipe(pool: Path, *lines: str, text: str = RECIPE) -> Path:
    path = pool / "r.recipe"
    path.write_text(text + "".join(line + "\n" for line in lines))
    return path


def documents(pool: Path) -> list[tuple[str, str, int, float]]:
    return rows(f"SELECT id, text, n, edu FROM '{pool}/data/*.parquet' WHERE text <> '' ORDER BY id")


def similarity(model: Path, examples: list[str], texts: list[str], power: float = 1.0) -> dict[str, float]:
    """The paper's formulas, one text, one layer and one neuron at a time."""
    sets = tiny_model.published_neurons(model, examples, TOP_K, LENGTH)
    found = {}
    for text, neurons in zip(texts, tiny_model.published_neurons(model, texts, TOP_K, LENGTH), strict=True):
        total = 0.0
        for layer in range(tiny_model.LAYERS):
            frequency: dict[int, float] = {}
            for example in sets:
                for neuron in example[layer].tolist():
                    frequency[neuron] = frequency.get(neuron, 0) + 1
            powered = {neuron: (count / len(sets)) ** power for neuron, count in frequency.items()}
            total += sum(powered.get(neuron, 0.0) for neuron in neurons[layer].tolist()) / sum(powered.values())
        found[text] = total / tiny_model.LAYERS
    return found


def ledger(pool: Path) -> dict[str, dict[str, Any]]:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM '{pool}/out/x/ledger/*.parquet'")
        names = [column[0] for column in found.description or ()]
        return {row[names.index("doc_id")]: dict(zip(names, row, strict=True)) for row in found.fetchall()}


def taken(values: dict[str, float], tokens: dict[str, int], share: float) -> set[str]:
    """Documents by ascending value, ties by id, until the share of all tokens. Sums of floats in another order would
    break ties another way, so that the values are the ledger's, which the caller has compared with its own."""
    total, seen, chosen = sum(tokens.values()), 0, set()
    for doc in sorted(values, key=lambda doc: (values[doc], doc)):
        seen += tokens[doc]
        if seen / total <= share:
            chosen.add(doc)
    return chosen


def scores(
    pool: Path, model: Path, found: dict[str, dict[str, Any]]
) -> tuple[dict[str, int], dict[str, float], dict[str, float], dict[str, float]]:
    """Tokens and scores of every document, the ledger's, which must be the oracle's."""
    every = documents(pool)
    texts = [text for _, text, _, _ in every]
    for name, examples in (("law", [f"{q} {a}" for q, a in LAW]), ("cell", CELL)):
        expected = similarity(model, examples, texts)
        for doc, text, _, _ in every:
            assert found[doc][f"score_{name}"] == pytest.approx(expected[text], rel=1e-12)
    law, cell, edu = ({doc: found[doc][f"score_{name}"] for doc, *_ in every} for name in ("law", "cell", "edu"))
    return {doc: n for doc, _, n, _ in every}, law, cell, edu


def test_a_single_target_as_in_the_paper(pool: Path, model: Path, run: Run) -> None:
    result = run("apply", recipe(pool, "where length(text) > 0", "sample top 20% by law"), "--yes")
    assert result.code == 0, result.err
    found = ledger(pool)
    tokens, law, _, _ = scores(pool, model, found)
    assert {doc for doc, row in found.items() if row["copies"]} == taken({d: -v for d, v in law.items()}, tokens, 0.2)


def test_several_targets_share_the_quota(pool: Path, model: Path, run: Run) -> None:
    assert run("apply", recipe(pool, "where length(text) > 0", "sample top 20% by law, cell"), "--yes").code == 0
    found = ledger(pool)
    tokens, law, cell, _ = scores(pool, model, found)
    expected = taken({d: -v for d, v in law.items()}, tokens, 0.1) | taken(
        {d: -v for d, v in cell.items()}, tokens, 0.1
    )
    assert {doc for doc, row in found.items() if row["copies"]} == expected


def test_minmax_and_quality(pool: Path, model: Path, run: Run) -> None:
    lines = ("quality {", "  normalize minmax", "  weights { law 1, edu 1 }", "}", "sample top 20%")
    assert run("apply", recipe(pool, "where length(text) > 0", *lines), "--yes").code == 0
    found = ledger(pool)
    tokens, law, _, edu = scores(pool, model, found)

    def scaled(values: dict[str, float]) -> dict[str, float]:
        low, high = min(values.values()), max(values.values())
        return {doc: (high - value) / (high - low) for doc, value in values.items()}

    merged = {doc: a + b for (doc, a), b in zip(scaled(law).items(), scaled(edu).values(), strict=True)}
    assert {doc for doc, row in found.items() if row["copies"]} == taken(merged, tokens, 0.2)


def test_a_text_without_tokens_has_no_score(pool: Path, run: Run) -> None:
    result = run("plan", recipe(pool, "allow bad 5%", "sample top 20% by law"), "--score")
    assert "1 documents have no score `law`, for example `d119`" in result.err


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_the_power_of_a_profile(pool: Path, model: Path, run: Run, power: float) -> None:
    text = RECIPE.replace("target: law, ", f"target: law, power: {power}, ")
    assert run("apply", recipe(pool, "where length(text) > 0", "sample all", text=text), "--yes").code == 0
    every = documents(pool)
    expected = similarity(model, [f"{q} {a}" for q, a in LAW], [text for _, text, _, _ in every], power)
    found = ledger(pool)
    for doc, text, _, _ in every:
        assert found[doc]["score_law"] == pytest.approx(expected[text], rel=1e-12)


def test_layers_that_are_chosen() -> None:
    generator = np.random.default_rng(0)
    examples = generator.integers(0, 50, (9, 4, 5)).astype(np.uint16)
    texts = generator.integers(0, 70, (30, 4, 5)).astype(np.uint16)
    some = nag.prepare(nag.Params(target="t", layers="1, 3-3", top_k=5), examples, examples[:0])
    whole = nag.profile(examples)
    expected = [
        np.mean([sum(whole[layer, n] if n < whole.shape[1] else 0 for n in one[layer]) for layer in (1, 3)])
        for one in texts
    ]
    assert np.allclose(nag.features(texts, some), expected, rtol=1e-12)
    assert nag.wants(some).depth == 4
    with pytest.raises(ValueError, match="the model has 4 layers, the last is 3"):
        nag.prepare(nag.Params(target="t", layers="2-4", top_k=5), examples, examples[:0])


def stored(pool: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (pool / ".recipec/features").rglob("*.parquet")}


def test_nothing_is_scored_again(pool: Path, run: Run, tmp_path: Path) -> None:
    """Neither for other weights, curves or targets, nor for the same texts in other shards."""
    assert run("plan", recipe(pool, "where length(text) > 0", "sample top 20% by law"), "--score").code == 0
    before = stored(pool)
    assert len(before) >= 2
    lines = (
        "quality { weights { law 1, cell 2 } }",
        "sample quadmix { curve { omega 0.3 } }",
        "repeat at most 2 times",
    )
    assert run("plan", recipe(pool, "where length(text) > 0", *lines)).code == 0
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM '{pool}/data/*.parquet' ORDER BY hash(id)) TO '{pool}/all.parquet'")
    for path in (pool / "data").iterdir():
        path.unlink()
    (pool / "all.parquet").rename(pool / "data/all.parquet")
    result = run("plan", recipe(pool, "where length(text) > 0", "sample top 20% by cell"))
    assert result.code == 0
    assert "exact: apply gives these documents" in result.out
    assert stored(pool) == before


def test_a_plan_estimates_what_models_must_see(pool: Path, run: Run) -> None:
    path = recipe(pool, "where length(text) > 0 and n > 6", "sample top 20% by law")
    plan = json.loads(run("plan", path, "--json").out)
    assert not plan["exact"]
    assert "documents, by keyed hash" in plan["sample"]
    costs = [step["cost"] for step in plan["steps"] if step["op"]["kind"] == "score"]
    [[count]] = rows(f"SELECT count(DISTINCT text) FROM '{pool}/data/*.parquet' WHERE n > 6 AND text <> ''")
    assert [cost["rows"] for cost in costs] == [{"value": count, "basis": "exact"}] * 2
    assert costs[0]["seconds"]["basis"] == "measured on documents of this recipe"
    assert costs[0]["bytes"]["value"] == count * tiny_model.LAYERS * TOP_K * 2
    assert costs[0]["device"] == "cpu"
    again = json.loads(run("plan", path, "--json", "--score").out)
    assert again["exact"]


def test_a_plan_runs_no_model_in_its_own_process(pool: Path) -> None:
    script = (
        "import sys; from recipec.cli.main import main; code = main(['plan', sys.argv[1]]); "
        "print(code, sorted({'torch', 'transformers', 'scipy'} & set(sys.modules)), file=sys.stderr)"
    )
    path = recipe(pool, "where length(text) > 0", "sample top 20% by law")
    ended = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "0 []"


def test_a_killed_run_goes_on(pool: Path, run: Run) -> None:
    """Killed as it starts to score and when some is stored, its worker left alone: that ends, the next run gives the same."""
    path = recipe(pool, "where length(text) > 0", "sample top 20% by law")
    for moment in ("worker", "stored"):
        process = subprocess.Popen(
            [sys.executable, "-m", "recipec", "apply", str(path), "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        told = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_for(lambda: told.read_text().split())  # noqa: B023 - called at once
        if moment == "stored":
            wait_for(lambda: stored(pool))
        children = told.read_text().split()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))  # noqa: B023
    first = json.loads(run("apply", path, "--yes", "--json").out)["digest"]
    for folder in (".recipec", "out"):
        subprocess.run(["rm", "-r", str(pool / folder)], check=True)
    assert json.loads(run("apply", path, "--yes", "--json").out)["digest"] == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("law.jsonl", '{"q": "one", "a": "two"}\n'), "target `law` cannot be used: it has 1 example to use"),
        (("law.jsonl", '{"q": "", "a": ""}\n{"q": "a", "a": "b"}\n' * 2), None),
        (("cell.txt", "\n\nsome words\n\n"), "target `cell` cannot be used: it has 1 example"),
        (("cell.txt", ""), "target `cell` has no examples"),
    ],
)
def test_targets_that_cannot_serve(pool: Path, run: Run, change: tuple[str, str], message: str | None) -> None:
    (pool / change[0]).write_text(change[1])
    result = run("plan", recipe(pool, "where length(text) > 0", "sample top 20% by law"))
    assert "Traceback" not in result.err
    if message is None:
        assert result.code == 0
    else:
        assert result.code == 1
        assert message in result.err


def test_a_target_inside_the_pool(pool: Path, run: Run) -> None:
    path = recipe(pool, "where length(text) > 0", "sample top 20% by law")
    assert "R1109" not in run("plan", path).err
    inside = [text for _, text, _, _ in documents(pool)[:7]]
    (pool / "cell.txt").write_text("\n".join([*inside, "a line that the pool has not"]) + "\n")
    assert "R1109" not in run("plan", path).err
    (pool / "cell.txt").write_text("\n".join(f" {text}" for text in inside) + "\n")
    result = run("plan", path)
    assert result.code == 0
    assert "warning[R1109]: all 7 examples of target `cell` are documents of the pool" in result.err
    assert "r.recipe:12:" in result.err
    assert (
        "R1109"
        not in run(
            "plan",
            recipe(pool, "where length(text) > 0", "where not overlaps(cell, ngram: 3)", "sample top 20% by law"),
        ).err
    )


def test_a_model_that_is_not_there(pool: Path, run: Run) -> None:
    (pool / "tiny").unlink()
    result = run("plan", recipe(pool, "sample top 20% by law"))
    assert result.code == 1
    assert "error[R1101]: the model `tiny` is not on this machine" in result.err
    assert "--> " in result.err
    assert "recipec model add tiny" in result.err


def test_perplexity_of_a_recipe(pool: Path, model: Path, run: Run) -> None:
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    text = RECIPE + 'criterion ppl = perplexity(model: "tiny", length: 30)\nquality { missing worst }\n'
    lines = ("where length(text) > 0", "sample top 20% by ppl")
    assert run("apply", recipe(pool, *lines, text=text), "--yes").code == 0
    found = ledger(pool)
    plain = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    for doc, document, _, _ in documents(pool)[::9]:
        ids = torch.tensor([tokenizer.encode(document, add_special_tokens=False).ids[:LENGTH]])
        with torch.no_grad():
            expected = float(plain(input_ids=ids, labels=ids).loss.exp()) if ids.shape[1] > 1 else None
        assert found[doc]["score_ppl"] == (expected and pytest.approx(expected, rel=1e-4))


def test_explain_says_which_neurons(pool: Path, model: Path, run: Run) -> None:
    assert run("apply", recipe(pool, "where length(text) > 0", "sample top 20% by law"), "--yes").code == 0
    shown = run("explain", pool / "out/x", "d011")
    assert "are among those of law; most of the score (layer/neuron): " in shown.out
    [found] = json.loads(run("explain", pool / "out/x", "d011", "--json").out)
    [cell, law] = found["neurons"]
    assert (law["criterion"], cell["criterion"], law["of"]) == ("law", "cell", tiny_model.LAYERS * TOP_K)
    assert sum(one["gave"] for one in law["neurons"]) == pytest.approx(found["row"]["score_law"], rel=1e-12)
    [text] = [text for doc, text, _, _ in documents(pool) if doc == "d011"]
    mine = tiny_model.published_neurons(model, [text], TOP_K, LENGTH)[0]
    examples = tiny_model.published_neurons(model, [f"{q} {a}" for q, a in LAW], TOP_K, LENGTH)
    shared = {
        (layer, neuron)
        for layer in range(tiny_model.LAYERS)
        for neuron in mine[layer].tolist()
        if any(neuron in example[layer].tolist() for example in examples)
    }
    assert {(one["layer"], one["neuron"]) for one in law["neurons"]} == shared
    (pool / "data/1.parquet").unlink()
    assert "score law" in run("explain", pool / "out/x", "d011").out
