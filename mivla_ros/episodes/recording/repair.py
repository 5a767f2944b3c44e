"""Makes a recording whole again whose recorder was killed: summary, footer and metadata.yaml from what is on disk."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer

from mivla_ros.episodes.bag_writer import METADATA_RECORD, RESERVE_FILE
from mivla_ros.episodes.recording.bag_metadata import FILE, as_yaml, bag_information, read_custom_data, write_metadata
from mivla_ros.episodes.recording.mcap_contents import BROKEN, McapContents, Progress, finish, scan

SUFFIX = ".repairing"
STOP_REASON = "stop_reason"


class RepairError(RuntimeError):
    """A folder that cannot be repaired; the message names it and why."""

    def __init__(self, folder: Path, message: str) -> None:
        super().__init__(f"{folder}: {message}")
        self.folder = folder


@dataclass(frozen=True)
class Repair:
    """What was found in one folder and done there. ``fault``: what was wrong; empty where all is well.

    kept: messages the folder holds now. cut: bytes behind the last whole record that had to go. seconds: length of the
    recording, by arrival times. changed: files were written (or would be, in a dry run).
    """

    folder: Path
    fault: str
    kept: int
    cut: int
    seconds: float
    changed: bool


def is_recording(folder: Path) -> bool:
    """True where the folder holds one MCAP file, so that it can be looked at."""
    return folder.is_dir() and len(_files(folder)) == 1


def repair_recording(folder: Path, *, dry_run: bool = False, progress: Progress | None = None) -> Repair:
    """Repair one rosbag2 folder with one MCAP file; a whole one is left as it is.

    The original stays in its place until the repaired copy is on disk. Raises RepairError where there is nothing to
    repair or the disk has no room for the copy, OSError where the disk fails.
    """
    files = _files(folder) if folder.is_dir() else []
    if len(files) != 1:
        raise RepairError(folder, f"holds {len(files)} MCAP files, must be one")
    file = files[0]
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            contents = scan(stream, size, progress)
    except ValueError as error:
        raise RepairError(folder, f"{file.name} {error}") from error
    fault = _fault(folder, file, contents)
    seconds = (contents.end_ns - contents.start_ns) / 1e9
    whole = contents.finished and not contents.unchunked
    report = Repair(folder, fault, contents.message_count, 0 if whole else size - contents.end, seconds, bool(fault))
    if dry_run or not fault:
        return report
    custom = contents.metadata.get(METADATA_RECORD, {}) | read_custom_data(folder)
    if not whole:
        custom = custom | {STOP_REASON: custom.get(STOP_REASON) or f"recorder ended without notice ({fault})"}
        contents = _write_copy(file, contents, custom)
    write_metadata(folder, bag_information(file.name, contents, custom))
    for left in (folder / RESERVE_FILE, folder / f"{FILE}.tmp", _copy_of(file)):
        left.unlink(missing_ok=True)
    return report


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.glob("*.mcap") if f.is_file())


def _copy_of(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)


def _fault(folder: Path, file: Path, contents: McapContents) -> str:
    if contents.unchunked:
        return "messages outside of chunks, which no index reaches"
    if not contents.finished:
        return contents.fault
    if not (folder / FILE).is_file():
        return f"{FILE} is missing"
    try:
        text = (folder / FILE).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return f"{FILE} cannot be read: {error}"
    if f"message_count: {contents.message_count}\n" not in text or file.name not in text:
        return f"{FILE} does not describe {file.name} with its {contents.message_count} messages"
    return ""


def _write_copy(file: Path, contents: McapContents, custom: dict[str, str]) -> McapContents:
    """Write the whole records and a new end beside the file, then put that in its place."""
    copy = _copy_of(file)
    free = shutil.disk_usage(file.parent).free
    if free < contents.end:
        raise RepairError(file.parent, f"{free / 1e6:.0f} MB free, {contents.end / 1e6:.0f} MB needed for the copy")
    if contents.unchunked:
        _write_in_chunks(file, copy)
        with copy.open("rb") as stream:
            contents = scan(stream, copy.stat().st_size)
    else:
        with file.open("rb") as source, copy.open("wb") as target:
            _copy_bytes(source, target, contents.end)
    information = bag_information(file.name, contents, custom)
    with copy.open("r+b") as stream:
        finish(stream, contents, {METADATA_RECORD: custom, "rosbag2": {"serialized_metadata": as_yaml(information)}})
        stream.flush()
        os.fsync(stream.fileno())
    with copy.open("rb") as stream:
        if not scan(stream, copy.stat().st_size).finished:
            raise RepairError(file.parent, "the repaired copy does not read back; the original is untouched")
    copy.replace(file)
    return contents


def _copy_bytes(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0:
        block = source.read(min(count, 1 << 24))
        if not block:
            raise OSError("the file became shorter while it was copied")
        target.write(block)
        count -= len(block)


def _write_in_chunks(source: Path, target: Path) -> None:
    """Copy a file's readable messages one by one, so that all lie in chunks."""
    with source.open("rb") as read, target.open("wb") as write:
        writer = Writer(write, compression=CompressionType.NONE)
        writer.start("ros2", "mivla_ros repair")
        schemas: dict[int, int] = {0: 0}
        channels: dict[int, int] = {}
        for record in _readable(StreamReader(read).records):
            if isinstance(record, Schema) and record.id not in schemas:
                schemas[record.id] = writer.register_schema(record.name, record.encoding, record.data)
            elif isinstance(record, Channel) and record.id not in channels:
                channels[record.id] = writer.register_channel(
                    record.topic, record.message_encoding, schemas[record.schema_id], record.metadata
                )
            elif isinstance(record, Message) and record.channel_id in channels:
                writer.add_message(
                    channels[record.channel_id], record.log_time, record.data, record.publish_time, record.sequence
                )
        writer.finish()


def _readable(records: Iterator[object]) -> Iterator[object]:
    """Records up to the file's end, or to the first that is broken."""
    try:
        yield from records
    except BROKEN:
        return
