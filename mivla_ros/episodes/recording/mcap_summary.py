"""The end of a MCAP file: whether it is whole, what it says of the rest, and writing it where it is missing."""

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    McapRecord,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from mivla_ros.episodes.mcap_format import MAGIC, RECORD_HEAD
from mivla_ros.episodes.recording.mcap_contents import McapContents
from mivla_ros.episodes.recording.mcap_records import BROKEN, exactly

_TAIL = RECORD_HEAD.size + 20 + len(MAGIC)
MAX_SUMMARY = 1 << 28


@dataclass
class Summary:
    """What a file's own summary says of it."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)


def ends_well(stream: BinaryIO, size: int) -> bool:
    """True where summary, footer and magic are there and the summary has its checksum, or has none."""
    found = _summary_bytes(stream, size)
    return found is not None and found[1] in (0, zlib.crc32(found[0]))


def read_summary(stream: BinaryIO, size: int) -> Summary | None:
    """The summary, where its checksum proves it whole."""
    found = _summary_bytes(stream, size)
    if found is None or not found[1] or found[1] != zlib.crc32(found[0]):
        return None
    summary, data, position = Summary(), found[0], 0
    try:
        while position < len(data) - RECORD_HEAD.size - 16:  # the footer's beginning comes last
            opcode, length = RECORD_HEAD.unpack_from(data, position)
            body = data[position + RECORD_HEAD.size : position + RECORD_HEAD.size + length]
            if opcode == Opcode.SCHEMA:
                schema = exactly(Schema, body)
                summary.schemas[schema.id] = schema
            elif opcode == Opcode.CHANNEL:
                channel = exactly(Channel, body)
                summary.channels[channel.id] = channel
            elif opcode == Opcode.CHUNK_INDEX:
                summary.chunks.append(exactly(ChunkIndex, body))
            position += RECORD_HEAD.size + length
    except BROKEN:
        return None
    return summary


def _summary_bytes(stream: BinaryIO, size: int) -> tuple[bytes, int] | None:
    """The bytes that a summary's checksum is of, and the checksum; None where the file has no such end."""
    stream.seek(max(size - _TAIL, 0))
    data = stream.read(_TAIL)
    if len(data) != _TAIL or not data.endswith(MAGIC) or data[0] != Opcode.FOOTER:
        return None
    summary_start, _, checksum = struct.unpack_from("<QQI", data, RECORD_HEAD.size)
    if not max(0, size - _TAIL - MAX_SUMMARY) < summary_start < size - _TAIL:
        return None
    stream.seek(summary_start)
    return stream.read(size - _TAIL - summary_start) + data[: RECORD_HEAD.size + 16], checksum


def finish(stream: BinaryIO, contents: McapContents, metadata: dict[str, dict[str, str]]) -> None:
    """Cut the file behind its last whole record and write what is missing: the last chunk's message index, ``metadata``
    records, summary and footer. ``contents`` must be its own ``scan``, without messages outside of chunks and without
    damage before its end."""
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
        (Opcode.ATTACHMENT_INDEX, list[McapRecord](contents.attachment_indexes)),
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
        attachment_count=len(contents.attachment_indexes),
        channel_count=len(contents.channels),
        channel_message_counts=dict(contents.counts),
        chunk_count=len(contents.chunks),
        message_count=contents.message_count,
        message_end_time=contents.end_ns,
        message_start_time=contents.start_ns,
        metadata_count=len(contents.metadata_indexes),
        schema_count=len(contents.schemas),
    )
