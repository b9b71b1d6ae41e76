"""Small corpora with the columns of public ones."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

Row = dict[str, Any]

WORDS = (
    *("the", "cat", "and", "the", "dog", "have", "to", "be", "with", "that", "of", "the", "house", "which", "stands"),
    *("beside", "a", "river", "in", "the", "north"),
)


def prose(number: int) -> str:
    """A text of about 300 characters, another for each number."""
    words = [WORDS[(number * 7 + at * (number % 5 + 1)) % len(WORDS)] for at in range(70)]
    return f"Document {number}: " + " ".join(words) + "."


def fineweb(n: int) -> Row:
    return {
        "text": prose(n),
        "id": f"<urn:uuid:{n:08d}>",
        "dump": "CC-MAIN-2024-10",
        "url": f"https://example.org/{n // 2}",
        "date": "2024-02-21T00:00:00Z",
        "file_path": "s3://commoncrawl/crawl-data/0.warc.gz",
        "language": "en",
        "language_score": 0.7 + n % 10 / 50,
        "token_count": 60 + n % 9,
    }


def fineweb_edu(n: int) -> Row:
    return {**fineweb(n), "score": 2.5 + n % 20 / 10, "int_score": 3 + n % 2}


def the_stack(n: int) -> Row:
    return {
        "hexsha": f"{n:040x}",
        "size": 300,
        "ext": "py" if n % 3 else "rs",
        "lang": "Python" if n % 3 else "Rust",
        "max_stars_repo_path": f"src/{n}.py",
        "max_stars_count": n if n % 4 else None,
        "content": prose(n),
        "avg_line_length": 30.5,
        "alphanum_fraction": 0.6,
    }


def c4(n: int) -> Row:
    return {"text": prose(n), "timestamp": "2019-04-25T12:57:54Z", "url": f"https://example.org/{n}"}


def c4_again(n: int) -> Row:
    """With pages that were crawled twice."""
    return {**c4(n), "url": f"https://example.org/{n // 2}"}


def dolma(n: int) -> Row:
    return {
        "id": f"doc-{n}",
        "text": prose(n),
        "source": ("common-crawl", "stack", "pes2o")[n % 3],
        "added": "2024-01-01T00:00:00Z",
        "created": "2023-01-01T00:00:00Z",
        "metadata": {"provenance": f"cc-{n}.json.gz:{n}", "length": 300 + n, "quality": {"toxicity": n % 10 / 10}},
    }


def redpajama_1(n: int) -> Row:
    return {
        "text": prose(n),
        "meta": {"timestamp": "2023-02-01", "source": ("arxiv", "github")[n % 2], "language": "en"},
    }


def redpajama_2(n: int) -> Row:
    return {
        "doc_id": f"2023-06/0001/en_head.json.gz/{n}",
        "raw_content": prose(n),
        "url": f"https://example.org/{n}",
        "source_domain": "example.org",
        "language": ("en", "de")[n % 2],
        "perplexity": 200.5 + n,
        "bucket": "head",
        "quality_signals": "{}",
    }


def slimpajama(n: int) -> Row:
    return {"text": prose(n), "meta": {"redpajama_set_name": ("RedPajamaC4", "RedPajamaBook")[n % 2]}}


def pile(n: int) -> Row:
    return {"text": prose(n), "meta": {"pile_set_name": ("Pile-CC", "PubMed Abstracts", "ArXiv")[n % 3]}}


def wikipedia(n: int) -> Row:
    return {"id": str(n), "url": f"https://en.wikipedia.org/wiki/{n}", "title": f"Title {n}", "text": prose(n)}


def dclm(n: int) -> Row:
    return {
        "bff_contained_ngram_count_before_dedupe": n % 3,
        "language_id_whole_page_fasttext": {"en": 0.9 + n % 10 / 100},
        "metadata": {"Content-Length": "300", "WARC-Record-ID": f"<urn:uuid:{n}>", "WARC-Type": "response"},
        "previous_word_count": 70,
        "text": prose(n),
        "url": f"https://example.org/{n}",
        "warcinfo": "robots: classic",
        "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob": n % 17 / 17,
    }


def scored(n: int) -> Row:
    """With scores that are missing, and tokens, text and domain that are null now and then."""
    return {
        "id": n,
        "text": prose(n) if n % 20 else None,
        "topic": ("a", "b")[n % 2] if n % 10 else None,
        "num_tokens": n % 30,
        "edu_score": n % 7 / 7 if n % 6 else None,
        "low_quality_score": n % 5 / 5,
    }


def odd(n: int) -> Row:
    """With names that need back quotes, differ only in case, or look like words of the language."""
    return {
        "Doc.ID": f"d{n}",
        "Text": "x",
        "text": prose(n),
        "where": {"source": ("a b", "c")[n % 2], "odd key": n},
        "for": n % 5 / 5,
        "quality of `text`": 0.5,
        "Quality Score": n % 5 / 5,
        "quality score": n % 4 / 4,
    }


def unnamed(n: int) -> Row:
    """Without any name of a text."""
    return {"Title": f"Title {n}", "Story": prose(n), "N": n}


def rows(of: Callable[[int], Row], first: int = 0, count: int = 60) -> list[Row]:
    return [of(number) for number in range(first, first + count)]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
    ".lz4": lz4.frame.compress,
}


def write(path: Path, documents: Sequence[Row]) -> Path:
    """Writes documents as the suffix of the path says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        _write_parquet(path, documents)
        return path
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in documents).encode()
    path.write_bytes(PACKED.get(path.suffix, bytes)(lines))
    return path


def _write_parquet(path: Path, documents: Sequence[Row]) -> None:
    names = list(documents[0])
    pq.write_table(pa.table([pa.array([row[name] for row in documents]) for name in names], names=names), path)
