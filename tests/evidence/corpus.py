"""A real corpus of several domains from Debian's documentation packages, which are unpacked and not installed.

    python tests/evidence/corpus.py FOLDER [--packages DIR]

Writes FOLDER/data/*.parquet (doc_id, text, domain) and FOLDER/<domain>.jsonl for the domains that are targets: documents that are
taken out of the pool. Documents are pieces of 500 to 4,000 characters that end at an empty line; exact duplicates are left out;
of a domain the documents with the smallest hashes stay, up to MOST characters. The same packages give the same corpus.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from recipec.database.connection import connect
from recipec.database.sql import literal

DOMAINS = {
    "administration": ("debian-policy", "debian-reference-en", "debian-handbook"),
    "literature": ("bible-kjv-text", "miscfiles", "fortunes"),
    "definitions": ("dict-gcide", "dict-foldoc", "wordnet-base"),
    "databases": ("postgresql-doc-15",),
    "tools": ("git-doc", "perl-doc"),
    "java": ("openjdk-17-doc",),
    "rust": ("rust-doc",),
    "mathematics": ("maxima-doc", "sagemath-doc"),
}

TARGETS = ("databases", "mathematics", "tools")

HELD = 120
"""Documents of a target."""

MOST = 10_000_000
"""Characters of a domain."""

READ = 3 * MOST
"""Characters of a package that are read, files in the order of the hashes of their names."""

SHORTEST, LONGEST = 500, 4000

LEFT_OUT = re.compile(
    r"\.(png|svg|css|js|gif|jpe?g|inv|woff2?|[ot]tf|ico|pdf|epub|dat|index|xpm|conc|exc|hbs|mo)$|/(changelog|copyright|source)"
    r"|/debian-handbook/html/(?!en-US)|/_sources/|search|genindex|/dict/(web2|proper|connect)|/implementors/|/man/"
)

BLOCKS = frozenset(
    [
        "p",
        "div",
        "li",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "pre",
        "tr",
        "dt",
        "dd",
        "section",
        "table",
        "br",
        "blockquote",
    ]
)


class Stripped(HTMLParser):
    """The text of a page: blocks end lines, scripts, styles and navigation are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("script", "style", "nav", "head")
        if tag in BLOCKS:
            self.parts.append("\n" if tag in ("li", "tr", "br", "dt", "dd") else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style", "nav", "head") and self.hidden > 0

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def text_of(path: Path) -> str:
    """The text of a file; "" for one that is no text."""
    raw = path.read_bytes()
    name = path.name
    if name.endswith((".gz", ".dz")):
        raw, name = gzip.decompress(raw), name[:-3]
    if b"\0" in raw[:4096]:
        return ""
    try:
        text = raw.decode("utf-8")
    except ValueError:
        text = raw.decode("latin-1")
    if name.endswith((".html", ".htm")):
        parser = Stripped()
        parser.feed(text)
        text = "".join(parser.parts)
    elif "/fortunes/" in str(path):
        text = text.replace("\n%\n", "\n\n")
    elif name.startswith("data."):
        # WordNet: the words of a line, then its gloss.
        text = "\n\n".join(
            f"{line.split()[4].replace('_', ' ')}: {line.split('|', 1)[1].strip()}"
            for line in text.splitlines()
            if "|" in line and not line.startswith(" ")
        )
    return re.sub(r"[ \t]+\n", "\n", re.sub(r"\n{3,}", "\n\n", text))


def pieces(text: str) -> Iterator[str]:
    """Pieces of about LONGEST / 2 characters that end at empty lines; a paragraph that is too long is cut."""
    piece: list[str] = []
    size = 0
    for whole in text.split("\n\n"):
        for start in range(0, max(len(whole), 1), LONGEST // 2):
            paragraph = whole[start : start + LONGEST // 2]
            if size + len(paragraph) > LONGEST // 2 and size >= SHORTEST:
                yield "\n\n".join(piece).strip()
                piece, size = [], 0
            piece.append(paragraph)
            size += len(paragraph) + 2
    yield "\n\n".join(piece).strip()


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def documents(package: str, root: Path) -> Iterator[tuple[str, str]]:
    """(id, text) of a package, files in the order of their hashes."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    named = [(str(path.relative_to(root)), path) for path in files if not LEFT_OUT.search(str(path))]
    read = 0
    for name, path in sorted(named, key=lambda item: hashed(item[0])):
        text = text_of(path)
        read += len(text)
        for number, piece in enumerate(pieces(text)):
            if SHORTEST <= len(piece) <= LONGEST:
                yield f"{package}:{name}:{number}", piece
        if read > READ:
            return


def unpacked(package: str, debs: Path, into: Path) -> Path | None:
    """The files of a package, downloaded where they are not there; None where apt does not find it."""
    found = sorted(debs.glob(f"{package}_*.deb"))
    if not found:
        subprocess.run(["apt-get", "download", package], cwd=debs, capture_output=True, check=False)
        found = sorted(debs.glob(f"{package}_*.deb"))
    if not found:
        print(f"{package}: apt does not find it, left out", file=sys.stderr)
        return None
    subprocess.run(["dpkg-deb", "-x", str(found[-1]), str(into / package)], check=True)
    return into / package


def domain(name: str, debs: Path) -> list[tuple[str, str]]:
    """The documents of a domain, the smallest hashes first, up to MOST characters."""
    found: dict[str, tuple[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package in DOMAINS[name]:
            root = unpacked(package, debs, Path(folder))
            for identity, text in documents(package, root) if root else ():
                found.setdefault(hashed(" ".join(text.split())), (identity, text))
    kept, size = [], 0
    for one in sorted(found.values(), key=lambda one: hashed(one[0])):
        size += len(one[1])
        if size > MOST:
            break
        kept.append(one)
    return kept


def build(folder: Path, debs: Path) -> None:
    """Writes the corpus and its targets; says what is in it."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    with connect() as connection:
        for name in sorted(DOMAINS):
            rows = domain(name, debs)
            print(f"{name:16}{len(rows):8,} documents{sum(len(text) for _, text in rows) / 1e6:8.1f} MB", flush=True)
            held = HELD if name in TARGETS else 0
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE pieces AS SELECT unnest($1) AS doc_id, unnest($2) AS text, unnest($3) AS held",
                [[one for one, _ in rows], [text for _, text in rows], [n < held for n in range(len(rows))]],
            )
            connection.execute(
                f"COPY (SELECT doc_id, text, {literal(name)} AS domain FROM pieces WHERE NOT held ORDER BY doc_id) "
                f"TO {literal(str(folder / 'data' / f'{name}.parquet'))} (FORMAT parquet)"
            )
            if held:
                connection.execute(
                    f"COPY (SELECT text FROM pieces WHERE held ORDER BY doc_id) "
                    f"TO {literal(str(folder / f'{name}.jsonl'))} (FORMAT json)"
                )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--packages", type=Path, help="a folder for the packages (default: FOLDER/packages)")
    arguments = parser.parse_args()
    debs = arguments.packages or arguments.folder / "packages"
    debs.mkdir(parents=True, exist_ok=True)
    build(arguments.folder, debs.resolve())


if __name__ == "__main__":
    main()
