"""Influence against autograd and dense algebra, one sequence and one layer at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from recipec.diagnostics import Failure  # noqa: E402
from recipec.models import group_influence, loading  # noqa: E402
from recipec.models.curvature import Curvature  # noqa: E402
from recipec.models.gradients import Catcher, batches, linear_layers  # noqa: E402
from tests import tiny_model  # noqa: E402
from tests.conftest import SOURCE, Run  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.build(tmp_path_factory.mktemp("influence") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> loading.Loaded:
    return loading.load(folder, "fp32", "cpu")


def sequences(seed: int, count: int, length: int | None = None) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 300, length or int(generator.integers(2, 20))).tolist() for _ in range(count)]


TASKS = [sequences(1, 5), sequences(2, 3)]
DOMAINS = [sequences(3, 8, 12), sequences(4, 8, 12), sequences(5, 8, 12)]


def autograd(folder: Path, mine: list[list[int]]) -> dict[str, Any]:
    """Gradients of the mean loss a token by name of the layer, one sequence at a time through the whole model."""
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    loss, tokens = torch.zeros(()), 0
    for one in mine:
        ids = torch.tensor([one])
        logits = whole(input_ids=ids).logits[0, :-1]
        loss = loss + torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
        tokens += len(one) - 1
    (loss / tokens).backward()
    return {name.removeprefix("model.").removesuffix(".weight"): p.grad for name, p in whole.named_parameters()}


@pytest.mark.parametrize("layers", ["mlp", "all"])
def test_identity_is_a_product_of_gradients(folder: Path, model: loading.Loaded, tmp_path: Path, layers: str) -> None:
    settings = group_influence.Settings(kind="identity", layers=layers, shards=2, batch=40)
    found = group_influence.measure(model, TASKS, DOMAINS, settings, tmp_path, lambda _: None)
    names = [name for name, _ in linear_layers(model, layers)]
    assert len(names) == (9 if layers == "mlp" else 21)
    of_tasks = [autograd(folder, mine) for mine in TASKS]
    for j, mine in enumerate(DOMAINS):
        for shard in range(2):
            gradient = autograd(folder, mine[shard::2])
            for i, task in enumerate(of_tasks):
                expected = sum(float((task[name] * gradient[name]).sum()) for name in names)
                assert found[shard, i, j] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_group_is_the_sum_of_its_points(model: loading.Loaded, tmp_path: Path) -> None:
    """With sequences of one length the mean gradient of a domain is the mean of its sequences'."""
    settings = group_influence.Settings(kind="identity", shards=1)
    whole = group_influence.measure(model, TASKS, [DOMAINS[0]], settings, tmp_path / "a", lambda _: None)
    points = group_influence.measure(
        model, TASKS, [[one] for one in DOMAINS[0]], settings, tmp_path / "b", lambda _: None
    )
    assert whole[0, :, 0] == pytest.approx(points[0].mean(axis=1), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("kind", ["ekfac", "kfac", "diagonal"])
def test_curvature_is_dense_algebra(kind: Any) -> None:
    """Each kind's inverse, written out as a matrix over the flattened weight."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(6, 5, 4, generator=generator)
    delta = torch.randn(6, 5, 3, generator=generator)
    one = Curvature(kind)
    for part in (slice(0, 2), slice(2, 6)):
        if "factors" in one.passes:
            one.factors(a[part], delta[part])
    if "factors" in one.passes:
        one.decompose()
    if "eigenvalues" in one.passes:
        for part in (slice(0, 3), slice(3, 6)):
            one.eigenvalues(a[part], delta[part])
        one.end()
    flat_a, flat_d = a.reshape(-1, 4).double(), delta.reshape(-1, 3).double()
    big_a, big_b = flat_a.T @ flat_a / 30, flat_d.T @ flat_d / 30
    points = torch.stack([(d.T @ x).flatten() for d, x in zip(delta.double(), a.double(), strict=True)])
    if kind == "kfac":
        dense = torch.kron(big_b, big_a)
    elif kind == "diagonal":
        dense = torch.diag((points**2).sum(0) / 30)
    else:
        basis = torch.kron(torch.linalg.eigh(big_b)[1], torch.linalg.eigh(big_a)[1])
        dense = basis @ torch.diag(((points @ basis) ** 2).sum(0) / 30) @ basis.T
    damped = dense + 0.1 * torch.trace(dense) / 12 * torch.eye(12, dtype=torch.double)
    gradient = torch.randn(3, 4, generator=generator)
    expected = torch.linalg.solve(damped, gradient.flatten().double()).reshape(3, 4)
    assert torch.allclose(one.solve(gradient).double(), expected, rtol=1e-3, atol=1e-5)


def test_ridge_regression() -> None:
    """recipec/docs/methods.md: influence is the finite difference of the model fitted again, here with one linear layer."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(40, 5)), generator.normal(size=40)
    held_x, held_y = generator.normal(size=(7, 5)), generator.normal(size=7)
    lam = 0.3

    def fitted(weights: Any) -> Any:
        return np.linalg.solve((x * weights[:, None]).T @ x + lam * np.eye(5), x.T @ (weights * y))

    def loss(theta: Any) -> float:
        return float(0.5 * ((held_x @ theta - held_y) ** 2).mean())

    one = np.full(40, 1 / 40)
    theta, group, step = fitted(one), np.arange(40) < 9, 1e-6
    change = (loss(fitted(one + step * group)) - loss(fitted(one - step * group))) / (2 * step)
    mean = np.trace(x.T @ x / 40) / 5
    curvature = Curvature("kfac", damping=lam / mean)
    curvature.inputs = torch.linalg.eigh(torch.tensor(x.T @ x / 40))[1]
    curvature.outputs = torch.ones((1, 1), dtype=torch.double)
    curvature.values = torch.linalg.eigh(torch.tensor(x.T @ x / 40))[0][None]
    task = torch.tensor(held_x.T @ (held_x @ theta - held_y) / 7)[None]
    of_group = torch.tensor(x[group].T @ (x[group] @ theta - y[group]))[None]
    influence_of_group = float((curvature.solve(task) * of_group).sum())
    # Larger helps more: up-weighting the group lowers the loss by its influence.
    assert -influence_of_group == pytest.approx(change, rel=1e-6, abs=2e-9)


@pytest.mark.parametrize("kind", ["ekfac", "kfac", "diagonal"])
def test_groups_of_layers_and_batches_change_nothing(model: loading.Loaded, tmp_path: Path, kind: Any) -> None:
    settings = group_influence.Settings(kind=kind, shards=2, batch=12)
    small = replace(settings, memory=1)
    assert len(group_influence.groups(model, small, 2)) == 9
    assert len(group_influence.groups(model, settings, 2)) == 1
    first = group_influence.measure(model, TASKS, DOMAINS, settings, tmp_path / "a", lambda _: None)
    second = group_influence.measure(model, TASKS, DOMAINS, small, tmp_path / "b", lambda _: None)
    assert first == pytest.approx(second, rel=2e-3, abs=1e-5)
    # What groups gave is kept: only the last one is run again.
    (tmp_path / "b" / "group-8.npy").unlink()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "b").glob("*.npy")}
    assert group_influence.measure(model, TASKS, DOMAINS, small, tmp_path / "b", lambda _: None) == pytest.approx(
        second, rel=1e-6
    )
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(kept) == 8


