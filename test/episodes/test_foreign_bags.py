"""Bags of other recorders, with topics, joint order and pictures of their own: through a robot profile they are read
like ours, by every command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

from mivla_ros.commands.main import main
from mivla_ros.episodes.bag_reader import read
from mivla_ros.episodes.errors import EpisodeError
from mivla_ros.episodes.message_source import MessageSource, open_source
from mivla_ros.robots.profile import load_profile
from test.episodes.recordings import START_NS, joints_at, picture

TOPICS = {"joint_states": "/left/arm/state", "head_camera": "/cam0/color", "wrist_camera": "/cam1/color"}
SECONDS, JOINT_RATE, CAMERA_RATE = 1.5, 50, 15


def _messages(store: Any, number: Callable[..., dict[str, int]]) -> list[tuple[str, int, Any]]:
    """Topic, time and message: joints in another order with a stranger among them, pictures as BGR with padding."""
    types = store.types
    names = list(reversed(load_profile("piper").joint_names))

    def header(stamp_ns: int, frame: str = "") -> Any:
        time = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        return types["std_msgs/msg/Header"](stamp=time, frame_id=frame, **number())

    found = []
    for i in range(int(SECONDS * JOINT_RATE) + 1):
        stamp = START_NS + i * 10**9 // JOINT_RATE
        positions = np.append(joints_at(i / JOINT_RATE)[::-1], 9.0)
        message = types["sensor_msgs/msg/JointState"](
            header(stamp), [*names, "lift"], positions, np.empty(0), np.empty(0)
        )
        found.append((TOPICS["joint_states"], stamp + 1_000_000, message))
    for i in range(int(SECONDS * CAMERA_RATE)):
        stamp = START_NS + 5_000_000 + i * 10**9 // CAMERA_RATE
        rgb = picture(i)
        padded = np.zeros((48, 64 * 3 + 8), np.uint8)
        padded[:, : 64 * 3] = rgb[..., ::-1].reshape(48, -1)
        for camera in ("head_camera", "wrist_camera"):
            head = header(stamp, f"{camera}_lens")
            message = types["sensor_msgs/msg/Image"](head, 48, 64, "bgr8", 0, padded.shape[1], padded.ravel())
            found.append((TOPICS[camera], stamp + 9_000_000, message))
    return sorted(found, key=lambda item: item[1])


def _write_ros2(folder: Path, storage: StoragePlugin, mode: CompressionMode = CompressionMode.NONE) -> Path:
    store = get_typestore(Stores.ROS2_HUMBLE)
    writer = Writer2(folder, version=8, storage_plugin=storage)
    if mode is not CompressionMode.NONE:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer as bag:
        connections: dict[str, Any] = {}
        for topic, log_ns, message in _messages(store, dict):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = bag.add_connection(topic, kind, typestore=store)
            bag.write(connections[topic], log_ns, store.serialize_cdr(message, kind))
    return folder


def _write_ros1(file: Path) -> Path:
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer1(file) as bag:
        connections: dict[str, Any] = {}
        for topic, log_ns, message in _messages(store, lambda: {"seq": 0}):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = bag.add_connection(topic, kind, typestore=store)
            bag.write(connections[topic], log_ns, store.serialize_ros1(message, kind))
    return file


WRITERS: dict[str, Callable[[Path], Path]] = {
    "sqlite": lambda folder: _write_ros2(folder / "sqlite", StoragePlugin.SQLITE3),
    "mcap": lambda folder: _write_ros2(folder / "mcap", StoragePlugin.MCAP),
    "mcap_chunks": lambda folder: _write_ros2(folder / "zstd", StoragePlugin.MCAP, CompressionMode.STORAGE),
    "mcap_messages": lambda folder: _write_ros2(folder / "zstd", StoragePlugin.MCAP, CompressionMode.MESSAGE),
    "sqlite_file": lambda folder: _write_ros2(folder / "zstd", StoragePlugin.SQLITE3, CompressionMode.FILE),
    "ros1": lambda folder: _write_ros1(folder / "one.bag"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_foreign_bag_is_read_by_names_and_stamps(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path)
    with pytest.raises(EpisodeError, match="which robot"):
        read(path, topics=TOPICS)
    with pytest.raises(EpisodeError, match="joint_states"):
        read(path, "piper")
    with read(path, "piper", TOPICS) as episode:
        joints = episode.streams["joints"]
        np.testing.assert_array_equal(joints.values, joints_at(np.arange(len(joints)) / JOINT_RATE))
        assert len(joints) == int(SECONDS * JOINT_RATE) + 1
        assert joints.stamps_ns[0] == START_NS
        camera = episode.cameras["wrist_camera"]
        assert (camera.frame_id, len(camera.stamps_ns)) == ("wrist_camera_lens", int(SECONDS * CAMERA_RATE))
        for index in (7, 0, 21):
            np.testing.assert_array_equal(camera.rgb(index), picture(index))


def test_every_command_takes_a_foreign_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = WRITERS["sqlite"](tmp_path)
    common = ["--robot", "piper", "--topics", ",".join(f"{name}={topic}" for name, topic in TOPICS.items()), "--json"]

    def said(command: str, *arguments: str) -> Any:
        status = main(["episodes", command, str(path), *common, *arguments])
        out, err = capsys.readouterr()
        assert status == (1 if command == "audit" else 0), err
        return json.loads(out)

    (row,) = said("list")["episodes"]
    assert (row["robot"], row["cameras"]) == ("piper", ["head_camera", "wrist_camera"])
    assert said("show", "--no-sheet")["cameras"]["head_camera"]["size"] == [48, 64]
    (audited,) = said("audit", "--workers", "1")["episodes"]
    assert [f["subject"] for f in audited["findings"] if f["level"] == "bad"] == ["instruction"]
    assert said("stats", "--out", str(tmp_path / "s.json"), "--workers", "1")["read"] == 1
    assert said("stats", "--out", str(tmp_path / "s.json"), "--workers", "1")["read"] == 0
    assert said("convert", "--to", "bag", "--out", str(tmp_path / "bags"), "--workers", "1")["written"] == 1
    assert said("play", "--out", str(tmp_path / "x.mp4"), "--height", "48")["pictures"] > 15
    with read(tmp_path / "bags/episode_000000") as ours:
        assert np.abs(ours.cameras["head_camera"].rgb(3).astype(int) - picture(3)).mean() < 3
        assert len(ours.streams["joints"]) == int(SECONDS * JOINT_RATE) + 1


def test_a_topic_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = WRITERS["mcap"](tmp_path)
    source: MessageSource = open_source(path)
    assert set(source.topics) == set(TOPICS.values())
    source.close()
    with pytest.raises(EpisodeError, match=r"/nowhere: is not in the bag \(named for 'joint_states'\)"):
        read(path, "piper", {"joint_states": "/nowhere"})
