"""A world whose state folder has every kind of state that needs no model, and what may happen to a file of it."""

from __future__ import annotations

import lzma
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zstandard

from tests.conftest import Run, write_parquet

RECIPE = """seed 3
source web {
  shards "data/*.jsonl.zst"
  id id
  text text
  domain topic
  attributes "scores/*.parquet" by id
}
source books {
  shards "books/*.jsonl.xz"
  id id
  text text
  tokens n
  domain topic
}
source plain {
  shards "plain/*.parquet"
  id id
  text text
  tokens n
  domain topic
}
criterion words = word_count() higher is better
criterion repeated = duplicate_ngram_ratio(n: 2) lower is better
criterion edu = column(edu) higher is better
quality {
  weights {
    words 0.3
    repeated 0.3
    edu 0.4
  }
}
where length(text) >= 12
where words >= 3
where not duplicate(id)
sample quadmix {
  curve { omega 0.8, lambda 10 }
}
repeat at most 3 times
budget 3_000 tokens
output parquet "out"
PHASES"""

PHASES = """phases {
  until 1_000 tokens { mixture { a 50%, b 50% } }
  then { mixture { a 30%, b 70% } }
}
"""

Damage = Callable[[Path, random.Random], None]


def flip(path: Path, chance: random.Random) -> None:
    """Flips one bit."""
    content = bytearray(path.read_bytes() or b"\0")
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut(path: Path, chance: random.Random) -> None:
    """Cuts a file off anywhere."""
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(max(1, len(content)))])


def garbage(path: Path, chance: random.Random) -> None:
    """Other content."""
    path.write_bytes(chance.choice([b"", b"{}\n", b"null", b"[1, 2", chance.randbytes(300), b"[" * 100_000]))


def folder(path: Path, chance: random.Random) -> None:
    """A folder in its place."""
    path.unlink()
    (path / "mine").mkdir(parents=True)


def gone(path: Path, chance: random.Random) -> None:
    path.unlink()


DAMAGES: tuple[Damage, ...] = (flip, cut, garbage, folder, gone)


def make(root: Path, phases: bool) -> Path:
    """Writes the shards and the recipe."""
    chance = np.random.default_rng(5)
    words = "the of law proof number theorem river code import return field wave".split()  # noqa: SIM905

    def document(name: str, number: int) -> str:
        text = " ".join(chance.choice(words, size=int(chance.integers(1, 30))))
        topic = "ab"[int(chance.integers(2))]
        return (
            f'{{"id": "{name}{number}", "text": "{text}", "n": {len(text)}, "topic": "{topic}", "edu": 0.{number}}}\n'
        )

    (root / "data").mkdir()
    (root / "books").mkdir()
    for part in range(2):
        lines = "".join(document("w", 100 * part + number) for number in range(60)).replace('"edu"', '"old"')
        (root / f"data/{part}.jsonl.zst").write_bytes(zstandard.compress(lines.encode()))
    (root / "books/0.jsonl.xz").write_bytes(lzma.compress("".join(document("b", n) for n in range(60)).encode()))
    write_parquet(root / "scores/0.parquet", "SELECT 'w' || i AS id, (i % 17) / 17 AS edu FROM range(160) AS t(i)")
    plain = "'p' || i AS id, 'plain text of ' || i || ' words' AS text, 5 AS n, 'a' AS topic, 0.5 :: DOUBLE AS edu"
    write_parquet(root / "plain/0.parquet", f"SELECT {plain} FROM range(40) AS t(i)")
    path = root / "r.recipe"
    path.write_text(RECIPE.replace("PHASES", PHASES if phases else ""))
    return path


def apply(run: Run, recipe: Path) -> tuple[dict[str, bytes], str]:
    """The files of the dataset, written anew, and what was said."""
    shutil.rmtree(recipe.parent / "out", ignore_errors=True)
    found = run("apply", recipe, "--yes")
    assert found.code == 0, found.err
    assert "Traceback" not in found.err
    out = recipe.parent / "out"
    return {
        str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
    }, found.err


def stored(recipe: Path) -> list[Path]:
    """All files of the state folder."""
    places = os.walk(recipe.parent / ".recipec")
    return sorted(Path(place) / name for place, _, names in places for name in names)
