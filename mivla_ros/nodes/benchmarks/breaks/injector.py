"""A relay between the robot, the cameras and the policy on one side and everybody else on the other, that can spoil
what passes.

The graph is started so that true streams come under ``whole/`` and pass through here. A fault is switched on by its
name on ``injector/fault`` ("" ends it); ``injector/applied`` says when it began, as JSON with the fault, the true time
of simulation (ns) and the offset of the clock others see (ns).
"""

import json
from collections.abc import Callable
from functools import partial
from math import degrees, inf, nan

from builtin_interfaces.msg import Time as TimeMessage
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from mivla_msgs.msg import ActionChunk, ArmActions
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_message, time_ns
from mivla_ros.nodes.process import run_node
from mivla_ros.robots.profile import load_profile

MOVING_FRAME = "wrist_camera_optical_frame"
SHIFT_NS = 5_000_000_000
"""How far the clock jumps, and how late an expired chunk is."""
BETWEEN_NS = 50_000_000
"""From a chunk to the one that must not come after it."""
OLD_TF_NS = 500_000_000
"""How long tf is silent before a chunk needs it."""

Spoil = Callable[[ActionChunk], None]


def _first_pose_x(value: float) -> Spoil:
    def spoil(chunk: ActionChunk) -> None:
        chunk.arms[0].eef_poses[3].position.x = value

    return spoil


def _empty(chunk: ActionChunk) -> None:
    chunk.arms = []


def _wrong_size(chunk: ActionChunk) -> None:
    chunk.arms[0].eef_poses = chunk.arms[0].eef_poses[:-3]


def _wrong_frame(chunk: ActionChunk) -> None:
    chunk.header.frame_id = "moon"


def _millimetres(chunk: ActionChunk) -> None:
    for pose in chunk.arms[0].eef_poses:
        pose.position.x, pose.position.y, pose.position.z = (
            1e3 * value for value in (pose.position.x, pose.position.y, pose.position.z)
        )


def _expired(chunk: ActionChunk) -> None:
    for stamp in (chunk.header.stamp, chunk.valid_until, chunk.observation_stamp):
        stamp.sec -= SHIFT_NS // 1_000_000_000


SPOILERS: dict[str, Spoil] = {
    "nan": _first_pose_x(nan),
    "infinite": _first_pose_x(inf),
    "empty": _empty,
    "wrong size": _wrong_size,
    "wrong frame": _wrong_frame,
    "millimetres": _millimetres,
    "expired": _expired,
}
CLOCK_FAULTS = {"clock forward": SHIFT_NS, "clock back": -SHIFT_NS}


