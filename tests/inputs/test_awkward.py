"""What comes out equals what went in, field by field, whatever the files look like; or the run says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import Run
from tests.inputs import awkward
from tests.inputs.awkward import LINES, PACKERS, PARQUET, SOURCE, TEXT, applied, by_id, refused

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("end", PACKERS)
def test_lines_come_out_as_they_went_in(tmp_path: Path, run: Run, end: str, kind: str) -> None:
    pack = PACKERS[end]
    # Several members, one after the other, are one file.
    packed = b"".join(pack(awkward.lines(some)) for some in (LINES[:2], LINES[2:])) + (b"" if end else b"\n  \n")
    awkward.write(tmp_path, {f"d/a.jsonl{end}": packed})
    made = applied(run, tmp_path, SOURCE.format(glob="d/*"), kind)
    expected = {row["id"]: {name: value for name, value in row.items() if value is not None} for row in LINES}
    found = by_id(awkward.read(made))
    if kind == "parquet":
        expected["c"]["nested"] = {"list": ["1", "2", '{"x":"y"}'], "empty": "{}", "none": None}
        found["c"]["nested"]["list"] = [
            json.dumps(json.loads(one), separators=(",", ":")) for one in found["c"]["nested"]["list"]
        ]
    assert found == expected


def test_lines_keep_their_bytes(tmp_path: Path, run: Run) -> None:
    written = [
        b'{"id": "a", "text": "caf\\u00e9", "n": 1.50, "e": 1e2, "big": 123456789012345678901234567890}',
        b'{ "text":"x y" , "id":"b","o":{"z": [1, 2 ], "y":null}  }',
        b'{"id":"c","text":"z","text":"twice","Id":"C"}',
    ]
    awkward.write(tmp_path, {"d/a.jsonl": b"\n".join(written)})
    made = applied(run, tmp_path, SOURCE.format(glob="d/*"), "jsonl")
    lines = sorted(line for path in (made / "data").iterdir() for line in awkward.unpacked(path).splitlines())
    ours = b',"_source":"web","_doc_id":'
    assert [line.split(ours)[0] for line in lines] == sorted(line.rstrip()[:-1].rstrip() for line in written)


def test_parquet_of_all_types(tmp_path: Path, run: Run) -> None:
    awkward.write(tmp_path, {"d/a.parquet": PARQUET})
    found = awkward.read(applied(run, tmp_path, SOURCE.format(glob="d/*")))
    expected = PARQUET.to_pylist()
    for row, before in zip(sorted(found, key=lambda row: str(row["id"])), expected, strict=True):
        assert {name: row[name] for name in before} == before


@pytest.mark.parametrize("end", [end for end in PACKERS if end])
def test_a_file_that_is_cut_off_is_damaged_as_a_whole(tmp_path: Path, run: Run, end: str) -> None:
    many = [{"id": str(number), "text": f"{number * 7919 % 10007} {TEXT}"} for number in range(3000)]
    packed = PACKERS[end](awkward.lines(many))
    awkward.write(tmp_path, {"d/a.jsonl": awkward.lines(LINES), f"d/b.jsonl{end}": packed[: len(packed) * 6 // 10]})
    refused(run, tmp_path, SOURCE.format(glob="d/*") + "allow bad 99%\n", "error[R0303]", f"b.jsonl{end}")


@pytest.mark.parametrize(("end", "at"), [(".gz", -6), (".bz2", -40), (".xz", -60), (".lz4", 60), (".zst", 3)])
def test_a_flipped_bit_is_found(tmp_path: Path, run: Run, end: str, at: int) -> None:
    packed = bytearray(PACKERS[end](awkward.lines(LINES * 1)))
    packed[at] ^= 4
    awkward.write(tmp_path, {f"d/a.jsonl{end}": bytes(packed)})
    refused(run, tmp_path, SOURCE.format(glob="d/*"), "error[R0303]", f"a.jsonl{end}")


BROKEN = {
    b'{"id":"b","text":"\xff"}': ("the line is not UTF-8", "byte 0xff at position 19"),
    b"nope": ("the line is not JSON", "expecting value at character 1"),
    b"[1,2]": ("the line is a list, not a JSON object", None),
    b'"id"': ("the line is a string, not a JSON object", None),
    b"null": ("the line is null, not a JSON object", None),
    b'{"id":"n","text":"t","a\\u0000":1}': ("a key of the line has the character NUL", None),
    b'{"id":"z","text":"t","x":' + b"[" * 300 + b"]" * 300 + b"}": ("the line is nested deeper than 100 levels", None),
    b'{"id":"o","text":["a"]}': ("`text` is not a string", '["a"]'),
    b'{"id":"p","text":17}': ("`text` is not a string", "17"),
    b'{"id":"q","text":true}': ("`text` is not a string", "true"),
    b'{"id":"r","text":null}': ("text is null", None),
    b'{"text":"t"}': ("id is null", None),
    b'{"id":{"x":1},"text":"t"}': ("`id` is not a string or a number", '{"x":1}'),
    b'{"id":"cut","text":"ab': ("the line is cut off: its JSON does not end", None),
}


def test_a_damaged_line_is_a_row_with_its_reason(tmp_path: Path, run: Run) -> None:
    good = [awkward.lines([{"id": f"d{n}", "text": TEXT}]).strip() for n in range(len(BROKEN))]
    mixed = [line for pair in zip(good, BROKEN, strict=True) for line in pair]
    awkward.write(tmp_path, {"d/a.jsonl": b"\n\n".join(mixed)})
    made = applied(run, tmp_path, SOURCE.format(glob="d/*") + "where length(text) >= 2\n", more="allow bad 60%\n")
    assert len(awkward.read(made)) == len(good)
    expected = [("d/a.jsonl", 2 * n + 1, *why) for n, why in enumerate(BROKEN.values())]
    assert awkward.dead_letters(made) == expected
    assert [row["text"] for row in awkward.read(made)] == [TEXT] * len(good)


@pytest.mark.parametrize(
    ("name", "content", "help_"),
    [
        ("a.json", json.dumps([{"id": "a", "text": TEXT}] * 2), "jq -c '.[]'"),
        ("a.json", json.dumps({"id": "a", "text": TEXT}, indent=2), "jq -c ."),
        ("a.ndjson", json.dumps([{"id": "a"}], indent=1), "jq -c"),
    ],
)
def test_json_that_is_not_lines_says_what_to_do(tmp_path: Path, run: Run, name: str, content: str, help_: str) -> None:
    awkward.write(tmp_path, {f"d/{name}": content.encode()})
    refused(run, tmp_path, SOURCE.format(glob="d/*"), "error[R0303]", name, help_)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html>\n<p>\n", "the line is not JSON"),
        (b'{"a\\u0000":1}\n', "has the character NUL"),
        (b"", "they have none"),
    ],
)
def test_shards_without_a_row_that_can_be_read(tmp_path: Path, run: Run, content: bytes, why: str) -> None:
    awkward.write(tmp_path, {"d/a.jsonl": content})
    refused(
        run,
        tmp_path,
        SOURCE.format(glob="d/*") + "allow bad 100%\n",
        "error[R0303]: no row of the shards can be read: ",
        why,
    )


def test_files_without_rows_say_nothing(tmp_path: Path, run: Run) -> None:
    empty = pa.table({"id": pa.nulls(0), "text": pa.nulls(0), "n": pa.array([], pa.string())})
    files = {f"d/{n}.jsonl{end}": b"" for n, end in enumerate(PACKERS)}
    awkward.write(tmp_path, {**files, "d/x.jsonl": b"\n \n", "d/y.parquet": b"", "d/z.parquet": empty})
    awkward.write(tmp_path, {"d/data.jsonl": awkward.lines([{"id": "a", "text": TEXT, "n": 5}])})
    made = applied(run, tmp_path, SOURCE.format(glob="d/*") + "where n == 5\n")
    assert [awkward.own(row) for row in awkward.read(made)] == [{"id": "a", "text": TEXT, "n": 5}]


def test_a_key_that_comes_late_is_a_column(tmp_path: Path, run: Run) -> None:
    many = [{"id": str(n), "text": TEXT, **({"license": "mit"} if n >= 20480 else {})} for n in range(20500)]
    awkward.write(tmp_path, {"d/a.jsonl": awkward.lines(many)})
    made = applied(run, tmp_path, SOURCE.format(glob="d/*") + 'where license == "mit"\n')
    assert {row["license"] for row in awkward.read(made)} == {"mit"}
    assert len(awkward.read(made)) == 20


def test_shards_of_different_schemas(tmp_path: Path, run: Run) -> None:
    awkward.write(
        tmp_path,
        {
            "d/a.jsonl": awkward.lines([{"id": "a", "text": TEXT, "lang": None, "tags": [], "edu": 4, "m": {"x": 1}}]),
            "d/b.jsonl": awkward.lines([{"id": "b", "text": TEXT, "lang": "en", "tags": [{"k": 1}], "edu": 3.5}]),
            "d/c.parquet": pa.table({"id": ["c"], "text": [TEXT], "edu": [5], "m": [{"y": "z"}], "lang": pa.nulls(1)}),
        },
    )
    (tmp_path / "a.recipe").write_text(
        SOURCE.format(glob="d/*") + 'where edu > 3.5\nsample all\noutput parquet "out"\n'
    )
    result = run("apply", tmp_path / "a.recipe", "--yes")
    assert result.code == 0, result.err
    found = by_id(awkward.read(tmp_path / "out"))
    assert found == {
        "a": {"id": "a", "text": TEXT, "tags": [], "edu": 4.0, "m": {"x": 1, "y": None}},
        "c": {"id": "c", "text": TEXT, "edu": 5.0, "m": {"x": None, "y": "z"}},
    }


def test_a_used_column_of_two_kinds_is_an_error_with_both_files(tmp_path: Path, run: Run) -> None:
    tables = {"d/a.parquet": pa.table({"id": ["a"], "text": [TEXT], "q": ["x"], "r": [1]})}
    tables["d/b.parquet"] = pa.table({"id": ["b"], "text": [TEXT], "q": [1], "r": ["y"]})
    awkward.write(tmp_path, tables)
    refused(
        run, tmp_path, SOURCE.format(glob="d/*") + "where q is null\n", "error[R0306]", "d/a.parquet", "d/b.parquet"
    )
    applied(run, tmp_path, SOURCE.format(glob="d/*"), "jsonl")


def test_a_column_that_some_shards_lack_is_said(tmp_path: Path, run: Run) -> None:
    awkward.write(
        tmp_path,
        {
            "d/a.jsonl": awkward.lines([{"id": "a", "text": TEXT}]),
            "d/b.jsonl": awkward.lines([{"id": "b", "text": TEXT, "q": 1}]),
        },
    )
    (tmp_path / "a.recipe").write_text(SOURCE.format(glob="d/*") + "where q is null or q > 5\nsample all\n")
    result = run("plan", tmp_path / "a.recipe")
    assert (
        "warning[R0308]: `q` is missing in 1 of 2 shards of source `web`, where it is null: `d/a.jsonl`" in result.err
    )


def test_fields_of_several_kinds_take_the_kind_that_their_use_needs(tmp_path: Path, run: Run) -> None:
    values = [3, 4.5, "6", "abc", True, None, [1], 2**70]
    many = [{"id": f"d{n}", "text": TEXT, "q": value} for n, value in enumerate(values)]
    awkward.write(tmp_path, {"d/a.jsonl": awkward.lines(many)})
    made = applied(run, tmp_path, SOURCE.format(glob="d/*") + "where q > 3\n", more="allow bad 80%\n")
    assert sorted(row["id"] for row in awkward.read(made)) == ["d1", "d7"]
    misfits = [(row, value) for _, row, reason, value in awkward.dead_letters(made)]
    assert misfits == [(2, '"6"'), (3, '"abc"'), (4, "true"), (6, "[1]")]
    assert {reason for _, _, reason, _ in awkward.dead_letters(made)} == {"`q` is not a number"}
    made = applied(run, tmp_path, SOURCE.format(glob="d/*").replace("id id", "id q"), "jsonl", more="allow bad 80%\n")
    assert sorted(row["_doc_id"] for row in awkward.read(made)) == sorted(["3", "4.5", "6", "abc", "true", str(2**70)])
