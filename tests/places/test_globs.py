"""Globs: braces as bash expands them, folders, the home folder, symbolic links, and what is said of globs without files."""

from __future__ import annotations

import os
import subprocess
from glob import escape
from pathlib import Path

import pytest

from recipec.diagnostics import Failure
from recipec.places import braces, globs

TEXTS = [
    "a",
    "a{b,c}d",
    "{a,b}{c,d}",
    "a{b,{c,d}e}f",
    "x{,y}",
    "x{,}",
    "{a}",
    "{}",
    "a{}b",
    "{a,b",
    "a{b{c,d}",
    "{a{b,c}}",
    "{a,b}}",
    "{{a,b}",
    "{a,{b,c}",
    "{a,{b}",
    "}{a,b}",
    "a,b",
    "{0..3}",
    "{00..11}",
    "{9..11}",
    "{08..11}",
    "{3..0}",
    "{-1..1}",
    "{-01..2}",
    "{0..10..3}",
    "{10..0..3}",
    "{0..4..-2}",
    "{1..1}",
    "{a..d}",
    "{d..a}",
    "{a..}",
    "{1..b}",
    "{1...3}",
    "{1..3,7}",
    "{a,b{1..2}}",
    "{{1..2},x}",
    "p{0{1..3},10}",
    "a/{b,c/d}/e",
]


@pytest.mark.parametrize("text", TEXTS)
def test_braces_are_those_of_bash(text: str) -> None:
    """What bash prints, which leaves out an empty word that no character stands beside."""
    done = subprocess.run(["bash", "-c", f"printf '%s\\n' {text}"], capture_output=True, text=True, check=True)
    assert [*braces.expand(text)] == done.stdout.split()


@pytest.mark.parametrize("text", ["[{]a,b}", "{[,],b}", "{a[}],b}"])
def test_a_brace_in_brackets_is_a_character(text: str) -> None:
    expected = {"[{]a,b}": ["[{]a,b}"], "{[,],b}": ["[,]", "b"], "{a[}],b}": ["a[}]", "b"]}
    assert [*braces.expand(text)] == expected[text]


@pytest.mark.parametrize(
    "text", ["{0..999999999}", "{0..999}{0..999}", "{a,b}" * 60, "{" * 100_000, "{a," * 60 + "}" * 60]
)
def test_braces_that_stand_for_too_much_are_a_diagnostic(text: str) -> None:
    with pytest.raises(Failure, match=r"more than 100,000 paths|more than 50 deep"):
        [*braces.expand(text)]


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def found(folder: Path, *patterns: str) -> list[str]:
    """The names of the matches below a folder; in folders, files that end in `.p` are meant."""
    return [os.path.relpath(path, folder) for path in globs.matches(patterns, folder, lambda name: name.endswith(".p"))]


def test_braces_and_ranges_find_their_files(tmp_path: Path) -> None:
    make(tmp_path, "d/lang=en/0.p", "d/lang=de/0.p", "d/lang=fr/0.p", "d/01.p", "d/02.p", "d/10.p", "d/1.p")
    assert found(tmp_path, "d/lang={en,de}/*.p") == ["d/lang=de/0.p", "d/lang=en/0.p"]
    assert found(tmp_path, "d/{01..10}.p") == ["d/01.p", "d/02.p", "d/10.p"]
    assert found(tmp_path, "d/{,lang=fr/}[0-1].p") == ["d/1.p", "d/lang=fr/0.p"]
    assert found(tmp_path, "d/lang=e{n") == []


def test_characters_of_globs_can_be_written_in_brackets(tmp_path: Path) -> None:
    names = ["{a,b}.p", "x[1]*?.p", "$HOME/y.p", "~/z.p", "a{.p"]
    make(tmp_path, *names)
    assert found(tmp_path, "[{]a,b}.p") == ["{a,b}.p"]
    assert found(tmp_path, "x[[]1][*][?].p") == ["x[1]*?.p"]
    assert found(tmp_path, "[$]HOME/*.p") == ["$HOME/y.p"]
    assert found(tmp_path, "[~]/*.p", "./~/*.p") == ["~/z.p"]
    assert found(tmp_path, "a{.p") == ["a{.p"]


def test_two_stars_stand_anywhere(tmp_path: Path) -> None:
    make(tmp_path, "0.p", "d/1.p", "d/e/2.p", "d/e/f/3.q", "d/.hidden/4.p", "d/.5.p")
    assert found(tmp_path, "**/*.p") == ["0.p", "d/1.p", "d/e/2.p"]
    assert found(tmp_path, "d/**") == ["d/1.p", "d/e/2.p", "d/e/f/3.q"]
    assert found(tmp_path, "d/**/f/*") == ["d/e/f/3.q"]
    assert found(tmp_path, "**/e/**/*.[pq]") == ["d/e/2.p", "d/e/f/3.q"]
    assert found(tmp_path, "**/**/2.p") == ["d/e/2.p"]
    assert found(tmp_path, "d/.*/*", "d/.*") == ["d/.5.p", "d/.hidden/4.p"]


