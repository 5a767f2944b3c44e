"""Messages of a bag by topic and number, whatever the bag is: rosbag2 with MCAP or SQLite, a lone MCAP file, ROS 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml
from numpy.typing import NDArray
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from mivla_ros.episodes.bag_writer import suite_typestore
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.mcap_file import McapFile, Place

METADATA_FILE = "metadata.yaml"
CUSTOM_RECORD = "mivla"  # MCAP metadata record in which the recorder keeps its custom data
MAX_METADATA_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Topic:
    """One topic: message type (``package/msg/Name``) and log times (N,) of its messages, not decreasing."""

    name: str
    type: str
    log_ns: NDArray[np.int64]


class MessageSource(Protocol):
    """An open bag."""

    @property
    def topics(self) -> Mapping[str, Topic]:
        """By full name."""
        ...

    @property
    def custom_data(self) -> Mapping[str, str]:
        """What the recorder said of the recording."""
        ...

    def data(self, topic: str, index: int) -> bytes | memoryview:
        """One serialised message, in order of log time."""
        ...

    def decoded(self, topic: str, index: int) -> Any:  # noqa: ANN401
        """One message as an object with the definition's fields."""
        ...

    @property
    def is_cdr(self) -> bool:
        """True where messages are serialised as CDR (ROS 2)."""
        ...

    def close(self) -> None:
        """Give its files back."""
        ...


@lru_cache(maxsize=1)
def ros2_types() -> Typestore:
    """Jazzy's types and ours. Never a bag's own definitions: code is generated from definitions."""
    return suite_typestore()


@lru_cache(maxsize=1)
def ros1_types() -> Typestore:
    """Noetic's types."""
    return get_typestore(Stores.ROS1_NOETIC)


def decode_cdr(data: bytes | memoryview, kind: str) -> Any:  # noqa: ANN401
    """A serialised ROS 2 message. Raises what rosbags raises where its bytes do not fit its type.

    rclpy's serialize_message leaves up to 8 bytes behind the message, and rosbags takes no more than 3.
    """
    types = ros2_types()
    for rest in (0, 4):
        try:
            return types.deserialize_cdr(data[: len(data) - rest], kind)
        except SerdeError as error:
            if "size mismatch" not in str(error):
                raise
    return types.deserialize_cdr(data[:-8], kind)


def open_source(path: Path) -> MessageSource:
    """Open a bag: its folder, or its one file. Raises EpisodeError."""
    if path.is_dir():
        described = read_metadata(path)
        files = [path / str(name) for name in described.get("relative_file_paths") or ()]
        for file in files:
            if file.parent.resolve() != path.resolve() or not file.is_file():
                raise EpisodeError(path / METADATA_FILE, "relative_file_paths", f"{file.name!r} is not in the folder")
        custom = described.get("custom_data") or {}
        packed = str(described.get("compression_mode") or "").lower() == "message"  # each message by itself
        if files and not packed and all(file.suffix == ".mcap" for file in files):
            return McapSource(path, files, {str(k): str(v) for k, v in custom.items()})
        return RosbagsSource(path, {str(k): str(v) for k, v in custom.items()})
    if path.suffix == ".mcap":
        return McapSource(path, [path], {})
    return RosbagsSource(path, {})


def read_metadata(folder: Path) -> dict[str, Any]:
    """What metadata.yaml says of a rosbag2 folder. Raises EpisodeError."""
    file = folder / METADATA_FILE
    if not file.is_file():
        raise EpisodeError(folder, METADATA_FILE, "is missing: the recorder did not end; `mivla episodes repair`")
    if file.stat().st_size > MAX_METADATA_BYTES:
        raise EpisodeError(file, "file", f"holds {file.stat().st_size} bytes", limit=f"{MAX_METADATA_BYTES}")
    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise EpisodeError(file, "file", f"is not YAML: {str(error).splitlines()[0]}") from error
    information = data.get("rosbag2_bagfile_information") if isinstance(data, dict) else None
    if not isinstance(information, dict):
        raise EpisodeError(file, "rosbag2_bagfile_information", "is missing")
    for key, kind in (("relative_file_paths", list), ("custom_data", dict)):
        if information.get(key) is not None and not isinstance(information[key], kind):
            raise EpisodeError(file, key, f"is {type(information[key]).__name__}", limit=kind.__name__)
    return information


