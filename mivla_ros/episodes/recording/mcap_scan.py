"""Reads what a MCAP file really holds, from its start, over every damaged stretch.

A MCAP file is a row of records; index, statistics and footer come last, so a writer that is killed leaves a file
without them (https://mcap.dev/spec). Where a record is damaged, the walk goes on at the next one that is proven whole
(``mcap_search``), and says what lay between. The end that a file lacks: ``mcap_summary``; a copy of what is whole:
``mcap_copy``.
"""

from io import BytesIO
from typing import BinaryIO, Protocol

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    AttachmentIndex,
    ChunkIndex,
    DataEnd,
    Header,
    McapRecord,
    MessageIndex,
    Metadata,
    MetadataIndex,
)

from mivla_ros.episodes.mcap_format import MAGIC, MESSAGE_HEAD, RECORD_HEAD
from mivla_ros.episodes.recording.mcap_contents import Loss, McapContents
from mivla_ros.episodes.recording.mcap_definitions import Definitions
from mivla_ros.episodes.recording.mcap_records import (
    BROKEN,
    HEAD_BYTES,
    MAX_RECORD,
    WholeChunk,
    chunk_head,
    exactly,
    read_chunk,
)
from mivla_ros.episodes.recording.mcap_search import LOOSE, MAX_LOOSE, chain_before, checksum, whole_chunks
from mivla_ros.episodes.recording.mcap_summary import Summary, ends_well, read_summary

PRIVATE = 0x80  # opcodes from here on are an application's own; those below that the format does not know are broken


class Progress(Protocol):
    """Told how far a scan is, in bytes from the start."""

    def __call__(self, position: int, /) -> None:
        """Called after every record."""


def scan(stream: BinaryIO, size: int, progress: Progress | None = None, *, resume: bool = True) -> McapContents:
    """Walk over a file of ``size`` bytes; with ``resume`` over damaged stretches too, else up to the first.

    Raises ValueError where it does not even begin as a MCAP file and holds no chunk.
    """
    return _Scan(stream, size, resume).run(progress)


