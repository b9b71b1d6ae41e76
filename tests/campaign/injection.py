"""Injection: strings through every place that a stranger reaches: data, recipes, plans, manifests, laws, tables, words.

None passes: nothing outside the project is read or written, nothing is executed, no control character reaches the
terminal, and a page has no element that came from a string.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.campaign import works, world
from tests.campaign.dying import Ended
from tests.campaign.strings import CONTROL, MOST, SECRET, strings
from tests.campaign.world import Figures, Machine

BATCH = 10
"""Strings that go through data and recipes together."""

OUTPUT = 'output jsonl "o/out" { compression none }\n'


class Yard:
    """A project beside a folder that nobody may touch; every command is followed by a look at what it did."""

    def __init__(self, root: Path, machine: Machine, figures: Figures) -> None:
        self.root, self.machine, self.figures = root / "all", machine, figures
        self.folder, self.outside, self.done = self.root / "here", self.root / "yard", root / "done"
        self.root.mkdir()
        self.outside.mkdir()
        (self.outside / "secret.txt").write_text(SECRET)
        self.recipe = world.SOURCE + "sample all\n" + OUTPUT
        self.reset()
        for words in (("plan", "r.recipe", "-o", "a.plan"), ("apply", "r.recipe", "--yes")):
            ended = machine.call(self.folder, *words)
            assert ended.code == 0, ended.err
        self.plan = json.loads((self.folder / "a.plan").read_text())
        self.manifest = json.loads((self.folder / "o/out/manifest.json").read_text())
        shutil.copytree(self.folder, self.done)
        self.before = self._around()

    def reset(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        world.project(self.folder, self.recipe, count=30)

    def _around(self) -> dict[str, str]:
        """All that is not in the project."""
        return {name: value for name, value in world.tree(self.root).items() if name.split("/")[0] != "here"}

    def run(self, place: str, string: str, *words: object) -> Ended:
        """Runs a command, and notes what a string did that came to it by a place."""
        ended = self.machine.call(self.folder, *words, seconds=60.0)
        for fault in self._faults(ended):
            self._note(f"{place}, {words[0]}: {fault}", string)
        return ended

    def _note(self, what: str, string: str) -> None:
        """Notes a fault with the first string that has it."""
        if not any(one.startswith(what) for one in self.figures.wrong):
            self.figures.wrong.append(f"{what}; first with {string[:200]!r}")

    def _faults(self, ended: Ended) -> list[str]:
        found = [fault] if (fault := world.fault_of(ended)) else []
        if SECRET in ended.all or "root:x:0" in ended.all:
            found.append("a file outside is shown")
        if shown := sorted({ord(char) for char in ended.all} & CONTROL):
            found.append(f"control characters are printed: {', '.join(f'U+{code:04X}' for code in shown)}")
        if (around := self._around()) != self.before:
            found.append(f"something outside was changed: {sorted(around.items() ^ self.before.items())[:3]}")
            self._restore(around)
        if any(SECRET.encode() in path.read_bytes() for path in (self.folder / "o").rglob("*") if path.is_file()):
            found.append("a file outside is in the dataset")
        page = self.folder / "page.html"
        if page.exists() and any(
            mark in page.read_text("utf-8").lower() for mark in ("<script", "<img", "javascript:")
        ):
            found.append("a page has elements of a string")
        return found

    def _restore(self, around: dict[str, str]) -> None:
        for name in around.keys() - self.before.keys():
            path = self.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def quoted(string: str) -> str:
    """A string of a recipe."""
    inside = (
        string.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return '"' + "".join(char if char >= " " else f"\\u{ord(char):04x}" for char in inside) + '"'


def named(string: str) -> str:
    """A back-quoted name of a recipe."""
    return "`" + (string.replace("`", "").replace("\n", " ").replace("\r", " ") or "x") + "`"


def data(yard: Yard, batch: Sequence[str]) -> None:
    """As ids, domains, texts, names and values of columns, and names of shards."""
    yard.reset()
    rows = world.documents(2 * len(batch))
    for row, string in zip(rows, [*batch, *batch], strict=True):
        row.update({"id": row["id"] + string, "topic": string, "text": f"{string} {row['text']}", f"c{string}": string})
    (yard.folder / "data/s0.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for number, string in enumerate(batch):
        safe = f"s{string}".replace("/", "_").replace("\0", "_")[:200]
        world.write_lines(yard.folder / f"data/{safe}.jsonl", world.documents(2, seed=number))
    together = repr(list(batch))
    yard.run("data", together, "apply", "r.recipe", "--yes")
    yard.run("data", together, "plan", "r.recipe", "--html", "page.html")
    yard.run("data", together, "show", "r.recipe", "--stage", "schema")
    for words in (("verify", "o/out"), ("show", "o/out"), ("explain", "o/out", f"d00000{batch[0]}".replace("\0", ""))):
        yard.run("data", together, *words)


def recipe(yard: Yard, batch: Sequence[str]) -> None:
    """As strings and names of recipes, which are applied where they pass `check`."""
    yard.reset()
    clauses = [
        f"topic != {quoted(one)} and not contains(text, {quoted(one)}) and coalesce(topic, {quoted(one)}) != {quoted(one)}"
        for one in batch
    ]
    together = "".join(
        f"where {clause}\nwhere not duplicate(id + {quoted(one)})\n" for one, clause in zip(batch, clauses, strict=True)
    )
    _write(yard, world.SOURCE + together + "sample all\n" + OUTPUT)
    yard.run("recipe", repr(list(batch)), "apply", "r.recipe", "--yes")
    for one, clause in zip(batch, clauses, strict=True):
        for text in _recipes(one, clause):
            _write(yard, text)
            shutil.rmtree(yard.folder / "o/out", ignore_errors=True)
            if yard.run("recipe", one, "check", "r.recipe").code == 0 and "named" in text:
                yard.run("recipe", one, "apply", "r.recipe", "--yes")


def _recipes(one: str, clause: str) -> list[str]:
    """Recipes with a string in all places; those that are worth applying have a source called `named`."""
    budget, named_source = "budget 1K tokens\nshortfall shrink\n", world.SOURCE.replace("source web", "source named")
    names = (
        f"criterion {named(one)} = column(edu) higher is better\nsample top 50% by {named(one)}\n"
        f"quota {quoted('code' + one)} at most 50%\nallow vanishing\n{budget}"
    )
    bodies = (
        f"where {clause}\nwhere not (text matches {quoted(one)})\nsample all\n",
        f"sample all\nmixture from {quoted(one)}\n{budget}",
        f"target q {{ examples {quoted(one)} }}\nwhere not overlaps(q, ngram: 8)\nsample all\n",
        f"use {one}\nneeds {quoted(one)}\nsample all\n",
    )
    sources = (
        world.SOURCE.replace("source web", f"source {named(one)}"),
        world.SOURCE.replace('"data/*.jsonl"', quoted(one)),
        world.SOURCE.replace("topic", named(one)),
    )
    return [
        named_source.replace("domain topic", f"domain = topic + {quoted(one)}") + names + OUTPUT,
        *(world.SOURCE + body + OUTPUT for body in bodies),
        *(source + "sample all\n" + OUTPUT for source in sources),
        named_source + f"sample all\noutput jsonl {quoted(one)}\n",
    ]


def _write(yard: Yard, text: str) -> None:
    (yard.folder / "r.recipe").write_text(text, encoding="utf-8")


def strings_of(value: Any) -> list[tuple[Any, Any]]:
    """Where a JSON document has strings: their holders and keys."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        holder = stack.pop()
        for key, inside in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if isinstance(inside, str):
                found.append((holder, key))
            elif isinstance(inside, dict | list):
                stack.append(inside)
    return found


