"""A robot's streams without a robot: publishes what a recording of the PiPer holds, at real rates."""

import threading
import time
from math import sin

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_message
from test.episodes.recording.messages import HEAD, JOINTS, WRIST, encoded, image, joint_state, ready, texture

TICK = 0.01


class RobotStreams(Node):
    """Two cameras at 15 Hz, joints at 100 Hz, latched topics from before; a thread of its own. ``sent`` counts."""

    def __init__(self, context: rclpy.Context, *, simulated: bool = False) -> None:
        super().__init__("robot_streams", context=context)
        self.sent = {HEAD: 0, WRIST: 0, JOINTS: 0}
        self.clock_ns = 50_000_000_000
        self._simulated = simulated
        self._pictures = [encoded(texture(seed)) for seed in range(4)]
        self._cameras = {t: self.create_publisher(CompressedImage, t, qos.IMAGE_PUBLISHER) for t in (HEAD, WRIST)}
        self._joints = self.create_publisher(JointState, JOINTS, QoSProfile(depth=10))
        self._clock = self.create_publisher(Clock, "/clock", QoSProfile(depth=10))
        self._latched = [
            self.create_publisher(String, "/robot_description", qos.STATE),
            self.create_publisher(String, "/mivla/instruction", qos.STATE),
            self.create_publisher(TFMessage, "/tf_static", qos.STATE),
        ]
        self._latched[0].publish(String(data="<robot/>"))
        self._latched[1].publish(String(data="stack the cups"))
        self._latched[2].publish(TFMessage())
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()
        self.destroy_node()

    def _run(self) -> None:
        began, tick = time.monotonic(), 0
        while not self._ending.is_set():
            tick += 1
            self._ending.wait(max(began + tick * TICK - time.monotonic(), 0))
            if self._simulated:
                self.clock_ns += round(TICK * 1e9)
                self._clock.publish(Clock(clock=time_message(self.clock_ns)))
            stamp = self.clock_ns if self._simulated else time.time_ns()
            data = joint_state(stamp, ready(0.3 * sin(tick * TICK)))
            self._publish(JOINTS, self._joints, data, JointState)
            if tick % 7 == 0:  # 14.3 Hz, of the 15 the profile promises
                for topic, publisher in self._cameras.items():
                    self._publish(topic, publisher, image(stamp, self._pictures[tick // 7 % 4]), CompressedImage)

    def _publish(self, topic: str, publisher: object, data: bytes, kind: type) -> None:
        publisher.publish(deserialize_message(data, kind))
        self.sent[topic] += 1
