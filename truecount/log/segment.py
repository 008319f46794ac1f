"""Sealed files of the log: read-only, compressed in frames, checksummed.

    magic      8 bytes, "TCLOG1\\r\\n"
    frames     zstd, each with its own checksum, of about FRAME bytes: MessagePack [Sealed, ...]
    index      MessagePack Index
    tail       offset of the index u64, its length u32, SHA-256 of all before the tail; little-endian

A frame holds many bodies uncompressed, so that zstd sees what they have in common.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import zstandard

from .errors import LogDamaged
from .files import PARTIAL, sync_folder

MAGIC: Final = b"TCLOG1\r\n"
FRAME: Final = 4 * 1024 * 1024
"""Visitors come again: at 4 MB server batches take a quarter less than at 1 MB, larger frames gain nothing more."""
LEVEL: Final = 9
_TAIL: Final = struct.Struct("<QI32s")


class Sealed(msgspec.Struct, array_like=True, gc=False):
    """A row of a sealed file: that of the open one, body uncompressed."""

    seq: int
    kind: int
    n: int
    first_us: int
    last_us: int
    written_us: int
    format: int
    rules: int
    body: bytes


class Frame(msgspec.Struct, array_like=True, gc=False):
    offset: int
    length: int
    first_seq: int
    last_seq: int
    kinds: tuple[int, ...]


class Index(msgspec.Struct, array_like=True, gc=False):
    first_seq: int
    last_seq: int
    high_us: int
    """Latest time of writing: part of the folder's high-water mark."""
    entries: int
    bytes: int
    """Of the bodies, uncompressed."""
    frames: list[Frame]


_encode: Final = msgspec.msgpack.Encoder().encode
_index: Final = msgspec.msgpack.Decoder(Index).decode
_rows: Final = msgspec.msgpack.Decoder(list[Sealed]).decode


def write_segment(path: Path, rows: Iterable[Sealed], *, level: int = LEVEL, frame_bytes: int = FRAME) -> Index:
    """Write a sealed file of at least one row, in order: whole and durable under its name, or not there at all."""
    partial = path.with_name(path.name + PARTIAL)
    with open(partial, "wb") as file:
        index = _write(file, rows, level, frame_bytes)
        file.flush()
        os.fsync(file.fileno())
    os.rename(partial, path)
    sync_folder(path.parent)
    return index


def _write(file: BinaryIO, rows: Iterable[Sealed], level: int, frame_bytes: int) -> Index:
    digest = hashlib.sha256(MAGIC)
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
    index = Index(0, 0, 0, 0, 0, [])
    offset = file.write(MAGIC)
    waiting: list[Sealed] = []
    size = 0

    def put() -> None:
        nonlocal offset
        frame = compressor.compress(_encode(waiting))
        kinds = tuple(sorted({row.kind for row in waiting}))
        index.frames.append(Frame(offset, len(frame), waiting[0].seq, waiting[-1].seq, kinds))
        digest.update(frame)
        offset += file.write(frame)

    for row in rows:
        if waiting and size + len(row.body) > frame_bytes:
            put()
            waiting, size = [], 0
        waiting.append(row)
        size += len(row.body)
        index.first_seq = index.first_seq or row.seq
        index.last_seq = row.seq
        index.high_us = max(index.high_us, row.written_us)
        index.entries += 1
        index.bytes += len(row.body)
    if not waiting:
        raise ValueError("a sealed file has at least one entry")
    put()
    encoded = _encode(index)
    digest.update(encoded)
    file.write(encoded)
    file.write(_TAIL.pack(offset, len(encoded), digest.digest()))
    return index


def rewrite_segment(path: Path, change: Callable[[Sealed], Sealed], *, level: int = LEVEL) -> None:
    """Write a sealed file anew, each row as `change` gives it back. The old one stays where that fails."""
    segment = Segment(path)
    try:
        segment.verify()  # a damaged file must not get a new, valid checksum
        write_segment(path, map(change, segment.all_rows()), level=level)
    except BaseException:
        path.with_name(path.name + PARTIAL).unlink(missing_ok=True)
        raise
    finally:
        segment.close()


class Segment:
    """A sealed file, open to read. LogDamaged where it is not what was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.identity = identity(path, self._file.fileno())
            self.index = self._read_index()
        except BaseException:
            self._file.close()
            raise
        self._held: tuple[int, list[Sealed]] | None = None

    def rows(self, frame: Frame) -> list[Sealed]:
        """The rows of one frame; the last frame asked for is kept."""
        if self._held is None or self._held[0] != frame.offset:
            try:
                raw = zstandard.ZstdDecompressor().decompress(self._bytes(frame.offset, frame.length))
                self._held = (frame.offset, _rows(raw))
            except (zstandard.ZstdError, msgspec.MsgspecError) as error:
                raise LogDamaged(self.path, f"entries {frame.first_seq} to {frame.last_seq}: {error}") from None
        return self._held[1]

    def all_rows(self) -> Iterator[Sealed]:
        """All rows, a frame at a time."""
        for frame in self.index.frames:
            yield from self.rows(frame)

    def verify(self) -> None:
        """Read the whole file against its checksum."""
        digest = hashlib.sha256()
        left = self._size - _TAIL.size
        self._file.seek(0)
        while left:
            chunk = self._file.read(min(left, FRAME))
            if not chunk:
                raise LogDamaged(self.path, "is cut short")
            digest.update(chunk)
            left -= len(chunk)
        if digest.digest() != self._sum:
            raise LogDamaged(self.path, "its checksum does not hold")

    def close(self) -> None:
        self._file.close()

    def _bytes(self, offset: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, offset)

    def _read_index(self) -> Index:
        if self._size < len(MAGIC) + _TAIL.size or self._bytes(0, len(MAGIC)) != MAGIC:
            raise LogDamaged(self.path, "is not a sealed file of a log, or is cut short")
        offset, length, self._sum = _TAIL.unpack(self._bytes(self._size - _TAIL.size, _TAIL.size))
        if offset + length + _TAIL.size != self._size:
            raise LogDamaged(self.path, "is cut short or changed")
        try:
            return _index(self._bytes(offset, length))
        except msgspec.MsgspecError:
            raise LogDamaged(self.path, "its index cannot be read") from None


def identity(path: Path, descriptor: int | None = None) -> tuple[Any, ...]:
    """Tells a sealed file from one that was written in its place (erasure does so)."""
    status = os.stat(path) if descriptor is None else os.fstat(descriptor)
    return status.st_ino, status.st_mtime_ns, status.st_size