def test_ekfac_is_every_sequence_alone(model: loading.Loaded) -> None:
    """Λ of batches against Λ of one sequence at a time, by labels that are drawn alike."""
    layers = [layer for _, layer in linear_layers(model, "mlp")][:2]
    every = [one for domain in DOMAINS for one in domain]
    caught: dict[int, Any] = {}
    with Catcher(model, layers) as catcher:
        found = group_influence._curvatures(
            catcher, every, group_influence.Settings(batch=len(every) * 12), lambda _: None
        )
        [batch] = batches(every, 10**6, "cpu")
        catcher.run(batch, lambda n, a, d: caught.__setitem__(n, (a, d)), torch.Generator().manual_seed(0))
    for number, one in enumerate(found):
        a, delta = caught[number]
        total = torch.zeros_like(one.values)
        for x, d in zip(a, delta, strict=True):
            total += (one.outputs.T @ (d.T @ x) @ one.inputs) ** 2
        assert torch.allclose(one.values, total / (len(every) * 12), rtol=1e-3, atol=1e-8)


RECIPE = (
    "seed 3\n"
    + SOURCE
    + """target law {
  examples "law.txt"
  holdout 30%
}
target cell {
  examples "cell.txt"
}
where length(text) > 5
budget 4_000 tokens
repeat at most 2 times
quota c at most 20%
"""
)


@pytest.fixture
def world(tmp_path: Path, folder: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "tiny").symlink_to(folder)
    with duckdb.connect() as connection:
        texts = [tiny_model.text(seed * 3 + seed % 3, 30, least=0.001) for seed in range(300)]
        connection.execute("CREATE TABLE pool AS SELECT unnest($1) AS i, unnest($2) AS text", [list(range(300)), texts])
        connection.execute(
            f"COPY (SELECT 'd' || i AS id, text, 40 AS n, ['a', 'b', 'c'][1 + i % 3] AS topic FROM pool) "
            f"TO '{tmp_path}/data/0.parquet'"
        )
    (tmp_path / "law.txt").write_text("\n".join(tiny_model.text(3 * n, 20, least=0.001) for n in range(20)))
    (tmp_path / "cell.txt").write_text("\n".join(tiny_model.text(1 + 18 * n, 20, least=0.001) for n in range(9)))
    (tmp_path / "r.recipe").write_text(RECIPE)
    return tmp_path


