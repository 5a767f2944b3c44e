"""Schemas and channels of one MCAP file, found in several places of which some are proven and some are not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mcap.records import Channel, Schema

Found = dict[int, Schema] | dict[int, Channel]


@dataclass
class Definitions:
    """Schemas and channels by number."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def add(self, record: object) -> None:
        """Take a record, if it is a definition."""
        if isinstance(record, Schema):
            self.schemas[record.id] = record
        elif isinstance(record, Channel):
            self.channels[record.id] = record

    def update(self, schemas: Mapping[int, Schema], channels: Mapping[int, Channel]) -> None:
        """Take all of them; a newer one replaces an older one."""
        self.schemas.update(schemas)
        self.channels.update(channels)

    def contradiction(self, loose: "Definitions") -> str:
        """The first of the unproven definitions that is not as proven here, in words; empty where there is none."""
        for word, proven, found in (
            ("schema", dict[int, object](self.schemas), dict[int, object](loose.schemas)),
            ("channel", dict[int, object](self.channels), dict[int, object](loose.channels)),
        ):
            for number, record in found.items():
                if proven.get(number, record) != record:
                    return f"{word} {number} is not defined as in its chunk"
        return ""

    def without_doubles(self, used: Iterable[int]) -> "Definitions":
        """Without channels that nobody uses and whose topic another one has: their number is damaged."""
        needed = set(used)
        topics: dict[str, list[int]] = {}
        for number, channel in self.channels.items():
            topics.setdefault(channel.topic, []).append(number)
        kept = {n: c for n, c in self.channels.items() if n in needed or len(topics[c.topic]) == 1}
        return Definitions(dict(self.schemas), kept)
