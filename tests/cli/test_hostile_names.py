"""Names of strangers that hold what steers a terminal: every command shows them, none passes them on, JSON keeps them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipec.cli import screen
from recipec.cli.main import COMMANDS, main
from tests.conftest import RECIPEC, Run

pytestmark = pytest.mark.slow

LINK, CLIPBOARD = "\x1b]8;;x:y\x07", "\x1b]52;c;QUFB\x07"
EVIL = f"\x1b[31m{LINK}{CLIPBOARD}\x9b2J\u202e\u2066\u200b\x7f\x08\ufe0f\U000e0041"
"""What may stand in the name of a file and between back quotes."""
WORST = EVIL + "\r\u2028\t\n"
"""What may stand in a value."""
FIELD = "question\x1b\x9b\u202e\u200b"
"""A field of a template, whose notation has brackets and colons."""
ROWS = 40


def evil(word: str) -> str:
    return word + EVIL


def spelled(text: str) -> str:
    """The text in a string of a recipe."""
    return "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text)


RECIPE = f"""
source `{evil("web")}` {{
  shards "data/*.jsonl"
  id id
  text text
  tokens tok
  domain topic
}}
target `{evil("task")}` {{
  examples "questions.jsonl"
  text "{{{spelled(FIELD)}}}"
}}
where note != "{spelled(WORST)}"
where not duplicate(lower(text))
where `{evil("column")}` is null or tok > 3
where not overlaps(`{evil("task")}`, ngram: 8)
criterion `{evil("edu")}` = column(edu) higher is better
criterion `{evil("words")}` = word_count() higher is better
quality {{ weights {{ `{evil("edu")}` 1, `{evil("words")}` 2 }} }}
sample quadmix {{ curve {{ omega 0.5 }} }}
mixture proportional
quota "{spelled("a" + WORST)}" at most 50%
repeat at most 3 times
budget 200 tokens
output jsonl "{spelled(evil("out"))}"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, a plan and a dataset in which every name is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    with contextlib.chdir(folder):
        shard = Path("data") / f"{evil('shard')}.jsonl"
        shard.parent.mkdir()
        with shard.open("w") as file:
            for number in range(ROWS):
                row: dict[str, Any] = {
                    "id": f"d{number}{WORST}",
                    "text": f"document {number} has words {EVIL}",
                    "topic": "ab"[number % 2] + WORST,
                }
                row |= {"tok": 8, "edu": number / 40, evil("column"): number, "note": EVIL}
                file.write(json.dumps(row) + "\n")
        questions = ({FIELD: f"the question {number} asks for one of nine words"} for number in range(9))
        Path("questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in questions))
        Path(f"{evil('r')}.recipe").write_text(RECIPE)
        Path("other.recipe").write_text(RECIPE.replace("200 tokens", "100 tokens"))
        assert main(["plan", f"{evil('r')}.recipe", "-o", f"{evil('p')}.plan"]) == 0
        assert main(["apply", f"{evil('p')}.plan", "--yes"]) == 0
        Path("runs.csv").write_text("params,tokens,unique,loss,recipe\n" + RUNS)
        Path("influence.csv").write_text(f"task,a{EVIL},b{EVIL}\nq{EVIL},0.1,0.2\nz{EVIL},0.3,-0.1\n")
        Path("prior.csv").write_text(f"domain,weight\na{EVIL},0.4\nb{EVIL},0.6\n")
    return folder


@pytest.fixture
def hostile(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, where the test is."""
    folder = Path(shutil.copytree(made, tmp_path / "here"))
    monkeypatch.chdir(folder)
    return folder


RUNS = "".join(
    f"{1e8 * k:g},{1e9 * (k % 5 + 1):g},1e9,{3.5 - 0.05 * k + 0.01 * (k % 3)},{EVIL}{k}\n" for k in range(1, 13)
)

R, PLAN, OUT = f"{evil('r')}.recipe", f"{evil('p')}.plan", evil("out")

CALLS: list[tuple[int, list[str]]] = [
    (0, ["check", R]),
    (3, ["fmt", "--check", R]),
    (0, ["fmt", "--diff", R]),
    *((0, ["show", R, "--stage", stage]) for stage in ("ast", "schema", "model", "logical", "optimised", "plan")),
    (0, ["show", PLAN]),
    (0, ["state"]),
    (0, ["gc", "--dry-run"]),
    (0, ["show", OUT]),
    (0, ["plan", R]),
    (0, ["plan", R, "--full"]),
    (0, ["plan", R, "--summary-md", "-"]),
    (0, ["apply", R, "--yes"]),
    (0, ["verify", OUT]),
    (0, ["explain", OUT]),
    (0, ["explain", OUT, f"d1{WORST}"]),
    (1, ["explain", OUT, f"none{WORST}"]),
    (0, ["diff", "other.recipe", OUT]),
    (0, ["diff", PLAN, "other.recipe"]),
    (0, ["export", "scores", R, "-o", evil("scores")]),
    (0, ["init", "data", "-o", "-"]),
    (0, ["init", "data", "-o", f"{evil('i')}.recipe"]),
    (0, ["fit", "chinchilla", "runs.csv", "-o", evil("law"), "--starts", "2", "--bootstrap", "8"]),
    (0, ["predict", "--law", evil("law"), "--runs", "runs.csv", "--budget", "1B..9B"]),
    (0, ["reweight", "--influence", "influence.csv", "--prior", "prior.csv", "-o", evil("w")]),
    (1, ["search", R]),
    (1, ["probe", R]),
    (0, ["model", "list"]),
    (1, ["model", "remove", evil("m")]),
    (1, ["model", "add", "m", "--from", evil("none")]),
    (1, ["quickstart", R]),
    # What people write wrongly is repeated to them.
    (64, [evil("none")]),
    (64, ["plan", R, "--memory", evil("x")]),
    (1, ["plan", evil("none")]),
    (1, ["plan", R, "--engine", evil("x")]),
    (1, ["plan", R, "--set", evil("x")]),
    (1, ["plan", R, "--set", evil("x") + "=1"]),
    (1, ["verify", evil("none")]),
]


def forbidden(text: str) -> set[str]:
    return {char for char in text if char != "\n" and (not char.isprintable() or char in screen.IGNORABLE)}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_every_command_is_among_the_calls() -> None:
    assert {words[0] for _, words in CALLS if words[0] in COMMANDS} == set(COMMANDS)


def test_no_command_passes_on_what_steers_a_terminal(hostile: Path, run: Run) -> None:
    for code, words in CALLS:
        result = run(*words)
        assert result.code == code, (words, result.err)
        assert not forbidden(result.out + result.err), words
        for page in hostile.glob("*.html"):
            page.unlink()


def test_json_keeps_every_value(hostile: Path, run: Run) -> None:
    tried = 0
    for code, words in CALLS:
        if words[0] in ("fmt", "init", "quickstart") or "--summary-md" in words or words[0] not in COMMANDS:
            continue
        result = run(*words, "--json")
        assert result.code == code, (words, result.err)
        assert not forbidden(result.out + result.err), words
        if code == 64:
            continue
        found = list(strings(json.loads(result.out)))
        tried += any("\x1b" in one for one in found)
        # Wherever a name begins, all of it is there: in JSON nothing is spelled in another way.
        for one in found:
            if "[31m" in one and "\\u001b" not in one:
                assert EVIL in one or one.count("\x1b[31m") == one.count("[31m"), (words, one)
        if words[0] == "explain" and len(words) > 2 and code == 0:
            assert f"d1{WORST}" in found
        if words[:2] == ["plan", R] and code == 0:
            assert {f"a{WORST}", f"b{WORST}", evil("edu"), evil("web")} <= set(found)
    assert tried > 15


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_json_is_exact_in_any_encoding(hostile: Path, encoding: str) -> None:
    done = subprocess.run(
        [*RECIPEC, "plan", R, "--json"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert {f"a{WORST}", evil("edu")} <= set(strings(json.loads(done.stdout.decode(encoding))))


def test_pages_and_summaries_are_clean(hostile: Path, run: Run) -> None:
    assert run("plan", R, "--html", "p.html", "--summary-md", "p.md").code == 0
    assert run("reweight", "--influence", "influence.csv", "--prior", "prior.csv", "--html", "w.html").code == 0
    for name in ("p.html", "p.md", "w.html"):
        text = Path(name).read_text()
        assert "\\x1b[31m" in text
        assert not forbidden(text)


OWN = re.compile(r"\x1b\[[0-9;]*m")
"""Our own colours."""


@pytest.mark.parametrize(
    "words",
    [
        ["plan", R],
        ["explain", OUT],
        ["explain", OUT, f"d1{WORST}"],
        ["apply", R, "--yes"],
        ["check", "bad.recipe"],
        ["show", OUT],
    ],
)
def test_a_terminal_gets_no_sequences_but_ours(hostile: Path, words: list[str]) -> None:
    Path("bad.recipe").write_text(RECIPE.replace(f"`{evil('column')}`", f"`{evil('columm')}`"))
    code, text = on_a_terminal(words)
    assert code == (1 if "bad.recipe" in words else 0), text
    # A bar moves the cursor, and hides it.
    plain = OWN.sub("", re.sub(r"\x1b\[(\?25[lh]|[0-9]*[AK])", "", text)).replace("\r", "")
    assert not forbidden(plain)
    assert "\\x1b[31m" in plain
    assert "\x1b[31m" not in text.replace("\x1b[1;31m", "")


def on_a_terminal(words: list[str]) -> tuple[int, str]:
    """The exit code and the output of a command whose streams are a terminal."""
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    environment["TERM"] = "xterm-256color"
    process = subprocess.Popen([*RECIPEC, *words], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    chunks = []
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # as Linux says that the other side is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(master)
    return process.wait(), b"".join(chunks).decode()


def test_columns_and_carets_stand_below_what_they_belong_to(hostile: Path, run: Run) -> None:
    rows = [line for line in run("explain", OUT).out.splitlines() if line.startswith(("a\\x1b", "b\\x1b"))]
    assert len({len(row) for row in rows[:2]}) == 1
    Path("bad.recipe").write_text(RECIPE.replace(f"`{evil('column')}`", f"`{evil('columm')}`"))
    line, carets = run("check", "bad.recipe").err.splitlines()[3:5]
    start, end = line.index("`columm"), line.index("` is null") + 1
    assert carets[start:end] == "^" * (end - start)


def test_nothing_that_can_be_seen_is_changed() -> None:
    for text in ("plain", "héé 书籍 😀 عربي हिन्दी", "a\\b \\x1b [red]x[/red] :cat:", "two\nlines", "e\u0301"):
        assert screen.visible(text) == text
        assert screen.json(text) == text
    assert screen.visible("\x1b\x9b\u202e\U000e0041\udcff\ufeff") == "\\x1b\\x9b\\u202e\\U000e0041\\udcff\\ufeff"
    # Beyond them are planes that nobody has given characters to, and private ones, which are alike.
    every = "".join(map(chr, (*range(0x32000), *range(0xE0000, 0xE0200), *range(0x10FF00, 0x110000))))
    assert not forbidden(screen.visible(every))
    assert not forbidden(screen.one_line(every))
    assert "\n" not in screen.one_line(every)
    assert json.loads(screen.json(json.dumps(every, ensure_ascii=False))) == json.loads(json.dumps(every))
