"""Makes a recording whole again whose recorder was killed: summary, footer and metadata.yaml from what is on disk."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mivla_ros.episodes.bag_writer import METADATA_RECORD, RESERVE_FILE
from mivla_ros.episodes.recording.bag_metadata import (
    FILE,
    KEY,
    as_yaml,
    bag_information,
    read_custom_data,
    write_metadata,
)
from mivla_ros.episodes.recording.mcap_contents import Loss, McapContents
from mivla_ros.episodes.recording.mcap_copy import copy_whole
from mivla_ros.episodes.recording.mcap_scan import Progress, scan
from mivla_ros.episodes.recording.mcap_summary import finish

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

    kept: messages the folder holds now. cut: damaged bytes that had to go; losses: where they lay, and what of the
    recording they cost. seconds: length of the recording, by arrival times; start_ns: its first. changed: files were
    written (or would be, in a dry run). notes: what else to know.
    """

    folder: Path
    fault: str
    kept: int
    cut: int
    seconds: float
    changed: bool
    start_ns: int = 0
    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()


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
    report = Repair(
        folder=folder,
        fault=fault,
        kept=contents.message_count,
        cut=sum(loss.end - loss.begin for loss in contents.losses),
        seconds=seconds,
        changed=bool(fault),
        start_ns=contents.start_ns,
        losses=tuple(contents.losses),
        notes=_notes(contents),
    )
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
        said = yaml.safe_load((folder / FILE).read_text("utf-8"))[KEY]
        described = _described(said)
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"{FILE} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    if described != _described(bag_information(file.name, contents, {})):
        return f"{FILE} does not describe {file.name} with its {contents.message_count} messages"
    return ""


def _described(information: dict[str, Any]) -> tuple[list[str], int, list[tuple[str, str, int]]]:
    """What a metadata.yaml must say of a file: names, messages, and those of each topic that has any."""
    topics: dict[tuple[str, str], int] = {}
    for entry in information["topics_with_message_count"]:
        topic = entry["topic_metadata"]
        key = str(topic["name"]), str(topic["type"])
        topics[key] = topics.get(key, 0) + int(entry["message_count"])
    counts = sorted((name, kind, count) for (name, kind), count in topics.items() if count)
    return [str(name) for name in information["relative_file_paths"]], int(information["message_count"]), counts


def _notes(contents: McapContents) -> tuple[str, ...]:
    notes = [
        f"{count} messages of channel {number} are lost: it is declared nowhere"
        for number, count in contents.undeclared.items()
    ]
    if contents.guessed:
        notes.append("names and types of topics come from a damaged chunk: look whether they are right")
    return tuple(notes)


def _write_copy(file: Path, contents: McapContents, custom: dict[str, str]) -> McapContents:
    """Write the whole records and a new end beside the file, then put that in its place."""
    copy = _copy_of(file)
    free = shutil.disk_usage(file.parent).free
    if free < contents.size:
        raise RepairError(file.parent, f"{free / 1e6:.0f} MB free, {contents.size / 1e6:.0f} MB needed for the copy")
    with file.open("rb") as source, copy.open("w+b") as target:
        copy_whole(source, target, contents, without=(METADATA_RECORD, "rosbag2"))
        size = target.tell()
        kept, contents = contents.message_count, scan(target, size)
    if (contents.message_count, contents.end) != (kept, size):
        raise RepairError(file.parent, f"the copy does not hold the same ({contents.fault}); the original is untouched")
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