def replaced(value: Any, string: str, chance: random.Random) -> str:
    """The text of a JSON document in which one string is another, or stands behind what was there."""
    copy = json.loads(json.dumps(value))
    holder, key = chance.choice(strings_of(copy))
    holder[key] = string if chance.random() < 0.5 else holder[key] + string
    return json.dumps(copy)


def documents(yard: Yard, batch: Sequence[str]) -> None:
    """As one of the strings of a plan, a manifest and a law."""
    law = json.loads((world.REPOSITORY / "stdlib_recipes/law.infolaw_2026.json").read_text())
    for string in batch:
        chance = random.Random(f"fields {string}")
        shutil.rmtree(yard.folder)
        shutil.copytree(yard.done, yard.folder)
        (yard.folder / "o/out/manifest.json").write_text(replaced(yard.manifest, string, chance), encoding="utf-8")
        yard.run("manifest", string, *chance.choice((("verify", "o/out"), ("show", "o/out"), ("explain", "o/out"))))
        shutil.rmtree(yard.folder / "o/out")
        (yard.folder / "f.plan").write_text(replaced(yard.plan, string, chance), encoding="utf-8")
        yard.run("plan", string, chance.choice(("show", "apply", "apply")), "f.plan")
        (yard.folder / "law.json").write_text(replaced(law, string, chance), encoding="utf-8")
        works.runs(yard.folder, yard.machine)
        yard.run("law", string, "predict", "runs.csv", "--law", "law.json")