def test_a_folder_means_the_shards_in_it_and_below(tmp_path: Path) -> None:
    left_out = ["d/README.md", "d/.0.p", "d/_SUCCESS", "d/_1.p", "d/.git/2.p", "d/_temporary/3.p"]
    make(tmp_path, "d/a.p", "d/e/b.p", "d/_k=v/c.p", "f/g/d.p", *left_out)
    expected = ["d/_k=v/c.p", "d/a.p", "d/e/b.p"]
    for spelling in ("d", "d/", "./d", "e/../d", "{d,d/}", str(tmp_path / "d"), "d/."):
        (tmp_path / "e").mkdir(exist_ok=True)
        assert found(tmp_path, spelling) == expected, spelling
    assert found(tmp_path, ".") == [*expected, "f/g/d.p"]
    assert found(tmp_path, "d", "d/*.p", "d/e") == ["d/_1.p", *expected]


def test_folders_that_wildcards_match_need_a_slash(tmp_path: Path) -> None:
    make(tmp_path, "d/a.p", "d/old/b.p")
    assert found(tmp_path, "d/*") == ["d/a.p"]
    assert found(tmp_path, "d/*/") == ["d/old/b.p"]
    assert globs.folders(["d/o*", "d/a.*", "x"], tmp_path) == ("d/o*",)
    assert (globs.names_folders("d/old"), globs.names_folders("d/o*"), globs.names_folders("d/o*/")) == (
        True,
        False,
        True,
    )


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "home [x]/d/a.p")
    monkeypatch.setenv("HOME", str(tmp_path / "home [x]"))
    assert found(tmp_path, "~/d/*.p") == ["home [x]/d/a.p"]
    assert found(tmp_path, "~") == ["home [x]/d/a.p"]
    assert found(tmp_path, "{~/d,x}/a.p") == ["home [x]/d/a.p"]


@pytest.mark.parametrize("pattern", ["$HOME/*.p", "${HOME}/*.p", "d/$x", "$HOME"])
def test_variables_are_not_expanded(tmp_path: Path, pattern: str) -> None:
    make(tmp_path, "d/a.p")
    with pytest.raises(Failure, match="are not expanded") as caught:
        found(tmp_path, "d/*.p", pattern)
    assert "`~/` for the home folder" in caught.value.diagnostics[0].helps[0]


def test_a_dollar_sign_in_a_name_that_exists_is_a_character(tmp_path: Path) -> None:
    make(tmp_path, "us$a.p", "$5.p")
    assert found(tmp_path, "us$a.p", "$*.p") == ["$5.p", "us$a.p"]


def test_a_file_counts_once_under_its_plainest_name(tmp_path: Path) -> None:
    make(tmp_path, "real/a.p", "d/b.p")
    (tmp_path / "d/linked").symlink_to("../real")
    (tmp_path / "a-first").symlink_to("real")
    (tmp_path / "link.p").symlink_to("real/a.p")
    (tmp_path / "d/dangling.p").symlink_to("nowhere")
    (tmp_path / "d/self.p").symlink_to("self.p")
    assert found(tmp_path, "d/*.p", "d/b.p", "./d/b.p", "d/../d/b.p") == ["d/b.p"]
    assert found(tmp_path, "a-first/*.p", "real/*.p", "d/linked/*.p", "link.p") == ["real/a.p"]
    assert found(tmp_path, "**/*.p") == ["d/b.p", "real/a.p"]
    assert found(tmp_path, "d/linked/*.p") == ["d/linked/a.p"]
    assert found(tmp_path, "link.p") == ["link.p"]


def test_names_are_the_same_where_the_folder_itself_is_behind_a_link(tmp_path: Path) -> None:
    make(tmp_path, "here/real/a.p")
    (tmp_path / "here/a-first").symlink_to("real")
    (tmp_path / "there").symlink_to("here")
    for folder in ("here", "there"):
        assert found(tmp_path / folder, "a-first/*.p", "real/*.p") == ["real/a.p"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    """Followed blindly, three loops are 3^40 paths."""
    make(tmp_path, "d/e/a.p")
    for name in ("x", "y", "z"):
        (tmp_path / "d/e" / name).symlink_to("..")
    assert found(tmp_path, "d/**/*.p") == ["d/e/a.p"]
    assert found(tmp_path, "d") == ["d/e/a.p"]
    assert found(tmp_path, "**/x/**/a.p") == ["d/e/x/e/a.p"]


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.p")
    (tmp_path / "zero.p").symlink_to("/dev/zero")
    assert found(tmp_path, "*.p", "fifo.p", ".", "a\0b.p", "", "x" * 300, "a.p/b.p", "fifo.p/*") == []


def test_a_folder_that_cannot_be_listed_is_a_diagnostic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "d/e/a.p")

    def denied(folder: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(Failure, match="cannot be listed: Permission denied"):
        found(tmp_path, "d/**/*.p")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", False),
        ("out/*", False),
        ("out/data/*", True),
        ("out/data/*.q", False),
        ("**/*.p", True),
        ("**", True),
        ("{x,out}/**", True),
        (".", True),
        ("out", True),
        ("out/", True),
        ("ou", False),
        ("o*", False),
        ("o*/", True),
        ("{out,x}/data/part-0.p", True),
        ("{0..9999}.p", False),
        ("[o]ut", True),
        ("[!x]ut/data/part-[0-9].p", True),
        ("HERE/out/data", True),
    ],
)
def test_whether_a_glob_would_match_files_that_do_not_exist(tmp_path: Path, pattern: str, expected: bool) -> None:
    """As it does once they exist."""
    folder = tmp_path / "here [0]*"
    pattern = pattern.replace("HERE", escape(str(folder)))
    files = [str(folder / "out/data/part-0.p")]
    assert globs.would_match(pattern, folder, files, lambda name: name.endswith(".p")) is expected
    make(folder, "out/data/part-0.p")
    assert bool(found(folder, pattern)) is expected
