"""Bags to episodes: recordings of this suite as they are, any other bag through a robot profile and a map of topics."""

import struct
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk
from mivla_ros.episodes.bag_chunks import chunk_from_decoded, stamp_ns
from mivla_ros.episodes.episode import (
    ArmLayout,
    Array,
    EefPose,
    Episode,
    EpisodeInfo,
    Event,
    GripperLayout,
    LazyMapping,
    Stamps,
    Stream,
    check_stamps,
    check_stream,
    nominal_rate,
)
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.message_source import METADATA_FILE, MessageSource, Topic, open_source
from mivla_ros.observations.compressed_image import MAX_PIXELS, ImageError, rgb_from_compressed, rgb_size
from mivla_ros.robots.profile import RobotProfile, load_profile

FORMAT = "bag"
COMPRESSED, RAW = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image"
MAX_DISORDER_NS = 500_000_000  # a stamp that lies farther behind an earlier one is of another clock
_CHANNELS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "mono8": (0, 0, 0)}


def find(path: Path) -> list[Path]:
    """Bags at or under a path: rosbag2 folders, and MCAP and ROS 1 files that lie in none."""
    if path.is_file():
        return [path] if path.suffix in (".mcap", ".bag") else []
    folders = sorted({file.parent for file in path.rglob(METADATA_FILE)})
    loose = sorted(f for suffix in ("*.mcap", "*.bag") for f in path.rglob(suffix) if f.parent not in folders)
    # a recording whose process was killed has no metadata.yaml: its folder is one episode, refused by name
    return sorted({*folders, *loose})


def read(path: Path, robot: str | RobotProfile = "", topics: Mapping[str, str] | None = None) -> Episode:
    """Open a bag as an episode.

    robot: the profile, where the bag does not name one. topics: full topic by relative name
    (``{"joint_states": "/arm/joint_states", "head_camera": "/cam/color/image_raw"}``), where they are not those of
    this suite. Raises EpisodeError.
    """
    source = open_source(path)
    try:
        return _Bag(path, source, _profile(path, source, robot), dict(topics or {})).episode()
    except BaseException:
        source.close()
        raise


def _profile(path: Path, source: MessageSource, robot: str | RobotProfile) -> RobotProfile:
    if isinstance(robot, RobotProfile):
        return robot
    name = robot or source.custom_data.get("robot", "")
    if not name:
        raise EpisodeError(path, "robot", "the bag does not say which robot it is of; name its profile (--robot)")
    if not robot and name.endswith((".yaml", ".yml")):
        raise EpisodeError(path, "robot", f"names the file {name!r}; name the profile (--robot)")
    try:
        return load_profile(name)
    except ValueError as error:
        raise EpisodeError(path, "robot", str(error)) from error


@lru_cache(maxsize=32)
def _forward(profile_hash: str, name: str) -> EefPose:
    """Forward kinematics of a profile's arms, compiled once a process."""
    from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
    from mivla_ros.robots.description import robot_description

    profile = _KNOWN[profile_hash]
    urdf = robot_description(profile)
    chains = {arm.name: chain_from_urdf(urdf, arm.base_frame, arm.eef_frame) for arm in profile.arms}
    return lambda arm, joints: forward_kinematics(chains[arm], joints)


_KNOWN: dict[str, RobotProfile] = {}


def arm_layouts(profile: RobotProfile) -> tuple[ArmLayout, ...]:
    """A profile's arms as an episode names them."""
    return tuple(
        ArmLayout(
            arm.name,
            arm.side,
            arm.joints,
            GripperLayout(arm.gripper.joint, arm.gripper.closed, arm.gripper.open) if arm.gripper else None,
            arm.base_frame,
            arm.eef_frame,
        )
        for arm in profile.arms
    )


def eef_pose_of(profile: RobotProfile) -> EefPose:
    """Forward kinematics of a profile's arms in their base frames; the URDF is read at the first call."""
    _KNOWN[profile.hash] = profile
    return lambda arm, joints: _forward(profile.hash, profile.name)(arm, joints)


