"""A copy of all that is whole in a damaged MCAP file, without its end, which ``mcap_summary.finish`` writes."""

import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Chunk, Header, MessageIndex, Metadata

from mivla_ros.episodes.mcap_format import MAGIC, MESSAGE_HEAD, RECORD_HEAD
from mivla_ros.episodes.recording.mcap_contents import McapContents
from mivla_ros.episodes.recording.mcap_records import HEAD_BYTES, WholeChunk, chunk_head, exactly, read_chunk

CHUNK_BYTES = 4 << 20  # of chunks made from messages that lay in none


def copy_whole(source: BinaryIO, target: BinaryIO, contents: McapContents, without: Collection[str] = ()) -> None:
    """Write what ``contents``, the scan of ``source``, says is kept, but metadata records of the names ``without``.

    Chunks are copied as they are stored, with a sound head and index; messages outside of chunks, and those of chunks
    with channels that are declared nowhere, are put into new ones.
    """
    out = RecordBuilder()
    (contents.header or Header("ros2", "")).write(out)
    for record in (*contents.schemas.values(), *contents.channels.values()):
        record.write(out)
    target.write(MAGIC + out.end())
    loose = _Gathered(target)
    for opcode, begin, end in contents.kept:
        source.seek(begin)
        if opcode == Opcode.MESSAGE:
            for record_bytes in _messages(source, end - begin):
                loose.add(record_bytes)
            continue
        loose.write()
        if opcode == Opcode.CHUNK:
            head = chunk_head(begin, source.read(HEAD_BYTES))
            if head is None:
                raise OSError(f"the chunk at byte {begin} changed while it was copied")
            _copy_chunk(target, read_chunk(source, head, contents.size), contents)
            continue
        data = source.read(end - begin)
        if opcode == Opcode.METADATA and exactly(Metadata, data[RECORD_HEAD.size :]).name in without:
            continue
        target.write(data)
    loose.write()


def _copy_chunk(target: BinaryIO, chunk: WholeChunk, contents: McapContents) -> None:
    if all(number in contents.channels for number in chunk.index):
        _write_chunk(target, chunk.head.compression, chunk.stored, chunk.plain, chunk.index)
        return
    gathered = _Gathered(target)
    places = sorted(at for number, entries in chunk.index.items() if number in contents.channels for _, at in entries)
    for at in places:
        _, length = RECORD_HEAD.unpack_from(chunk.plain, at)
        gathered.add(chunk.plain[at : at + RECORD_HEAD.size + length])
    gathered.write()


class _Gathered:
    """Message records that are put together to chunks."""

    def __init__(self, target: BinaryIO) -> None:
        self._target, self._data = target, bytearray()
        self._index: dict[int, list[tuple[int, int]]] = {}

    def add(self, record: bytes) -> None:
        """One message's record."""
        channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(record, RECORD_HEAD.size)
        self._index.setdefault(channel, []).append((log_ns, len(self._data)))
        self._data += record
        if len(self._data) > CHUNK_BYTES:
            self.write()

    def write(self) -> None:
        """The chunk so far, if there is one."""
        if self._data:
            _write_chunk(self._target, "", bytes(self._data), bytes(self._data), self._index)
            self._data, self._index = bytearray(), {}


def _write_chunk(
    target: BinaryIO, compression: str, stored: bytes, plain: bytes, index: dict[int, list[tuple[int, int]]]
) -> None:
    times = [log_ns for entries in index.values() for log_ns, _ in entries]
    out = RecordBuilder()
    Chunk(
        compression=compression,
        data=stored,
        message_start_time=min(times, default=0),
        message_end_time=max(times, default=0),
        uncompressed_crc=zlib.crc32(plain),
        uncompressed_size=len(plain),
    ).write(out)
    for number, entries in index.items():
        MessageIndex(number, entries).write(out)
    target.write(out.end())


def _messages(source: BinaryIO, count: int) -> Iterator[bytes]:
    """Records that stand one behind the other in the next ``count`` bytes."""
    while count > 0:
        head = source.read(RECORD_HEAD.size)
        _, length = RECORD_HEAD.unpack(head)
        yield head + source.read(length)
        count -= RECORD_HEAD.size + length
