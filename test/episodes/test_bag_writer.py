"""A recording is one rosbag2 folder with MCAP that any reader opens, bytes as they came."""

from pathlib import Path

import pytest
from rosbags.highlevel import AnyReader

from mivla_ros.episodes.bag_writer import BagWriter, RecordingError, suite_typestore
from mivla_ros.episodes.topics import RecordedTopic, recorded_topics
from mivla_ros.robots.profile import load_profile

TOPICS = {"/mivla/instruction": RecordedTopic("mivla/instruction", "std_msgs/msg/String", latched=True)}


def _serialised(text: str) -> bytes:
    store = suite_typestore()
    return bytes(store.serialize_cdr(store.types["std_msgs/msg/String"](data=text), "std_msgs/msg/String"))


def test_messages_read_back_as_they_were_written(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag", TOPICS, {"robot": "piper"})
    for i in range(3):
        writer.write("/mivla/instruction", i * 10, _serialised(f"word {i}"))
    writer.close()
    with AnyReader([tmp_path / "bag"], default_typestore=suite_typestore()) as reader:
        read = [(stamp, reader.deserialize(data, c.msgtype).data) for c, stamp, data in reader.messages()]
    assert read == [(0, "word 0"), (10, "word 1"), (20, "word 2")]
    assert "robot: piper" in (tmp_path / "bag" / "metadata.yaml").read_text("utf-8")


def test_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(RecordingError, match="exists already"):
        BagWriter(tmp_path / "bag", TOPICS, {})


def test_every_recorded_type_is_known_and_every_camera_is_recorded_once() -> None:
    profile = load_profile("piper")
    topics = recorded_topics(profile)
    types = suite_typestore().types
    assert {topic.type for topic in topics} <= set(types)
    names = [topic.name for topic in topics]
    assert len(names) == len(set(names))
    for camera in profile.cameras:
        assert sum(camera.name in name and "image" in name for name in names) == 1
