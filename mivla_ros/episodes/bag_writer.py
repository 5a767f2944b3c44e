"""Writes one rosbag2 folder with MCAP from serialised messages, without ROS and without decoding them.

Whatever was flushed is whole chunks on disk, so after a kill at any moment ``mivla episodes repair`` finds all of it.
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

from mcap.data_stream import RecordBuilder
from mcap.records import Channel, Schema
from mcap.writer import CompressionType, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mivla_ros import __version__
from mivla_ros.episodes.recording.bag_metadata import as_yaml, bag_information, offered_qos, write_metadata
from mivla_ros.episodes.recording.conditions import folder_gone
from mivla_ros.episodes.recording.mcap_contents import McapContents
from mivla_ros.episodes.recording.mcap_scan import scan
from mivla_ros.episodes.recording.mcap_summary import finish
from mivla_ros.episodes.topics import RecordedTopic
from mivla_ros.stop_reasons import Stop

CHUNK_BYTES = 4 << 20  # a chunk also ends with every flush
RESERVE_BYTES = 2 << 20  # kept free for the file's end, should the disk become full
RESERVE_FILE = ".reserve"
GIVEN_UP_CHUNKS = 8  # at most, to make room for the end where even the reserve does not help
METADATA_RECORD = "mivla"  # the MCAP metadata record with the custom data, at the file's start and end
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RecordingError(RuntimeError):
    """A recording that cannot be made. ``path`` is its folder; ``full``: there is no room left for it."""

    def __init__(self, path: str, message: str, *, full: bool = False) -> None:
        super().__init__(f"recording {path}: {message}")
        self.path = path
        self.full = full


def suite_typestore() -> Typestore:
    """Jazzy's message types and those of mivla_msgs, read from the checkout or a sourced workspace."""
    store = get_typestore(Stores.ROS2_JAZZY)
    folders = [Path(__file__).resolve().parents[2] / "mivla_msgs" / "msg"]
    folders += [
        Path(prefix) / "share" / "mivla_msgs" / "msg"
        for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
        if prefix
    ]
    folder = next((f for f in folders if f.is_dir()), None)
    if folder is None:
        raise RecordingError("mivla_msgs", f"no message definitions in {', '.join(map(str, folders))}")
    types = {}
    for file in sorted(folder.glob("*.msg")):
        types.update(get_types_from_msg(file.read_text("utf-8"), f"mivla_msgs/msg/{file.stem}"))
    store.register(types)
    return store


