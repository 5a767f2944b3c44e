"""The real recorder process on real streams: episodes by service, and every way a recording can be cut short."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

import rclpy
from mcap.reader import make_reader
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosbags.highlevel import AnyReader

from mivla_msgs.msg import RecordingStatus, StopReason
from mivla_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from mivla_ros.commands.main import main
from mivla_ros.episodes.bag_writer import suite_typestore
from mivla_ros.episodes.recording.bag_metadata import read_custom_data
from mivla_ros.nodes import qos
from test.domain import free_domain
from test.episodes.recording.messages import HEAD, JOINTS, WRIST
from test.launch.robot_streams import RobotStreams


@dataclass
class Recorder:
    """One recorder process, and somebody who calls its services."""

    process: subprocess.Popen[bytes]
    folder: Path
    node: Node
    executor: SingleThreadedExecutor
    robot: RobotStreams
    log: Path

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come within {seconds} s:\n{self.log.read_text()[-3000:]}")
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, kind: type, name: str, **fields: object):
        client = self.node.create_client(kind, f"mivla/{name}")
        self.wait(client.service_is_ready, name)
        future = client.call_async(kind.Request(**fields))
        self.wait(future.done, f"answer of {name}")
        return future.result()

    def record(self, seconds: float = 2.0, **fields: object) -> Path:
        """Begin an episode and let it run until so much of it was seen by the recorder."""
        seen: list[RecordingStatus] = []
        watch = self.node.create_subscription(RecordingStatus, "mivla/recording", seen.append, qos.STATE)
        answer = self.call(StartEpisode, "start_episode", **fields)
        assert answer.success, answer.reason.message
        self.wait(lambda: bool(seen) and seen[-1].seconds > seconds and seen[-1].episode == answer.episode, "status")
        self.node.destroy_subscription(watch)
        self.status = seen[-1]
        return self.folder / answer.episode

    def failure(self) -> RecordingStatus:
        """The status that says that the episode ended early."""
        seen: list[RecordingStatus] = []
        watch = self.node.create_subscription(RecordingStatus, "mivla/recording", seen.append, qos.STATE)
        self.wait(lambda: bool(seen) and seen[-1].state == RecordingStatus.FAILED, "a failed recording")
        self.node.destroy_subscription(watch)
        return seen[-1]


@pytest.fixture
def start_recorder(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    made: list[tuple[Recorder, rclpy.Context]] = []

    def start(*parameters: str, simulated: bool = False) -> Recorder:
        domain = free_domain()
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        robot, node = RobotStreams(context, simulated=simulated), Node("operator", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        folder, log = tmp_path / "recordings", tmp_path / "recorder.log"
        options = [f"folder:={folder}", f"use_sim_time:={str(simulated).lower()}", *parameters]
        arguments = [part for option in options for part in ("-p", option)]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["python", "-m", "mivla_ros.nodes.recorder_node", "--ros-args", *arguments],
                env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        made.append((Recorder(process, folder, node, executor, robot, log), context))
        return made[-1][0]

    yield start
    for recorder, context in made:
        recorder.robot.end()
        recorder.executor.shutdown()
        recorder.node.destroy_node()
        rclpy.try_shutdown(context=context)
        if recorder.process.poll() is None:
            recorder.process.send_signal(signal.SIGINT)
            try:
                recorder.process.wait(20)
            except subprocess.TimeoutExpired:
                recorder.process.kill()
                recorder.process.wait()
        sys.stdout.write(recorder.log.read_text()[-4000:])


def _counts(folder: Path) -> dict[str, int]:
    """Messages by topic, as two independent readers agree."""
    with AnyReader([folder], default_typestore=suite_typestore()) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
        read = sum(1 for _ in reader.messages())
    with (folder / f"{folder.name}.mcap").open("rb") as stream:
        messages = list(make_reader(stream).iter_messages())
    assert read == len(messages) == sum(counts.values())
    return counts


def test_episodes_by_service_hold_every_stream_and_what_was_latched_before(start_recorder) -> None:
    recorder = start_recorder()
    idle = recorder.call(StopEpisode, "stop_episode")
    assert not idle.success
    assert idle.reason.code == StopReason.RECORDER_IDLE

    folder = recorder.record(3.0, instruction="pour the tea", tags=["night"])
    assert not recorder.call(StartEpisode, "start_episode").success, "one episode at a time"
    live = {stream.topic: stream for stream in recorder.status.streams}
    assert live[JOINTS].rate == pytest.approx(100, rel=0.25)
    assert live[HEAD].expected_rate == 15.0
    assert 0 < live[HEAD].latency < 1.0
    answer = recorder.call(StopEpisode, "stop_episode", label=StopEpisode.Request.SUCCESS, comment="spilt a bit")
    assert answer.success, answer.reason.message
    assert Path(answer.path) == folder
    assert answer.verdict in (1, 2, 3)

    counts = _counts(folder)
    assert counts[JOINTS] > 200
    assert counts[HEAD] == pytest.approx(counts[WRIST], abs=2)
    assert counts[HEAD] > 30
    assert counts["/robot_description"] == counts["/tf_static"] == counts["/mivla/instruction"] == 1
    custom = read_custom_data(folder)
    assert custom["instruction"] == "pour the tea"
    assert (custom["label"], custom["comment"]) == ("success", "spilt a bit")
    assert json.loads(custom["tags"]) == ["night"]
    assert hashlib.sha256(custom["profile"].encode()).hexdigest() == custom["profile_hash"]
    assert custom["verdict"] in ("good", "doubtful", "redo")

    second = recorder.record(1.0)
    assert _latched(second, recorder) == 1, "the second episode has the latched topics too"
    gone = recorder.call(DiscardEpisode, "discard_episode", episode=second.name)
    assert gone.success
    assert not second.exists()
    for name in ("nothing", "..", str(folder)):
        assert recorder.call(DiscardEpisode, "discard_episode", episode=name).reason.code == StopReason.EPISODE_UNKNOWN
    assert folder.exists()


def _latched(folder: Path, recorder: Recorder) -> int:
    assert recorder.call(StopEpisode, "stop_episode").success
    return _counts(folder)["/robot_description"]


def test_after_kill_9_at_most_the_last_second_is_lost(start_recorder, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = start_recorder()
    folder = recorder.record(3.0)
    sent, killed_ns = dict(recorder.robot.sent), time.time_ns()
    recorder.process.kill()
    recorder.process.wait()
    assert not (folder / "metadata.yaml").exists()

    assert main(["episodes", "repair", str(folder.parent), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["changed"]
    counts = _counts(folder)
    assert sum(counts.values()) == report["kept"]
    assert 0 < counts[JOINTS] <= sent[JOINTS] + 100
    with AnyReader([folder], default_typestore=suite_typestore()) as reader:
        assert killed_ns - reader.end_time < 1_000_000_000
    assert "ended without notice" in read_custom_data(folder)["stop_reason"]

    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert main(["episodes", "repair", str(folder)]) == 0
    assert {file: file.read_bytes() for file in folder.iterdir()} == before, "a second run changes nothing"


def test_a_disk_that_fills_up_ends_the_episode_by_name_and_its_file_is_whole(start_recorder) -> None:
    recorder = start_recorder("min_free:=0")
    folder = recorder.record(1.5)
    limit = (folder / f"{folder.name}.mcap").stat().st_size + 300_000
    resource.prlimit(recorder.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    status = recorder.failure()
    assert status.reason.name == "DISK_FULL", status.reason.message
    assert status.verdict == RecordingStatus.REDO
    assert _counts(folder)[JOINTS] > 50
    assert read_custom_data(folder)["stop_reason"].startswith("DISK_FULL")
    assert recorder.process.poll() is None, "the recorder lives on"


def test_a_folder_that_is_deleted_or_moved_ends_the_episode_and_what_was_written_is_kept(start_recorder) -> None:
    recorder = start_recorder()
    folder = recorder.record(1.5)
    shutil.rmtree(folder)
    status = recorder.failure()
    assert status.reason.name == "FOLDER_GONE", status.reason.message
    assert _counts(Path(status.path))[JOINTS] > 50

    folder = recorder.record(1.5)
    moved = folder.with_name("moved")
    folder.rename(moved)
    recorder.wait(lambda: (moved / "metadata.yaml").exists(), "the end of the moved file")
    with AnyReader([moved], default_typestore=suite_typestore()) as reader:
        assert reader.message_count > 100
    assert not folder.exists()


def test_a_clock_that_jumps_back_ends_the_episode_by_name(start_recorder) -> None:
    recorder = start_recorder(simulated=True)
    recorder.wait(lambda: recorder.robot.sent[JOINTS] > 100, "streams")
    folder = recorder.record(2.0)
    recorder.robot.clock_ns -= 20_000_000_000
    status = recorder.failure()
    assert status.reason.name == "CLOCK_JUMP", status.reason.message
    assert status.reason.value < -10
    assert _counts(folder)[JOINTS] > 50