def tables(yard: Yard, batch: Sequence[str]) -> None:
    """As cells and names of columns of tables of runs, and as domains of a file of weights."""
    yard.reset()
    for string in batch:
        cell = '"' + string.replace('"', '""') + '"'
        for text in (
            f"params,tokens,loss,recipe\n1e8,1e9,3.2,{cell}\n",
            f"params,tokens,loss,{cell}\n{cell},1e9,3.2,a\n",
        ):
            (yard.folder / "runs.csv").write_text(text, encoding="utf-8")
            yard.run("table", string, "predict", "runs.csv", "--law", "std.law.infolaw_2026")
        (yard.folder / "w.json").write_text(json.dumps({string: 0.5, "science": 0.5}), encoding="utf-8")
        text = world.SOURCE + 'sample all\nmixture from "w.json"\nbudget 1K tokens\nseed 7\n' + OUTPUT
        _write(yard, text)
        yard.run("weights", string, "plan", "r.recipe", "--html", "page.html")


def words(yard: Yard, batch: Sequence[str]) -> None:
    """As words of commands, which come from scripts of others."""
    yard.reset()
    for string in (one.replace("\0", "") for one in batch):
        text = world.SOURCE + 'param x = "a"\nwhere topic != $x\nsample all\n' + OUTPUT
        _write(yard, text)
        yard.run("--set", string, "check", "r.recipe", "--set", f"x={string}")
        yard.run("--set", string, "check", "r.recipe", "--set", f"{string}=x")
        yard.run("word", string, "explain", "r.recipe", f"x{string}")
        yard.run("word", string, "show", f"./{string}"[:200])


PLACES: dict[str, Callable[[Yard, Sequence[str]], None]] = {
    "data": data,
    "recipe": recipe,
    "documents": documents,
    "tables": tables,
    "words": words,
}


def piece(number: int, pieces: int, size: int | None = None, names: Sequence[str] = ()) -> Figures:
    """Some strings through every place.

    Args:
        size: strings in all pieces; None for `MOST`.
        names: only these places; none for all.
    """
    figures = Figures()
    with Machine() as machine, world.scratch() as root:
        yard = Yard(root, machine, figures)
        mine = strings(size or MOST, yard.outside)[number::pieces]
        for name, place in PLACES.items():
            if names and name not in names:
                continue
            for start in range(0, len(mine), BATCH):
                place(yard, mine[start : start + BATCH])
            figures.count(f"strings through {name}", len(mine))
    return figures
