"""Plan files of strangers: what leads out of a plan file's own folder is refused unless whoever applies it allows it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SOURCE, Run, write_parquet

pytestmark = pytest.mark.slow

SAMPLE = "sample all\n"
OUTPUT = 'output parquet "out"\n'


@pytest.fixture
def elsewhere(tmp_path: Path, world: Path) -> Path:
    """A folder that is not the stranger's, with a private shard, examples, and a folder `kept`."""
    folder = tmp_path / "private"
    write_parquet(
        folder / "0.parquet", "SELECT 'p' || i AS id, 'secret' AS text, 1 AS n, 'a' AS topic FROM range(9) r(i)"
    )
    (folder / "examples.jsonl").write_text('{"text": "a secret of some words that nobody is meant to see at all"}\n')
    write_parquet(folder / "scores.parquet", "SELECT 'doc-' || i AS id, i AS score FROM range(400) r(i)")
    (folder / "kept").mkdir()
    return folder


@pytest.fixture
def project(world: Path, elsewhere: Path) -> Path:
    folder = world / "project"
    folder.mkdir()
    shutil.move(world / "data", folder / "data")
    return folder


def planned(run: Run, folder: Path, text: str) -> Path:
    """The plan file of a recipe, as a stranger makes it."""
    (folder / "a.recipe").write_text(text)
    made = run("plan", folder / "a.recipe", "-o", folder / "a.plan")
    assert made.code == 0, made.err
    shutil.rmtree(folder / ".recipec")
    return folder / "a.plan"


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


TARGET = """target q {{
  examples "{place}"
  text "{{text}}"
}}
where not overlaps(q, ngram: 8)
"""

LEADING: dict[str, tuple[str, str]] = {
    "an absolute output": (SOURCE + SAMPLE + 'output parquet "{private}/kept/out"\n', "writes its dataset elsewhere"),
    "an absolute shard": (
        SOURCE.replace("data/*.parquet", "{private}/0.parquet") + SAMPLE + OUTPUT,
        "reads shards elsewhere",
    ),
    "an absolute glob": (
        SOURCE.replace("data/*.parquet", "{private}/[0-9].parquet") + SAMPLE + OUTPUT,
        "reads shards elsewhere",
    ),
    "a glob with ..": (
        SOURCE.replace("data/*.parquet", "../private/[0-9].parquet") + SAMPLE + OUTPUT,
        "reads shards elsewhere",
    ),
    "one of two globs": (
        SOURCE.replace('"data/*.parquet"', '"data/*.parquet" "{private}/0.parquet"') + SAMPLE + OUTPUT,
        "reads shards elsewhere",
    ),
    "braces": (
        SOURCE.replace("data/*.parquet", "{{data,../private}}/0.parquet") + SAMPLE + OUTPUT,
        "reads shards elsewhere",
    ),
    "attributes": (
        SOURCE.replace("  domain", '  attributes "{private}/scores.parquet" by id {{ columns score }}\n  domain')
        + "criterion s = column(score) higher is better\n"
        + "sample top 50% by s\n"
        + OUTPUT,
        "reads attributes elsewhere",
    ),
    "examples": (
        SOURCE + TARGET.replace("{place}", "{private}/examples.jsonl") + SAMPLE + OUTPUT,
        "reads examples elsewhere",
    ),
}


@pytest.mark.parametrize("kind", LEADING)
def test_a_recipe_may_lead_anywhere_but_its_plan_file_asks(run: Run, project: Path, elsewhere: Path, kind: str) -> None:
    text, does = LEADING[kind]
    text = text.replace("{private}", str(elsewhere)).replace("{{", "{").replace("}}", "}")
    plan = planned(run, project, text)
    before = everything(project), everything(elsewhere)
    for words in ((), ("--yes",), ("--allow", project), ("--allow", elsewhere / "kept/other")):
        refused = run("apply", plan, *words)
        assert refused.code == 1
        assert f"error[R0713]: the plan {does}, outside the plan file's folder\n --> {elsewhere}" in refused.err
        assert f"if you trust this plan file: `--allow {elsewhere}" in refused.err
        assert (everything(project), everything(elsewhere)) == before
    assert run("show", plan).code == 0
    assert run("apply", plan, "--allow", elsewhere).code == 0
    shutil.rmtree(project / "out", ignore_errors=True)
    assert run("apply", project / "a.recipe", "--yes").code == 0


