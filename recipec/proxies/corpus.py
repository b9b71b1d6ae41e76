"""The pool as tokens: all documents concatenated in one array, tokenised once for all trainings.

folder/
    documents.parquet    number, source, doc_id, domain, sorted by (source, doc_id)
    starts.npy, lengths.npy, tokens.bin      (n,) int64 into tokens of `dtype`
    tasks.npz            held-out examples of targets: tokens, offsets, spans and the target of each
    tokenizer.json, corpus.json              the latter written last
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import scans, shards, targets
from recipec.ir import closed, model
from recipec.models import cache, loading
from recipec.models.job import Tokenised
from recipec.places import digests, local, sealed
from recipec.proxies.records import Proxy

if TYPE_CHECKING:
    from recipec.execution.pool import Pool

CORPUS_VERSION = 2

TOKENS = ("starts.npy", "lengths.npy", "tokens.bin", "tasks.npz", "tokenizer.json", "corpus.json")
"""Files of a corpus that a training needs; the last of them is written last."""

FILES = ("documents.parquet", *TOKENS)
"""All files of a corpus."""

FITTED = 20_000_000
"""Number of characters on which a tokenizer is fitted."""

BATCH = 1024

END = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Attributes:
    domains: (n,) domain of each document; `tokens`: (n,) int64, counts by the proxy's tokenizer; `keys`: (n,) uint64, a
        hash of source and id; `places`: (n,) in [0, 1), a keyed hash: a share of the pool has the places below it.
    tasks: names of the targets.
    end: the token between documents; `vocabulary`: the vocabulary size.
    checkpoint: the folder to start training from, "" for none.
    """

    folder: Path
    domains: np.ndarray[Any, Any]
    tokens: np.ndarray[Any, Any]
    keys: np.ndarray[Any, Any]
    places: np.ndarray[Any, Any]
    tasks: tuple[str, ...]
    end: int
    vocabulary: int
    checkpoint: str


def folder_of(pool: Pool, proxy: Proxy, chosen: Sequence[model.Target], share: float = 1.0) -> Path:
    """The folder of the corpus of a run's pool, named by the identities of everything it is made of; may not exist yet.

    Raises:
        Failure: the tokenizer's model is not on this machine.
    """
    found = _model(pool, proxy)
    key = {
        "version": CORPUS_VERSION,
        "tokenizer": found.digest if found else proxy.vocabulary,
        "context": proxy.context,
        "pool": sorted([shard.content, pool.ids[position], own] for shard, position, own in pool.ends()),
        "targets": [target.model_dump(mode="json", exclude={"origin", "examples"}) for target in chosen],
        "files": [digests.identity(path) for target in chosen for path in shards.find_examples(target, pool.folder)],
        "seed": pool.recipe.seed,
        "share": share,
    }
    return pool.store.root / "proxies" / digests.sha256_text(digests.canonical_json(key))[:32]


def _model(pool: Pool, proxy: Proxy) -> cache.Model | None:
    """The model whose tokenizer a proxy uses, or None."""
    named = proxy.start or proxy.tokenizer
    return cache.find(named, pool.folder) if named else None


def prepare(pool: Pool, proxy: Proxy, chosen: Sequence[model.Target], share: float = 1.0) -> Corpus:
    """Makes the corpus of a run's pool after the filters that need no model, or reads it from the state folder.

    Args:
        share: share of the documents, chosen by a keyed hash; a smaller share is contained in a larger one.

    Raises:
        Failure: no document is left, a target cannot be read, or the tokenizer's model is not on this machine.
    """
    folder, found = folder_of(pool, proxy, chosen, share), _model(pool, proxy)
    if not all(sealed.is_whole(folder / name) for name in FILES):
        folder.mkdir(parents=True, exist_ok=True)
        _build(pool, proxy, chosen, found, folder, share)
    facts = _facts(folder / "corpus.json")
    documents = f"read_parquet({literal(str(folder / 'documents.parquet'))})"
    rows = pool.connection.execute(
        f"SELECT domain, md5_number_lower(source || chr(31) || doc_id) AS key, {_place(pool)} AS place FROM {documents} "
        f"ORDER BY number"
    ).fetchnumpy()
    return Corpus(
        folder=folder,
        domains=np.asarray(rows["domain"], str),
        tokens=np.load(folder / "lengths.npy", allow_pickle=False),
        keys=np.asarray(rows["key"], np.uint64),
        places=np.asarray(rows["place"], float),
        tasks=facts.tasks,
        end=facts.end,
        vocabulary=facts.vocabulary,
        checkpoint=str(found.folder) if found and proxy.start else "",
    )


