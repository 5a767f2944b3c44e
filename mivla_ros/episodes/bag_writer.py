"""Writes one rosbag2 folder with MCAP from serialised messages, without ROS and without decoding them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rosbags.interfaces import Connection, Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mivla_ros.episodes.topics import RecordedTopic

VERSION: Literal[9] = 9


class RecordingError(RuntimeError):
    """A recording that cannot be made. ``path`` is its folder."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"recording {path}: {message}")
        self.path = path


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


class BagWriter:
    """One open recording. ``counts``: messages written, by topic."""

    def __init__(self, folder: Path, topics: Mapping[str, RecordedTopic], custom_data: Mapping[str, str]) -> None:
        """Open a new bag in ``folder`` for the given full topic names. Raises RecordingError where that is not
        possible."""
        self.folder = folder
        self.counts = dict.fromkeys(topics, 0)
        try:
            self._writer = Writer(folder, version=VERSION, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except Exception as error:
            raise RecordingError(str(folder), str(error)) from error
        for key, value in custom_data.items():
            self._writer.set_custom_data(key, value)
        store = suite_typestore()
        self._connections: dict[str, Connection] = {
            name: self._writer.add_connection(
                name, topic.type, typestore=store, offered_qos_profiles=[_qos(latched=topic.latched)]
            )
            for name, topic in topics.items()
        }

    def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Append one serialised (CDR) message. Raises RecordingError, with the disk's own words, when that fails."""
        try:
            self._writer.write(self._connections[topic], stamp_ns, data)
        except OSError as error:
            raise RecordingError(str(self.folder), f"{topic}: {error}") from error
        self.counts[topic] += 1

    def close(self) -> None:
        """Finish the file and write metadata.yaml. Raises RecordingError when that fails."""
        try:
            self._writer.close()
        except OSError as error:
            raise RecordingError(str(self.folder), str(error)) from error


def _qos(*, latched: bool) -> Qos:
    forever = QosTime(2147483647, 4294967295)
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        avoid_ros_namespace_conventions=False,
    )
