"""The simulation node on the wire: stamped streams, commands, resets, a clean end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

import cv2  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from mivla_msgs.msg import ObjectPoses, TaskProgress  # noqa: E402
from mivla_msgs.srv import ResetSimulation  # noqa: E402
from mivla_ros.nodes import qos  # noqa: E402
from mivla_ros.nodes.conversions import duration_message, time_ns  # noqa: E402
from mivla_ros.nodes.executor import make_executor  # noqa: E402
from mivla_ros.robots.profile import load_profile  # noqa: E402

PROFILE = load_profile("piper")
ARM = PROFILE.arms[0]
PATIENCE = 60.0  # s of wall time; only a hang takes so long
STREAMS = {
    "/clock": Clock,
    "/diagnostics": DiagnosticArray,
    "joint_states": JointState,
    "simulation/task": TaskProgress,
    "simulation/objects": ObjectPoses,
    "head_camera/image_raw": Image,
    "head_camera/image_raw/compressed": CompressedImage,
    "head_camera/camera_info": CameraInfo,
    "wrist_camera/image_raw": Image,
}


def start(*parameters: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mivla_ros.nodes.simulation_node", "--ros-args"]
    command += [word for parameter in parameters for word in ("-p", parameter)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


class Listener:
    """A node that keeps every message of the simulation and can wait for one."""

    def __init__(self) -> None:
        self.node = Node("listener")
        self.executor = make_executor(self.node)
        self.received: dict[str, list[Any]] = {topic: [] for topic in STREAMS}
        for topic, kind in STREAMS.items():
            self.node.create_subscription(kind, topic, self.received[topic].append, qos.SENSOR)
        self.arm = self.node.create_publisher(JointTrajectory, f"{ARM.controller}/joint_trajectory", qos.COMMAND)
        self.reset_client = self.node.create_client(ResetSimulation, "simulation/reset")

    def wait(self, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := condition():
                return found
            self.executor.spin_once(timeout_sec=0.1)
        raise AssertionError(f"nothing came; counts: { {topic: len(m) for topic, m in self.received.items()} }")

    def next(self, topic: str) -> Any:
        count = len(self.received[topic])
        return self.wait(lambda: len(self.received[topic]) > count and self.received[topic][-1])

    def positions(self) -> np.ndarray:
        return np.array(self.next("joint_states").position)

    def reset(self, seed: int) -> ResetSimulation.Response:
        future = self.reset_client.call_async(ResetSimulation.Request(seed=seed))
        self.wait(future.done)
        return future.result()

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    process = start("use_sim_time:=true", "seed:=6")
    rclpy.init()
    listening = Listener()
    try:
        listening.wait(lambda: all(listening.received.values()) and listening.arm.get_subscription_count())
        yield listening
    finally:
        listening.close()
        rclpy.try_shutdown()
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert "real-time factor" in log
    assert "Traceback" not in log
    assert "rosout" not in log


def trajectory(seconds: float, positions: list[float], names: tuple[str, ...] = ARM.joints) -> JointTrajectory:
    point = JointTrajectoryPoint(positions=positions, time_from_start=duration_message(round(seconds * 1e9)))
    return JointTrajectory(joint_names=names, points=[point])


def test_images_carry_capture_time_and_optical_frame(listener: Listener) -> None:
    image = listener.next("head_camera/image_raw")
    assert (image.width, image.height, image.encoding, image.step) == (320, 240, "rgb8", 960)
    assert image.header.frame_id == "head_camera_optical_frame"
    wrist = listener.wait(
        lambda: [m for m in listener.received["wrist_camera/image_raw"] if m.header.stamp == image.header.stamp]
    )
    assert wrist[0].header.frame_id == "wrist_camera_optical_frame"
    stamps = np.diff([time_ns(m.header.stamp) for m in listener.received["head_camera/image_raw"]])
    assert (stamps > 0).all()
    assert np.median(stamps) == pytest.approx(1e9 / 15, abs=5.1e6)


def test_compressed_images_hold_the_same_picture(listener: Listener) -> None:
    compressed = listener.next("head_camera/image_raw/compressed")
    raw = listener.wait(
        lambda: [m for m in listener.received["head_camera/image_raw"] if m.header.stamp == compressed.header.stamp]
    )[0]
    decoded = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_COLOR)
    rgb = np.frombuffer(raw.data, np.uint8).reshape(240, 320, 3)
    assert np.abs(decoded[..., ::-1].astype(int) - rgb).mean() < 6


def test_camera_info_has_a_pinhole(listener: Listener) -> None:
    info = listener.next("head_camera/camera_info")
    focal = 120 / np.tan(PROFILE.camera("head_camera").vertical_fov / 2)
    np.testing.assert_allclose(info.k, [focal, 0, 159.5, 0, focal, 119.5, 0, 0, 1])
    np.testing.assert_allclose(np.reshape(info.p, (3, 4))[:, :3].ravel(), info.k)


def test_joint_states_name_arm_and_gripper_only(listener: Listener) -> None:
    states = listener.next("joint_states")
    assert tuple(states.name) == (*ARM.joints, "gripper")
    assert len(states.position) == len(states.velocity) == len(states.effort) == 7
    stamps = np.diff([time_ns(m.header.stamp) for m in listener.received["joint_states"]])
    assert np.median(stamps) == 10_000_000


def test_a_trajectory_moves_the_arm(listener: Listener) -> None:
    listener.reset(6)
    goal = np.array(ARM.ready) + np.array([0.4, 0, 0, 0, 0, 0.3])
    listener.arm.publish(trajectory(0.5, goal.tolist()))
    listener.wait(lambda: np.abs(listener.positions()[:6] - goal).max() < 0.01)
    np.testing.assert_allclose(listener.positions()[6], 0.1, atol=1e-3)


def test_a_refused_trajectory_shows_in_diagnostics(listener: Listener) -> None:
    listener.arm.publish(trajectory(0.5, [0.0], ("joint3",)))

    def refused() -> list[Any]:
        return [
            status
            for message in listener.received["/diagnostics"]
            for status in message.status
            if status.name == "simulation: controllers" and "partial joints" in status.message
        ]

    assert listener.wait(refused)[-1].level == b"\x01"


def test_a_reset_begins_an_episode_and_time_goes_on(listener: Listener) -> None:
    before = listener.next("simulation/task")
    response = listener.reset(9)
    assert response.success
    assert (response.seed, response.episode) == (9, before.episode + 1)
    progress = listener.wait(
        lambda: [m for m in listener.received["simulation/task"] if m.episode == response.episode]
    )[0]
    assert progress.seed == 9
    assert progress.seconds < 1
    assert not progress.success
    assert listener.reset(-1).seed == 10
    refused = listener.reset(-7)
    assert not refused.success
    assert "-7" in refused.message
    listener.next("/clock")
    for topic in ("/clock", "joint_states", "head_camera/image_raw"):
        stamps = [time_ns(m.clock if topic == "/clock" else m.header.stamp) for m in listener.received[topic]]
        assert min(np.diff(stamps)) > 0, topic


def test_objects_are_in_the_world_frame(listener: Listener) -> None:
    listener.reset(6)
    objects = listener.next("simulation/objects")
    assert objects.header.frame_id == "world"
    assert objects.names == ["bottle", "pad"]
    assert objects.poses[1].position.z == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("robot:=nobody", "unknown robot 'nobody'"),
        ("robot_description:=nothing", "URDF: not XML"),
        ("task:=dance", "'dance': not known"),
        ("seed:=-4", "seed"),
    ],
)
def test_what_cannot_start_ends_with_one_line_and_status_1(parameter: str, words: str) -> None:
    process = start(parameter)
    _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert words in log
    assert len([line for line in log.splitlines() if line.strip()]) == 1
