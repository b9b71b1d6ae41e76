"""Cascades on a tiny model: what they promise, what they say, and that nothing but the pool decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from recipec.execution import trial
from recipec.execution.trial import wilson
from tests import tiny_model
from tests.conftest import Run, rows

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

DOCUMENTS = 3000

RECIPE = """seed 3
source web {{
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}}
target law {{
  examples "law.txt"
}}
criterion law = nag(target: law, model: "tiny", top_k: 10, length: 60{cascade})
criterion edu = column(edu) higher is better
output parquet "out/x"
{rest}
"""

CASCADE = ", cascade: recall 80%"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cascade")
    tiny_model.build(folder / "tiny")
    (folder / "data").mkdir()
    texts = [tiny_model.text(seed, 60 + seed % 20, least=1e-6) for seed in range(DOCUMENTS)]
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE pool AS SELECT unnest($1) AS i, unnest($2) AS text", [list(range(DOCUMENTS)), texts]
        )
        connection.execute(
            f"COPY (SELECT 'd' || i AS id, text, 5 + i % 11 AS n, ['a', 'b'][1 + i % 2] AS topic, "
            f"(hash(i) % 997) / 997.0 AS edu FROM pool) TO '{folder}/data/0.parquet'"
        )
    (folder / "law.txt").write_text("\n".join(tiny_model.text(11 + 18 * n, 60, least=1e-6) for n in range(12)))
    return folder


def applied(
    world: Path, run: Run, rest: str, cascade: str = CASCADE
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The manifest and the ledger by document."""
    path = world / "r.recipe"
    path.write_text(RECIPE.format(cascade=cascade, rest=rest))
    result = run("apply", path, "--yes", "--json")
    assert result.code == 0, result.err
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM '{world}/out/x/ledger/*.parquet'")
        names = [column[0] for column in found.description or ()]
        ledger = {row[1]: dict(zip(names, row, strict=True)) for row in found.fetchall()}
    return json.loads(result.out), ledger


def chosen(ledger: dict[str, dict[str, Any]]) -> set[str]:
    return {doc for doc, row in ledger.items() if row["copies"]}


@pytest.mark.parametrize(
    "rest",
    [
        "sample top 20% by law",
        "quality { weights { law 2, edu 1 } }\nsample quadmix { curve { omega 0.2, epsilon 0 }, curve for a { omega 0.1 } }",
    ],
)
def test_the_recall_is_kept(world: Path, run: Run, rest: str) -> None:
    manifest, ledger = applied(world, run, rest)
    _, exact = applied(world, run, rest, cascade="")
    [report] = manifest["selection"]["cascades"]
    assert report["promised"]
    assert report["asked"] == 0.8
    assert report["low"] >= 0.8
    assert (report["pool"], report["sample"]) == (DOCUMENTS, 512)
    assert 512 <= report["exact"] < 0.8 * DOCUMENTS
    assert sum(row["exact_law"] for row in ledger.values()) == report["exact"]
    truth, found = chosen(exact), chosen(ledger)
    assert len(truth & found) / len(truth) >= report["low"] - 0.03
    for doc, row in ledger.items():
        if row["exact_law"]:
            assert row["score_law"] == exact[doc]["score_law"]
    predicted = np.array(
        [[row["score_law"], exact[doc]["score_law"]] for doc, row in ledger.items() if not row["exact_law"]]
    )
    assert len(set(predicted[:, 0].tolist())) > 50
    assert np.corrcoef(predicted.T)[0, 1] > 0.3
    assert run("verify", world / "out/x").code == 0


def test_nothing_but_the_pool_decides(world: Path, run: Run) -> None:
    """Neither files, nor their rows' order, nor threads, nor what other recipes have had scored already."""
    rest = "sample top 20% by law"
    first, _ = applied(world, run, rest)
    with duckdb.connect() as connection:
        for part in range(3):
            connection.execute(
                f"COPY (SELECT * FROM '{world}/data/0.parquet' WHERE hash(id) % 3 = {part} ORDER BY hash(id, 1)) "
                f"TO '{world}/part{part}.parquet'"
            )
    original = (world / "data/0.parquet").read_bytes()
    (world / "data/0.parquet").unlink()
    for part in range(3):
        (world / f"part{part}.parquet").rename(world / f"data/part{part}.parquet")
    try:
        second, _ = applied(world, run, rest)
    finally:
        for part in range(3):
            (world / f"data/part{part}.parquet").unlink()
        (world / "data/0.parquet").write_bytes(original)
    assert second["digest"] == first["digest"]
    assert second["selection"]["cascades"] == first["selection"]["cascades"]