def _facts(path: Path) -> Tokenised:
    """What is known of a tokenised pool.

    Raises:
        Damaged: it is not of that form.
    """
    try:
        return closed.parsed(Tokenised, local.read_text(path, local.LARGEST_NOTE))
    except (OSError, ValueError):
        sealed.drop([path])
        raise sealed.Damaged([path]) from None


def _place(pool: Pool) -> str:
    """SQL expression of a document's place in [0, 1)."""
    key = literal(f"proxy{chr(31)}{pool.recipe.seed}{chr(31)}")
    return f"(CAST(md5_number_lower({key} || source || chr(31) || doc_id) >> 12 AS DOUBLE) / 4503599627370496.0)"


def _build(
    pool: Pool, proxy: Proxy, chosen: Sequence[model.Target], found: cache.Model | None, folder: Path, share: float
) -> None:
    count = _documents(pool, folder / "documents.parquet", share)
    if not count:
        raise Failure(Diagnostic("R1601", "no document is left to train a proxy on"))
    tokenizer = loading.tokenizer(found.folder) if found else _fitted(pool, proxy.vocabulary, share)
    end = _end(tokenizer, found)
    vocabulary = tokenizer.get_vocab_size()
    _tokenise(pool, tokenizer, count, folder, np.uint16 if vocabulary <= 1 << 16 else np.uint32)
    _tasks(pool, tokenizer, chosen, proxy.context, folder / "tasks.npz")
    with sealed.replacing(folder / "tokenizer.json") as temporary:
        tokenizer.no_truncation()
        tokenizer.save(str(temporary))
    value = Tokenised(
        tasks=tuple(target.name for target in chosen),
        end=end,
        vocabulary=vocabulary,
        dtype="uint16" if vocabulary <= 1 << 16 else "uint32",
    )
    with sealed.replacing(folder / "corpus.json") as temporary:
        temporary.write_text(value.model_dump_json() + "\n", encoding="utf-8")


def _documents(pool: Pool, path: Path, share: float) -> int:
    """Makes the table `proxy_documents` (number, source, doc_id, domain, shard, row) and its file; counts its rows."""
    parts = " UNION ALL ".join(
        f"SELECT {literal(shard.source)} AS source, doc_id, domain, {literal(shard.path)} AS shard, row FROM {pool} "
        f"WHERE bad IS NULL AND rejected_by IS NULL"
        for shard, pool in pool.unmodelled()
    )
    pool.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE proxy_documents AS "
        f"SELECT row_number() OVER (ORDER BY source, doc_id) - 1 AS number, * FROM ({parts}) "
        f"WHERE {_place(pool)} < {literal(float(share))}"
    )
    with sealed.replacing(path) as temporary:
        pool.connection.execute(
            f"COPY (SELECT number, source, doc_id, domain FROM proxy_documents ORDER BY number) "
            f"TO {literal(str(temporary))} (FORMAT parquet)"
        )
    return int(pool.connection.execute("SELECT count(*) FROM proxy_documents").fetchall()[0][0])


