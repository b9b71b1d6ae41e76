"""Attributes: columns of documents that stand in files beside the shards, joined by id or by row."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipec.inputs import joining, together
from tests.conftest import Run, rows, write_parquet
from tests.inputs.beside import (
    COUNT,
    INSIDE,
    PLAIN,
    RECIPE,
    digest,
    documents,
    mistake,
    planned,
    scores,
    warned,
    write,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the selection where the attributes are columns of the shards."""
    folder = tmp_path_factory.mktemp("inside")
    documents(folder, more=", (i % 17) / 4 AS edu, if(i % 2 = 0, 'a', 'b') AS topic")
    return digest(planned(folder, "", INSIDE).plan)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize("files", [1, 4])
def test_attributes_by_id_are_as_columns_of_the_shards(tmp_path: Path, expected: str, files: int, suffix: str) -> None:
    documents(tmp_path)
    values = scores()
    random.Random(files).shuffle(values)
    for number in range(files):
        write(tmp_path / f"scores/{number}.{suffix}", values[number::files])
    found = planned(tmp_path, f'attributes "scores/*.{suffix}" by id')
    assert digest(found.plan) == expected
    assert warned(found) == []


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_attributes_by_row_are_as_columns_of_the_shards(tmp_path: Path, expected: str, suffix: str) -> None:
    documents(tmp_path)
    for number in range(3):
        write(tmp_path / f"scores/{number}.{suffix}", scores()[20 * number : 20 * number + 20])
    assert digest(planned(tmp_path, f'attributes "scores/*.{suffix}" by row').plan) == expected


def test_several_attributes_meet_in_one_source(tmp_path: Path, expected: str) -> None:
    documents(tmp_path)
    write(tmp_path / "topics.jsonl", [{"doc": one["id"], "topic": one["topic"], "edu": "other"} for one in scores()])
    for number in range(3):
        part = np.array([one["edu"] for one in scores()[20 * number : 20 * number + 20]])
        np.save(tmp_path / f"edu{number}.npy", part)
    attributes = (
        'attributes "topics.jsonl" by id {\n    id doc\n    columns topic\n  }\n'
        '  attributes "edu*.npy" by row {\n    columns edu\n  }'
    )
    assert digest(planned(tmp_path, attributes).plan) == expected


def test_documents_of_json_lines_without_ids_have_attributes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    lines = [json.dumps({"text": f"text {i}", "n": 10}) for i in range(4)]
    (tmp_path / "data/a.jsonl").write_text("\n".join([*lines[:2], "{", *lines[2:]]) + "\n")
    write(tmp_path / "s.jsonl", [{"id": f"data/a.jsonl#{i}", "edu": i, "topic": "a"} for i in (0, 1, 3, 4)])
    recipe = PLAIN.replace("  id id\n", "") + "allow bad 50%\n"
    found = planned(tmp_path, 'attributes "s.jsonl" by id', recipe)
    assert warned(found) == []
    assert found.plan.selection is not None
    assert found.plan.selection.candidates == 5
    assert sum(cell.documents for cell in found.plan.selection.cells if not cell.nest) == 3  # one has an `edu` of 0


