"""Builds a corpus from the Python installation itself: files are only read; nothing is imported, run or fetched.

code, tests           top-level functions and classes of the standard library, and of its tests
packages              the same of installed packages
docstrings            of all of these
language_reference    the topics that `help()` shows, cut into sections
descriptions          long descriptions of installed packages, cut into sections
licences              licence files
"""

from __future__ import annotations

import ast
import importlib.metadata
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recipec.database.connection import connect
from recipec.database.sql import literal
from recipec.places import local
from recipec.progress import Progress, silent

MOST_SOURCE = 24_000_000
"""Maximum bytes of source code used, so that a large installation takes no longer than a small one."""

SECTION = 3_000
"""Approximate number of characters per section: texts are cut at empty lines."""

LICENCES = ("licen", "copying", "notice", "authors")


@dataclass(frozen=True, slots=True)
class Document:
    doc_id: str
    domain: str
    origin: str
    text: str


def build(folder: Path, progress: Progress = silent) -> tuple[Path, ...]:
    """Writes the corpus, one Parquet shard per domain, with columns doc_id, domain, origin, text, lines.

    Returns:
        The shards. The same installation gives the same documents.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_domain: dict[str, dict[str, Document]] = {}
    for document in _documents(progress):
        if document.text.strip():
            by_domain.setdefault(document.domain, {}).setdefault(document.doc_id, document)
    return tuple(write(folder, domain, found.values()) for domain, found in sorted(by_domain.items()))


def write(folder: Path, domain: str, documents: Iterable[Document]) -> Path:
    path = folder / f"{domain}.parquet"
    ordered = sorted(documents, key=lambda document: document.doc_id)
    columns = [[getattr(document, name) for document in ordered] for name in ("doc_id", "domain", "origin", "text")]
    rows = "SELECT unnest($1) AS doc_id, unnest($2) AS domain, unnest($3) AS origin, unnest($4) AS text"
    with connect(folders=[folder]) as connection, local.replacing(path) as temporary:
        connection.execute(f"CREATE TABLE documents AS {rows}", columns)
        lines = "len(text) - len(replace(text, chr(10), '')) + 1 AS lines"
        connection.execute(
            f"COPY (SELECT *, {lines} FROM documents ORDER BY doc_id) TO {literal(str(temporary))} (FORMAT parquet)"
        )
    return path


def _documents(progress: Progress) -> Iterator[Document]:
    yield from _reference()
    yield from _distributions()
    files = list(python_files())
    for number, (path, domain, origin, name) in enumerate(files):
        if number % 50 == 0:
            progress("read Python's own text", number, len(files), "files")
        yield from cut_source(path, domain, origin, name)
    progress("read Python's own text", len(files), len(files), "files")


def _reference() -> Iterator[Document]:
    from pydoc_data import topics

    for topic, text in sorted(topics.topics.items()):
        for number, section in enumerate(_sections(text)):
            yield Document(f"reference/{topic}#{number}", "language_reference", "python", section)


def _distributions() -> Iterator[Document]:
    found = {dist.metadata["Name"]: dist for dist in importlib.metadata.distributions() if dist.metadata["Name"]}
    for name, dist in sorted(found.items()):
        # The long description is the body of the metadata, after an empty line.
        _, _, description = (dist.read_text("METADATA") or "").partition("\n\n")
        for number, section in enumerate(_sections(description)):
            yield Document(f"description/{name}#{number}", "descriptions", name, section)
        for file in sorted(dist.files or (), key=str):
            if file.name.lower().startswith(LICENCES) and file.suffix != ".py":
                text = _read(Path(str(dist.locate_file(file))))
                yield Document(f"licence/{name}/{file.name}", "licences", name, text)
    stdlib = Path(sysconfig.get_path("stdlib"))
    yield Document("licence/python/LICENSE.txt", "licences", "python", _read(stdlib / "LICENSE.txt"))


def _sections(text: str) -> Iterator[str]:
    """Yields pieces of about `SECTION` characters that begin and end at empty lines."""
    piece: list[str] = []
    size = 0
    for paragraph in text.split("\n\n"):
        if piece and size + len(paragraph) > SECTION:
            yield "\n\n".join(piece)
            piece, size = [], 0
        piece.append(paragraph)
        size += len(paragraph) + 2
    yield "\n\n".join(piece)


def python_files() -> Iterator[tuple[Path, str, str, str]]:
    """Yields source files up to `MOST_SOURCE` bytes: the standard library first, then its tests, then packages."""
    stdlib, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    left = MOST_SOURCE
    tests = sorted((stdlib / "test").rglob("*.py"))
    library = [path for path in sorted(stdlib.rglob("*.py")) if not _aside(path, stdlib)]
    installed = [path for path in sorted(packages.rglob("*.py")) if "tests" not in path.parts]
    for root, paths, domain in ((stdlib, library, "code"), (packages, installed, "packages"), (stdlib, tests, "tests")):
        share = left if domain == "tests" else int(left * 0.6)
        for path in paths:
            size = path.stat().st_size
            if share < size:
                break
            share, left = share - size, left - size
            name = path.relative_to(root).with_suffix("").as_posix()
            yield path, domain, "python" if root is stdlib else path.relative_to(root).parts[0], name


def _aside(path: Path, stdlib: Path) -> bool:
    parts = path.relative_to(stdlib).parts
    return bool({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"} & {*parts})


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def cut_source(path: Path, domain: str, origin: str, name: str) -> Iterator[Document]:
    """Yields the functions and classes of a module, and its docstrings and theirs."""
    text = _read(path)
    try:
        with warnings.catch_warnings():
            # Tests of Python's parser are full of invalid escapes.
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = text.splitlines(keepends=True)
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield Document(
                f"{domain}/{name}#{node.name}:{first}", domain, origin, "".join(lines[first - 1 : node.end_lineno])
            )
    yield from _docstrings(module, f"docstring/{domain}/{name}", origin)


def _docstrings(module: ast.Module, prefix: str, origin: str) -> Iterator[Document]:
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = ast.get_docstring(node)
            if found and len(found) >= 80:
                line = node.body[0].lineno
                yield Document(f"{prefix}:{line}", "docstrings", origin, found)
