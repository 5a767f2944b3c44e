"""From a camera's stamp to the joint command that rests on it, split by stage, on a running launch.

    ros2 run mivla_ros benchmark_latency            (while `ros2 launch mivla_bringup piper.launch.py` runs)

A listener notes when images, chunks and joint trajectories arrive. An image and a chunk belong together by
observation_stamp, a chunk and a trajectory by order: the first trajectory after a chunk answers it. Inference and
retargeting are the nodes' own measurements. Simulated stamps are turned into wall time by the smallest offset seen
between /clock and this process's clock, so the first stage may be short by the clock's own delay, and a clock step is
its resolution.
"""

import argparse
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import rclpy
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from trajectory_msgs.msg import JointTrajectory

from mivla_msgs.msg import ActionChunk, PolicyStatus, RetargetingStatus
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_ns
from mivla_ros.nodes.executor import make_executor
from mivla_ros.robots.profile import load_profile

STAGES = (
    "capture to image here",
    "image to chunk here",
    "of which inference",
    "chunk to joint command here",
    "of which retargeting",
    "capture to joint command",
)


@dataclass
class Samples:
    """Seconds measured, by stage."""

    values: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def add(self, stage: str, seconds: float) -> None:
        """One more measurement of a stage."""
        self.values[stage].append(seconds)


class LatencyListener(Node):
    """Listens to the graph and collects samples."""

    def __init__(self, robot: str) -> None:
        super().__init__("benchmark_latency")
        profile = load_profile(robot)
        self.samples = Samples()
        self._wall_minus_sim: deque[float] = deque(maxlen=500)
        self._image_arrival: dict[int, float] = {}
        self._pending: tuple[int, float] | None = None
        self.create_subscription(Clock, "clock", self._on_clock, qos.SENSOR)
        for camera in profile.cameras:
            self.create_subscription(Image, f"{camera.name}/image_raw", self._on_image, qos.SENSOR)
        self.create_subscription(ActionChunk, "mivla/actions", self._on_chunk, qos.COMMAND)
        self.create_subscription(PolicyStatus, "mivla/policy_status", self._on_policy, qos.STATE)
        self.create_subscription(RetargetingStatus, "mivla/retargeting_status", self._on_retargeting, qos.STATE)
        topic = f"{profile.arms[0].controller}/joint_trajectory"
        self.create_subscription(JointTrajectory, topic, self._on_trajectory, qos.COMMAND)

    def _wall(self, stamp_ns: int) -> float:
        return stamp_ns / 1e9 + min(self._wall_minus_sim)

    def _on_clock(self, message: Clock) -> None:
        self._wall_minus_sim.append(time.time() - time_ns(message.clock) / 1e9)

    def _on_image(self, message: Image) -> None:
        now, stamp = time.time(), time_ns(message.header.stamp)
        self._image_arrival[stamp] = now
        if self._wall_minus_sim:
            self.samples.add(STAGES[0], now - self._wall(stamp))

    def _on_chunk(self, message: ActionChunk) -> None:
        now, stamp = time.time(), time_ns(message.observation_stamp)
        self._pending = (stamp, now)
        if stamp in self._image_arrival:
            self.samples.add(STAGES[1], now - self._image_arrival[stamp])

    def _on_policy(self, message: PolicyStatus) -> None:
        if message.state == PolicyStatus.RUNNING:
            self.samples.add(STAGES[2], message.inference_seconds)

    def _on_trajectory(self, _: JointTrajectory) -> None:
        if self._pending is None or not self._wall_minus_sim:
            return
        (stamp, chunk_arrival), self._pending = self._pending, None
        now = time.time()
        self.samples.add(STAGES[3], now - chunk_arrival)
        self.samples.add(STAGES[5], now - self._wall(stamp))

    def _on_retargeting(self, message: RetargetingStatus) -> None:
        if message.state == RetargetingStatus.TRACKING:
            self.samples.add(STAGES[4], message.retargeting_seconds)


def main() -> None:
    """Entry point of the command."""
    parser = argparse.ArgumentParser(description="Camera stamp to joint command, by stage.")
    parser.add_argument("--robot", default="piper", help="robot profile")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long to listen")
    arguments = parser.parse_args()
    rclpy.init()
    node = LatencyListener(arguments.robot)
    executor = make_executor(node)
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.2)
    print("| stage | median ms | 95 % ms | samples |")
    print("| --- | --- | --- | --- |")
    for stage, values in node.samples.values.items():
        if values:
            print(
                f"| {stage} | {np.median(values) * 1e3:.1f} | {np.percentile(values, 95) * 1e3:.1f} | {len(values)} |"
            )
        else:
            print(f"| {stage} | none seen | | 0 |")
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
