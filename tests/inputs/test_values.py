"""Values inside values, names of several kinds, numbers that are none, texts of bytes: each is what it is, or said."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import Run, rows
from tests.inputs import awkward
from tests.inputs.awkward import SOURCE, TEXT, Row, applied, by_id, refused

pytestmark = pytest.mark.slow


def test_names_that_differ_in_case_stay_apart(tmp_path: Path, run: Run) -> None:
    row = {"Text": "a title", "id": "d", "ID": "D", "text": TEXT, "lang": "en", "Lang": "EN"}
    awkward.write(
        tmp_path, {"j/a.jsonl": awkward.lines([row]), "p/a.parquet": pa.table({k: [v] for k, v in row.items()})}
    )
    for folder in "jp":
        body = (
            f'source web {{ shards "{folder}/*", id ID, text text, domain Lang }}\nwhere lang == "en" and id == "d"\n'
        )
        (lines,) = awkward.read(applied(run, tmp_path, body, "jsonl"))
        assert awkward.own(lines) == row
        assert (lines["_doc_id"], lines["_domain"]) == ("D", "EN")
        (table,) = awkward.read(applied(run, tmp_path, body, "parquet"))
        assert sorted(awkward.own(table).values()) == sorted(row.values())
        assert "warning[R0311]" in run("plan", tmp_path / "a.recipe").err


def test_paths_into_nested_values(tmp_path: Path, run: Run) -> None:
    metas = [{"source": "wiki", "q": n / 4, "tags": ["x", f"t{n}"], "odd key": {"z": n % 2 == 0}} for n in range(4)]
    many = [
        {"id": {"n": n}, "doc": {"text": f"{TEXT} {n}", "n": 5}, "meta": meta, "a.b": n} for n, meta in enumerate(metas)
    ]
    awkward.write(tmp_path, {"j/a.jsonl": awkward.lines(many), "p/a.parquet": pa.Table.from_pylist(many)})
    digests = set()
    for folder in "jp":
        body = f'source web {{ shards "{folder}/*", id id.n, text doc.text, tokens doc.n, domain meta.tags[2] }}\n'
        body += 'where meta.q >= 0.5 and meta.`odd key`.z and `a.b` < 3 and meta.source != "x"\n'
        made = applied(run, tmp_path, body)
        (row,) = awkward.read(made)
        assert (row["_doc_id"], row["_domain"], row["_tokens"]) == ("2", "t2", 5)
        digests.add(json.loads((made / "manifest.json").read_text())["digest"])
    assert len(digests) == 1


@pytest.mark.parametrize("meta", [{"q": None, "w": "b"}, {"w": "b"}, {}, None, "b", [1]], ids=str)
def test_a_value_that_no_line_of_a_shard_has_is_null(tmp_path: Path, run: Run, meta: object) -> None:
    with_both = {"id": "a", "text": TEXT, "meta": {"q": 1, "lang": "en"}}
    awkward.write(
        tmp_path,
        {
            "d/0.jsonl": awkward.lines([with_both]),
            "d/1.jsonl": awkward.lines([{"id": "b", "text": TEXT, "meta": meta}]),
        },
    )
    body = 'source web { shards "d/*", id id, text text, domain = coalesce(meta.lang, "none") }\n'
    body += "where meta.q is null\nallow vanishing\n"
    (row,) = awkward.read(applied(run, tmp_path, body))
    assert (row["_doc_id"], row["_domain"]) == ("b", "none")


def test_hive_folders_are_columns_and_the_files_own_field_wins(tmp_path: Path, run: Run) -> None:
    plain = {"id": "a", "text": TEXT}
    files: dict[str, bytes | pa.Table] = {
        "d/dump=CC-1/lang=en/a.jsonl": awkward.lines([plain]),
        "d/dump=CC-2/lang=d%20e/a.jsonl": awkward.lines([{**plain, "id": "b", "lang": "own"}]),
        "d/dump=CC-1/lang=__HIVE_DEFAULT_PARTITION__/c.parquet": pa.table({"id": ["c"], "text": [TEXT]}),
        "d/dump=CC-1/lang=fr/d.parquet": pa.table({"id": ["d"], "text": [TEXT]}),
    }
    awkward.write(tmp_path, files)
    body = 'source web { shards "d/**/*.*", id id, text text, domain = coalesce(lang, "none") }\nwhere dump != "CC-9"\n'
    for kind in ("parquet", "jsonl"):
        found = {
            row["id"]: (row["_domain"], row["dump"], row.get("lang"))
            for row in awkward.read(applied(run, tmp_path, body, kind))
        }
        assert found == {
            "a": ("en", "CC-1", "en"),
            "b": ("own", "CC-2", "own"),
            "c": ("none", "CC-1", None),
            "d": ("fr", "CC-1", "fr"),
        }
    assert "warning[R0312]: `lang` is taken from the file" in run("plan", tmp_path / "a.recipe").err


def test_documents_without_ids_have_their_place(tmp_path: Path, run: Run) -> None:
    same = awkward.lines([{"text": TEXT}, {"text": "two"}])
    awkward.write(tmp_path, {"d/a.jsonl": same, "d/b.jsonl": same})
    body = 'source web { shards "d/*", text text, domain = file }\nwhere path matches "^d/" and row < 5\n'
    found = awkward.read(applied(run, tmp_path, body))
    assert {(row["_doc_id"], row["_domain"], row["text"]) for row in found} == {
        (f"d/{name}#{row}", name, text) for name in ("a.jsonl", "b.jsonl") for row, text in enumerate((TEXT, "two"))
    }
    assert "warning[R0250]" in run("plan", tmp_path / "a.recipe").err


def test_names_that_a_source_gives_and_statements_for_one(tmp_path: Path, run: Run) -> None:
    awkward.write(
        tmp_path,
        {
            "web/a.jsonl": awkward.lines([{"id": f"w{n}", "text": TEXT, "stars": n} for n in range(4)]),
            "code/b.jsonl": awkward.lines([{"id": f"c{n}", "text": TEXT, "max_stars": 10 * n} for n in range(4)]),
        },
    )
    body = 'source web { shards "web/*", id id, text text }\n'
    body += 'source code { shards "code/*", id id, text text, column stars = max_stars / 10 + 1 }\n'
    body += "where stars >= 2\nwhere for code max_stars < 30\n"
    found = {row["id"] for row in awkward.read(applied(run, tmp_path, body))}
    assert found == {"w2", "w3", "c1", "c2"}
    ledger = rows(f"SELECT doc_id, rejected_by FROM '{tmp_path}/out_parquet/ledger/*.parquet' WHERE doc_id = 'c3'")
    assert ledger == [("c3", "for code max_stars < 30")]


def test_arithmetic_that_has_no_value_makes_a_bad_row(tmp_path: Path, run: Run) -> None:
    numbers = [2**62, 3, 0, 5]
    many = [{"id": f"d{n}", "text": TEXT, "n": number} for n, number in enumerate(numbers)]
    awkward.write(tmp_path, {"j/a.jsonl": awkward.lines(many), "p/a.parquet": pa.Table.from_pylist(many)})
    for folder in "jp":
        body = SOURCE.format(glob=f"{folder}/*") + "where n * n > 2 and 10 / n > 1\n"
        made = applied(run, tmp_path, body, more="allow bad 60%\n")
        assert sorted(row["id"] for row in awkward.read(made)) == ["d1", "d3"]
        assert [reason for _, _, reason, _ in awkward.dead_letters(made)] == [
            "`n * n` overflows",
            "`10 / n` divides by zero",
        ]


def test_what_is_no_number_is_missing_everywhere(tmp_path: Path, run: Run) -> None:
    values = [1.0, float("nan"), float("inf"), float("-inf"), 5.0]
    many = [{"id": f"d{n}", "text": TEXT, "q": value} for n, value in enumerate(values)]
    awkward.write(tmp_path, {"j/a.jsonl": awkward.lines(many), "p/a.parquet": pa.Table.from_pylist(many)})
    for folder in "jp":
        for clause, expected in (("q > 0", ["d0", "d4"]), ("q < 3", ["d0"]), ("q is null", ["d1", "d2", "d3"])):
            made = applied(run, tmp_path, SOURCE.format(glob=f"{folder}/*") + f"where {clause}\n")
            assert sorted(row["id"] for row in awkward.read(made)) == expected


def test_texts_of_bytes(tmp_path: Path, run: Run) -> None:
    texts = pa.array(["café".encode(), b"\xff\xfe bad", b"fine"], pa.binary())
    awkward.write(tmp_path, {"d/a.parquet": pa.table({"id": pa.array([b"a", b"b", b"c"], pa.binary()), "text": texts})})
    made = applied(run, tmp_path, SOURCE.format(glob="d/*"), more="allow bad 50%\n")
    assert {row["_doc_id"]: row["text"] for row in awkward.read(made)} == {"a": "café", "c": "fine"}
    assert awkward.dead_letters(made) == [("d/a.parquet", 1, "`text` is not UTF-8", None)]


BAD = pa.array(["café".encode(), b"\xff\xfe bad", b"fine"], pa.binary())


@pytest.mark.parametrize("column", ["text", "id", "url"])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_strings_that_are_not_utf8(tmp_path: Path, run: Run, column: str, kind: pa.DataType) -> None:
    values: dict[str, pa.Array] = {name: pa.array([f"{name} {n}" for n in range(3)]) for name in ("id", "text", "url")}
    bad = BAD.cast(pa.large_binary()) if kind == pa.large_string() else BAD
    values[column] = pa.Array.from_buffers(kind, 3, bad.buffers())
    awkward.write(tmp_path, {"d/a.parquet": pa.table({**values, "n": [1, 2, 3]})})
    body = 'source web { shards "d/*", id id, text text, tokens n }\nallow bad 50%\nsample all\noutput parquet "out"\n'
    (tmp_path / "a.recipe").write_text(body)
    first = run("apply", tmp_path / "a.recipe", "--yes")
    if first.code:
        # Found by the last reading only, since nothing but the dataset needs the column.
        assert "error[R0303]: the shard has strings that are not UTF-8" in first.err
        assert not (tmp_path / "out").exists()
        assert run("apply", tmp_path / "a.recipe", "--yes").code == 0
    found = {row["_tokens"]: row[column] for row in awkward.read(tmp_path / "out")}
    if column == "url":
        assert found == {1: "café".encode(), 2: b"\xff\xfe bad", 3: b"fine"}
    else:
        assert {n: value.decode() if isinstance(value, bytes) else value for n, value in found.items()} == {
            1: "café",
            3: "fine",
        }
        assert awkward.dead_letters(tmp_path / "out") == [("d/a.parquet", 1, f"`{column}` is not UTF-8", None)]
    assert run("verify", tmp_path / "out").code == 0


def test_a_token_count_that_overflows_is_named(tmp_path: Path, run: Run) -> None:
    awkward.write(
        tmp_path,
        {"d/a.parquet": pa.table({"id": ["a", "b"], "text": [TEXT] * 2, "n": pa.array([2**63, 5], pa.uint64())})},
    )
    body = 'source web { shards "d/*", id id, text text, tokens n }\n'
    made = applied(run, tmp_path, body, more="allow bad 60%\n")
    assert awkward.dead_letters(made) == [("d/a.parquet", 0, "tokens need more than 64 bits", None)]


def test_the_schema_of_a_recipe_counts_kinds(tmp_path: Path, run: Run) -> None:
    many: list[Row] = [
        {"id": "a", "text": TEXT, "m": {"q": 1}},
        {"id": "b", "text": 5, "m": None},
        {"id": "c", "text": "x", "m": {"q": 0.5}},
    ]
    awkward.write(
        tmp_path, {"d/a.jsonl": awkward.lines(many) + b"nope\n", "d/b.parquet": pa.table({"id": ["d"], "text": [None]})}
    )
    (tmp_path / "a.recipe").write_text(SOURCE.format(glob="d/*") + "sample all\n")
    shown = run("show", tmp_path / "a.recipe", "--stage", "schema")
    assert shown.code == 0
    assert "2 string, 1 integer" in shown.out
    (found,) = json.loads(run("show", tmp_path / "a.recipe", "--stage", "schema", "--json").out)
    first, second = found["files"]
    assert (first["rows"], first["unreadable"], second["rows"]) == (4, 1, 1)
    assert first["fields"]["text"] == {"string": 2, "integer": 1, "missing": 0}
    assert first["fields"]["m"] == {"object": 2, "null": 1, "missing": 0}
    assert first["fields"]["m.q"] == {"integer": 1, "float": 1, "missing": 1}
    assert second["fields"]["text"] == {"null": 1, "missing": 0}


def test_numbers_that_a_double_would_change_are_kept(tmp_path: Path, run: Run) -> None:
    rows_ = [
        {
            "id": "a",
            "text": TEXT,
            "mixed": 2**53 + 1,
            "ns": 1704067200000000001,
            "ids": [2**63 + 5],
            "deep": {"x": [[0.5]]},
        },
        {"id": "b", "text": TEXT, "mixed": 0.5, "ns": -(2**63), "ids": [1, 2], "deep": {"x": [[2**60 + 1]]}},
        {"id": "c", "text": TEXT, "mixed": 7, "ns": None, "ids": [], "deep": {"x": []}},
    ]
    awkward.write(tmp_path, {"d/a.jsonl": awkward.lines(rows_)})
    found = by_id(awkward.read(applied(run, tmp_path, SOURCE.format(glob="d/*"))))
    assert [found[key]["ns"] for key in "ab"] == [1704067200000000001, -(2**63)]
    assert [found[key]["ids"] for key in "abc"] == [[2**63 + 5], [1, 2], []]
    # What neither an integer nor a double holds is text as it was written.
    assert [found[key]["mixed"] for key in "abc"] == [str(2**53 + 1), "0.5", "7"]
    assert [found[key]["deep"] for key in "abc"] == [{"x": [["0.5"]]}, {"x": [[str(2**60 + 1)]]}, {"x": []}]


def test_integers_beside_fractions_are_kept_or_refused(tmp_path: Path, run: Run) -> None:
    def shard(folder: str, name: str, value: int | float) -> dict[str, bytes | pa.Table]:
        row = {"id": name, "text": TEXT, "x": value}
        table = pa.table({key: [one] for key, one in row.items()})
        return {f"p/{name}.parquet": table} if folder == "p" else {f"j/{name}.jsonl": awkward.lines([row])}

    for folder in "pj":
        source = SOURCE.format(glob=f"{folder}/*")
        awkward.write(tmp_path, {**shard(folder, "a", 2**53), **shard(folder, "b", 0.5)})
        found = by_id(awkward.read(applied(run, tmp_path, source)))
        assert [found[key]["x"] for key in "ab"] == [2.0**53, 0.5]
        awkward.write(tmp_path, shard(folder, "a", 2**53 + 1))
        refused(run, tmp_path, source, "error[R0610]: column `x` has integers in some shards")


def test_too_many_bad_rows_are_named_with_examples(tmp_path: Path, run: Run) -> None:
    many = [{"id": f"d{n}", "text": TEXT, "q": n} for n in range(4)] + [
        {"id": "x", "text": 5, "q": 1},
        {"id": "y", "text": TEXT, "q": "\x1b[31m"},
    ]
    awkward.write(tmp_path, {"d/a.jsonl": awkward.lines(many)})
    words = (
        "error[R0322]",
        "d/a.jsonl, row 4: `text` is not a string: 5",
        'd/a.jsonl, row 5: `q` is not a number: "\\u001B[31m"',
    )
    refused(run, tmp_path, SOURCE.format(glob="d/*") + "where q >= 0\n", *words)
