"""The main job: the real launch, the real graph, until the bottle stands on the pad."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from mivla_ros.episodes.recording.bag_metadata import read_custom_data
from test.launch.conftest import Launch, ros2

StartLaunch = Callable[..., Launch]


def test_the_bottle_ends_on_the_pad_and_others_can_listen(start_launch: StartLaunch, tmp_path: Path) -> None:
    launch = start_launch(
        "piper.launch.py",
        "seed:=3",
        "exit_on_success:=true",
        "timeout:=240",
        "record:=true",
        f"record_folder:={tmp_path}",
    )
    chunk = next(yaml.safe_load_all(launch.echo("/mivla/actions")))
    assert chunk["robot"] == "piper"
    assert chunk["policy"] == "scripted"
    assert chunk["horizon"] == len(chunk["arms"][0]["eef_poses"]) > 1
    assert chunk["header"]["frame_id"]
    observed = chunk["observation_stamp"]["sec"] + chunk["observation_stamp"]["nanosec"] / 1e9
    due = chunk["header"]["stamp"]["sec"] + chunk["header"]["stamp"]["nanosec"] / 1e9
    assert observed <= due

    assert launch.wait(300) == 0, launch.output()[-6000:]
    assert "task 'bottle_on_pad' done after" in launch.output()
    folder = next(tmp_path.glob("piper_*"))
    _assert_recording_holds_every_stream(folder)
    assert read_custom_data(folder)["label"] == "success"


def _assert_recording_holds_every_stream(folder: Path) -> None:
    from rosbags.highlevel import AnyReader

    from mivla_ros.episodes.bag_writer import suite_typestore

    with AnyReader([folder], default_typestore=suite_typestore()) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
        for topic in ("/joint_states", "/mivla/actions", "/mivla/executed", "/head_camera/image_raw/compressed", "/tf"):
            assert counts[topic] > 10, counts
        assert counts["/robot_description"] == 1
        connection = next(c for c in reader.connections if c.topic == "/mivla/actions")
        _, _, data = next(reader.messages([connection]))
        assert reader.deserialize(data, connection.msgtype).robot == "piper"


def test_interrupt_ends_every_node_without_a_traceback(start_launch: StartLaunch) -> None:
    launch = start_launch("piper.launch.py")
    launch.echo("/mivla/actions")
    launch.interrupt()
    assert launch.wait(30) in (0, 1)
    assert "Traceback" not in launch.output()
    assert "process has died" not in launch.output()


def test_timeout_ends_the_launch_with_status_1(start_launch: StartLaunch) -> None:
    launch = start_launch("piper.launch.py", "exit_on_success:=true", "timeout:=3")
    assert launch.wait(90) == 1
    assert "timeout after 3 s" in launch.output()


def test_second_robot_in_a_namespace_runs_beside_the_first(start_launch: StartLaunch) -> None:
    first = start_launch("piper.launch.py")
    second = start_launch("piper.launch.py", "namespace:=a", "seed:=1")
    for launch, topic in ((first, "/mivla/actions"), (second, "/a/mivla/actions")):
        assert "piper" in launch.echo(topic, "--field", "robot")
    topics = set(first.run(*ros2("topic", "list", "--no-daemon", "--spin-time", "5"), seconds=60).stdout.split())
    shared = {"/rosout", "/parameter_events", "/diagnostics"}
    inside = {topic.removeprefix("/a") for topic in topics if topic.startswith("/a/")}
    outside = {topic for topic in topics if not topic.startswith("/a/")} - shared
    assert {"/clock", "/joint_states", "/tf", "/mivla/executed", "/simulation/task"} <= inside
    assert inside == outside