def test_numbers_as_ids_are_their_text(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data/0.parquet", "SELECT i AS id, 'x' AS text, 10 AS n FROM range(4) AS r(i)")
    write(tmp_path / "s.jsonl", [{"id": i, "edu": 1, "topic": "a"} for i in range(2)])
    write(tmp_path / "t.jsonl", [{"id": str(i), "edu": 1, "topic": "a"} for i in range(2, 4)])
    assert warned(planned(tmp_path, 'attributes "s.jsonl" "t.jsonl" by id', PLAIN)) == []


NESTED = [{"id": f"d{i}", "a": {"marks": [[0, 10, i / 2]], "odd key": f"k{i % 2}"}} for i in range(COUNT)]


def test_nested_values_are_named_by_paths(tmp_path: Path) -> None:
    documents(tmp_path)
    write(tmp_path / "s.jsonl", NESTED)
    recipe = (
        RECIPE.replace('coalesce(topic, "none")', "a.`odd key`")
        .replace("column(edu)", "column(a.marks[1][3])")
        .replace("where edu > 0.1 or edu is null\n", "where a.marks[1][3] >= 5\n")
        .replace("quota a where edu > 3 at least 10%\n", "")
    )
    plan = planned(tmp_path, 'attributes "s.jsonl" by id', recipe).plan
    assert plan.selection is not None
    assert {cell.domain: cell.documents for cell in plan.selection.cells} == {"k0": 25, "k1": 25}


def test_what_does_not_match_is_counted(tmp_path: Path) -> None:
    documents(tmp_path)
    write(tmp_path / "s.jsonl", scores()[10:] + [{"id": f"x{i}", "edu": 1, "topic": "a"} for i in range(7)])
    with (tmp_path / "s.jsonl").open("a") as file:
        file.write("{\n")
    found = planned(tmp_path, 'attributes "s.jsonl" by id')
    assert warned(found) == [
        "10 of 60 documents of source `web` have no attributes in `s.jsonl`: `edu`, … are null there",
        "7 of 57 rows of `s.jsonl` belong to no document of source `web`",
        "1 rows of `s.jsonl` cannot be read, so that no document has their attributes",
    ]
    assert next(message for message in found.plan.warnings if "attributes" in message) == warned(found)[0]
    assert found.plan.selection is not None
    assert sum(cell.documents for cell in found.plan.selection.cells if cell.domain == "none") == 10
    # A second plan reads nothing again, and says the same.
    assert warned(planned(tmp_path, 'attributes "s.jsonl" by id')) == warned(found)


def test_a_column_that_some_files_lack_is_null_there(tmp_path: Path) -> None:
    documents(tmp_path)
    write(tmp_path / "s/0.parquet", scores()[:30])
    write(tmp_path / "s/1.parquet", [{"id": one["id"], "topic": one["topic"]} for one in scores()[30:]])
    found = planned(tmp_path, 'attributes "s/*.parquet" by id')
    assert warned(found) == [
        "`edu` is missing in 1 of 2 files of attributes of source `web`, where it is null: `s/1.parquet`"
    ]


def test_columns_of_later_files_come_in_as_well(tmp_path: Path, expected: str) -> None:
    documents(tmp_path)
    write(tmp_path / "s/0.jsonl", [])
    write(tmp_path / "s/1.jsonl", scores())
    assert digest(planned(tmp_path, 'attributes "s/*.jsonl" by id').plan) == expected


@pytest.mark.parametrize("passes", [1, 4])
def test_an_id_that_stands_twice_is_named_with_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: int
) -> None:
    monkeypatch.setattr(joining, "HASHES", 1 << 26 if passes == 1 else 16)
    documents(tmp_path)
    write(tmp_path / "s/0.parquet", scores()[:30])
    write(tmp_path / "s/1.jsonl", [*scores()[30:], {"id": "d7", "edu": 0.5, "topic": "b"}])
    assert mistake(tmp_path, 'attributes "s/*" by id') == (
        "R0341 the id `d7` stands twice in the attributes of source `web` s/0.parquet, row 7 and s/1.jsonl, row 30"
    )
    # Also one that no document has.
    write(tmp_path / "s/1.jsonl", [*scores()[30:], {"id": "x"}, {"id": "x"}])
    assert "id `x`" in mistake(tmp_path, 'attributes "s/*" by id')


def test_files_that_do_not_pair_with_the_shards(tmp_path: Path) -> None:
    documents(tmp_path)
    for number, count in ((0, 20), (1, 19), (2, 20)):
        write(tmp_path / f"s/{number}.jsonl", scores()[:count])
    assert mistake(tmp_path, 'attributes "s/*.jsonl" by row') == (
        "R0340 `s/1.jsonl` has 19 rows, and its shard `data/1.parquet` has 20 "
    )
    (tmp_path / "s/1.jsonl").unlink()
    assert mistake(tmp_path, 'attributes "s/*.jsonl" by row') == (
        "R0340 2 files of attributes stand beside 3 shards of source `web` "
    )


def test_a_file_without_ids(tmp_path: Path) -> None:
    documents(tmp_path)
    write(tmp_path / "s/0.jsonl", scores())
    write(tmp_path / "s/1.jsonl", [{"name": "x"}])
    assert mistake(tmp_path, 'attributes "s/*.jsonl" by id') == (
        "R0340 a file of attributes of source `web` has no column `id` s/1.jsonl"
    )