SMALL = ("--checkpoint", "tiny", "--tokens", 600, "--length", 30, "--parts", 3)


def test_a_recipe_is_reweighted(world: Path, run: Run) -> None:
    path = world / "r.recipe"
    result = run("reweight", path, *SMALL, "-o", world / "w.json", "--table", world / "S.csv")
    assert result.code == 0, result.err
    assert "Influence, by row of the largest" in result.out
    found = json.loads(run("reweight", path, *SMALL, "--json").out)
    assert list(found["weights"]) == ["a", "b", "c"]
    assert found["weights"]["c"] <= 0.2 + 1e-9
    # At most twice the 4 000 tokens of 100 documents, of a budget of 4 000: no limit that binds.
    assert found["prior"] == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, abs=1e-6)
    assert found["measured"]["domain_tokens"] == [600, 600, 600]
    ratio = found["measured"]["tokens_per_counted_token"]
    assert ratio != pytest.approx(1, abs=0.05)
    words = f"the tokenizer of `tiny` makes {ratio:.2f} tokens per token that the recipe counts"
    assert words in found["warnings"]
    assert f"warning[R1307]: {words}" in result.err
    assert set(found["influence"]) == {"law", "cell"}
    assert all(error > 0 for error in found["influence"]["law"]["errors"].values())
    assert all(slack >= -1e-7 for slack in found["slack"].values())
    assert json.loads((world / "w.json").read_text())["weights"] == found["weights"]
    shown = run("show", world / "w.json")
    assert shown.out == result.out
    assert json.loads(run("show", world / "w.json", "--json").out) == found
    (world / "bad.json").write_text((world / "w.json").read_text().replace('"scaled"', '"scalled"'))
    assert "error[R0707]: the file is damaged" in run("show", world / "bad.json").err
    # The table is what `--influence` reads; and nothing was measured again.
    lines = (world / "S.csv").read_text().splitlines()
    assert lines[0] == "task,a,b,c"
    [law] = [line for line in lines if line.startswith("law,")]
    assert float(law.split(",")[1]) == found["influence"]["law"]["values"]["a"]
    [kept] = (world / ".recipec/influence").iterdir()
    assert [path.name for path in kept.iterdir()] == ["measured.json"]


def test_layout_does_not_matter(world: Path, run: Run) -> None:
    first = json.loads(run("reweight", world / "r.recipe", *SMALL, "--json").out)
    with duckdb.connect() as connection:
        for part in range(2):
            connection.execute(
                f"COPY (SELECT * FROM '{world}/data/0.parquet' WHERE hash(id) % 2 = {part} ORDER BY hash(id, 1)) "
                f"TO '{world}/{part}.parquet'"
            )
    (world / "data/0.parquet").unlink()
    for part in range(2):
        (world / f"{part}.parquet").rename(world / f"data/{part}.parquet")
    assert json.loads(run("reweight", world / "r.recipe", *SMALL, "--json").out) == first
    assert len(list((world / ".recipec/influence").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "change", "message"),
    [
        (("--tokens", 600), {}, "a recipe needs --checkpoint"),
        (("--checkpoint", "none"), {}, "the model `none` is not on this machine"),
        ((*SMALL, "--target", "lw"), {}, "the recipe has no target `lw`"),
        ((*SMALL, "--prior", "w.csv"), {}, "--prior does not go with a recipe"),
        (SMALL, {"  domain topic\n": "", "quota c at most 20%\n": ""}, "the pool has 1 domains"),
        (
            ("--checkpoint", "tiny", "--tokens", 60, "--length", 30, "--parts", 4),
            {},
            "domain `a` has too little text: 60 tokens, and 4 parts of 30 are the minimum",
        ),
    ],
)
def test_mistakes(world: Path, run: Run, arguments: tuple[Any, ...], change: dict[str, str], message: str) -> None:
    text = RECIPE
    for old, new in change.items():
        text = text.replace(old, new)
    (world / "r.recipe").write_text(text)
    result = run("reweight", world / "r.recipe", *arguments)
    assert result.code == 1
    assert message in result.err
    assert "Traceback" not in result.err