def link(path: Path, to: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def shards_behind_a_link(project: Path, elsewhere: Path) -> None:
    shutil.move(project / "data", elsewhere / "data")
    link(project / "data", elsewhere / "data")


def a_shard_behind_a_link(project: Path, elsewhere: Path) -> None:
    shutil.move(project / "data/1.parquet", elsewhere / "1.parquet")
    link(project / "data/1.parquet", elsewhere / "1.parquet")


LINKS: dict[str, Callable[[Path, Path], None]] = {
    "the folder of the output": lambda project, elsewhere: link(project / "made", elsewhere / "kept"),
    "the folder of the shards": shards_behind_a_link,
    "a shard": a_shard_behind_a_link,
    "the state": lambda project, elsewhere: link(project / ".recipec", elsewhere / "kept"),
    "the results of steps": lambda project, elsewhere: link(project / ".recipec/steps", elsewhere / "kept"),
    "the index": lambda project, elsewhere: link(project / ".recipec/index.duckdb", elsewhere / "kept/index"),
    "the unfinished dataset": lambda project, elsewhere: link(
        project / "made/.out.0123456789abcdef.partial", elsewhere / "kept"
    ),
    "a part of it": lambda project, elsewhere: link(
        project / "made/.out.0123456789abcdef.partial/data", elsewhere / "kept"
    ),
}


@pytest.mark.parametrize("kind", LINKS)
def test_symbolic_links_lead_no_plan_elsewhere(run: Run, project: Path, elsewhere: Path, kind: str) -> None:
    plan = planned(run, project, SOURCE + SAMPLE + 'output parquet "made/out"\n')
    LINKS[kind](project, elsewhere)
    before = everything(elsewhere)
    refused = run("apply", plan)
    assert refused.code == 1
    assert "error[R0713]: the plan " in refused.err
    assert everything(elsewhere) == before
    assert not (project / "made/out").exists()
    # A relative output stays in the recipe's folder whatever is allowed.
    made = run("apply", plan, "--allow", elsewhere)
    assert made.code == (kind == "the folder of the output"), made.err


Change = Callable[[dict[str, Any], Path], None]


def changed(plan: Path, change: Change, elsewhere: Path) -> Path:
    value = json.loads(plan.read_text())
    change(value, elsewhere)
    evil = plan.with_name("evil.plan")
    evil.write_text(json.dumps(value))
    return evil


def another_folder(value: dict[str, Any], elsewhere: Path) -> None:
    del value["place"]
    value["folder"] = value["recipe"]["folder"] = str(elsewhere)


def another_place(value: dict[str, Any], elsewhere: Path) -> None:
    value["place"] = "../private"


def the_folder_of_the_recipe_alone(value: dict[str, Any], elsewhere: Path) -> None:
    value["recipe"]["folder"] = str(elsewhere)


def a_shard(value: dict[str, Any], elsewhere: Path) -> None:
    value["shards"][0]["path"] = str(elsewhere / "0.parquet")


def a_shard_with_dots(value: dict[str, Any], elsewhere: Path) -> None:
    value["shards"][0]["path"] = "data/../../private/0.parquet"


def a_shard_of_no_glob(value: dict[str, Any], elsewhere: Path) -> None:
    shutil.copy2(elsewhere.with_name("project") / "data/0.parquet", elsewhere.with_name("project") / "other.parquet")
    value["shards"][0]["path"] = "other.parquet"


def another_digest(value: dict[str, Any], elsewhere: Path) -> None:
    value["shards"][0]["sha256"] = "0" * 64


def more_rows(value: dict[str, Any], elsewhere: Path) -> None:
    value["shards"][0]["rows"] += 1


def a_shard_less(value: dict[str, Any], elsewhere: Path) -> None:
    del value["shards"][:]


def other_steps(value: dict[str, Any], elsewhere: Path) -> None:
    value["steps"][-1]["op"]["output"]["path"] = str(elsewhere / "kept/out")


def no_filter(value: dict[str, Any], elsewhere: Path) -> None:
    for step in value["steps"]:
        if "predicates" in step["op"]:
            step["op"]["predicates"] = []


def a_long_name(value: dict[str, Any], elsewhere: Path) -> None:
    value["recipe"]["output"]["path"] = "a" * 4000


def no_source(value: dict[str, Any], elsewhere: Path) -> None:
    value["shards"][0]["source"] = "nowhere"


def no_general_curve(value: dict[str, Any], elsewhere: Path) -> None:
    value["recipe"]["sample"] = {"kind": "quadmix", "curves": [{"domain": "a"}]}


CHANGED: dict[Change, tuple[int, str]] = {
    another_folder: (1, "R0713"),
    another_place: (1, "R0713"),
    the_folder_of_the_recipe_alone: (1, "R0707"),
    a_shard: (1, "R0713"),
    a_shard_with_dots: (1, "R0713"),
    a_shard_of_no_glob: (4, "R0708"),
    another_digest: (4, "R0708"),
    more_rows: (4, "R0708"),
    a_shard_less: (4, "R0708"),
    other_steps: (4, "R0708"),
    no_filter: (4, "R0708"),
    a_long_name: (1, "R0706"),
    no_source: (1, "R0707"),
    no_general_curve: (1, "R0707"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_plan_does_nothing_that_its_recipe_does_not(
    run: Run, project: Path, elsewhere: Path, change: Change
) -> None:
    plan = planned(run, project, SOURCE + "where length(text) > 60\n" + SAMPLE + OUTPUT)
    evil = changed(plan, change, elsewhere)
    before = everything(elsewhere)
    code, name = CHANGED[change]
    result = run("apply", evil)
    assert (result.code, result.err[:12]) == (code, f"error[{name}]"), result.err
    assert everything(elsewhere) == before
    assert not (project / "out").exists()
    assert run("apply", plan).code == 0


VALUES = [
    ("sha256", "../../../etc/x"),
    ("sha256", "A" * 64),
    ("sha256", "a" * 64 + "\n"),
    ("bytes", -1),
    ("rows", 10**40),
    ("rows", "many"),
    ("id", "../../../" + "x" * 8),
    ("id", ""),
    ("engine", "../local"),
    ("engine", "os.path"),
    ("compression", "zstd); COPY (SELECT 1) TO 'x'; --"),
    ("format", "../parquet"),
    ("shard", -5),
    ("copies", "columns"),
    ("version", 3),
    ("digest", "0"),
    ("seed", 2**64),
    ("seed", "7'; --"),
    ("allow_bad", 2),
    ("function", "read_text"),
    ("operands", []),
    ("type", "INTEGER); --"),
    ("line", 10**12),
    ("unreadable", None),
    ("path", "a\0b"),
    ("added", 1),
]


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_every_value_has_a_closed_type(run: Run, project: Path, name: str, value: object) -> None:
    plan = planned(run, project, SOURCE + "where length(text) > 60\n" + SAMPLE + OUTPUT)
    whole = json.loads(plan.read_text())
    replaced = 0

    def replace(one: object) -> None:
        nonlocal replaced
        if isinstance(one, dict):
            if name in one or name == "added":
                one[name] = value
                replaced += 1
            for inner in list(one.values()):
                replace(inner)
        for inner in one if isinstance(one, list) else ():
            replace(inner)

    replace(whole)
    assert replaced
    (project / "evil.plan").write_text(json.dumps(whole))
    for command in ("show", "apply", "diff"):
        words = [project / "evil.plan"] * (2 if command == "diff" else 1)
        refused = run(command, *words)
        assert refused.code == 1, refused.out
        assert refused.err.startswith("error[R0707]: the plan file "), refused.err
    assert not (project / "out").exists()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_older_plans_say_that_they_are_older(run: Run, project: Path, version: int) -> None:
    (project / "old.plan").write_text(json.dumps({"version": version, "steps": []}))
    refused = run("apply", project / "old.plan")
    assert refused.err == (
        f"error[R0707]: the plan file has version {version}, of an older recipec: this one reads version 4\n"
        f" --> {project / 'old.plan'}\n  = help: plan the recipe again\n\n"
    )


def test_a_diff_reads_stored_documents_only_where_it_may(run: Run, project: Path, elsewhere: Path) -> None:
    plan = planned(run, project, SOURCE + SAMPLE + OUTPUT)
    assert run("apply", plan).code == 0
    other = project.with_name("other")
    other.mkdir()
    value = json.loads(plan.read_text())
    del value["place"]
    (other / "b.plan").write_text(json.dumps(value))
    before = everything(project)
    refused = run("diff", plan, other / "b.plan")
    assert (refused.code, refused.err[:12]) == (1, "error[R0713]")
    assert run("diff", plan, other / "b.plan", "--allow", project).out == "no difference\n"
    assert everything(project) >= before


def test_a_plan_from_standard_input_is_in_no_folder(run: Run, project: Path, tmp_path: Path) -> None:
    plan = planned(run, project, SOURCE + SAMPLE + OUTPUT)
    read, write = os.pipe()
    os.close(write)
    try:
        assert run("apply", f"/dev/fd/{read}").code == 1
    finally:
        os.close(read)
    assert run("apply", plan).code == 0


WORDS: list[tuple[str, object, str]] = [
    ("compression", "lzma", "`parquet` has no compression `lzma`"),
    ("params", {"path": "/etc/passwd"}, "`word_count` is called with `path`: extra inputs are not permitted"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WORDS)
def test_words_are_called_as_they_can_be_called(
    run: Run, project: Path, name: str, value: object, expected: str
) -> None:
    plan = planned(run, project, SOURCE + "where word_count() >= 1\n" + SAMPLE + OUTPUT)
    whole = json.loads(plan.read_text())
    for holder in (*whole["recipe"]["scores"], whole["recipe"]["output"]):
        if name in holder:
            holder[name] = value
    (project / "evil.plan").write_text(json.dumps(whole))
    refused = run("apply", project / "evil.plan")
    assert (refused.code, expected in refused.err) == (1, True), refused.err
    assert not (project / "out").exists()
