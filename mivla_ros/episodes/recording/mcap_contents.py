"""What a MCAP file really holds, read from its start, and the end that a broken one lacks.

A MCAP file is a row of records; index, statistics and footer come last, so a writer that is killed leaves a file
without them. ``scan`` walks over the records up to the first that is not whole; ``finish`` cuts there and writes the
rest of the file (https://mcap.dev/spec). Chunks are kept as they are, byte for byte.
"""

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, Protocol

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    McapRecord,
    Message,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)
from mcap.stream_reader import CRCValidationError, StreamReader, get_chunk_data_stream

from mivla_ros.episodes.mcap_format import CHUNK_HEAD, MAGIC, MESSAGE_HEAD, RECORD_HEAD

PRIVATE = 0x80  # opcodes from here on are an application's own; those below that the format does not know are broken
MAX_RECORD = 1 << 30  # bytes; a length above it is a broken one, not a real record
BROKEN = (McapError, CRCValidationError, struct.error, ValueError, OverflowError, MemoryError, EOFError)


class Progress(Protocol):
    """Told how far a scan is, in bytes from the start."""

    def __call__(self, position: int, /) -> None:
        """Called after every record."""


@dataclass
class McapContents:
    """The whole records of one file. Offsets in bytes, times in ns of the recording's clock.

    end: where the last whole record of the data section ends. finished: summary, footer and magic are there.
    unchunked: messages lie outside of chunks, so they are in no index. fault: what is wrong behind ``end``; may be
    empty.
    loose_index: message index records of the last chunk, where the file has lost them.
    """

    size: int
    end: int = 0
    finished: bool = False
    unchunked: bool = False
    fault: str = ""
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    chunks: list[ChunkIndex] = field(default_factory=list)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    metadata_indexes: list[MetadataIndex] = field(default_factory=list)
    loose_index: dict[int, MessageIndex] = field(default_factory=dict)
    start_ns: int = 0
    end_ns: int = 0

    @property
    def message_count(self) -> int:
        """Messages in whole records."""
        return sum(self.counts.values())

    def saw_message(self, channel: int, log_ns: int) -> None:
        """Count one message."""
        self.start_ns = min(self.start_ns, log_ns) if self.message_count else log_ns
        self.end_ns = max(self.end_ns, log_ns)
        self.counts[channel] += 1


def scan(stream: BinaryIO, size: int, progress: Progress | None = None) -> McapContents:
    """Walk over a file of ``size`` bytes up to its end or the first record that is not whole or fails its checksum.

    Raises ValueError where it does not even begin as a MCAP file, with its magic and a whole header.
    """
    contents = McapContents(size)
    stream.seek(0)
    if stream.read(len(MAGIC)) != MAGIC:
        raise ValueError(f"does not begin as a MCAP file ({size} bytes)")
    contents.end = len(MAGIC)
    before: McapRecord | None = None
    try:
        for record, begin, end in _records(stream, size):
            if isinstance(record, MessageIndex) and not isinstance(before, Chunk | MessageIndex):
                raise ValueError("message index without its chunk")
            before = record
            if isinstance(record, DataEnd):
                contents.finished = _ends_well(stream, size)
                contents.fault = "" if contents.finished else "its summary or footer is not whole"
                return contents
            _take(contents, record, begin, end)
            contents.end = end
            if progress is not None:
                progress(end)
    except BROKEN as error:
        contents.fault = f"record at byte {contents.end}: {error or type(error).__name__}"
    else:
        contents.fault = "ends without summary"
    if contents.end == len(MAGIC):
        raise ValueError(f"does not begin as a MCAP file ({contents.fault})")
    return contents


def _records(stream: BinaryIO, size: int) -> Iterator[tuple[McapRecord | None, int, int]]:
    """Record (None where it does not matter), where it begins and where it ends."""
    position = len(MAGIC)
    while position < size:
        stream.seek(position)
        head = stream.read(RECORD_HEAD.size)
        if len(head) < RECORD_HEAD.size:
            raise EOFError("cut in its head")
        opcode, length = RECORD_HEAD.unpack(head)
        end = position + RECORD_HEAD.size + length
        if (not 0 < opcode <= Opcode.DATA_END and opcode < PRIVATE) or length > MAX_RECORD:
            raise ValueError(f"opcode {opcode} and length {length} cannot be")
        if end > size:
            raise EOFError(f"{end - size} bytes of it are missing")
        if opcode in (Opcode.FOOTER, Opcode.ATTACHMENT):
            yield None, position, end
        else:
            body = stream.read(length)
            record = next(StreamReader(BytesIO(head + body), skip_magic=True, emit_chunks=True).records, None)
            if isinstance(record, Chunk):
                _check_chunk_size(body, len(record.compression.encode()))
            yield record, position, end
        position = end


def _check_chunk_size(body: bytes, compression: int) -> None:
    """The library takes a chunk whose data claim to be longer than its record. compression: bytes of its name."""
    at = CHUNK_HEAD.size + 4 + compression
    (claimed,) = struct.unpack_from("<Q", body, at)
    if at + 8 + claimed != len(body):
        raise ValueError(f"chunk claims {claimed} bytes of {len(body) - at - 8}")


def _ends_well(stream: BinaryIO, size: int) -> bool:
    tail = RECORD_HEAD.size + 20 + len(MAGIC)
    stream.seek(max(size - tail, 0))
    data = stream.read(tail)
    if len(data) != tail or not data.endswith(MAGIC) or data[0] != Opcode.FOOTER:
        return False
    summary_start, _, checksum = struct.unpack_from("<QQI", data, RECORD_HEAD.size)
    if not 0 < summary_start < size - tail:
        return False
    stream.seek(summary_start)
    summary = stream.read(size - tail - summary_start) + data[: RECORD_HEAD.size + 16]
    return checksum in (0, zlib.crc32(summary))


