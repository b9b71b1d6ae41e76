"""The seal: whatever is changed, added or taken away of a dataset is noticed."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipec import dataset
from recipec.cli.main import main
from recipec.database.connection import connect
from recipec.dataset import manifest, seal
from recipec.diagnostics import Failure
from recipec.selection.digest import digest
from tests.conftest import LONG
from tests.dataset.small_dataset import World, make_world, verify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("world"))
    world.write()
    return world


@pytest.fixture
def out(world: World, tmp_path: Path) -> Path:
    return shutil.copytree(world.out, tmp_path / "out")


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The places of all values in a JSON value that are neither objects nor lists with something in them."""
    if isinstance(value, dict | list) and value:
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(below, (*path, key))
    else:
        yield path


def other(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str() if len(value) == 64:
            return value[::-1]
        case str():
            return value + "x"
        case None:
            return 1
        case dict():
            return {"more": 1}
        case _:
            return [*value, 1]


def changed(value: Any, path: tuple[str | int, ...]) -> Any:
    result = copy.deepcopy(value)
    at = result
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = other(at[path[-1]])
    return result


def problems(folder: Path, expected: str = "") -> list[str]:
    with connect() as connection:
        try:
            return [one.code for one in dataset.verify(connection, folder, expected=expected)]
        except Failure as failure:
            return [one.code for one in failure.diagnostics]


def test_every_field_of_a_manifest_matters(out: Path) -> None:
    path = out / "manifest.json"
    value = json.loads(path.read_text())
    places = list(leaves(value))
    assert len(places) > 130
    unnoticed = []
    for place in places[:: 1 if LONG else 3]:
        path.write_text(manifest.text_of(changed(value, place)))
        if not problems(out):
            unnoticed.append(place)
    assert unnoticed == []
    for extra in ({**value, "more": 1}, {name: said for name, said in value.items() if name != "seal"}):
        path.write_text(manifest.text_of(extra))
        assert problems(out)
    for text in (manifest.text_of(value) + " ", manifest.text_of(value).replace("\n", "\r\n"), json.dumps(value)):
        path.write_bytes(text.encode())
        assert problems(out) == ["R0629"]
    path.write_text(manifest.text_of(value))
    assert problems(out) == []


ODD = ("", "-1", "\ud800", "a\0b", "../x", "x" * 300)
"""Strings that are no digests, no paths, and no text that can be written."""


def test_a_manifest_of_a_stranger_is_a_problem_whatever_it_states(out: Path) -> None:
    """Every string replaced by an odd one, and every field left out."""
    path = out / manifest.NAME
    whole = json.loads(path.read_text())
    texts = []
    for number, leaf in enumerate(leaves(whole)):
        value, without = copy.deepcopy(whole), copy.deepcopy(whole)
        at, from_ = value, without
        for key in leaf[:-1]:
            at, from_ = at[key], from_[key]
        if isinstance(at[leaf[-1]], str):
            at[leaf[-1]] = ODD[number % len(ODD)]
            texts.append(json.dumps(value))
        del from_[leaf[-1]]
        texts.append(json.dumps(without))
    for digest_ in ODD:
        texts += [json.dumps({**whole, name: digest_}) for name in ("seal", "card", "plan", "digest")]
        texts += [json.dumps({**whole, "data": [{**whole["data"][0], name: digest_}]}) for name in ("path", "sha256")]
    for text in texts[:: 1 if LONG else 4]:
        path.write_text(text)
        assert problems(out), text


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("data/part-99999.parquet", "R0622"),
        ("more.txt", "R0622"),
        (".hidden", "R0622"),
        (".cache/huggingface/x.json", "R0622"),
        (".git/config", "R0622"),
        ("ledger/.more/deep/x", "R0622"),
        ("README.md", "R0623"),
        ("unreadable/part-00000.parquet", "R0623"),
    ],
)
def test_added_and_changed_files_are_noticed(out: Path, name: str, code: str) -> None:
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytearray(path.read_bytes() if path.exists() else b"x")
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert verify(out) == [code]


def test_links_and_missing_files_are_noticed(out: Path) -> None:
    (out / "gone").symlink_to("nowhere")
    (out / "elsewhere").symlink_to(out.parent)
    (out / "README.md").unlink()
    assert sorted(verify(out)) == ["R0621", "R0622", "R0622"]


def test_what_git_keeps_is_one_problem(out: Path) -> None:
    for name in ("HEAD", "config", "objects/ab/cd"):
        (out / ".git" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / ".git" / name).touch()
    assert verify(out) == ["R0622"]


def test_the_seal_is_the_root_of_a_tree_of_files(world: World) -> None:
    made = dataset.read_manifest(world.out)
    names = {path.relative_to(world.out).as_posix() for path in world.out.rglob("*") if path.is_file()}
    hashes = {name: hashlib.sha256((world.out / name).read_bytes()).hexdigest() for name in names}
    value = json.loads((world.out / "manifest.json").read_text())
    del value["seal"]
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    hashes["manifest.json"] = hashlib.sha256(text.encode()).hexdigest()
    card = (world.out / "README.md").read_text()
    hashes["README.md"] = hashlib.sha256(card.replace(made.seal, "0" * 64).encode()).hexdigest()
    assert made.seal == slow_root([leaf(name, hashes[name]) for name in sorted(hashes)]).hex()
    assert f"`{made.seal}`" in card


def leaf(name: str, digest: str) -> bytes:
    return hashlib.sha256(b"\0" + name.encode() + b"\0" + bytes.fromhex(digest)).digest()


def slow_root(leaves: list[bytes]) -> bytes:
    """The tree by its definition: the left half has the largest power of two of leaves that leaves something over."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while 2 * left < len(leaves):
        left *= 2
    return hashlib.sha256(b"\1" + slow_root(leaves[:left]) + slow_root(leaves[left:])).digest()


@pytest.mark.parametrize("count", range(1, 20))
def test_a_tree_of_any_size_is_that_of_its_definition(count: int) -> None:
    parts = {f"{number:02}": hashlib.sha256(bytes([number])).hexdigest() for number in range(count)}
    assert seal.root(parts) == slow_root([leaf(name, digest) for name, digest in parts.items()]).hex()


def test_a_dataset_is_compared_with_a_seal_that_was_kept(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    made = dataset.read_manifest(world.out)
    planned = seal.planned(made.plan, made.digest)
    for kept in (made.seal, made.seal[:16], made.seal.upper()[:20], planned, planned[:16]):
        assert main(["verify", str(world.out), "--expect", kept]) == 0
        assert made.seal in capsys.readouterr().out
    assert main(["verify", str(world.out), "--expect", "0" * 16]) == 1
    assert "error[R0630]: the dataset's seal is" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(world.out), "--expect", made.seal[:15]])
    assert ended.value.code == 64
    assert "expected 16 to 64 hexadecimal digits" in capsys.readouterr().err


def test_a_dataset_of_an_earlier_version_has_no_seal(out: Path) -> None:
    value = json.loads((out / "manifest.json").read_text())
    with connect() as connection:
        rows = f"read_parquet('{out}/ledger/*.parquet')"
        before = digest(connection, rows, 7, 3)
    del value["seal"], value["card"]
    value |= {"version": 3, "digest": before}
    value["selection"]["digest"] = before
    (out / "manifest.json").write_text(manifest.text_of(value))
    assert problems(out) == []
    assert problems(out, expected="0" * 16) == ["R0630"]
