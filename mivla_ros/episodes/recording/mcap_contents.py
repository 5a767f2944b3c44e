"""What a MCAP file really holds, as ``mcap_scan`` finds it."""

from collections import defaultdict
from dataclasses import dataclass, field

from mcap.records import AttachmentIndex, Channel, ChunkIndex, Header, MessageIndex, MetadataIndex, Schema


@dataclass(frozen=True)
class Loss:
    """A damaged stretch of a file, and what is known of what lay there.

    begin, end: bytes. fault: what is wrong there. messages: lost ones by topic; empty where none are, None where that
    is not known. start_ns, end_ns: log times of the lost messages; where they are not known, those of the messages on
    either side; 0 and 0 where none are lost.
    """

    begin: int
    end: int
    fault: str
    messages: dict[str, int] | None
    start_ns: int = 0
    end_ns: int = 0


@dataclass
class McapContents:
    """The whole records of one file. Offsets in bytes, times in ns of the recording's clock.

    end: where the last whole record of the data section ends. finished: summary, footer and magic are there, and
    nothing is damaged. unchunked: messages lie outside of chunks, so they are in no index. fault: the first thing that
    is wrong; may be empty. kept: opcode, begin and end of all that is worth a copy but definitions. losses: damaged
    stretches. undeclared: messages in whole chunks whose channel is declared nowhere, by its number; not in ``counts``.
    guessed: definitions come from a damaged chunk. loose_index: message index records of the last chunk, where the file
    has lost them.
    """

    size: int
    end: int = 0
    finished: bool = False
    unchunked: bool = False
    fault: str = ""
    header: Header | None = None
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    chunks: list[ChunkIndex] = field(default_factory=list)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    metadata_indexes: list[MetadataIndex] = field(default_factory=list)
    attachment_indexes: list[AttachmentIndex] = field(default_factory=list)
    kept: list[tuple[int, int, int]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    undeclared: dict[int, int] = field(default_factory=dict)
    guessed: bool = False
    loose_index: dict[int, MessageIndex] = field(default_factory=dict)
    start_ns: int = 0
    end_ns: int = 0

    @property
    def message_count(self) -> int:
        """Messages in whole records."""
        return sum(self.counts.values())

    def found(self, fault: str) -> None:
        """Something is wrong; the first that is found stays."""
        self.fault = self.fault or fault

    def saw_messages(self, channel: int, times_ns: list[int]) -> None:
        """Count messages of one channel (one at least)."""
        first, last = min(times_ns), max(times_ns)
        self.start_ns = min(self.start_ns, first) if self.message_count else first
        self.end_ns = max(self.end_ns, last)
        self.counts[channel] += len(times_ns)
