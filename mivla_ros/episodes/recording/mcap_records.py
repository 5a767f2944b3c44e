"""Single records of a MCAP file, taken for whole only where everything in them fits."""

import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, McapRecord, MessageIndex, Schema

from mivla_ros.episodes.mcap_format import CHUNK_HEAD, COMPRESSIONS, MESSAGE_HEAD, RECORD_HEAD, decompress

MAX_RECORD = 1 << 30  # bytes; a length above it is a broken one, not a real record
HEAD_BYTES = RECORD_HEAD.size + CHUNK_HEAD.size + 4 + 4 + 8  # of the longest head of a chunk
BROKEN = (McapError, struct.error, ValueError, OverflowError, MemoryError, EOFError)


def exactly[R: McapRecord](kind: type[R], body: bytes) -> R:
    """A record from its body. Raises one of BROKEN where it does not fill the body, or would be written otherwise."""
    record = _read(kind, body)
    out = RecordBuilder()
    record.write(out)
    if out.end()[RECORD_HEAD.size :] != body:
        raise ValueError(f"{kind.__name__.lower()} record does not fill its {len(body)} bytes")
    return record


def _read[R: McapRecord](kind: type[R], body: bytes) -> R:
    return kind.read(ReadDataStream(BytesIO(body)))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class ChunkHead:
    """What stands before a chunk's records, as it says. begin: of the chunk; data: of its stored records; stored: their
    bytes; size: when plain; checksum: 0 for none."""

    begin: int
    opcode: int
    length: int
    start_ns: int
    end_ns: int
    size: int
    checksum: int
    compression: str
    data: int
    stored: int

    @property
    def end(self) -> int:
        """Where the chunk ends, by the size of its records."""
        return self.data + self.stored

    @property
    def fits(self) -> bool:
        """True where the record's length and the size of its records agree."""
        return self.begin + RECORD_HEAD.size + self.length == self.end


def chunk_head(begin: int, data: bytes) -> ChunkHead | None:
    """A chunk's head at ``begin`` from the bytes there; None where there can be none. Opcode and length are taken as
    they are: they are two of the things that may be damaged."""
    at = RECORD_HEAD.size + CHUNK_HEAD.size
    if len(data) < at + 4:
        return None
    (letters,) = struct.unpack_from("<I", data, at)
    name = data[at + 4 : at + 4 + min(letters, 5)]
    if name not in (known.encode() for known in COMPRESSIONS) or len(data) < at + 12 + letters:
        return None
    (stored,) = struct.unpack_from("<Q", data, at + 4 + letters)
    opcode, length = RECORD_HEAD.unpack_from(data)
    start_ns, end_ns, size, checksum = CHUNK_HEAD.unpack_from(data, RECORD_HEAD.size)
    first = begin + at + 12 + letters
    return ChunkHead(begin, opcode, length, start_ns, end_ns, size, checksum, name.decode(), first, stored)


@dataclass(frozen=True)
class WholeChunk:
    """A chunk whose records are as they were written. begin, end: bytes of its record; stored: of its records in the
    file. index: (log time ns, offset in the plain records) of its messages, by channel. fault: what its head says wrong
    about them; empty where it is right. Times in ns, 0 where it has no message."""

    head: ChunkHead
    plain: bytes
    stored: bytes
    start_ns: int
    end_ns: int
    fault: str
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    index: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def index_size(self) -> int:
        """Bytes of the message index records that follow it, where it has them all."""
        return sum(RECORD_HEAD.size + 6 + 16 * len(entries) for entries in self.index.values())


def read_chunk(stream: BinaryIO, head: ChunkHead, size: int) -> WholeChunk:
    """The chunk with that head in a file of ``size`` bytes.

    Where its checksum holds, its records are believed and wrong opcode, length, size or times in its head named in
    ``fault``. One without a checksum must be right in all of them. Raises one of BROKEN.
    """
    if head.end > size:
        raise EOFError(f"{head.end - size} bytes of the chunk are missing")
    if max(head.stored, head.size) > MAX_RECORD:
        raise ValueError(f"chunk of {max(head.stored, head.size)} bytes, limit {MAX_RECORD}")
    stream.seek(head.data)
    stored = stream.read(head.stored)
    plain = stored
    if head.compression:
        try:
            plain = decompress(stored, head.size, head.compression)
        except Exception as error:  # each compressor has its own
            raise ValueError(f"chunk cannot be decompressed: {error}") from error
    if head.checksum and zlib.crc32(plain) != head.checksum:
        raise ValueError("chunk does not have its checksum")
    wrong = [] if head.opcode == Opcode.CHUNK else [f"opcode {head.opcode}"]
    wrong += [] if head.fits else [f"length {head.length}"]
    wrong += [] if len(plain) == head.size else [f"size {head.size}"]
    chunk = _walk(head, plain, stored)
    if chunk.index and (chunk.start_ns, chunk.end_ns) != (head.start_ns, head.end_ns):
        wrong.append(f"times {head.start_ns} to {head.end_ns} ns")
    if wrong and not head.checksum:
        raise ValueError(f"chunk without checksum has a wrong {' and '.join(wrong)}")
    fault = f"chunk at byte {head.begin} has a wrong {' and '.join(wrong)}" if wrong else ""
    return WholeChunk(
        head, plain, stored, chunk.start_ns, chunk.end_ns, fault, chunk.schemas, chunk.channels, chunk.index
    )


def _walk(head: ChunkHead, plain: bytes, stored: bytes) -> WholeChunk:
    """A chunk's records; they must fill it to the last byte."""
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    index: dict[int, list[tuple[int, int]]] = {}
    position, first, last = 0, 0, 0
    read = _read if head.checksum else exactly
    while position < len(plain):
        opcode, length = RECORD_HEAD.unpack_from(plain, position)
        body, end = position + RECORD_HEAD.size, position + RECORD_HEAD.size + length
        if end > len(plain):
            raise ValueError(f"record in a chunk claims {length} bytes of {len(plain) - body}")
        if opcode == Opcode.MESSAGE:
            if length < MESSAGE_HEAD.size:
                raise ValueError(f"message of {length} bytes in a chunk")
            channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(plain, body)
            first, last = (min(first, log_ns), max(last, log_ns)) if index else (log_ns, log_ns)
            index.setdefault(channel, []).append((log_ns, position))
        elif opcode == Opcode.SCHEMA:
            schema = read(Schema, plain[body:end])
            schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            made = read(Channel, plain[body:end])
            channels[made.id] = made
        elif not head.checksum:
            raise ValueError(f"record of opcode {opcode} in a chunk without checksum")
        position = end
    return WholeChunk(head, plain, stored, first, last, "", schemas, channels, index)


def index_records(chunk: WholeChunk, channels: dict[int, Channel]) -> list[MessageIndex]:
    """The message index records that belong behind a chunk, of the given channels."""
    return [MessageIndex(number, entries) for number, entries in chunk.index.items() if number in channels]