def _take(contents: McapContents, record: McapRecord | None, begin: int, end: int) -> None:
    if isinstance(record, Chunk):
        _take_chunk(contents, record, begin, end)
    elif isinstance(record, MessageIndex):
        if contents.loose_index.pop(record.channel_id, None) is not None:
            chunk = contents.chunks[-1]
            chunk.message_index_offsets[record.channel_id] = begin
            chunk.message_index_length += end - begin
    elif isinstance(record, Schema):
        contents.schemas[record.id] = record
    elif isinstance(record, Channel):
        contents.channels[record.id] = record
    elif isinstance(record, Message):
        if record.channel_id not in contents.channels:
            raise ValueError(f"message of channel {record.channel_id}, which is not declared")
        contents.unchunked = True
        contents.saw_message(record.channel_id, record.log_time)
    elif isinstance(record, Metadata):
        contents.metadata[record.name] = dict(record.metadata)
        contents.metadata_indexes.append(MetadataIndex(begin, end - begin, record.name))


def _take_chunk(contents: McapContents, chunk: Chunk, begin: int, end: int) -> None:
    if chunk.uncompressed_size > MAX_RECORD:
        raise ValueError(f"chunk of {chunk.uncompressed_size} bytes, limit {MAX_RECORD}")
    stream, length = get_chunk_data_stream(chunk, validate_crc=True)
    data = stream.read(length)
    index: dict[int, MessageIndex] = {}
    times: list[int] = []
    position = 0
    while position < length:
        opcode, size = RECORD_HEAD.unpack_from(data, position)
        body = position + RECORD_HEAD.size
        if opcode == Opcode.MESSAGE:
            channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(data, body)
            index.setdefault(channel, MessageIndex(channel, [])).records.append((log_ns, position))
            times.append(log_ns)
        elif opcode == Opcode.SCHEMA:
            schema = Schema.read(_stream(data[body : body + size]))
            contents.schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            made = Channel.read(_stream(data[body : body + size]))
            contents.channels[made.id] = made
        position = body + size
    if times and (min(times), max(times)) != (chunk.message_start_time, chunk.message_end_time):
        raise ValueError(f"chunk of {min(times)} to {max(times)} ns does not say so")  # readers go by what it says
    for channel, found in index.items():
        for log_ns, _ in found.records:
            contents.saw_message(channel, log_ns)
    contents.chunks.append(
        ChunkIndex(
            chunk_length=end - begin,
            chunk_start_offset=begin,
            compression=chunk.compression,
            compressed_size=len(chunk.data),
            message_end_time=chunk.message_end_time,
            message_index_length=0,
            message_index_offsets={},
            message_start_time=chunk.message_start_time,
            uncompressed_size=chunk.uncompressed_size,
        )
    )
    contents.loose_index = index


def _stream(data: bytes) -> ReadDataStream:
    return ReadDataStream(BytesIO(data))


def finish(stream: BinaryIO, contents: McapContents, metadata: dict[str, dict[str, str]]) -> None:
    """Cut the file behind its last whole record and write what is missing: the last chunk's message index, ``metadata``
    records, summary and footer. ``contents`` must be its own ``scan``, without messages outside of chunks."""
    stream.truncate(contents.end)
    stream.seek(contents.end)
    out = RecordBuilder()
    offset = contents.end
    if contents.chunks:
        chunk = contents.chunks[-1]
        for channel, index in contents.loose_index.items():
            chunk.message_index_offsets[channel] = offset + out.count
            before = out.count
            index.write(out)
            chunk.message_index_length += out.count - before
    for name, data in metadata.items():
        before = out.count
        Metadata(name=name, metadata=data).write(out)
        contents.metadata_indexes.append(MetadataIndex(offset + before, out.count - before, name))
        contents.metadata[name] = data
    DataEnd(0).write(out)
    data_section = out.end()
    stream.write(data_section)
    stream.write(_summary(contents, offset + len(data_section)))


def _summary(contents: McapContents, summary_start: int) -> bytes:
    out = RecordBuilder()
    groups: list[tuple[int, list[McapRecord]]] = [
        (Opcode.SCHEMA, list(contents.schemas.values())),
        (Opcode.CHANNEL, list(contents.channels.values())),
        (Opcode.STATISTICS, [_statistics(contents)]),
        (Opcode.CHUNK_INDEX, list(contents.chunks)),
        (Opcode.METADATA_INDEX, list(contents.metadata_indexes)),
    ]
    offsets = []
    for opcode, records in groups:
        begin = out.count
        for record in records:
            record.write(out)
        if records:
            offsets.append(SummaryOffset(opcode, summary_start + begin, out.count - begin))
    offsets_start = summary_start + out.count
    for offset in offsets:
        offset.write(out)
    summary = out.end()
    head = struct.pack("<BQQQ", Opcode.FOOTER, 20, summary_start, offsets_start)
    Footer(
        summary_start=summary_start, summary_offset_start=offsets_start, summary_crc=zlib.crc32(summary + head)
    ).write(out)
    return summary + out.end() + MAGIC


def _statistics(contents: McapContents) -> Statistics:
    return Statistics(
        attachment_count=0,
        channel_count=len(contents.channels),
        channel_message_counts=dict(contents.counts),
        chunk_count=len(contents.chunks),
        message_count=contents.message_count,
        message_end_time=contents.end_ns,
        message_start_time=contents.start_ns,
        metadata_count=len(contents.metadata_indexes),
        schema_count=len(contents.schemas),
    )
