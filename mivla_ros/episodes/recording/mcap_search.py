"""Finds where a MCAP file goes on behind a damaged stretch.

Nothing is believed because it looks like a record: a chunk must be proven by its checksum or, without one, by all of
its structure; other records must follow each other without a gap up to such a chunk, or up to a sound end of the file.
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from mcap.opcode import Opcode
from mcap.records import Channel, DataEnd, McapRecord, MessageIndex, Metadata, Schema

from mivla_ros.episodes.mcap_format import RECORD_HEAD
from mivla_ros.episodes.recording.mcap_records import BROKEN, HEAD_BYTES, ChunkHead, chunk_head, exactly, read_chunk
from mivla_ros.episodes.recording.mcap_summary import ends_well

WINDOW = 1 << 24  # bytes looked through at a time
MAX_LOOSE = 1 << 24  # bytes of a record outside of chunks that a chain is made of
LOOSE: dict[int, type[McapRecord]] = {
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.METADATA: Metadata,
    Opcode.MESSAGE_INDEX: MessageIndex,
    Opcode.DATA_END: DataEnd,
}
_CHUNK = re.compile(rb"(?=\x06.{5}\x00\x00\x00.{28}(?:\x00{4}|\x04\x00\x00\x00zstd|\x03\x00\x00\x00lz4))", re.DOTALL)
_RECORD = re.compile(rb"(?=[\x03\x04\x07\x0c\x0f].{3}\x00{5})", re.DOTALL)


def whole_chunks(stream: BinaryIO, size: int, begin: int, end: int) -> Iterator[ChunkHead]:
    """Heads of the whole chunks that begin in bytes ``begin`` to ``end`` of a file of ``size`` bytes, in order."""
    for at, data in _matches(stream, _CHUNK, begin, end):
        head = chunk_head(at, data)
        if head is None or not head.fits:
            continue
        try:
            read_chunk(stream, head, size)
        except BROKEN:
            continue
        yield head


def chain_before(stream: BinaryIO, size: int, begin: int, end: int) -> list[tuple[int, McapRecord]]:
    """The longest chain of records outside of chunks, with their places, that begins in bytes ``begin`` to ``end`` and
    leads to ``end`` without a gap; where that is the file's end, up to the end of its data. Empty where there is none.
    """
    for at, _ in _matches(stream, _RECORD, begin, end):
        chain: list[tuple[int, McapRecord]] = []
        position = at
        while position < end:
            found = _record(stream, position, end)
            if found is None:
                break
            chain.append((position, found[1]))
            position = found[0]
            if isinstance(found[1], DataEnd):
                if end == size and ends_well(stream, size):
                    return chain
                break
        if position == end and chain:
            return chain
    return []


def checksum(stream: BinaryIO, end: int) -> int:
    """CRC-32 of a file's first ``end`` bytes."""
    stream.seek(0)
    found, left = 0, end
    while left > 0 and (data := stream.read(min(left, WINDOW))):
        found, left = zlib.crc32(data, found), left - len(data)
    return found


def _record(stream: BinaryIO, position: int, end: int) -> tuple[int, McapRecord] | None:
    """Where the record at ``position`` ends, and the record; None where it is none of LOOSE or not whole."""
    stream.seek(position)
    data = stream.read(RECORD_HEAD.size)
    if len(data) < RECORD_HEAD.size:
        return None
    opcode, length = RECORD_HEAD.unpack(data)
    after = position + RECORD_HEAD.size + length
    if opcode not in LOOSE or length > MAX_LOOSE or after > end:
        return None
    try:
        return after, exactly(LOOSE[opcode], stream.read(length))
    except BROKEN:
        return None


def _matches(stream: BinaryIO, pattern: re.Pattern[bytes], begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Places in bytes ``begin`` to ``end`` where the pattern matches, each with the bytes of a chunk's head there."""
    position = begin
    while position < end:
        window = min(WINDOW, end - position)
        stream.seek(position)
        data = stream.read(window + HEAD_BYTES)
        for match in pattern.finditer(data):
            if match.start() >= window:
                break
            yield position + match.start(), data[match.start() : match.start() + HEAD_BYTES]
        position += window