class _Bag:
    """One open bag and what its topics mean."""

    def __init__(self, path: Path, source: MessageSource, profile: RobotProfile, topics: dict[str, str]) -> None:
        self.path, self.source, self.profile, self.given = path, source, profile, topics
        self.arms = arm_layouts(profile)

    def topic(self, relative: str) -> Topic | None:
        """The topic of a relative name: as given, or the one that ends with it. None where there is none with a
        message; EpisodeError where several could be meant.
        """
        if relative in self.given:
            topic = self.source.topics.get(self.given[relative])
            if topic is None:
                raise EpisodeError(self.path, self.given[relative], f"is not in the bag (named for {relative!r})")
            return topic if len(topic.log_ns) else None
        found = [
            topic
            for name, topic in self.source.topics.items()
            if len(topic.log_ns) and (name == f"/{relative}" or name.endswith(f"/{relative}"))
        ]
        if len(found) > 1:
            plain = [topic for topic in found if topic.name == f"/{relative}"]
            if len(plain) == 1:
                return plain[0]
            names = ", ".join(topic.name for topic in found)
            raise EpisodeError(self.path, relative, f"several topics could be meant: {names}; name one (--topics)")
        return found[0] if found else None

    def episode(self) -> Episode:
        cameras: dict[str, Callable[[], BagCamera]] = {}
        for camera in self.profile.cameras:
            names = (camera.name, f"{camera.name}/image_raw/compressed", f"{camera.name}/image_raw")
            topic = next((t for t in map(self.topic, names) if t is not None and t.type in (COMPRESSED, RAW)), None)
            if topic is not None:
                info = self.topic(f"{camera.name}/camera_info")
                cameras[camera.name] = partial(BagCamera, self.path, self.source, topic, camera.name, info)
        joints = self.topic("joint_states")
        if joints is None:
            raise EpisodeError(self.path, "joint_states", "there is no such topic, or no message on it")
        streams: dict[str, Callable[[], Stream]] = {"joints": partial(self._joints, joints)}
        executed = self.topic("mivla/executed")
        if executed is not None:
            streams["commands"] = partial(self._commands, executed)
        opened = LazyMapping(cameras)
        logs = [t.log_ns for t in self.source.topics.values() if len(t.log_ns)]
        some = min((len(opened[name].stamps_ns), name) for name in opened)[1] if opened else ""
        stamps = opened[some].stamps_ns if some else joints.log_ns
        custom = dict(self.source.custom_data)
        if custom.get("profile_hash", self.profile.hash) != self.profile.hash:
            custom["profile_differs"] = "recorded with another version of the robot profile"
        custom["log_start_ns"] = str(min(log[0] for log in logs))
        custom["log_end_ns"] = str(max(log[-1] for log in logs))
        known = EpisodeInfo(
            name=self.path.stem if self.path.is_file() else self.path.name,
            path=self.path,
            format=FORMAT,
            embodiment="robot",
            robot=self.profile.name,
            instructions=self._instructions(custom),
            rate=nominal_rate(stamps),
            start_ns=int(stamps[0]),
            end_ns=int(stamps[-1]),
            label="" if custom.get("label") == "unlabelled" else custom.get("label", ""),
            metadata=custom,
        )
        return Episode(
            known,
            opened,
            LazyMapping(streams),
            self.arms,
            eef_pose_of(self.profile),
            self._events,
            self._chunks,
            self.source.close,
        )

    def _instructions(self, custom: Mapping[str, str]) -> tuple[str, ...]:
        found = [custom["instruction"]] if custom.get("instruction") else []
        for name in ("mivla/instruction", "mivla/policy_status", "simulation/task"):
            topic = self.topic(name)
            if topic is None:
                continue
            for index in range(len(topic.log_ns) if name == "mivla/instruction" else min(len(topic.log_ns), 5)):
                message = self.source.decoded(topic.name, index)
                found.append(str(getattr(message, "data", "") or getattr(message, "instruction", "")).strip())
        return tuple(dict.fromkeys(text for text in found if text))

    def _joints(self, topic: Topic) -> Stream:
        columns = self.profile.joint_names
        place = {name: i for i, name in enumerate(columns)}
        stamps = np.empty(len(topic.log_ns), dtype=np.int64)
        values = np.full((len(stamps), len(columns)), np.nan)
        for row in range(len(stamps)):
            message = self.source.decoded(topic.name, row)
            if len(message.name) != len(message.position):
                message_text = f"{len(message.position)} positions for {len(message.name)} names"
                raise EpisodeError(self.path, topic.name, message_text, row)
            stamps[row] = stamp_ns(message.header.stamp)
            for name, position in zip(message.name, message.position, strict=True):
                column = place.get(name)
                if column is None:
                    continue
                if not np.isfinite(position):
                    raise EpisodeError(self.path, f"{topic.name}.{name}", f"is {position}", row, "finite numbers")
                values[row, column] = position
        _check_order(self.path, topic.name, stamps)
        return self._stream("joints", topic, stamps, values)

    def _commands(self, topic: Topic) -> Stream:
        columns = self.profile.joint_names
        place = {name: i for i, name in enumerate(columns)}
        rows: dict[int, Array] = {}
        for index in range(len(topic.log_ns)):
            message = self.source.decoded(topic.name, index)
            due = stamp_ns(message.due_time)
            if not len(message.joint_names) or due <= 0:
                continue
            row = np.full(len(columns), np.nan)
            for name, position in zip(message.joint_names, message.joint_positions, strict=False):
                if name in place:
                    row[place[name]] = position
            rows[due] = row
        if not rows:
            raise EpisodeError(self.path, topic.name, "no message says what was executed")
        stamps = np.array(list(rows), dtype=np.int64)
        return self._stream("commands", topic, stamps, np.array(list(rows.values())))

    def _stream(self, name: str, topic: Topic, stamps: Stamps, values: Array) -> Stream:
        columns = self.profile.joint_names
        missing = [column for i, column in enumerate(columns) if np.isnan(values[:, i]).all()]
        if missing:
            raise EpisodeError(self.path, topic.name, f"never names {', '.join(missing)}")
        grippers = {arm.gripper.joint for arm in self.arms if arm.gripper}
        units = tuple("m" if column in grippers else "rad" for column in columns)
        order = np.argsort(stamps, kind="stable")
        stream = Stream(name, stamps[order], values[order], columns, units)
        return check_stream(self.path, stream, may_be_nan=True)

    def _chunks(self) -> tuple[ActionChunk, ...]:
        topic = self.topic("mivla/actions")
        if topic is None:
            return ()
        found = []
        for index in range(len(topic.log_ns)):
            message = self.source.decoded(topic.name, index)
            try:
                found.append(chunk_from_decoded(message))
            except ValueError as error:
                raise EpisodeError(self.path, topic.name, str(error), index) from error
        return tuple(found)

    def _events(self) -> tuple[Event, ...]:
        events = [Event(c.first_step_ns, "chunk", f"{c.generation}.{c.sequence}") for c in self._chunks()]
        before: dict[str, object] = {}
        for name in ("mivla/instruction", "mivla/policy_status", "mivla/retargeting_status", "simulation/task"):
            topic = self.topic(name)
            for index in range(len(topic.log_ns) if topic else 0):
                assert topic is not None
                message = self.source.decoded(topic.name, index)
                event = _event(name, message, int(topic.log_ns[index]))
                if event is not None and before.get(name) != event.text:
                    before[name] = event.text
                    events.append(event)
        return tuple(events)