def test_damaged_values_of_a_file_name_the_file(tmp_path: Path) -> None:
    documents(tmp_path)
    write(tmp_path / "s/0.parquet", scores())
    whole = (tmp_path / "s/0.parquet").read_bytes()
    (tmp_path / "s/0.parquet").write_bytes(whole[:4] + b"\xff" * 200 + whole[204:])
    found = mistake(tmp_path, 'attributes "s/*.parquet" by id')
    assert found.startswith("R0303 the shard cannot be read: ")
    assert found.endswith("s/0.parquet")


def test_only_changed_attributes_are_joined_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(tmp_path)
    for number in range(3):
        write(tmp_path / f"rows/{number}.jsonl", [{"edu": one["edu"]} for one in scores()[:20]])
    write(tmp_path / "s.jsonl", [{"id": one["id"], "topic": one["topic"]} for one in scores()])
    attributes = 'attributes "s.jsonl" by id\n  attributes "rows/*.jsonl" by row'
    joined: list[tuple[str, int]] = []
    for name in ("by_row", "by_id"):
        whole = getattr(joining.Join, name)

        def seen(join: Any, todo: Any, *more: Any, name: str = name, whole: Any = whole) -> Any:
            joined.append((name, len(todo)))
            return whole(join, todo, *more)

        monkeypatch.setattr(joining.Join, name, seen)
    first = planned(tmp_path, attributes).plan
    assert joined == [("by_id", 3), ("by_row", 3)]
    joined.clear()
    assert planned(tmp_path, attributes).plan.steps[0].action == "reuse"
    planned(tmp_path, attributes, RECIPE.replace("edu > 0.1", "edu > 0.2"))
    planned(tmp_path, attributes)
    assert joined == []
    write(tmp_path / "rows/1.jsonl", [{"edu": one["edu"] + 0.25} for one in scores()[:20]])
    changed = planned(tmp_path, attributes).plan
    assert joined == [("by_row", 1)]
    assert (changed.steps[0].action, changed.steps[0].reason) == ("partial", "changed attributes of web")
    assert digest(changed) != digest(first)
    # What the recipe does not use is neither joined nor part of what is selected.
    joined.clear()
    without = RECIPE.replace('coalesce(topic, "none")', '"a"')
    one = planned(tmp_path, attributes, without).plan
    write(tmp_path / "s.jsonl", [{"id": "d1", "topic": "z"}])
    again = planned(tmp_path, attributes, without).plan
    assert [step.id for step in again.steps] == [step.id for step in one.steps]
    assert joined == []


def test_scores_of_texts_follow_the_attributes_that_filter_them(tmp_path: Path) -> None:
    """Only what passes is scored: with other attributes other documents are, though no shard has changed."""
    documents(tmp_path)
    recipe = PLAIN.replace("column(edu)", "word_count()").replace("where edu > 0.1 or edu is null", "where edu > 2")
    recipe = recipe.replace("missing worst", "missing error")
    for keep in (range(10), range(50, 60)):
        write(tmp_path / "s.jsonl", [{**one, "edu": 3 if i in keep else 0} for i, one in enumerate(scores())])
        plan = planned(tmp_path, 'attributes "s.jsonl" by id', recipe).plan
        assert plan.selection is not None
        assert sum(cell.documents for cell in plan.selection.cells) == 10


def test_a_plan_is_stale_when_attributes_change(tmp_path: Path, run: Run) -> None:
    documents(tmp_path)
    write(tmp_path / "s.jsonl", scores())
    (tmp_path / "a.recipe").write_text(RECIPE.replace("ATTRIBUTES", 'attributes "s.jsonl" by id'))
    assert run("plan", tmp_path / "a.recipe", "-o", tmp_path / "a.plan").code == 0
    write(tmp_path / "s.jsonl", [{**one, "edu": 1} for one in scores()])
    result = run("apply", tmp_path / "a.plan")
    assert result.code == 4
    assert "the file of attributes `s.jsonl` has changed" in result.err
    # A plan that says something else of its shards than of its files is none of ours.
    write(tmp_path / "s.jsonl", scores())
    assert run("plan", tmp_path / "a.recipe", "-o", tmp_path / "a.plan").code == 0
    plan = json.loads((tmp_path / "a.plan").read_text())
    assert plan["attributes"][0]["path"] == "s.jsonl"
    plan["attributes"][0]["sha256"] = "0" * 64
    (tmp_path / "a.plan").write_text(json.dumps(plan))
    assert run("apply", tmp_path / "a.plan").code == 4


