"""Random access to the messages of one finished MCAP file, mapped into memory; nothing is decoded and little is copied.

The format: https://mcap.dev/spec. Files without an end: ``recording/mcap_contents.py``. Every length in the file is
checked before it is believed.
"""

import mmap
import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from mcap.opcode import Opcode

from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.mcap_format import CHUNK_HEAD, MAGIC, MESSAGE_HEAD, RECORD_HEAD, decompress

MAX_CHUNK_BYTES = 256 * 1024 * 1024  # of a decompressed chunk; writers use 1 to 16 MiB
_CACHED_CHUNKS = 4

Place = tuple[int, int, int, int]
"""Log time (ns), compressed chunk (-1: in the file itself), offset and size of a message."""


@dataclass
class Channel:
    """One topic of one writer: message type, its definition and its encoding, and where its messages are."""

    topic: str
    type: str
    definition: str
    encoding: str
    qos: str = ""
    places: list[Place] = field(default_factory=list)


class McapFile:
    """An open MCAP file. ``channels``: by id. ``metadata``: by name, the key-value records of the file."""

    def __init__(self, path: Path) -> None:
        """Open and index it. Raises EpisodeError where it is not finished or breaks the format."""
        self.path = path
        self.channels: dict[int, Channel] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self._schemas: dict[int, tuple[str, str]] = {}
        self._chunks: list[tuple[int, int, int, str]] = []  # offset, stored size, size, compression
        self._cache: OrderedDict[int, memoryview] = OrderedDict()
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < 2 * len(MAGIC):
                raise EpisodeError(path, "file", f"holds {size} bytes", limit=f"{2 * len(MAGIC)} at least")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map)
        try:
            self._index()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back; messages handed out as views must be gone."""
        self._cache.clear()
        self._view.release()
        self._map.close()

    def message(self, place: Place) -> memoryview:
        """The serialised message, valid until the file is closed."""
        _, chunk, offset, size = place
        view = self._view if chunk < 0 else self._decompressed(chunk)
        return view[offset : offset + size]

    def _fail(self, key: str, message: str, index: int | None = None, limit: str = "") -> EpisodeError:
        return EpisodeError(self.path, key, message, index, limit)

    def _index(self) -> None:
        if self._view[:8] != MAGIC:
            raise self._fail("magic", "is no MCAP file")
        if self._view[-8:] != MAGIC:
            raise self._fail("end", "file is not finished: its recorder did not end; `mivla episodes repair` mends it")
        position, end = 8, len(self._view) - 8
        while position < end:
            opcode, start, stop = self._record(self._view, position, end)
            if opcode == Opcode.DATA_END:
                self._read_metadata(stop, end)
                return
            if opcode == Opcode.CHUNK:
                self._read_chunk(start, stop)
            else:
                self._read_record(self._view, opcode, start, stop, -1)
            position = stop
        raise self._fail("data end", "record is missing")

    def _record(self, view: memoryview, position: int, end: int) -> tuple[int, int, int]:
        if end - position < RECORD_HEAD.size:
            raise self._fail("record", f"at byte {position} is cut off")
        opcode, length = RECORD_HEAD.unpack_from(view, position)
        start = position + RECORD_HEAD.size
        if length > end - start:
            raise self._fail("record", f"at byte {position} claims {length} bytes", limit=f"{end - start} left")
        return opcode, start, start + length

    def _read_metadata(self, position: int, end: int) -> None:
        """Metadata may stand after the data as well."""
        while position < end:
            opcode, start, stop = self._record(self._view, position, end)
            if opcode == Opcode.METADATA:
                self._read_record(self._view, opcode, start, stop, -1)
            position = stop

    def _read_chunk(self, start: int, stop: int) -> None:
        if stop - start < CHUNK_HEAD.size + 12:
            raise self._fail("chunk", f"at byte {start} is cut off", len(self._chunks))
        _, _, size, _ = CHUNK_HEAD.unpack_from(self._view, start)
        compression, position = self._text(self._view, start + CHUNK_HEAD.size, stop, "chunk compression")
        if stop - position < 8:
            raise self._fail("chunk", f"at byte {start} is cut off", len(self._chunks))
        (stored,) = struct.unpack_from("<Q", self._view, position)
        position += 8
        if stored != stop - position:
            raise self._fail("chunk", f"claims {stored} bytes", len(self._chunks), f"{stop - position} there")
        number = -1
        view, first, last = self._view, position, stop
        if compression:
            if size > MAX_CHUNK_BYTES:
                raise self._fail("chunk", f"claims {size} bytes", len(self._chunks), f"{MAX_CHUNK_BYTES}")
            number = len(self._chunks)
            self._chunks.append((position, stored, size, compression))
            view = self._decompressed(number)
            first, last = 0, len(view)
        while first < last:
            opcode, begin, first = self._record(view, first, last)
            self._read_record(view, opcode, begin, first, number)

    def _read_record(self, view: memoryview, opcode: int, start: int, stop: int, chunk: int) -> None:
        if opcode == Opcode.MESSAGE:
            if stop - start < MESSAGE_HEAD.size:
                raise self._fail("message", f"at byte {start} is cut off")
            channel_id, _, log_ns, _ = MESSAGE_HEAD.unpack_from(view, start)
            channel = self.channels.get(channel_id)
            if channel is None:
                raise self._fail("message", f"at byte {start} is of channel {channel_id}, which is not declared")
            if log_ns > 2**62:
                raise self._fail(channel.topic, f"log time is {log_ns} ns", len(channel.places), "2^62")
            channel.places.append((log_ns, chunk, start + MESSAGE_HEAD.size, stop - start - MESSAGE_HEAD.size))
        elif opcode == Opcode.SCHEMA:
            (schema_id,) = self._unpack("<H", view, start, stop, "schema")
            name, at = self._text(view, start + 2, stop, "schema name")
            _, at = self._text(view, at, stop, "schema encoding")
            text, _ = self._text(view, at, stop, "schema data")
            self._schemas[schema_id] = (name, text)
        elif opcode == Opcode.CHANNEL:
            self._read_channel(view, start, stop)
        elif opcode == Opcode.METADATA:
            name, at = self._text(view, start, stop, "metadata name")
            self.metadata[name], _ = self._texts(view, at, stop, "metadata")

    def _read_channel(self, view: memoryview, start: int, stop: int) -> None:
        channel_id, schema_id = self._unpack("<HH", view, start, stop, "channel")
        topic, at = self._text(view, start + 4, stop, "channel topic")
        encoding, at = self._text(view, at, stop, "channel encoding")
        extra, _ = self._texts(view, at, stop, "channel metadata")
        if channel_id in self.channels:
            return
        if schema_id not in self._schemas:
            raise self._fail(topic, f"refers to schema {schema_id}, which is not declared")
        name, definition = self._schemas[schema_id]
        self.channels[channel_id] = Channel(topic, name, definition, encoding, extra.get("offered_qos_profiles", ""))

    def _unpack(self, layout: str, view: memoryview, start: int, stop: int, key: str) -> tuple[int, ...]:
        if stop - start < struct.calcsize(layout):
            raise self._fail(key, f"at byte {start} is cut off")
        return struct.unpack_from(layout, view, start)

    def _text(self, view: memoryview, start: int, stop: int, key: str) -> tuple[str, int]:
        (length,) = self._unpack("<I", view, start, stop, key)
        if length > stop - start - 4:
            raise self._fail(key, f"claims {length} bytes", limit=f"{stop - start - 4} left")
        end = start + 4 + length
        try:
            return bytes(view[start + 4 : end]).decode("utf-8"), end
        except UnicodeDecodeError as error:
            raise self._fail(key, f"is not UTF-8: {error}") from error

    def _texts(self, view: memoryview, start: int, stop: int, key: str) -> tuple[dict[str, str], int]:
        (length,) = self._unpack("<I", view, start, stop, key)
        end = start + 4 + length
        if end > stop:
            raise self._fail(key, f"claims {length} bytes", limit=f"{stop - start - 4} left")
        found, at = {}, start + 4
        while at < end:
            name, at = self._text(view, at, end, key)
            found[name], at = self._text(view, at, end, key)
        return found, end

    def _decompressed(self, number: int) -> memoryview:
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        offset, stored, size, compression = self._chunks[number]
        data = self._view[offset : offset + stored]
        try:
            plain = decompress(data, size, compression)
        except Exception as error:
            raise self._fail("chunk", f"cannot be decompressed ({compression}): {error}", number) from error
        if len(plain) != size:
            raise self._fail("chunk", f"holds {len(plain)} bytes", number, f"{size} as it claims")
        self._cache[number] = memoryview(plain)
        if len(self._cache) > _CACHED_CHUNKS:
            self._cache.popitem(last=False)
        return self._cache[number]
