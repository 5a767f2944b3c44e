"""Collects for `mivla doctor` what is to be seen of a robot on a live graph, and moves its joints a little where
asked."""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rclpy
import rclpy.executors
import rclpy.qos
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from mivla_ros.doctor.collected import CameraSeen, Collected, JointsSeen, Moved, TopicSeen
from mivla_ros.doctor.limits import UrdfLimits
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import duration_message, time_ns
from mivla_ros.observations.compressed_image import rgb_from_compressed
from mivla_ros.robots.profile import ArmProfile, RobotProfile

JOINT_STEP = 0.05  # rad
GRIPPER_SHARE = 0.2  # of the travel
MOVE_SECONDS = 1.0  # 0.05 rad/s on average
SETTLE_SECONDS = 0.7
DISCOVERY_SECONDS = 1.0
LATCHED_SECONDS = 10.0  # more for what was published once and has not come though somebody publishes it


class DoctorNode(Node):
    """Listens from its making on; ``collected`` is what it has seen so far."""

    def __init__(
        self, profile: RobotProfile, context: rclpy.Context, namespace: str = "", sim_time: bool = False
    ) -> None:
        overrides = [Parameter("use_sim_time", value=sim_time)]
        super().__init__("mivla_doctor", context=context, namespace=namespace, parameter_overrides=overrides)
        self._profile = profile
        self._joints: list[JointsSeen] = []
        self._pictures: dict[str, NDArray[np.uint8]] = {}
        self._first: dict[str, NDArray[np.uint8]] = {}
        self._heads: dict[str, tuple[int, int, str]] = {}
        self._stamps: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._infos: dict[str, tuple[int, int, float]] = {}
        self._frames: dict[str, str] = {}
        self._description, self._heard_static = "", False
        self._moved: list[Moved] = []
        self._still = True
        self._commands: dict[str, Any] = {}
        self._waiting = {f"{c.name}/image_raw/compressed" for c in profile.cameras}
        self._waiting |= {f"{c.name}/image_raw" for c in profile.cameras} | {"joint_states"}
        for camera in profile.cameras:
            info = f"{camera.name}/camera_info"
            self.create_subscription(CameraInfo, info, partial(self._on_info, camera.name), qos.SENSOR)
        # every publisher of tf has its own newest message, so the depth must hold them all
        depth = rclpy.qos.QoSProfile(depth=100, durability=qos.STREAM.durability)
        self.create_subscription(TFMessage, "tf", self._on_transforms, depth)
        self.hear_latched(self)

    def hear_latched(self, ear: Node) -> None:
        """What was published once, by way of a node: this one, or another in its place."""
        ear.create_subscription(String, "robot_description", self._on_description, qos.STATE)
        depth = rclpy.qos.QoSProfile(depth=100, durability=qos.STATE.durability)
        ear.create_subscription(TFMessage, "tf_static", self._on_static_transforms, depth)

    def lacks_latched(self) -> bool:
        """Whether something was published once, by somebody who is there, and has not come."""
        heard = {"robot_description": bool(self._description), "tf_static": self._heard_static}
        return any(not came and self.count_publishers(topic) > 0 for topic, came in heard.items())

    def watch_topics(self) -> None:
        """Subscribe to what is published by now with the type we read; another type is left to the findings."""
        types = {topic: kinds for topic, kinds in self.get_topic_names_and_types()}
        for topic in sorted(self._waiting):
            kinds = types.get(self.resolve_topic_name(topic), [])
            name = topic.partition("/")[0]
            take: Callable[..., None]
            if topic == "joint_states":
                kind, take, depth = JointState, self._on_joints, qos.JOINT_STATES
            elif topic.endswith("compressed"):
                kind, take, depth = CompressedImage, partial(self._on_compressed, name), qos.SENSOR
            else:
                # where both are there, only the compressed one is read, as the policy node does
                if self.resolve_topic_name(f"{topic}/compressed") in types:
                    continue
                kind, take, depth = Image, partial(self._on_image, name), qos.SENSOR
            if len(kinds) == 1 and get_message(kinds[0]) is kind:
                self._waiting.discard(topic)
                self.create_subscription(kind, topic, take, depth)

    @property
    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_joints(self, message: JointState) -> None:
        stamp = time_ns(message.header.stamp)
        velocities = tuple(message.velocity)
        self._joints.append(JointsSeen(self._now_ns, stamp, tuple(message.name), tuple(message.position), velocities))

    def _on_compressed(self, camera: str, message: CompressedImage) -> None:
        received = self._now_ns
        try:
            rgb = rgb_from_compressed(bytes(message.data))
        except ValueError:
            return
        self._see(camera, received, message.header, rgb.shape[1], rgb.shape[0], rgb.mean(axis=2).astype(np.uint8))

    def _on_image(self, camera: str, message: Image) -> None:
        received, channels = self._now_ns, message.step // max(message.width, 1)
        if channels in (1, 3, 4) and len(message.data) == message.step * message.height:
            picture = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, channels)
            grey = picture[..., :3].mean(axis=2).astype(np.uint8)
            self._see(camera, received, message.header, message.width, message.height, grey)

    def _see(
        self, camera: str, received: int, header: Header, width: int, height: int, grey: NDArray[np.uint8]
    ) -> None:
        self._heads[camera] = (width, height, str(header.frame_id))
        if self._still:
            self._stamps[camera].append((received, time_ns(header.stamp)))
            self._first[camera] = grey
        self._pictures[camera] = grey

    def _on_info(self, camera: str, message: CameraInfo) -> None:
        self._infos[camera] = (int(message.width), int(message.height), float(message.k[4]))

    def _on_description(self, message: String) -> None:
        self._description = str(message.data)

    def _on_static_transforms(self, message: TFMessage) -> None:
        self._heard_static = True
        self._on_transforms(message)

    def _on_transforms(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self._frames[transform.child_frame_id.lstrip("/")] = transform.header.frame_id.lstrip("/")

    def settled(self) -> None:
        """From now on things move: what rates and stamps are judged by is complete."""
        self._still = False
        self._judged = len(self._joints)

    _judged: int | None = None

    def collected(self) -> Collected:
        """All of it as data."""
        cameras = {}
        for name, (width, height, frame) in self._heads.items():
            received, stamps = zip(*self._stamps[name], strict=True) if self._stamps[name] else ((), ())
            cameras[name] = CameraSeen(
                width, height, frame, tuple(received), tuple(stamps), self._first.get(name), self._infos.get(name)
            )
        wanted = ["joint_states"]
        wanted += [f"{c.name}/image_raw{tail}" for c in self._profile.cameras for tail in ("", "/compressed")]
        for arm in self._profile.arms:
            wanted += [f"{arm.controller}/joint_trajectory"]
            wanted += [f"{arm.gripper.controller}/joint_trajectory"] if arm.gripper else []
        return Collected(
            topics={topic: seen for topic in wanted if (seen := self._topic(topic)) is not None},
            joints=tuple(self._joints[: self._judged]),
            cameras=cameras,
            description=self._description,
            frames=dict(self._frames),
            moved=tuple(self._moved),
        )

    def _topic(self, topic: str) -> TopicSeen | None:
        publishers = self.get_publishers_info_by_topic(topic)
        subscribers = self.get_subscriptions_info_by_topic(topic)
        own = self.get_fully_qualified_name()

        def names(infos: list[Any]) -> tuple[str, ...]:
            found = [f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos]
            return tuple(sorted(name for name in found if name != own))

        if not names(publishers) and not names(subscribers):
            return None
        types = {info.topic_type for info in (*publishers, *subscribers)}
        return TopicSeen(tuple(sorted(types)), names(publishers), names(subscribers))

    # Motions

    def newest(self) -> dict[str, float]:
        """Joints as they are now."""
        return dict(zip(self._joints[-1].names, self._joints[-1].positions, strict=False)) if self._joints else {}

    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Newest picture of each camera."""
        return dict(self._pictures)

    def command(self, controller: str, names: tuple[str, ...], begin: list[float], end: list[float]) -> None:
        """One smooth motion, beginning on arrival."""
        topic = f"{controller}/joint_trajectory"
        if topic not in self._commands:
            self._commands[topic] = self.create_publisher(JointTrajectory, topic, qos.COMMAND)
            deadline = time.monotonic() + 5 * DISCOVERY_SECONDS  # a command that nobody hears yet would be lost
            while not self._commands[topic].get_subscription_count() and time.monotonic() < deadline:
                time.sleep(0.05)
        points = [
            JointTrajectoryPoint(positions=row, velocities=[0.0] * len(names), time_from_start=duration_message(at))
            for row, at in ((begin, 1_000_000), (end, int(MOVE_SECONDS * 1e9)))
        ]
        self._commands[topic].publish(JointTrajectory(joint_names=list(names), points=points))

    def remember(self, moved: Moved) -> None:
        """Keep what a motion did."""
        self._moved.append(moved)


class Look:
    """A doctor's visit: a context of its own, so that it can be used from anywhere."""

    def __init__(self, profile: RobotProfile, namespace: str = "", sim_time: bool = False) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._profile = profile
        self.node = DoctorNode(profile, self._context, namespace, sim_time)
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def wait(self, seconds: float) -> None:
        """Let messages come for that long, of wall time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, 0.1))

    def still(self, seconds: float) -> Collected:
        """Look for that long without moving anything."""
        end = time.monotonic() + DISCOVERY_SECONDS + seconds
        self.wait(DISCOVERY_SECONDS)
        while time.monotonic() < end:  # discovery may take longer on a busy machine
            self.node.watch_topics()
            self.wait(min(0.5, max(end - time.monotonic(), 0.01)))
        self.node.settled()
        if self.node.lacks_latched():
            self._hear_again()
        return self.node.collected()

    def _hear_again(self) -> None:
        # as another participant: one that came in the place of a killed one may hear nothing by shared memory
        # (Fast-DDS issue 5469)
        context = rclpy.Context()
        rclpy.init(context=context)
        ear = Node("mivla_doctor_again", context=context, namespace=self.node.get_namespace())
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(ear)
        self.node.hear_latched(ear)
        end = time.monotonic() + LATCHED_SECONDS
        while self.node.lacks_latched() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
            self.wait(0.05)
        executor.shutdown()
        ear.destroy_node()
        rclpy.try_shutdown(context=context)

    def move(self, limits: UrdfLimits) -> Collected:
        """Every joint of every arm there and back, one after the other, then the grippers."""
        for arm in self._profile.arms:
            for name in arm.joints:
                value = self.node.newest().get(name)
                if value is not None:
                    low, high = limits.position[name]
                    step = JOINT_STEP if value < (low + high) / 2 else -JOINT_STEP
                    self._there_and_back(arm.controller, arm.joints, name, step)
            self._move_gripper(arm)
        return self.node.collected()

    def _move_gripper(self, arm: ArmProfile) -> None:
        if arm.gripper is None or arm.gripper.joint not in self.node.newest():
            return
        gripper = arm.gripper
        opening = float(gripper.opening(self.node.newest()[gripper.joint]))
        step = (gripper.open - gripper.closed) * GRIPPER_SHARE * (1 if opening < 0.5 else -1)
        self._there_and_back(gripper.controller, (gripper.joint,), gripper.joint, step)

    def _there_and_back(self, controller: str, names: tuple[str, ...], joint: str, step: float) -> None:
        before, seen = self.node.newest(), self.node.pictures()
        begin = [before[name] for name in names]
        end = [value + (step if name == joint else 0.0) for name, value in zip(names, begin, strict=True)]
        self.node.command(controller, names, begin, end)
        self.wait(MOVE_SECONDS + SETTLE_SECONDS)
        after, shown = self.node.newest(), self.node.pictures()
        pictures = {
            name: float(np.abs(shown[name].astype(float) - seen[name]).mean())
            for name in seen
            if shown[name].shape == seen[name].shape
        }
        measured = {name: after[name] - before[name] for name in self._profile.joint_names if name in after}
        self.node.remember(Moved(joint, step, measured, pictures))
        self.node.command(controller, names, end, begin)
        self.wait(MOVE_SECONDS + SETTLE_SECONDS)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
