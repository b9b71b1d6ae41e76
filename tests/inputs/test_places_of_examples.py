"""Where the examples of targets stand: their file and line, or row."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb

from recipec.inputs import targets
from recipec.ir import model
from recipec.ir.model import Origin


def placed(folder: Path, *files: str, holdout: float = 0.0) -> dict[str, str]:
    origin = Origin(file="a.recipe", line=1, column=1, length=1, text="target t { }")
    target = model.Target(name="t", examples=files, text="{text}", holdout=holdout, origin=origin)
    used, held = targets.placed(target, folder)
    assert ([*map(str, used)], [*map(str, held)]) == targets.texts(target, folder)
    return {str(one): one.place for one in (*used, *held)}


def test_lines_of_json_are_counted_with_those_that_are_no_examples(tmp_path: Path) -> None:
    lines = b'{"text": "one"}\r\n\n  \n{"text": null}\n{"text": "t\xe2\x80\xa8wo"}\nno json\n{"text": "three"}'
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.jsonl").write_bytes(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines.replace(b"one", b"four")))
    found = placed(tmp_path, "deep/*.jsonl", "*.gz", holdout=0.5)
    assert found == {
        "four": "b.jsonl.gz:1",
        "one": "deep/a.jsonl:1",
        "t\u2028wo": "b.jsonl.gz:5",
        "three": "b.jsonl.gz:7",
    }


def test_lines_of_text_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\n\r\n \ntwo\xe2\x80\xa8three\nfour")
    assert placed(tmp_path, "a.txt") == {"one": "a.txt:1", "two": "a.txt:4", "three": "a.txt:4", "four": "a.txt:5"}


def test_other_files_have_rows(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        query = "SELECT unnest(['one', NULL, 'two', 'one']) AS text"
        connection.execute(f"COPY ({query}) TO '{tmp_path}/a.parquet' (FORMAT parquet)")
    assert placed(tmp_path, "a.parquet") == {"one": "a.parquet, row 0", "two": "a.parquet, row 2"}
    outside = tmp_path / "recipes"
    outside.mkdir()
    assert placed(outside, f"{tmp_path}/a.parquet")["two"] == f"{tmp_path}/a.parquet, row 2"