class McapSource:
    """One or more finished MCAP files, mapped."""

    is_cdr = True

    def __init__(self, path: Path, files: list[Path], custom_data: Mapping[str, str]) -> None:
        self.path, self.custom_data = path, dict(custom_data)
        self._files: list[McapFile] = []
        places: dict[str, list[tuple[Place, int]]] = {}
        types: dict[str, str] = {}
        try:
            for number, file in enumerate(files):
                self._files.append(McapFile(file))
                for channel in self._files[-1].channels.values():
                    self._check(file, channel.topic, channel.type, channel.definition, channel.encoding)
                    if types.setdefault(channel.topic, channel.type) != channel.type:
                        text = f"has two types, {types[channel.topic]}, {channel.type}"
                        raise EpisodeError(file, channel.topic, text)
                    places.setdefault(channel.topic, []).extend((place, number) for place in channel.places)
        except BaseException:
            self.close()
            raise
        for opened in self._files:  # a lone file carries what its folder's metadata.yaml would say
            self.custom_data = {**opened.metadata.get(CUSTOM_RECORD, {}), **self.custom_data}
        for found in places.values():
            found.sort(key=lambda item: item[0][0])
        self._places = places
        self.topics = {
            name: Topic(name, types[name], np.array([p[0] for p, _ in found], dtype=np.int64))
            for name, found in places.items()
        }

    def data(self, topic: str, index: int) -> memoryview:
        """One serialised message, valid until the source is closed."""
        place, file = self._places[topic][index]
        return self._files[file].message(place)

    def decoded(self, topic: str, index: int) -> Any:  # noqa: ANN401
        """One message; EpisodeError where its bytes do not fit its type."""
        return _decoded(self.path, decode_cdr, self.data(topic, index), self.topics[topic], index)

    def close(self) -> None:
        """Give the files back."""
        for file in self._files:
            try:
                file.close()
            except BufferError:  # somebody still holds a message; the map goes with it
                continue
        self._files = []

    @staticmethod
    def _check(file: Path, topic: str, kind: str, definition: str, encoding: str) -> None:
        if encoding != "cdr":
            raise EpisodeError(file, topic, f"is serialised as {encoding!r}", limit="cdr")
        if kind.startswith("mivla_msgs/") and not _definition_is_ours(kind, definition):
            raise EpisodeError(file, topic, f"recorded with another definition of {kind} than this version has")


@lru_cache(maxsize=256)
def _definition_is_ours(kind: str, definition: str) -> bool:
    """True where the fields of a recorded definition are those of this version."""
    types = ros2_types()
    if kind not in types.fielddefs:
        return False
    ours, _ = types.generate_msgdef(kind, ros_version=2)
    return _fields(ours) == _fields(definition)


def _fields(definition: str) -> list[str]:
    """Field lines of the definition's first part, without comments, constants and spaces."""
    lines = definition.partition("\n====")[0].splitlines()
    fields = [" ".join(line.partition("#")[0].split()) for line in lines]
    return [line for line in fields if line and "=" not in line]


class RosbagsSource:
    """SQLite bags of ROS 2, those with packed messages or files, and bags of ROS 1, read through rosbags."""

    def __init__(self, path: Path, custom_data: Mapping[str, str]) -> None:
        from rosbags.rosbag1 import Reader as Reader1
        from rosbags.rosbag2 import Reader as Reader2

        self.path, self.custom_data = path, dict(custom_data)
        self.is_cdr = path.is_dir()
        try:
            self._reader: Any = Reader2(path) if self.is_cdr else Reader1(path)
            self._reader.open()
            self._connections: dict[str, list[Any]] = {}
            stamps: dict[str, list[int]] = {}
            for connection in self._reader.connections:
                self._connections.setdefault(connection.topic, []).append(connection)
            for connection, log_ns, _ in self._reader.messages():
                stamps.setdefault(connection.topic, []).append(log_ns)
        except Exception as error:
            raise EpisodeError(path, "bag", f"cannot be read: {error}") from error
        self.topics = {
            name: Topic(name, connections[0].msgtype, np.array(stamps.get(name, []), dtype=np.int64))
            for name, connections in self._connections.items()
        }

    def data(self, topic: str, index: int) -> bytes:
        """One serialised message."""
        log = self.topics[topic].log_ns
        at = int(log[index])
        skip = index - int(np.searchsorted(log, at))
        found = self._reader.messages(self._connections[topic], start=at, stop=at + 1)
        try:
            return bytes(next(islice(found, skip, None))[2])
        except Exception as error:
            raise EpisodeError(self.path, topic, f"cannot be read: {error}", index) from error

    def decoded(self, topic: str, index: int) -> Any:  # noqa: ANN401
        """One message; EpisodeError where its bytes do not fit its type."""
        read = decode_cdr if self.is_cdr else ros1_types().deserialize_ros1
        return _decoded(self.path, read, self.data(topic, index), self.topics[topic], index)

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()


def _decoded(path: Path, read: Any, data: bytes | memoryview, topic: Topic, index: int) -> Any:  # noqa: ANN401
    try:
        return read(data, topic.type)
    except KeyError as error:
        raise EpisodeError(path, topic.name, f"type {topic.type} is not known here") from error
    except Exception as error:
        raise EpisodeError(path, topic.name, f"is no {topic.type}: {type(error).__name__} {error}", index) from error