def _texts(pool: Pool, where: str = "true") -> Iterator[tuple[list[int], list[str]]]:
    """Yields numbers and texts of documents in batches, shard by shard."""
    for shard, _ in pool.unmodelled():
        texts = scans.texts(pool.source(shard), shard, pool.folder)
        reader = pool.connection.execute(
            f"SELECT d.number, t.text FROM {texts} AS t "
            f"JOIN proxy_documents AS d ON d.row = t.__row AND d.source = {literal(shard.source)} "
            f"AND d.shard = {literal(shard.path)} WHERE {where}"
        )
        while batch := reader.fetchmany(BATCH):
            yield [row[0] for row in batch], [row[1] for row in batch]


def _fitted(pool: Pool, vocabulary: int, share: float) -> Any:
    """Fits a byte-level tokenizer on a keyed sample of the pool."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    key = (
        f"md5_number_lower({literal(f'tokenizer{chr(31)}{pool.recipe.seed}{chr(31)}')} || source || chr(31) || doc_id)"
    )
    pool.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE proxy_keys AS SELECT number, {key} AS key FROM proxy_documents"
    )
    size = sum(shard.bytes for shard in pool.shards) * share
    part = min(1.0, FITTED / max(size, 1.0))
    where = f"d.number IN (SELECT number FROM proxy_keys WHERE key < {int(part * 2**64)} :: UHUGEINT)"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=alphabet, special_tokens=[END], show_progress=False
    )
    tokenizer.train_from_iterator((text for _, texts in _texts(pool, where) for text in texts), trainer)
    return tokenizer


def _end(tokenizer: Any, found: cache.Model | None) -> int:
    """The token that ends a document: the model's own, else its tokenizer's."""
    if found is None:
        return int(tokenizer.token_to_id(END))
    config = local.read_json(found.folder / "config.json", local.LARGEST_NOTE)
    for name in ("eos_token_id", "bos_token_id"):
        value = config.get(name) if isinstance(config, dict) else None
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < tokenizer.get_vocab_size():
            return value
    return 0


def _tokenise(pool: Pool, tokenizer: Any, count: int, folder: Path, dtype: Any) -> None:
    starts, lengths = np.zeros(count, np.int64), np.zeros(count, np.int64)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    place = done = 0
    with sealed.replacing(folder / "tokens.bin") as temporary, temporary.open("wb") as file:
        for numbers, texts in _texts(pool):
            ids = [one.ids for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
            sizes = np.array([len(one) for one in ids], np.int64)
            starts[numbers] = place + np.concatenate([[0], sizes.cumsum()[:-1]])
            lengths[numbers] = sizes
            np.concatenate([np.asarray(one, dtype) for one in ids]).tofile(file)
            place += int(sizes.sum())
            done += len(numbers)
            pool.progress("tokenise for proxies", done, count, "documents")
    for name, values in (("starts", starts), ("lengths", lengths)):
        with sealed.replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as out:
            np.save(out, values)


def _tasks(pool: Pool, tokenizer: Any, chosen: Sequence[model.Target], length: int, path: Path) -> None:
    """Writes the held-out examples of targets (all examples if none are held out), cut to the context length."""
    tokenizer.enable_truncation(length)
    flat: list[int] = []
    offsets, spans, owners = [0], [], []
    for number, target in enumerate(chosen):
        used, held = targets.examples(target, pool.folder)
        encodings = tokenizer.encode_batch([text for text, _, _ in held or used], add_special_tokens=False)
        for (_, start, stop), encoding in zip(held or used, encodings, strict=True):
            inside = [n for n, (a, b) in enumerate(encoding.offsets) if n and a < stop and b > start]
            if inside:
                flat += encoding.ids
                offsets.append(len(flat))
                spans.append((inside[0], inside[-1] + 1))
                owners.append(number)
        if number not in owners:
            message = f"target `{target.name}` has no text of two tokens, or no completion within {length}"
            raise Failure(Diagnostic("R1602", message, target.origin.span))
    tokenizer.no_truncation()
    with sealed.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            tokens=np.array(flat, np.int64),
            offsets=np.array(offsets, np.int64),
            spans=np.array(spans, np.int64).reshape(-1, 2),
            owners=np.array(owners, np.int64),
        )
