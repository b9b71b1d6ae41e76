"""Bad input: a clear diagnostic, an exit code, nothing lost, and never a traceback."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from recipec.cli import screen
from tests.conftest import MIX, SOURCE, Run, rows, write_parquet

pytestmark = pytest.mark.slow

ROW = "'d' || i AS id, 'some text ' || i AS text, 5 AS n, 'a' AS topic, i / 10.0 AS edu"
OUTPUT = '\noutput parquet "out"\n'


def shards(folder: Path, *selects: str) -> None:
    for path in (folder / "data").glob("*"):
        path.unlink()
    for number, select in enumerate(selects):
        write_parquet(folder / f"data/{number}.parquet", select)


def fails(run: Run, recipe: Path, text: str, *expected: str, code: int = 1, command: str = "plan") -> str:
    """Runs a recipe that must fail with these words on stderr, and leaves no dataset."""
    recipe.write_text(text)
    result = run(command, recipe, *(["--yes"] if command == "apply" else []))
    assert result.code == code, result.err
    for words in expected:
        assert words in result.err, result.err
    assert "Traceback" not in result.err
    assert not list(recipe.parent.glob("out*"))
    return result.err


BAD_ROWS = [
    ("id", "NULL :: VARCHAR", "id is null"),
    ("text", "NULL :: VARCHAR", "text is null"),
    ("n", "0", "tokens are zero"),
    ("n", "-3", "tokens are negative"),
    ("n", "NULL :: INTEGER", "tokens are null"),
    ("topic", "NULL :: VARCHAR", "domain is null"),
]


@pytest.mark.parametrize(("column", "value", "why"), BAD_ROWS)
def test_unreadable_rows_stop_the_run_or_go_to_the_dead_letters(
    world: Path, run: Run, column: str, value: str, why: str
) -> None:
    changed = f"CASE WHEN i = 7 THEN {value} ELSE {column} END AS {column}"
    numbered = f"SELECT i, {ROW} FROM range(100) AS r(i)"
    shards(world, f"SELECT * EXCLUDE (i) REPLACE ({changed}) FROM ({numbered})")
    recipe = world / "a.recipe"
    text = SOURCE + "criterion edu = column(edu) higher is better\n" + OUTPUT
    fails(run, recipe, text, "error[R0322]: 1 of 100 rows are unreadable, more than the 0.1%", why, "allow bad")
    recipe.write_text(text + "allow bad 1%\n")
    assert run("apply", recipe, "--yes").code == 0
    (letter,) = rows(f"SELECT source, shard, row, bad FROM '{world}/out/unreadable/*.parquet'")
    assert letter == ("web", "data/0.parquet", 7, why)
    assert rows(f"SELECT count(*) FROM '{world}/out/ledger/*.parquet'") == [(100,)]
    assert run("verify", world / "out").code == 0


@pytest.mark.parametrize("value", ["'nan' :: DOUBLE", "'inf' :: DOUBLE", "'-inf' :: DOUBLE", "NULL :: DOUBLE"])
def test_what_is_no_number_is_a_missing_score(world: Path, run: Run, value: str) -> None:
    numbered = f"SELECT i, {ROW} FROM range(100) AS r(i)"
    shards(world, f"SELECT * EXCLUDE (i) REPLACE (CASE WHEN i = 7 THEN {value} ELSE edu END AS edu) FROM ({numbered})")
    text = SOURCE + "criterion edu = column(edu) higher is better\n" + OUTPUT
    fails(run, world / "a.recipe", text, "error[R0502]: 1 documents have no score `edu`")
    (world / "a.recipe").write_text(text + "where edu < 100 and edu > -100\n")
    assert run("apply", world / "a.recipe", "--yes").code == 0
    assert rows(f"SELECT row FROM '{world}/out/ledger/*.parquet' WHERE reason = 'filtered'") == [(7,)]


def test_null_scores_are_an_error_with_a_count_or_treated_as_said(world: Path, run: Run) -> None:
    changed = "CASE WHEN i < 3 THEN NULL ELSE edu END AS edu"
    numbered = f"SELECT i, {ROW} FROM range(50) AS r(i)"
    shards(world, f"SELECT * EXCLUDE (i) REPLACE ({changed}) FROM ({numbered})")
    recipe = world / "a.recipe"
    text = SOURCE + "criterion edu = column(edu) higher is better\n" + OUTPUT
    fails(
        run,
        recipe,
        text,
        "error[R0502]: 3 documents have no score `edu`, for example `d0` of source `web`",
        "missing worst",
    )
    recipe.write_text(text + "quality { missing drop }\n")
    assert run("apply", recipe, "--yes").code == 0
    reasons = rows(
        f"SELECT rejected_by, count(*) FROM '{world}/out/ledger/*.parquet' WHERE rejected_by IS NOT NULL GROUP BY 1"
    )
    assert reasons == [("missing edu", 3)]
    assert run("verify", world / "out").code == 0


def test_duplicate_ids_name_both_places(world: Path, run: Run) -> None:
    shards(world, f"SELECT {ROW} FROM range(20) AS r(i)", f"SELECT {ROW} FROM range(15, 30) AS r(i)")
    err = fails(run, world / "a.recipe", SOURCE + OUTPUT, "error[R0307]", "d15")
    assert "data/0.parquet" in err
    assert "data/1.parquet" in err
    shards(world, f"SELECT {ROW} FROM (SELECT unnest([1, 2, 2]) AS i)")
    fails(run, world / "a.recipe", SOURCE + OUTPUT, "error[R0307]", "d2")


def test_schemas_that_differ(world: Path, run: Run) -> None:
    shards(world, f"SELECT {ROW} FROM range(5) AS r(i)", "SELECT 'x' AS id, 7 AS text, 5 AS n, 'a' AS topic")
    err = fails(run, world / "a.recipe", SOURCE + OUTPUT, "error[R0306]")
    assert "data/1.parquet" in err
    assert "text" in err


def test_a_missing_column(world: Path, run: Run) -> None:
    shards(world, f"SELECT {ROW} FROM range(5) AS r(i)", "SELECT 'x' AS id, 'y' AS text, 'a' AS topic, 0.5 AS edu")
    fails(run, world / "a.recipe", SOURCE + OUTPUT, "error[R0322]", "1 × tokens are null")


def test_truncated_and_corrupt_shards(world: Path, run: Run) -> None:
    shard = world / "data/1.parquet"
    shard.write_bytes(shard.read_bytes()[:-30])
    fails(run, world / "a.recipe", SOURCE + OUTPUT, "error[R0303]: the shard cannot be read", "data/1.parquet")
    shard.unlink()
    (world / "data/0.parquet").unlink()
    packed = gzip.compress(b'{"id": "a", "text": "b", "n": 1, "topic": "a"}\n' * 50)
    (world / "data/0.jsonl.gz").write_bytes(packed[:-20])
    text = SOURCE.replace("*.parquet", "*.jsonl.gz") + OUTPUT
    fails(run, world / "a.recipe", text, "error[R0303]", "0.jsonl.gz")


def test_lines_that_are_no_json_are_unreadable_rows(world: Path, run: Run) -> None:
    lines = [json.dumps({"id": f"d{i}", "text": "t", "n": 1, "topic": "a"}) for i in range(30)]
    lines[4] = '{"id": "broken'
    (world / "data/a.jsonl").write_text("\n".join(lines) + "\n")
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE.replace("*.parquet", "*.jsonl") + OUTPUT + "allow bad 5%\n")
    assert run("apply", recipe, "--yes").code == 0
    assert rows(f"SELECT row, bad FROM '{world}/out/unreadable/*.parquet'") == [
        (4, "the line is cut off: its JSON does not end")
    ]


QUOTAS = [
    ("quota a at least 60%\nquota b at least 60%\n", "error[R0225]: the quotas ask for at least 120% in total"),
    ("quota zz at least 10%\n", "error[R0320]"),
    ("mixture { a 50%, zz 50% }\n", "error[R0320]: no document has the domain `zz`"),
]


@pytest.mark.parametrize(("text", "expected"), QUOTAS)
def test_quotas_and_mixtures_that_cannot_be(world: Path, run: Run, text: str, expected: str) -> None:
    recipe = SOURCE + "budget 1K tokens\n" + text + OUTPUT
    recipe_path = world / "a.recipe"
    recipe_path.write_text(recipe)
    result = run("plan", recipe_path)
    assert result.code in (1, 6)
    assert expected in result.err


def test_an_infeasible_recipe_exits_6_and_says_by_how_much(world: Path, run: Run) -> None:
    text = SOURCE + "repeat at most 1 times\nbudget 1M tokens\n" + OUTPUT
    err = fails(run, world / "a.recipe", text, "error[R0507]", code=6)
    assert "shortfall shrink" in err
    tokens = rows(f"SELECT sum(n) FROM '{world}/data/*.parquet'")[0][0]
    assert f"{tokens:,}" in err
    text = SOURCE + "quota a at least 90%\nrepeat at most 1 times\nbudget 10K tokens\n" + OUTPUT
    fails(run, world / "a.recipe", text, "error[R05", "quota a at least 90%", code=6)


def test_a_domain_with_a_weight_and_no_documents(world: Path, run: Run) -> None:
    text = SOURCE + 'where topic != "c"\nmixture { a 50%, b 30%, c 20% }\nbudget 1K tokens\n' + OUTPUT
    recipe = world / "a.recipe"
    recipe.write_text(text)
    result = run("plan", recipe)
    assert result.code in (1, 6)
    assert "`c`" in result.err
    assert "error[R05" in result.err


@pytest.mark.parametrize("path", ["../out", ".", ".recipec/out", "link/out"])
def test_output_paths_that_lead_elsewhere(
    world: Path, run: Run, tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (world / "link").symlink_to(elsewhere)
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE + f'output parquet "{path}"\n')
    result = run("apply", recipe, "--yes")
    assert result.code == 1, result.out
    assert "error[R060" in result.err
    assert list(elsewhere.iterdir()) == []
    assert not (world.parent / "out").exists()


def test_an_output_among_the_inputs(world: Path, run: Run) -> None:
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE.replace("*.parquet", "**/*.parquet") + 'output parquet "data/out"\n')
    result = run("apply", recipe, "--yes")
    assert result.code == 1
    assert "error[R0605]" in result.err


def test_an_output_folder_that_holds_something_else(world: Path, run: Run) -> None:
    (world / "out").mkdir()
    (world / "out/thesis.txt").write_text("mine")
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE + OUTPUT)
    result = run("apply", recipe, "--yes")
    assert result.code == 1
    assert "error[R0602]" in result.err
    assert (world / "out/thesis.txt").read_text() == "mine"


def test_a_use_through_a_symbolic_link_out_of_the_folder(
    world: Path, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.recipe"
    elsewhere.write_text("seed 1\n")
    (world / "team.recipe").symlink_to(elsewhere)
    fails(
        run,
        world / "a.recipe",
        "use team\n" + SOURCE,
        "error[R0212]: `team` leaves the recipe's folder",
        command="check",
    )


STRANGE = [
    "it's",
    'a "quote"',
    "semi;colon --",
    "né\u0301e \U0001f600",
    "back\\slash",
    "tab\there",
    "%s {0} $1",
    "a' OR 1=1 --",
]


def test_strange_ids_and_domains_pass_through_unchanged(world: Path, run: Run) -> None:
    data = world / "data/s.jsonl"
    data.write_text(
        "".join(
            json.dumps({"id": f"{name}/{i}", "text": f"t {name}", "n": 2, "topic": name, "q'\"uote": i}) + "\n"
            for name in STRANGE
            for i in range(3)
        )
    )
    quoted = [json.dumps(name, ensure_ascii=False).replace("\\t", "\\t") for name in STRANGE]
    lines = "".join(f"quota {name} at most 50%\nrepeat {name} at most 3 times\n" for name in quoted)
    listed = ", ".join(quoted)
    text = (
        SOURCE.replace("*.parquet", "s.jsonl")
        + f'where topic in ({listed})\nwhere `q\'"uote` >= 0\nwhere not (topic == "x\'); DROP TABLE placed; --")\n'
        + "criterion `q'\"s` = column(`q'\"uote`) higher is better\n"
        + f"sample quadmix {{ curve {{ omega 1 }}\n curve for {quoted[0]} {{ omega 0.9 }} }}\n{lines}"
        + "mixture proportional\nbudget 48 tokens\n"
        + OUTPUT
    )
    recipe = world / "a.recipe"
    recipe.write_text(text)
    result = run("apply", recipe, "--yes")
    assert result.code == 0, result.err
    found = rows(f"SELECT doc_id, domain, copies FROM '{world}/out/ledger/*.parquet' ORDER BY doc_id")
    assert {row[:2] for row in found} == {(f"{name}/{i}", name) for name in STRANGE for i in range(3)}
    assert run("verify", world / "out").code == 0
    for name in STRANGE:
        assert run("explain", world / "out", f"{name}/1").out.startswith(f"{screen.one_line(name)}/1 of web: ")


def test_a_plan_file_from_a_stranger(mix: Path, run: Run) -> None:
    plan = mix.parent / "a.plan"
    assert run("plan", mix, "-o", plan).code == 0
    value = json.loads(plan.read_text())
    changes = [
        lambda v: v.update(version=99),
        lambda v: v.update(folder=3),
        lambda v: v["steps"][0]["op"].update(kind="shell"),
        lambda v: v["steps"][0]["op"].update(extra="x"),
        lambda v: v["recipe"]["output"].update(path="../../escape"),
        lambda v: v["steps"][-1]["op"]["output"].update(path="/etc/escape"),
        lambda v: v["shards"].clear(),
    ]
    for change in changes:
        hostile = json.loads(json.dumps(value))
        change(hostile)
        plan.write_text(json.dumps(hostile))
        result = run("apply", plan, "--yes")
        assert result.code in (1, 4), (result.code, result.err)
        assert "error[R0" in result.err
    plan.write_text(json.dumps(value)[:-30])
    assert "error[R0707]" in run("apply", plan, "--yes").err
    assert not (mix.parent / "out").exists()
    assert not (mix.parent.parent / "escape").exists()


def test_a_shard_replaced_between_plan_and_apply(mix: Path, run: Run) -> None:
    plan = mix.parent / "a.plan"
    assert run("plan", mix, "-o", plan).code == 0
    shard = mix.parent / "data/1.parquet"
    status = shard.stat()
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(bytes(content))
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    result = run("apply", plan, "--yes")
    assert result.code == 4
    assert "error[R0708]: the plan is stale" in result.err
    assert "data/1.parquet" in result.err
    assert not (mix.parent / "out").exists()
    # A stale plan can still be read.
    assert run("show", plan).code == 0


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["plan"], 64, "usage"),
        (["plant", "a"], 64, "usage"),
        (["plan", "none.recipe"], 1, "R0001"),
        (["plan", "mix.recipe", "--set", "budget"], 1, "R0701"),
        (["plan", "mix.recipe", "--set", "nothing=3"], 1, "R0214"),
        (["apply", "mix.recipe"], 1, "R0703"),
        (["verify", "data"], 1, "R0705"),
        (["show", "data"], 1, "R0705"),
        (["init", "none"], 1, "R0711"),
    ],
)
def test_mistakes_on_the_command_line(
    mix: Path, run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, expected: str
) -> None:
    monkeypatch.chdir(mix.parent)
    result = run(*words)
    assert result.code == code
    assert expected in result.err


def test_a_set_that_is_no_value(mix: Path, run: Run) -> None:
    mix.write_text("param budget = 2K tokens\n" + MIX.replace("budget 2K tokens", "budget $budget"))
    assert (
        "error[R0215]" in run("plan", mix, "--set", "budget=").err
        or "error[R00" in run("plan", mix, "--set", "budget=").err
    )
    assert run("plan", mix, "--set", "budget=1K").code == 0


def test_a_plan_whose_scores_changed_since_is_not_applied(mix: Path, run: Run) -> None:
    plan = mix.parent / "a.plan"
    assert run("plan", mix, "-o", plan).code == 0
    value = json.loads(plan.read_text())
    value["selection"]["digest"] = "0" * 64
    plan.write_text(json.dumps(value))
    result = run("apply", plan, "--yes")
    assert result.code == 1
    assert "error[R0710]" in result.err
    assert not (mix.parent / "out").exists()


def test_applying_what_has_no_output_or_takes_no_parameters(mix: Path, run: Run) -> None:
    plan = mix.parent / "a.plan"
    assert run("plan", mix, "-o", plan).code == 0
    assert "error[R0702]" in run("apply", plan, "--set", "a=1", "--yes").err
    assert "error[R0706]" in run("plan", mix, "-o", mix / "a.plan").err
    mix.write_text(MIX.replace('output parquet "out"', ""))
    result = run("apply", mix, "--yes")
    assert result.code == 1
    assert "error[R0709]: the recipe has no `output`" in result.err