def test_the_loss_is_of_the_completion(model: loading.Loaded, tmp_path: Path) -> None:
    """Marked tokens alone count, however much stands before them; a mark over everything is no mark."""
    settings = group_influence.Settings(kind="identity", shards=1)
    spans = [[(2, len(one)) for one in task if len(one) > 2] for task in TASKS]
    kept = [[one for one in task if len(one) > 2] for task in TASKS]
    marked = group_influence.measure(model, kept, DOMAINS, settings, tmp_path / "a", lambda _: None, spans)
    whole = group_influence.measure(model, kept, DOMAINS, settings, tmp_path / "b", lambda _: None)
    everything = [[(1, len(one)) for one in task] for task in kept]
    same = group_influence.measure(model, kept, DOMAINS, settings, tmp_path / "c", lambda _: None, everything)
    assert np.array_equal(whole, same)
    first = [[(1, 2) for _ in task] for task in kept]
    start = group_influence.measure(model, kept, DOMAINS, settings, tmp_path / "d", lambda _: None, first)
    for i, task in enumerate(kept):
        tokens, starts = sum(len(one) - 1 for one in task), len(task)
        both = (marked[0, i] * (tokens - starts) + start[0, i] * starts) / tokens
        assert whole[0, i] == pytest.approx(both, rel=1e-4, abs=1e-7)


def test_completions_are_marked_in_templates(world: Path, run: Run) -> None:
    lines = [
        {"q": tiny_model.text(3 * n, 12, least=0.001), "a": tiny_model.text(3 * n, 6, least=0.001)} for n in range(20)
    ]
    (world / "qa.jsonl").write_text("\n".join(map(json.dumps, lines)))
    start, end = RECIPE.index("target law"), RECIPE.index("target cell")

    def measured(template: str) -> dict[str, Any]:
        block = f'target law {{\n  examples "qa.jsonl"\n  text "{template}"\n}}\n'
        (world / "r.recipe").write_text(RECIPE[:start] + block + RECIPE[end:])
        result = run("reweight", world / "r.recipe", *SMALL, "--json")
        assert result.code == 0, result.err
        found: dict[str, Any] = json.loads(result.out)
        return found

    whole, marked = measured("{q} {a}"), measured("{q} {a:completion}")
    assert marked["measured"]["task_tokens"][1] < whole["measured"]["task_tokens"][1] / 2
    assert marked["influence"]["law"] != whole["influence"]["law"]
    assert any("target `law` marks no completion" in words for words in whole["warnings"])
    assert not any("completion" in words for words in marked["warnings"])
    for template, message in (
        ("{q} {a:answer}", "the template of target `law` has the mark `answer`"),
        ("{q:completion} {a:completion}", "the template of target `law` marks two completions"),
    ):
        block = f'target law {{\n  examples "qa.jsonl"\n  text "{template}"\n}}\n'
        (world / "r.recipe").write_text(RECIPE[:start] + block + RECIPE[end:])
        assert message in run("reweight", world / "r.recipe", *SMALL).err


def test_ekfac_solves_as_kronfluence_does() -> None:
    """On the same factors, where that package is installed (`pip install kronfluence==1.0.1`)."""
    config = pytest.importorskip("kronfluence.factor.config")
    constants = pytest.importorskip("kronfluence.utils.constants")
    generator = torch.Generator().manual_seed(4)
    a, delta = torch.randn(8, 12, 20, generator=generator), torch.randn(8, 12, 14, generator=generator)
    mine = Curvature("ekfac")
    mine.factors(a, delta)
    mine.decompose()
    mine.eigenvalues(a, delta)
    mine.end()
    gradient = torch.randn(3, 14, 20, generator=generator)
    storage = {
        constants.ACTIVATION_EIGENVECTORS_NAME: mine.inputs.clone(),
        constants.GRADIENT_EIGENVECTORS_NAME: mine.outputs.clone(),
        constants.LAMBDA_MATRIX_NAME: mine.values.clone(),
        constants.NUM_LAMBDA_PROCESSED: torch.ones(1),
    }

    class Settings:
        precondition_dtype = torch.float32
        damping_factor = None

    theirs = config.Ekfac()
    theirs.prepare(storage, Settings(), torch.device("cpu"))
    expected = theirs.precondition_gradient(gradient, storage)
    assert float((mine.solve(gradient) - expected).norm() / expected.norm()) < 1e-6


def test_a_checkpoint_that_cannot_be_measured(model: loading.Loaded, tmp_path: Path) -> None:
    """Weights that are no numbers, and a decoder in which nothing is linear."""
    broken = loading.load(tiny_model.build(tmp_path / "broken"), "fp32", "cpu")
    next(iter(broken.decoder.parameters())).fill_(float("nan"))
    settings = group_influence.Settings(kind="identity", shards=1)
    with pytest.raises(Failure, match="the loss of the checkpoint is not finite"):
        group_influence.measure(broken, TASKS, DOMAINS, settings, tmp_path, lambda _: None)
    bare = replace(model, decoder=torch.nn.Sequential(torch.nn.Embedding(8, 4), torch.nn.LayerNorm(4)))
    with pytest.raises(Failure, match="has no linear layers to measure influence by"):
        linear_layers(bare, "mlp")