def _check_order(path: Path, key: str, stamps_ns: Stamps) -> None:
    """Messages may overtake each other on their way and are put in order; after a clock was set back, two stretches of
    time would be mixed. Raises EpisodeError for that."""
    behind = np.maximum.accumulate(stamps_ns) - stamps_ns
    if (behind > MAX_DISORDER_NS).any():
        index = int(np.argmax(behind > MAX_DISORDER_NS))
        text = f"stamp lies {behind[index] / 1e9:.3f} s behind an earlier one: the clock was set back"
        raise EpisodeError(path, key, text, index, f"{MAX_DISORDER_NS / 1e9:g} s")


def _event(name: str, message: Any, log_ns: int) -> Event | None:  # noqa: ANN401
    if name == "mivla/instruction":
        return Event(log_ns, "instruction", str(message.data))
    if name == "simulation/task":
        done = [s for s, is_done in zip(message.subtasks, message.subtasks_done, strict=False) if is_done]
        words = f"done: {', '.join(done)}" if done else f"task {message.task}" if hasattr(message, "task") else "task"
        return Event(stamp_ns(message.header.stamp) or log_ns, "task", words)
    reason = message.reason
    if reason.code == 0:
        return None
    return Event(stamp_ns(message.header.stamp) or log_ns, "stop", f"{name.rpartition('/')[2]}: {reason.name}")