def test_a_plan_whose_attributes_do_not_fit_its_shards_is_stale(tmp_path: Path, run: Run) -> None:
    documents(tmp_path)
    for number in range(3):
        write(tmp_path / f"s/{number}.jsonl", scores()[:20])
    (tmp_path / "a.recipe").write_text(RECIPE.replace("ATTRIBUTES", 'attributes "s/*.jsonl" by row'))
    assert run("plan", tmp_path / "a.recipe", "-o", tmp_path / "a.plan").code == 0
    plan = json.loads((tmp_path / "a.plan").read_text())
    files, shards = plan["attributes"], plan["shards"]
    changes: list[dict[str, Any]] = [
        {"attributes": files[:2]},
        {"attributes": []},
        {"attributes": [{**one, "number": 9} for one in files]},
        {"shards": [{**one, "joined": []} for one in shards]},
        {"shards": [{**one, "joined": ["0" * 64] * 5} for one in shards]},
    ]
    for changed in changes:
        (tmp_path / "b.plan").write_text(json.dumps({**plan, **changed}))
        assert run("apply", tmp_path / "b.plan").code == 4
    assert run("apply", tmp_path / "a.plan").code == 0
    write(tmp_path / "s/1.jsonl", [{**one, "edu": 4} for one in scores()[:20]])
    assert run("plan", tmp_path / "a.recipe", "-o", tmp_path / "b.plan").code == 0
    assert "~ s/1.jsonl" in run("diff", tmp_path / "out", tmp_path / "b.plan").out


def test_the_dataset_has_the_columns_of_the_shards_alone(tmp_path: Path, run: Run) -> None:
    documents(tmp_path)
    write(tmp_path / "s.jsonl", scores())
    (tmp_path / "a.recipe").write_text(RECIPE.replace("ATTRIBUTES", 'attributes "s.jsonl" by id'))
    assert run("apply", tmp_path / "a.recipe", "--yes").code == 0
    names = [row[0] for row in rows(f"DESCRIBE SELECT * FROM '{tmp_path}/out/data/*.parquet'")]
    assert names[:3] == ["id", "text", "n"]
    assert "edu" not in names
    assert run("verify", tmp_path / "out").code == 0
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert [one["path"] for one in manifest["attributes"]] == ["s.jsonl"]
    explained = run("explain", tmp_path / "out", "d0").out
    assert "edu = 0.0" in explained
    # Deleted state is made again, by a plan alone.
    assert run("plan", tmp_path / "a.recipe", "-o", tmp_path / "a.plan").code == 0
    for path in sorted((tmp_path / ".recipec/steps").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / "out/manifest.json").unlink()
    (tmp_path / "out").rename(tmp_path / "old")
    assert run("apply", tmp_path / "a.plan").code == 0


def test_an_output_among_the_attributes_is_refused(tmp_path: Path, run: Run) -> None:
    documents(tmp_path)
    write(tmp_path / "side/s.jsonl", scores())
    recipe = RECIPE.replace("ATTRIBUTES", 'attributes "side/**/*.jsonl" by id').replace(
        'parquet "out"', 'jsonl "side/x"'
    )
    (tmp_path / "a.recipe").write_text(recipe.replace('jsonl "side/x"', 'jsonl "side/x" { compression none }'))
    result = run("apply", tmp_path / "a.recipe", "--yes")
    assert "R0605" in result.err


def test_a_killed_join_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents(tmp_path)
    write(tmp_path / "s.jsonl", scores())

    whole = together.parts

    def killed(*words: Any) -> None:
        assert whole(*words) == {0, 1, 2}
        raise KeyboardInterrupt

    monkeypatch.setattr(together, "parts", killed)
    with pytest.raises(KeyboardInterrupt):
        planned(tmp_path, 'attributes "s.jsonl" by id')
    monkeypatch.undo()
    assert not list((tmp_path / ".recipec").rglob("*.parquet"))
    assert warned(planned(tmp_path, 'attributes "s.jsonl" by id')) == []
