"""FIFOs, sockets, devices and files of the kernel where files are named: refused at once, by every reader of a path."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import LONG, REPOSITORY, SOURCE

pytestmark = pytest.mark.slow

OUT = 'output parquet "out"\n'
OWN = SOURCE.replace("data/*.parquet", "data/0.parquet")
BESIDE = OWN.replace("  domain", "  attributes PLACE\n  domain")
TARGET = 'target q {{ examples "{}" }}\nwhere not overlaps(q, ngram: 3)\n'
EDU = "criterion edu = column(edu) higher is better\n"

RECIPES = {
    **{f"x{one}": SOURCE.replace("data/*.parquet", f"x{one}") for one in (".jsonl", ".parquet", ".json", ".jsonl.gz")},
    **{f"y{one}": SOURCE.replace("data/*.parquet", f"y{one}") for one in (".jsonl.zst", ".jsonl.xz")},
    **{f"t{one}": OWN + TARGET.format(f"t{one}") for one in (".txt", ".jsonl", ".parquet", ".jsonl.gz")},
    "a.parquet": BESIDE.replace("PLACE", '"a.parquet" by id'),
    "a.jsonl": BESIDE.replace("PLACE", '"a.jsonl" by id'),
    "a.npy": BESIDE.replace("PLACE", '"a.npy" by row { columns s }'),
    "m.json": OWN + 'mixture from "m.json"\nbudget 10 tokens\n',
    "c.json": OWN + EDU + 'sample quadmix from "c.json"\nbudget 10 tokens\n',
    "w.json": OWN + EDU + 'quality { weights from "w.json" }\nbudget 10 tokens\n',
    "law.json": OWN + 'budget 10 tokens { model 1B params, law infolaw("law.json") }\n',
    "tok.json": OWN.replace("tokens n", 'tokens by "tok.json"'),
    "u.recipe": OWN + "use u\n",
}
"""By the name of the file, a recipe that names it."""

PREDICT = ["predict", "--law", "std.law.muennighoff_c4", "--runs"]
WORDS = {
    **{name: [*PREDICT, name] for name in ("r.csv", "r.tsv", "r.jsonl", "s.parquet")},
    "own.json": ["predict", "plain.recipe", "--law", "own.json", "--params", "1B", "--budget", "1K..2K"],
    "o.recipe": ["check", "o.recipe"],
    "o.json": ["show", "o.json"],
    "o.plan": ["apply", "o.plan", "--yes"],
    "p.plan": ["diff", "p.plan", "plain.recipe"],
    "set/manifest.json": ["verify", "set"],
    "tent/manifest.json": ["explain", "tent"],
    "m.gguf": ["model", "add", "zz", "--from", "m.gguf"],
    "model/config.json": ["model", "add", "zz", "--from", "model"],
    "i.csv": ["reweight", "--influence", "i.csv", "--prior", "i.csv"],
    "q.csv": ["search", "--mixtures", "q.csv", "--losses", "q.csv", "--target", "l"],
    "f.csv": ["fit", "muennighoff", "f.csv", "-o", "l.json"],
}
"""By the name of the file, a command that names it."""

DRIVER = """
import contextlib, io, json, os, sys
from recipec.cli.main import main
for name, words in json.load(sys.stdin).items():
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([name, code, said.getvalue()]), flush=True)
"""


@contextlib.contextmanager
def bound(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))
        yield


def link(to: str) -> Callable[[Path], contextlib.AbstractContextManager[None]]:
    def make(path: Path) -> contextlib.AbstractContextManager[None]:
        path.symlink_to(to)
        return contextlib.nullcontext()

    return make


def fifo(path: Path) -> contextlib.AbstractContextManager[None]:
    os.mkfifo(path)
    return contextlib.nullcontext()


KINDS: dict[str, Callable[[Path], contextlib.AbstractContextManager[None]]] = {
    "a FIFO": fifo,
    "a socket": bound,
    "/dev/zero": link("/dev/zero"),
    # They say that they are regular files of no bytes: reading this waits for messages, if it may be read at all; this
    # never ends; these are short.
    "/proc/kmsg": link("/proc/kmsg"),
    "/proc/self/mem": link("/proc/self/mem"),
    "/proc/mounts": link("/proc/mounts"),
    "/sys/kernel/mm/transparent_hugepage/enabled": link("/sys/kernel/mm/transparent_hugepage/enabled"),
}


@pytest.mark.skipif(not os.path.exists("/proc/mounts"), reason="needs /proc")
@pytest.mark.parametrize("kind", KINDS if LONG else ("a FIFO", "/dev/zero", "/proc/kmsg"))
def test_no_reader_waits_for_what_is_no_file(world: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(world)
    (world / "plain.recipe").write_text(OWN + "budget 500 tokens\nallow vanishing\n" + OUT)
    calls: dict[str, list[str]] = {}
    with contextlib.ExitStack() as made:
        for name in (*RECIPES, *WORDS):
            path = world / name
            path.parent.mkdir(exist_ok=True)
            made.enter_context(KINDS[kind](path))
            if name in RECIPES:
                (world / f"{name}.use.recipe").write_text(RECIPES[name] + OUT)
                calls[name] = ["plan", f"{name}.use.recipe"]
        calls |= WORDS
        ended = subprocess.run(
            [sys.executable, "-c", DRIVER],
            cwd=world,
            input=json.dumps(calls),
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1", "RECIPEC_CACHE": str(world / "cache")},
            capture_output=True,
            text=True,
            timeout=300,
        )
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [name for name, _, _ in found] == list(calls), (ended.stderr, "it waits for the next")
    for name, code, said in found:
        assert code == 1, (name, said)
        assert said.startswith("error[R"), (name, said)
        assert "Traceback" not in said
        if kind == "a FIFO" and name not in ("u.recipe", "set/manifest.json", "tent/manifest.json", "tok.json"):
            assert "a FIFO" in said, (name, said)
        if name[0] in "xytar" and kind.startswith(("/proc", "/sys")) and "manifest" not in name:
            assert "a file of the kernel" in said, (name, said)