class _Scan:
    """One walk over one file."""

    def __init__(self, stream: BinaryIO, size: int, resume: bool) -> None:
        self.stream, self.size, self.resume = stream, size, resume
        self.contents = McapContents(size)
        self.proven, self.loose, self.damaged = Definitions(), Definitions(), Definitions()
        self.lost: list[tuple[int, int, str, dict[int, int] | None, list[int]]] = []
        self.chunk: WholeChunk | None = None  # the last one, while its index may follow
        self.index: dict[int, list[tuple[int, int]]] = {}  # what of the last chunk's index has not come
        self.ended = False
        self._summary: Summary | None = None
        self._looked = False

    def run(self, progress: Progress | None) -> McapContents:
        contents = self.contents
        self.stream.seek(0)
        if self.stream.read(len(MAGIC)) != MAGIC:
            contents.found("does not begin with the magic of a MCAP file")
        position = contents.end = len(MAGIC)
        while position < self.size:
            following: int | None = None
            try:
                following = self._take(position)
            except BROKEN as error:
                following = self._pass_over(position, f"record at byte {position}: {error or type(error).__name__}")
            if self.ended or following is None:
                break
            position = contents.end = following
            if progress is not None:
                progress(position)
        if contents.header is None and not contents.chunks:
            raise ValueError(f"does not begin as a MCAP file ({contents.fault or f'{self.size} bytes'})")
        if not self.ended:
            contents.found("ends without summary")
        self._settle()
        contents.finished = not contents.fault
        return contents

    # ---- whole records ----

    def _take(self, position: int) -> int:
        """Take what stands at ``position``; where it ends. Raises one of BROKEN."""
        self.stream.seek(position)
        data = self.stream.read(HEAD_BYTES)
        if len(data) < RECORD_HEAD.size:
            raise EOFError("cut in its head")
        opcode, length = RECORD_HEAD.unpack_from(data)
        head = chunk_head(position, data)
        if opcode == Opcode.CHUNK and head is None:
            raise ValueError("chunk has no sound head")
        if head is not None and (opcode == Opcode.CHUNK or head.fits):
            try:
                return self._take_chunk(read_chunk(self.stream, head, self.size))
            except BROKEN:
                if opcode == Opcode.CHUNK:
                    raise
        end = int(position + RECORD_HEAD.size + length)
        known = opcode in (Opcode.HEADER, Opcode.MESSAGE, Opcode.ATTACHMENT) or opcode in LOOSE or opcode >= PRIVATE
        if not known or length > MAX_RECORD:
            raise ValueError(f"opcode {opcode} and length {length} cannot be")
        if end > self.size:
            raise EOFError(f"{end - self.size} bytes of it are missing")
        self.stream.seek(position + RECORD_HEAD.size)
        self._take_loose(opcode, position, end, self.stream.read(length))
        if opcode != Opcode.MESSAGE_INDEX:
            self.chunk = None
        return end

    def _take_chunk(self, chunk: WholeChunk) -> int:
        contents, head = self.contents, chunk.head
        if chunk.fault:
            contents.found(chunk.fault)
        self.proven.update(chunk.schemas, chunk.channels)
        for channel, entries in chunk.index.items():
            contents.saw_messages(channel, [log_ns for log_ns, _ in entries])
        contents.chunks.append(
            ChunkIndex(
                chunk_length=head.end - head.begin,
                chunk_start_offset=head.begin,
                compression=head.compression,
                compressed_size=head.stored,
                message_end_time=chunk.end_ns,
                message_index_length=0,
                message_index_offsets={},
                message_start_time=chunk.start_ns,
                uncompressed_size=len(chunk.plain),
            )
        )
        contents.kept.append((Opcode.CHUNK, head.begin, head.end))
        self.chunk, self.index = chunk, dict(chunk.index)
        return head.end

    def _take_loose(self, opcode: int, begin: int, end: int, body: bytes) -> None:
        contents = self.contents
        if opcode == Opcode.HEADER:
            if begin != len(MAGIC):
                raise ValueError("header behind the file's beginning")
            contents.header = exactly(Header, body)
        elif opcode == Opcode.MESSAGE:
            self._take_message(begin, end, body)
        elif opcode == Opcode.ATTACHMENT:
            attachment = Attachment.read(ReadDataStream(BytesIO(body)))
            if body.endswith(bytes(4)):  # no checksum
                self._check_no_chunk(opcode, begin, end)
            else:
                exactly(Attachment, body)
            contents.attachment_indexes.append(
                AttachmentIndex(
                    offset=begin,
                    length=end - begin,
                    create_time=attachment.create_time,
                    log_time=attachment.log_time,
                    data_size=len(attachment.data),
                    name=attachment.name,
                    media_type=attachment.media_type,
                )
            )
            contents.kept.append((opcode, begin, end))
        elif opcode >= PRIVATE:
            self._check_no_chunk(opcode, begin, end)
            contents.kept.append((opcode, begin, end))
        else:
            self._take_known(exactly(LOOSE[opcode], body), begin, end)

    def _check_no_chunk(self, opcode: int, begin: int, end: int) -> None:
        """Nothing else proves the length of a record without a checksum."""
        if next(whole_chunks(self.stream, self.size, begin + 1, end), None) is not None:
            raise ValueError(f"record of opcode {opcode} and {end - begin} bytes holds a chunk")

    def _take_known(self, record: McapRecord, begin: int, end: int) -> None:
        contents = self.contents
        self.loose.add(record)
        if isinstance(record, MessageIndex):
            self._take_index(record, begin, end)
        elif isinstance(record, Metadata):
            contents.metadata[record.name] = dict(record.metadata)
            contents.metadata_indexes.append(MetadataIndex(begin, end - begin, record.name))
            contents.kept.append((Opcode.METADATA, begin, end))
        elif isinstance(record, DataEnd):
            self.ended = True
            if record.data_section_crc and record.data_section_crc != checksum(self.stream, begin):
                contents.found("the data do not have the checksum that their end says")
            elif not ends_well(self.stream, self.size):
                contents.found("its summary or footer is not whole")

    def _take_message(self, begin: int, end: int, body: bytes) -> None:
        channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(body)
        if channel not in self.loose.channels and channel not in self.proven.channels:
            raise ValueError(f"message of channel {channel}, which is not declared")
        self.contents.unchunked = True
        self.contents.saw_messages(channel, [log_ns])
        kept = self.contents.kept
        if kept and kept[-1][0] == Opcode.MESSAGE and kept[-1][2] == begin:
            begin = kept.pop()[1]
        kept.append((Opcode.MESSAGE, begin, end))

    def _take_index(self, record: MessageIndex, begin: int, end: int) -> None:
        if self.chunk is None:
            raise ValueError("message index without its chunk")
        if not self._is_of_chunk(record):
            raise ValueError("message index does not go with its chunk")
        self.index.pop(record.channel_id, None)
        index = self.contents.chunks[-1]
        index.message_index_offsets[record.channel_id] = begin
        index.message_index_length += end - begin

    def _is_of_chunk(self, record: MessageIndex) -> bool:
        return self.chunk is not None and sorted(self.index.get(record.channel_id, ())) == sorted(record.records)

    # ---- damaged stretches ----

    def _pass_over(self, position: int, fault: str) -> int | None:
        """Note what is lost from ``position`` on; where to go on, None where nothing whole follows."""
        self.contents.found(fault)
        found = next(whole_chunks(self.stream, self.size, position, self.size), None) if self.resume else None
        end = self.size if found is None else found.begin
        chain = chain_before(self.stream, self.size, position + 1, end) if self.resume else []
        whole = chain[0][0] if chain else end  # where whole records go on
        indexes: list[MessageIndex] = []
        while chain and isinstance(chain[0][1], MessageIndex):  # its chunk is lost, or it is made anew
            record = chain.pop(0)[1]
            if isinstance(record, MessageIndex) and not self._is_of_chunk(record):
                indexes.append(record)
        following = chain[0][0] if chain else None if found is None else end
        counts, times = self._what_is_lost(position, whole, end if following is None else following, indexes)
        self.lost.append((position, whole, fault, counts, times))
        self._keep_definitions(position, whole)
        self.chunk = None
        return following

    def _what_is_lost(
        self, begin: int, whole: int, following: int, indexes: list[MessageIndex]
    ) -> tuple[dict[int, int] | None, list[int]]:
        """Messages by channel, None where that is not known, and log times of theirs."""
        if self._summary is None and not self._looked:
            self._summary, self._looked = read_summary(self.stream, self.size), True
        if self._summary is not None:
            gone = [chunk for chunk in self._summary.chunks if begin <= chunk.chunk_start_offset < whole]
            known = [self._indexes_of(chunk) for chunk in gone]
            times = [time for chunk in gone for time in (chunk.message_start_time, chunk.message_end_time)]
            return (_counts([record for found in known for record in found]) if all(known) else None), times
        times = [log_ns for record in indexes for log_ns, _ in record.records]
        if indexes:
            return _counts(indexes), times
        self.stream.seek(begin)
        data = self.stream.read(HEAD_BYTES)
        head = chunk_head(begin, data)
        if head is not None:
            later = [c for c in (head.start_ns, head.end_ns) if self.contents.end_ns <= c < 1 << 62]
            return None, later if len(later) == 2 else []
        own_index = self.chunk is not None and whole <= self.chunk.head.end + self.chunk.index_size
        if own_index or (self._is_loose(data, begin, whole) and not self.contents.unchunked):
            return {}, []
        return None, []

    @staticmethod
    def _is_loose(data: bytes, begin: int, whole: int) -> bool:
        """True where opcode or length still tell that it is one record outside of chunks. ``data``: no chunk's head."""
        if len(data) < RECORD_HEAD.size or whole - begin > MAX_LOOSE:
            return False
        opcode, length = RECORD_HEAD.unpack_from(data)
        return opcode in (*LOOSE, Opcode.HEADER) or begin + RECORD_HEAD.size + length == whole

    def _indexes_of(self, chunk: ChunkIndex) -> list[MessageIndex]:
        """A lost chunk's message index, where the summary says; empty where that is damaged too or already known."""
        found = []
        for channel, at in chunk.message_index_offsets.items():
            self.stream.seek(at)
            head = self.stream.read(RECORD_HEAD.size)
            try:
                opcode, length = RECORD_HEAD.unpack(head)
                record = exactly(MessageIndex, self.stream.read(min(length, MAX_LOOSE)))
            except BROKEN:
                return []
            if opcode != Opcode.MESSAGE_INDEX or record.channel_id != channel:
                return []
            found.append(record)
        return found

    def _keep_definitions(self, begin: int, end: int) -> None:
        """Definitions in a damaged chunk, up to the first record that is none: used where no other place has them."""
        self.stream.seek(begin)
        head = chunk_head(begin, self.stream.read(HEAD_BYTES))
        if head is None or head.compression:
            return
        self.stream.seek(head.data)
        stream = ReadDataStream(self.stream)
        try:
            while head.data + stream.count < end:
                opcode, length = RECORD_HEAD.unpack(stream.read(RECORD_HEAD.size))
                if opcode not in (Opcode.SCHEMA, Opcode.CHANNEL) or length > MAX_LOOSE:
                    return
                self.damaged.add(exactly(LOOSE[opcode], stream.read(length)))
        except BROKEN:
            return

    # ---- all together ----

    def _settle(self) -> None:
        """Put together what is known from all over the file."""
        contents = self.contents
        if text := self.proven.contradiction(self.loose):
            contents.found(text)
        made = Definitions()
        for found in (self.damaged, self.loose, self._summary, self.proven):  # the surer ones last
            if found is not None:
                made.update(found.schemas, found.channels)
        sure = {*self.loose.channels, *self.proven.channels, *(self._summary.channels if self._summary else ())}
        known = made.without_doubles({*contents.counts, *self.proven.channels})
        if len(known.channels) < len(made.channels):
            contents.found("a channel is declared twice")
        contents.schemas, contents.channels = known.schemas, known.channels
        contents.guessed = any(number in known.channels and number not in sure for number in self.damaged.channels)
        contents.undeclared = {n: contents.counts.pop(n) for n in list(contents.counts) if n not in contents.channels}
        if contents.undeclared:
            contents.found(f"{sum(contents.undeclared.values())} messages are of channels that are declared nowhere")
        if contents.chunks:
            contents.loose_index = {number: MessageIndex(number, entries) for number, entries in self.index.items()}
        contents.losses = [self._loss(*lost) for lost in self.lost]

    def _loss(self, begin: int, end: int, fault: str, counts: dict[int, int] | None, times: list[int]) -> Loss:
        if counts is None and not times:
            before = [c.message_end_time for c in self.contents.chunks if c.chunk_start_offset < begin]
            after = [c.message_start_time for c in self.contents.chunks if c.chunk_start_offset >= end]
            times = [max(before, default=self.contents.start_ns), min(after, default=self.contents.end_ns)]
        topics: dict[str, int] | None = None if counts is None else {}
        for number, count in (counts or {}).items():
            channel = self.contents.channels.get(number)
            name = f"channel {number}" if channel is None else channel.topic
            topics = {**(topics or {}), name: (topics or {}).get(name, 0) + count}
        return Loss(begin, end, fault, topics, min(times, default=0), max(times, default=0))


def _counts(records: list[MessageIndex]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for record in records:
        counts[record.channel_id] = counts.get(record.channel_id, 0) + len(record.records)
    return counts
