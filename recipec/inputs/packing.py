"""Compressed shards: whether they are whole, and those that DuckDB cannot read, packed anew.

DuckDB reads gzip and zstd, but takes a cut-off zstd file for a whole one and checks no sums. Other compressions are
repacked as zstd once, in the state folder, under the digest of the shard's bytes.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recipec.inputs import repair
from recipec.places import local, sealed
from recipec.places.remote import Remote

CHUNK = 8192
"""The bytes that are decompressed at once: a hostile file makes at most some 20,000 times as many of them."""

REPACKED = frozenset({".bz2", ".xz", ".lz4"})
"""The suffixes of files that are repacked."""

MEMORY = 512_000_000
"""The most memory for a member of `.xz`, whose header says how much it wants."""

LEVEL = 1
"""The level of zstd: repacked files are read more often than kept."""


def is_compressed(path: Path) -> bool:
    return path.suffix.lower() in {".gz", ".zst", *REPACKED}


def _decompressor(suffix: str) -> Any:
    """A new decompressor of one member of a file; it has `decompress`, `eof` and `unused_data`."""
    if suffix == ".gz":
        return zlib.decompressobj(31)
    if suffix == ".bz2":
        return bz2.BZ2Decompressor()
    if suffix == ".xz":
        return lzma.LZMADecompressor(memlimit=MEMORY)
    if suffix == ".lz4":
        import lz4.frame

        return lz4.frame.LZ4FrameDecompressor()
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


def checked(path: Path, take: Callable[[bytes], object] | None = None) -> str:
    """The sha256 of a compressed file, of which every member is decompressed to its end.

    Args:
        take: gets what is decompressed, in pieces.

    Raises:
        ValueError: the file is cut off or damaged.
    """
    digest = hashlib.sha256()
    suffix = path.suffix.lower()
    member: Any = None
    errors = (zlib.error, OSError, EOFError, lzma.LZMAError, RuntimeError, ValueError, _zstd_error())
    with path.open("rb", buffering=1 << 20) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            try:
                member = _feed(suffix, member, chunk, take)
            except errors as error:
                raise ValueError(f"it is damaged: {error}") from None
    if member is not None:
        raise ValueError("it is cut off: its compressed data does not end")
    return digest.hexdigest()


def _zstd_error() -> type[Exception]:
    import zstandard

    return zstandard.ZstdError


def _feed(suffix: str, member: Any, chunk: bytes, take: Callable[[bytes], object] | None) -> Any:
    """Decompresses a chunk, which may end members and begin others; returns the member that goes on, or None."""
    while chunk:
        if member is None:
            # Some tools fill the rest of a block with zeros.
            if not chunk.strip(b"\0"):
                return None
            member = _decompressor(suffix)
        found = member.decompress(chunk)
        if take is not None:
            take(found)
        if not member.eof:
            return member
        chunk, member = member.unused_data, None
    return member


LARGEST = 256_000_000
"""The most bytes of a file that is decompressed in memory."""


class _TooLarge(Exception):
    pass


def content(path: Path) -> bytes:
    """The bytes of a small file as they were before it was compressed.

    Raises:
        OSError: it cannot be read, or is too large.
        ValueError: it is cut off or damaged, or too large when it is decompressed.
    """
    if not is_compressed(path) or not local.size(path):
        return local.read_bytes(path, LARGEST)
    pieces: list[bytes] = []
    left = LARGEST

    def take(piece: bytes) -> None:
        nonlocal left
        left -= len(piece)
        if left < 0:
            raise _TooLarge
        pieces.append(piece)

    try:
        checked(path, take)
    except _TooLarge:
        raise ValueError(f"it has more than {LARGEST:,} bytes when it is decompressed") from None
    return b"".join(pieces)


def mappable(path: Path, folder: Path) -> Path:
    """A file that can be mapped into memory in place of an array: the array itself, or what was copied of an object.

    Args:
        folder: as in `readable`.
    """
    if not isinstance(path, Remote):
        return path
    place = repair.kept(path, folder, ".npy")
    if not sealed.is_whole(place):
        with sealed.replacing(place) as temporary:
            local.copy(path, temporary)
    return place


def readable(path: Path, folder: Path) -> Path:
    """The file that DuckDB reads in place of a shard: the shard itself, or what it was repacked to.

    Args:
        folder: the recipe's, beside whose state repacked files are kept.

    Raises:
        ValueError: the shard is damaged.
    """
    if path.suffix.lower() not in REPACKED or not local.size(path):
        return repair.readable(path, folder) if path.suffix.lower() == ".parquet" else path
    place = repair.kept(path, folder, ".jsonl.zst")
    if not sealed.is_whole(place):
        import zstandard

        with (
            sealed.replacing(place) as temporary,
            temporary.open("wb") as file,
            zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).stream_writer(file) as packed,
        ):
            checked(path, packed.write)
    return place