class Injector(Node):
    """Passes everything on, and spoils what it is told to."""

    def __init__(self) -> None:
        super().__init__("injector", parameter_overrides=[Parameter("use_sim_time", value=False)])
        self.declare_parameter("robot", "piper")
        profile = load_profile(self.get_parameter("robot").value)
        self._joints = profile.arms[0].joints
        self.status: int | None = None
        self._fault = ""
        self._since_ns = self._true_ns = self._offset_ns = 0
        self._pending = False
        self._kept: ActionChunk | None = None
        self._later: tuple[int, ActionChunk] | None = None
        self._positions: dict[str, float] = {}
        self._pictures: dict[str, Image] = {}
        self._applied = self.create_publisher(String, "injector/applied", qos.STATE)
        self.create_subscription(String, "injector/fault", self._on_fault, qos.STREAM)
        self._clock = self.create_publisher(Clock, "/clock", qos.STREAM)
        self.create_subscription(Clock, "/whole/clock", self._on_clock, qos.STREAM)
        states = self.create_publisher(JointState, "joint_states", qos.STREAM)
        self.create_subscription(JointState, "whole/joint_states", partial(self._on_joints, states), qos.STREAM)
        self._chunks = self.create_publisher(ActionChunk, "mivla/actions", qos.COMMAND)
        self.create_subscription(ActionChunk, "whole/actions", self._on_chunk, qos.COMMAND)
        tf = self.create_publisher(TFMessage, "tf", 100)
        self.create_subscription(TFMessage, "whole/tf", partial(self._on_tf, tf), 100, raw=True)
        for camera in profile.cameras:
            topic = f"{camera.name}/image_raw"
            pictures = self.create_publisher(Image, topic, qos.IMAGE_PUBLISHER)
            callback = partial(self._on_image, camera.name, pictures)
            self.create_subscription(Image, f"whole/{topic}", callback, qos.SENSOR, raw=True)

    def start(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def _on_fault(self, message: String) -> None:
        self._fault, self._kept, self._later = message.data, None, None
        self._since_ns, self._offset_ns = self._true_ns, CLOCK_FAULTS.get(self._fault, 0)
        chunk_faults = {*SPOILERS, "degrees", "duplicate", "out of order", "transform old"}
        self._pending = self._fault in chunk_faults
        if not self._pending:
            self._say_applied()

    def _say_applied(self) -> None:
        words = {"fault": self._fault, "true_ns": self._true_ns, "offset_ns": self._offset_ns}
        self._applied.publish(String(data=json.dumps(words)))

    def _shift(self, stamp: TimeMessage) -> TimeMessage:
        return time_message(max(time_ns(stamp) + self._offset_ns, 0)) if self._offset_ns else stamp

    def _on_clock(self, message: Clock) -> None:
        self._true_ns = time_ns(message.clock)
        if self._later is not None and self._true_ns >= self._later[0]:
            self._chunks.publish(self._later[1])
            self._later = None
            self._say_applied()
        message.clock = self._shift(message.clock)
        self._clock.publish(message)

    def _on_joints(self, publisher: Publisher, message: JointState) -> None:
        self._positions = dict(zip(message.name, message.position, strict=True))
        if self._fault == "joints stale":
            return
        if self._fault == "joint missing":
            lost = message.name.index(self._joints[2])
            for values in (message.name, message.position, message.velocity, message.effort):
                if lost < len(values):
                    del values[lost]
        elif self._fault == "joints unnamed":
            message.name = []
        message.header.stamp = self._shift(message.header.stamp)
        publisher.publish(message)

    def _on_image(self, camera: str, publisher: Publisher, data: bytes) -> None:
        first = camera == "head_camera"
        if first and self._fault == "camera gone":
            return
        frozen = first and self._fault == "camera frozen"
        if not frozen and not self._offset_ns:
            self._pictures.pop(camera, None)
            publisher.publish(data)
            return
        message = deserialize_message(data, Image)
        stamp = self._shift(message.header.stamp)
        if frozen:
            message = self._pictures.setdefault(camera, message)
        message.header.stamp = stamp
        publisher.publish(serialize_message(message))

    def _on_tf(self, publisher: Publisher, data: bytes) -> None:
        if self._fault != "transform old" and not self._offset_ns:
            publisher.publish(data)

    def _on_chunk(self, message: ActionChunk) -> None:
        if not self._pending:
            self._chunks.publish(message)
            return
        if self._fault == "out of order":
            if self._kept is None:
                self._kept = message
                return
            self._publish_then(message, self._kept)
            return
        if self._fault == "duplicate":
            self._publish_then(message, message)
            return
        if self._fault == "degrees":
            arm = message.arms[0]
            arm.space, arm.joint_names = ArmActions.SPACE_JOINT, list(self._joints)
            arm.joint_positions = [degrees(self._positions[name]) for name in self._joints] * message.horizon
        elif self._fault == "transform old":
            if self._true_ns - self._since_ns < OLD_TF_NS:
                self._chunks.publish(message)
                return
            message.header.frame_id = MOVING_FRAME
        else:
            SPOILERS[self._fault](message)
        self._pending = False
        self._chunks.publish(message)
        self._say_applied()

    def _publish_then(self, now: ActionChunk, later: ActionChunk) -> None:
        """Two chunks, with a while between them: only the newest counts for who has not read yet (qos.COMMAND)."""
        self._pending = False
        self._chunks.publish(now)
        self._later = self._true_ns + BETWEEN_NS, later


def main() -> None:
    """Entry point of the process."""
    run_node("injector", Injector)


if __name__ == "__main__":
    main()
