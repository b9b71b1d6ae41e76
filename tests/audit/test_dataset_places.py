"""Datasets of strangers: what explaining and comparing them reads outside of their folder must be allowed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests import tiny_model
from tests.conftest import MIX, Run, write_parquet

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

RECIPE = """source web {
  shards "SHARDS"
  id id
  text text
  tokens n
  domain topic
}
target law {
  examples "EXAMPLES"
}
criterion law = nag(target: law, model: "MODEL", top_k: 5, length: 30)
sample top 50% by law
output parquet "out"
"""
IN_PLACE = {"SHARDS": "data/*.parquet", "EXAMPLES": "law.txt", "MODEL": "tiny"}


def project(root: Path, run: Run, **named: str) -> Path:
    """A project with its dataset; `named` are the places in its recipe."""
    tiny_model.build(root / "tiny")
    texts = ", ".join(f"'{tiny_model.text(seed, 12)}'" for seed in range(12))
    numbered = f"SELECT unnest([{texts}]) AS t, unnest(range(12)) AS i"
    write_parquet(root / "data/0.parquet", f"SELECT 'd' || i AS id, t AS text, 5 AS n, 'a' AS topic FROM ({numbered})")
    (root / "law.txt").write_text("\n".join(tiny_model.text(11 + 18 * n, 30) for n in range(6)))
    text = RECIPE
    for word, place in {**IN_PLACE, **named}.items():
        text = text.replace(word, place)
    (root / "r.recipe").write_text(text)
    made = run("apply", root / "r.recipe", "--yes")
    assert made.code == 0, made.err
    return root


def neurons(run: Run, dataset: object, *words: object) -> tuple[int, str]:
    """The number of scores whose neurons are shown, and what is said."""
    result = run("explain", dataset, "d3", "--json", *words)
    assert result.code == 0, result.err
    [found] = json.loads(result.out)
    assert run("explain", dataset, "d3", *words).err == result.err
    return len(found["neurons"]), result.err


def test_ones_own_dataset_needs_nothing(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    own = project(tmp_path / "own", run)
    assert neurons(run, own / "out") == (1, "")
    monkeypatch.chdir(own)
    assert neurons(run, "out") == (1, "")
    # What its recipe names elsewhere is its own, too, as long as the recipe says so.
    for word, path in (("SHARDS", "data/*.parquet"), ("EXAMPLES", "law.txt"), ("MODEL", "tiny")):
        other = project(tmp_path / word, run, **{word: str(own / path)})
        assert neurons(run, other / "out") == (1, "")
        (other / "r.recipe").unlink()
        count, said = neurons(run, other / "out")
        assert count == 0
        assert f"outside its folder: no neurons are shown\n --> {own}" in said


def test_a_strangers_dataset_asks(tmp_path: Path, run: Run) -> None:
    own = project(tmp_path / "own", run)
    (tmp_path / "mail").mkdir()
    there = shutil.copytree(own / "out", tmp_path / "mail/out")
    count, said = neurons(run, there)
    assert count == 0
    assert said.startswith("warning[R0713]: the dataset has its recipe's state elsewhere, outside its folder: ")
    assert said.count("warning[R0713]") == 4, said
    for does, place in (("shards", own / "data"), ("examples", own), ("a model", own / "tiny")):
        assert f"the dataset has {'its ' * (does != 'a model')}{does} elsewhere" in said
        assert f"= help: if you trust this dataset: `--allow {place}`" in said
    assert neurons(run, there, "--allow", own / "data")[0] == 0
    assert neurons(run, there, "--allow", own) == (1, "")
    # It says that it is of a project, but lies elsewhere; and the project of this folder did not write it.
    manifest = json.loads((there / "manifest.json").read_text())
    manifest["recipe"]["folder"] = str(tmp_path)
    (there / "manifest.json").write_text(json.dumps(manifest))
    assert neurons(run, there) == (0, "")
    for shard in manifest["shards"]:
        shard["path"] = f"own/{shard['path']}"
    (there / "manifest.json").write_text(json.dumps(manifest))
    count, said = neurons(run, there)
    assert (count, said.count("warning[R0713]")) == (0, 1)
    assert f"the dataset has its shards elsewhere, outside its folder: no neurons are shown\n --> {own}/data" in said


@pytest.mark.parametrize("words", [["explain", "OUT"], ["explain", "OUT", "doc-1"], ["diff", "OUT", "OUT"]])
def test_links_in_a_dataset_lead_nowhere_else(mix: Path, run: Run, tmp_path: Path, words: list[str]) -> None:
    mix.write_text(MIX)
    assert run("apply", mix, "--yes").code == 0
    out, private = mix.parent / "out", tmp_path / "private"
    given = [out if word == "OUT" else word for word in words]
    whole = run(*given)
    assert whole.code == 0, whole.err
    [ledger] = (out / "ledger").iterdir()
    private.mkdir()
    ledger.rename(private / ledger.name)
    ledger.symlink_to(private / ledger.name)
    refused = run(*given)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"error[R0713]: the dataset's `ledger/{ledger.name}` lies outside its folder\n"
        f" --> {private / ledger.name}\n  = help: if you trust this dataset: `--allow {private}`\n\n"
    )
    assert run(*given, "--allow", tmp_path / "other").code == 1
    assert run(*given, "--allow", private) == whole
    # No byte of it is read to verify the dataset.
    (private / ledger.name).write_bytes(b"")
    checked = run("verify", out)
    assert checked.code == 1
    assert f"error[R0621]: `ledger/{ledger.name}` leaves the dataset's folder" in checked.err
    assert "R0623" not in checked.err