def test_what_cannot_be_promised_is_scored(world: Path, run: Run) -> None:
    """A sample of 512 cannot show a recall of 99.9%."""
    manifest, ledger = applied(world, run, "sample top 20% by law", cascade=", cascade: recall 99.9%")
    assert "every document is scored: all 3,000" in run("plan", world / "r.recipe").out
    _, exact = applied(world, run, "sample top 20% by law", cascade="")
    [report] = manifest["selection"]["cascades"]
    assert not report["promised"]
    assert report["exact"] == DOCUMENTS
    assert all(row["exact_law"] for row in ledger.values())
    assert chosen(ledger) == chosen(exact)


def test_plan_and_explain_say_what_is_predicted(world: Path, run: Run) -> None:
    _, ledger = applied(world, run, "sample top 20% by law")
    shown = run("plan", world / "r.recipe").out
    assert "Cascade" in shown
    assert "of 3,000 documents run through the model" in shown
    exact = next(doc for doc, row in ledger.items() if row["exact_law"])
    guessed = next(doc for doc, row in ledger.items() if not row["exact_law"])
    assert "predicted, not run through the model" in run("explain", world / "out/x", guessed).out
    assert "predicted" not in run("explain", world / "out/x", exact).out


def test_a_plan_before_scoring_says_both_numbers(world: Path, run: Run, tmp_path: Path) -> None:
    for name in ("data", "tiny", "law.txt"):
        (tmp_path / name).symlink_to(world / name)
    path = tmp_path / "r.recipe"
    path.write_text(RECIPE.format(cascade=CASCADE, rest="sample top 20% by law"))
    result = run("plan", path)
    assert result.code == 0, result.err
    assert "3,000 without it, at least 512 with it" in result.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("criterion x = nag(target: law, cascade: 95%)", "`cascade: 95%` is not how `cascade` is written"),
        (
            "criterion x = nag(target: law, cascade: precision 95%)",
            "`cascade: precision 95%` is not how `cascade` is written",
        ),
        ("criterion x = nag(target: law, cascade: recall 100%)", "expected below 1"),
        ("criterion x = nag(target: law, top_k: recall 5)", "`top_k: recall 5` is not how `top_k` is written"),
        ("where nag(target: law, cascade: recall 95%) > 0.5", "a cascade is not allowed in a filter"),
        (
            "criterion x = column(nag(target: law, cascade: recall 95%) * 2) higher is better",
            "a cascade is not allowed inside an expression",
        ),
    ],
)
def test_mistakes(world: Path, run: Run, tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "data").symlink_to(world / "data")
    (tmp_path / "law.txt").symlink_to(world / "law.txt")
    path = tmp_path / "r.recipe"
    text = "".join(one for one in RECIPE.format(cascade="", rest="").splitlines(True) if "criterion law" not in one)
    path.write_text(text + line + "\n")
    result = run("check", path)
    assert result.code == 1
    assert message in result.err


def test_a_cascade_is_written_as_it_is_read(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "r.recipe"
    path.write_text("criterion x = nag(target: law, cascade:   recall   95%)\n")
    assert run("fmt", path).code == 0
    assert path.read_text() == "criterion x = nag(target: law, cascade: recall 95%)\n"
    assert run("fmt", "--check", path).code == 0


def test_the_interval_of_a_share() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(95, 100)
    assert (low, high) == pytest.approx((0.8882, 0.9785), abs=1e-3)
    assert wilson(100, 100)[1] == 1.0
    assert rows("SELECT 1") == [(1,)]


def test_the_interval_is_of_resampled_documents() -> None:
    """Against a plain loop: each resample has its own edge, where its own tokens reach the share."""
    generator = np.random.default_rng(5)
    count, share = 60, 0.3
    tokens = np.ceil(generator.pareto(1.2, count) * 100)
    truth, guess = generator.random(count), generator.random(count)

    def ranks(values: np.ndarray) -> np.ndarray:
        return np.array([tokens[values <= value].sum() / tokens.sum() for value in values])

    def best(values: np.ndarray, drawn: np.ndarray, edge: float) -> set[int]:
        """The lowest values whose tokens, repeated as drawn, stay within a share."""
        found, reached = set(), 0.0
        for place in np.argsort(values, kind="stable"):
            reached += drawn[place] * tokens[place]
            if reached > edge * (drawn * tokens).sum() * (1 + 1e-12):
                break
            found.add(int(place))
        return found

    exact, kept = ranks(truth), ranks(guess)
    edges = [tokens[one <= share].sum() / tokens.sum() for one in (exact, exact)]
    recalls = []
    for drawn in np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), trial.RESAMPLES):
        inside, still = best(exact, drawn, edges[0]), best(kept, drawn, edges[1])
        recalls.append(sum(drawn[n] for n in inside & still) / max(1, sum(drawn[n] for n in inside)))
    found = trial.interval(exact, kept, np.full(count, share), tokens, np.zeros(count, int))
    assert found == pytest.approx(tuple(np.quantile(recalls, [0.025, 0.975])), abs=1e-9)