class _WholeWrites:
    """An unbuffered file whose writes are complete or raise OSError; counts its bytes."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("x+b", buffering=0)
        self.position = 0

    def write(self, data: bytes) -> int:
        """All of it."""
        view = memoryview(data)
        while view:
            written = self.file.write(view)
            self.position += written
            view = view[written:]
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self.position

    def flush(self) -> None:
        """Nothing is held back."""


class BagWriter:
    """One open recording. ``counts``: messages written, by topic; ``size``: bytes on disk."""

    def __init__(self, folder: Path, topics: Mapping[str, RecordedTopic], custom_data: Mapping[str, str]) -> None:
        """Open a new bag in ``folder`` for the given full topic names. Raises RecordingError where that is not
        possible."""
        self.folder = folder
        self._name = f"{folder.name}.mcap"
        self.counts = dict.fromkeys(topics, 0)
        self._custom = dict(custom_data)
        self._schemas: dict[int, Schema] = {}
        self._times: tuple[int, int] | None = None
        store = suite_typestore()
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise RecordingError(str(folder), "exists already, is not overwritten") from error
        except OSError as error:
            raise self._error(str(error), error) from error
        try:
            self._reserve()
            self._stream = _WholeWrites(self.file)
            self._writer = Writer(
                cast(BinaryIO, self._stream), chunk_size=CHUNK_BYTES, compression=CompressionType.NONE
            )
            self._writer.start("ros2", f"mivla_ros {__version__}")
            self._writer.add_metadata(METADATA_RECORD, self._custom)
            self._channels = self._register(topics, store)
            self._write_definitions()
        except OSError as error:
            raise self._error(str(error), error) from error

    def _register(self, topics: Mapping[str, RecordedTopic], store: Typestore) -> dict[str, Channel]:
        ids: dict[str, int] = {}
        channels = {}
        for name, topic in topics.items():
            if topic.type not in ids:
                definition = store.generate_msgdef(topic.type, ros_version=2)[0].encode()
                number = self._writer.register_schema(topic.type, "ros2msg", definition)
                ids[topic.type] = number
                self._schemas[number] = Schema(data=definition, encoding="ros2msg", id=number, name=topic.type)
            metadata = {
                "offered_qos_profiles": as_yaml(offered_qos(latched=topic.latched)),
                "topic_type_hash": store.hash_rihs01(topic.type),
            }
            number = self._writer.register_channel(name, "cdr", ids[topic.type], metadata)
            channels[name] = Channel(
                id=number, topic=name, message_encoding="cdr", metadata=metadata, schema_id=ids[topic.type]
            )
        return channels

    def _write_definitions(self) -> None:
        """Schemas and channels before the first chunk too, which holds them as well: damage there costs no other."""
        out = RecordBuilder()
        for record in (*self._schemas.values(), *self._channels.values()):
            record.write(out)
        self._stream.write(out.end())

    @property
    def file(self) -> Path:
        """The MCAP file."""
        return self.folder / self._name

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._stream.position

    def gone(self) -> Stop | None:
        """FOLDER_GONE where the file is no longer where it was made."""
        return folder_gone(self.file, self._stream.file.fileno())

    def set_custom_data(self, data: Mapping[str, str]) -> None:
        """Add to or replace what the bag's metadata will say."""
        self._custom.update(data)

    def write(self, topic: str, stamp_ns: int, data: bytes, published_ns: int = 0, sequence: int = 0) -> None:
        """Append one serialised (CDR) message that came at ``stamp_ns``; published_ns and sequence as the middleware
        tells them, 0 where it does not. Raises RecordingError, with the disk's own words, when that fails."""
        try:
            self._writer.add_message(self._channels[topic].id, stamp_ns, data, published_ns or stamp_ns, sequence)
        except OSError as error:
            raise self._error(f"{topic}: {error}", error) from error
        self.counts[topic] += 1
        first, last = self._times or (stamp_ns, stamp_ns)
        self._times = min(first, stamp_ns), max(last, stamp_ns)

    def flush(self, *, to_disk: bool = False) -> None:
        """End the chunk, so that all messages so far survive a kill; ``to_disk``: a power cut too."""
        try:
            self._writer.flush()
            if to_disk:
                os.fdatasync(self._stream.file.fileno())
        except OSError as error:
            raise self._error(str(error), error) from error

    def close(self) -> None:
        """Finish the file and write metadata.yaml. Raises RecordingError when that fails; ``rescue`` may still do."""
        try:
            self._writer.flush()
            self._release()
            information = bag_information(self._name, self._written(), self._custom)
            for name, data in self._end_records(information).items():
                self._writer.add_metadata(name, data)
            self._writer.finish()
            self._close(information)
        except OSError as error:
            raise self._error(str(error), error) from error

    def rescue(self) -> Path:
        """After an error: finish the file with all whole records that are on disk; where they lie then.

        A folder that was moved is finished where it is now; one that was deleted is made anew from the file that is
        still open. Raises RecordingError where even that fails; then `mivla episodes repair` may help later.
        """
        try:
            self._release()
            self._follow_folder()
            self._finish_whole_records()
        except (OSError, ValueError) as error:
            raise self._error(f"cannot be finished: {error}", error) from error
        return self.folder

    def abandon(self) -> None:
        """Close the file as it is."""
        self._stream.file.close()

    def _written(self) -> McapContents:
        contents = McapContents(self.size)
        contents.schemas, contents.channels = self._schemas, {c.id: c for c in self._channels.values()}
        contents.counts = {self._channels[topic].id: count for topic, count in self.counts.items()}
        contents.start_ns, contents.end_ns = self._times or (0, 0)
        return contents

    def _end_records(self, information: Mapping[str, object]) -> dict[str, dict[str, str]]:
        return {METADATA_RECORD: self._custom, "rosbag2": {"serialized_metadata": as_yaml(information)}}

    def _close(self, information: Mapping[str, object]) -> None:
        os.fsync(self._stream.file.fileno())
        self._stream.file.close()
        write_metadata(self.folder, information)

    def _finish_whole_records(self) -> None:
        file = cast(BinaryIO, self._stream.file)
        size = os.fstat(file.fileno()).st_size
        for _ in range(GIVEN_UP_CHUNKS):
            contents = scan(file, size, resume=False)
            information = bag_information(self._name, contents, self._custom)
            size = contents.chunks[-1].chunk_start_offset if contents.chunks else 0
            try:
                finish(file, contents, self._end_records(information))
            except OSError as error:
                if error.errno not in FULL or not size:
                    raise
                continue  # the last chunk makes room for the end
            return self._close(information)
        raise OSError(FULL[0], "no room for the file's end")

    def _follow_folder(self) -> None:
        """Where the folder is gone from its place: go after it, or make it anew."""
        file = self._stream.file
        if self.gone() is None:
            return
        if os.fstat(file.fileno()).st_nlink:
            self.folder = Path(os.readlink(f"/proc/self/fd/{file.fileno()}")).parent
            return
        folder = self.folder
        if folder.exists():  # deleted and replaced by somebody: theirs stays as it is
            folder = folder.with_name(f"{folder.name}_rescued")
        folder.mkdir(parents=True)
        self.folder = folder
        copy = self.file.open("x+b", buffering=0)
        offset, size = 0, os.fstat(file.fileno()).st_size
        while offset < size:
            offset += os.sendfile(copy.fileno(), file.fileno(), offset, min(size - offset, 1 << 26))
        file.close()
        self._stream.file = copy

    def _reserve(self) -> None:
        with (self.folder / RESERVE_FILE).open("xb") as stream:
            os.posix_fallocate(stream.fileno(), 0, RESERVE_BYTES)

    def _release(self) -> None:
        (self.folder / RESERVE_FILE).unlink(missing_ok=True)

    def _error(self, message: str, error: Exception) -> RecordingError:
        full = isinstance(error, OSError) and error.errno in FULL
        return RecordingError(str(self.folder), message, full=full)