class BagCamera:
    """One image topic, decoded when asked for."""

    def __init__(self, path: Path, source: MessageSource, topic: Topic, name: str, info: Topic | None) -> None:
        self.name, self._path, self._source, self._topic, self._info = name, path, source, topic, info
        self._compressed = topic.type == COMPRESSED
        heads = [self._head(i) for i in range(len(topic.log_ns))]
        stamps = np.array([stamp for stamp, _ in heads], dtype=np.int64)
        _check_order(path, topic.name, stamps)
        # a picture that came twice is one; the first stays, as in the live node's buffers
        self.stamps_ns, self._numbers = np.unique(stamps, return_index=True)
        self.frame_id = heads[0][1]
        check_stamps(path, topic.name, self.stamps_ns)

    def _head(self, number: int) -> tuple[int, str]:
        """Stamp and frame of a message, without decoding the rest."""
        if not self._source.is_cdr:
            message = self._source.decoded(self._topic.name, number)
            return stamp_ns(message.header.stamp), str(message.header.frame_id)
        data = self._source.data(self._topic.name, number)
        if len(data) < 16 or data[1] not in (0, 1):
            raise EpisodeError(self._path, self._topic.name, "message is cut off", number)
        order = "<" if data[1] == 1 else ">"
        seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", data, 4)
        if length > len(data) - 16:
            raise EpisodeError(self._path, self._topic.name, f"frame_id of {length} bytes", number, f"{len(data) - 16}")
        text = bytes(data[16 : 16 + length]).rstrip(b"\0").decode("utf-8", errors="replace")
        return seconds * NANOSECONDS + nanoseconds, text

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the first picture."""
        if not self._compressed:
            message = self._decoded(0)
            return int(message.height), int(message.width)
        try:
            return rgb_size(self._bytes(0))
        except ImageError as error:
            raise EpisodeError(self._path, self._topic.name, str(error), 0) from error

    @cached_property
    def intrinsics(self) -> Array | None:
        """Camera matrix of the first camera_info that has one."""
        if self._info is None:
            return None
        message = self._source.decoded(self._info.name, 0)
        matrix = np.array(getattr(message, "k", getattr(message, "K", np.zeros(9))), dtype=np.float64).reshape(3, 3)
        return matrix if matrix[0, 0] > 0 else None

    def rgb(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """One picture in RGB."""
        if not -len(self.stamps_ns) <= index < len(self.stamps_ns):
            raise EpisodeError(self._path, self._topic.name, "no such picture", index, f"{len(self.stamps_ns)}")
        if not self._compressed:
            return self._raw(index)
        try:
            return rgb_from_compressed(self._bytes(index), at_least)
        except ImageError as error:
            raise EpisodeError(self._path, self._topic.name, str(error), index) from error

    def encoded(self, index: int) -> bytes | None:
        """The bytes as recorded; None for raw images."""
        return bytes(self._bytes(index)) if self._compressed else None

    def _decoded(self, index: int) -> Any:  # noqa: ANN401
        return self._source.decoded(self._topic.name, int(self._numbers[index]))

    def _bytes(self, index: int) -> bytes | memoryview:
        """Picture bytes of a CompressedImage, without a copy where it is CDR."""
        if not self._source.is_cdr:
            return bytes(self._decoded(index).data)
        number = int(self._numbers[index])
        data = self._source.data(self._topic.name, number)
        order = "<" if data[1] == 1 else ">"
        at = 12
        for _ in range(2):  # frame_id, format
            at += -(at - 4) % 4
            length = self._length(data, order, at, number)
            at += 4 + length
        at += -(at - 4) % 4
        length = self._length(data, order, at, number)
        return data[at + 4 : at + 4 + length]

    def _length(self, data: bytes | memoryview, order: str, at: int, number: int) -> int:
        if at + 4 > len(data):
            raise EpisodeError(self._path, self._topic.name, "message is cut off", number)
        (length,) = struct.unpack_from(f"{order}I", data, at)
        if length > len(data) - at - 4:
            left = len(data) - at - 4
            raise EpisodeError(self._path, self._topic.name, f"field of {length} bytes", number, f"{left} left")
        return int(length)

    def _raw(self, index: int) -> NDArray[np.uint8]:
        message = self._decoded(index)
        height, width, step, encoding = int(message.height), int(message.width), int(message.step), message.encoding
        channels = _CHANNELS.get(encoding)
        if channels is None:
            known = ", ".join(_CHANNELS)
            raise EpisodeError(self._path, self._topic.name, f"encoding is {encoding!r}", index, known)
        depth = 1 if encoding == "mono8" else 4 if "a" in encoding else 3
        data = np.asarray(message.data, dtype=np.uint8)
        if height * width > MAX_PIXELS or step < width * depth or len(data) < height * step or not height * width:
            text = f"{width}x{height}, step {step}, {len(data)} bytes do not fit together"
            raise EpisodeError(self._path, self._topic.name, text, index)
        rows = data[: height * step].reshape(height, step)[:, : width * depth].reshape(height, width, depth)
        return np.ascontiguousarray(rows[..., list(channels)])
