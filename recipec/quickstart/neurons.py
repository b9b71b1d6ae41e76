"""The part of the quickstart that a language model scores: documentation, with mathematics as the target.

The target is the documentation of numpy's linear algebra, polynomials and transforms. The pool is documentation of the
standard library and of other packages, with some of scipy's mathematics, from which the target has no examples.
"""

from __future__ import annotations

import hashlib
import json
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from recipec.places import local
from recipec.quickstart.corpus import Document, cut_source, python_files, write

TARGET = ("numpy/linalg", "numpy/polynomial", "numpy/fft")
MATHEMATICS = ("scipy/special", "scipy/integrate", "scipy/interpolate")

EXAMPLES, AMONG, OTHERS = 80, 150, 650
"""Number of documents of the target, of mathematics in the pool, and of the rest of the pool."""

SHORTEST = 400
"""Minimum number of characters of a meaningful docstring."""

RECIPE = """# Selects by the neurons that a language model activates: documentation like that of numpy's mathematics.
# The first run scores {documents:,} documents, some minutes on two cores; then other shares take no time.
seed 42

source documentation {{
  shards "neurons/*.parquet"
  id doc_id
  text text
  domain domain
}}

target mathematics {{
  examples "neurons/mathematics.jsonl"
  holdout 20%
}}

# Cheap filters run first, wherever they are written: what they reject is never run through the model.
where length(text) <= 6_000
where not duplicate(text)

criterion fit = nag(target: mathematics, model: "smollm2-135m")

# The fifth of the tokens that is closest to the target, each document once.
sample top 20% by fit

output parquet "out/mathematics" {{
  shuffle
}}
"""


def build(folder: Path) -> int:
    """Writes `neurons/documentation.parquet` and `neurons/mathematics.jsonl`; returns the number of documents in the
    pool.

    The same installation gives the same documents.
    """
    packages = Path(sysconfig.get_path("purelib"))
    target = _chosen(_docstrings(_below(packages, TARGET), "mathematics"), EXAMPLES)
    pool = _chosen(_docstrings(_below(packages, MATHEMATICS), "mathematics"), AMONG)
    pool += _chosen(_docstrings(python_files(), "other"), OTHERS)
    lines = (json.dumps({"text": document.text}, ensure_ascii=False) + "\n" for document in target)
    local.write_text(folder / "neurons/mathematics.jsonl", "".join(lines))
    write(folder / "neurons", "documentation", pool)
    return len(pool)


def _below(packages: Path, parts: Iterable[str]) -> Iterator[tuple[Path, str, str, str]]:
    for part in parts:
        for path in sorted((packages / part).rglob("*.py")):
            if "tests" not in path.parts:
                yield path, "packages", part.partition("/")[0], path.relative_to(packages).with_suffix("").as_posix()


def _docstrings(files: Iterable[tuple[Path, str, str, str]], domain: str) -> Iterator[Document]:
    """Yields long docstrings with the given domain; those of numpy and scipy not for the domain "other"."""
    for path, kind, origin, name in files:
        if domain == "other" and origin in ("numpy", "scipy"):
            continue
        for document in cut_source(path, kind, origin, name):
            if document.domain == "docstrings" and len(document.text) >= SHORTEST:
                yield Document(document.doc_id, domain, origin, document.text)


def _chosen(documents: Iterable[Document], count: int) -> list[Document]:
    """Chooses `count` documents with distinct texts, by a hash of the text."""
    distinct = {document.text: document for document in documents}
    return sorted(distinct.values(), key=lambda one: hashlib.sha256(one.text.encode()).digest())[:count]


def text(documents: int) -> str:
    """The recipe in canonical form."""
    return RECIPE.format(documents=documents)
