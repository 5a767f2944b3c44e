"""What can be seen from outside of a graph in which something breaks: everything said, with the true time."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage

from mivla_msgs.msg import ActionChunk, PolicyStatus, RetargetingStatus
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_ns
from mivla_ros.retargeting import JointTrajectory
from mivla_ros.robots.profile import RobotProfile

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """A status: who said it, its stamp by the clock the nodes see (ns), state and reason; the whole message."""

    who: str
    stamp_ns: int
    state: int
    reason: str
    message: Any


@dataclass(frozen=True)
class Diagnosed:
    """A diagnostic status: its name, level, and values by key."""

    stamp_ns: int
    name: str
    level: int
    values: dict[str, str]


@dataclass(frozen=True)
class Sent:
    """A trajectory for the arm. at_once: it begins on arrival; else it begins at trajectory.start_ns of the nodes'
    clock. seen_ns: true time when it was seen.
    """

    trajectory: JointTrajectory
    at_once: bool
    seen_ns: int


@dataclass
class Records:
    """Everything since the last ``clear``, in order of arrival."""

    said: list[Said] = field(default_factory=list)
    diagnosed: list[Diagnosed] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    joints: list[tuple[int, Array, Array]] = field(default_factory=list)
    """True time (ns), positions and velocities (n,) of the arm's joints."""
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    """True time (ns) and session."""


class Witness(Node):
    """Listens. ``lock`` guards ``records``."""

    def __init__(self, profile: RobotProfile) -> None:
        super().__init__("witness")
        self.lock = threading.Lock()
        self.records = Records()
        self.true_ns = 0
        self.applied: dict[str, Any] = {}
        self._arm = profile.arms[0]
        for kind, topic, callback, quality in (
            (Clock, "/whole/clock", self._on_clock, qos.STREAM),
            (JointState, "whole/joint_states", self._on_joints, qos.STREAM),
            (String, "injector/applied", self._on_applied, qos.STATE),
            (RetargetingStatus, "mivla/retargeting_status", self._on_retargeting, qos.STATE),
            (PolicyStatus, "mivla/policy_status", self._on_policy, qos.STATE),
            (ActionChunk, "mivla/actions", self._on_chunk, qos.COMMAND),
            (JointTrajectoryMessage, f"{self._arm.controller}/joint_trajectory", self._on_sent, qos.COMMAND),
            (DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.STREAM),
        ):
            self.create_subscription(kind, topic, callback, quality)
        self.fault = self.create_publisher(String, "injector/fault", qos.STREAM)

    def clear(self) -> None:
        """Forget what has been seen."""
        with self.lock:
            self.records = Records()

    def _on_clock(self, message: Clock) -> None:
        self.true_ns = time_ns(message.clock)

    def _on_applied(self, message: String) -> None:
        self.applied = json.loads(message.data)

    def _on_joints(self, message: JointState) -> None:
        columns = [message.name.index(name) for name in self._arm.joints]
        positions, velocities = np.array(message.position)[columns], np.array(message.velocity)[columns]
        with self.lock:
            self.records.joints.append((time_ns(message.header.stamp), positions, velocities))

    def _on_retargeting(self, message: RetargetingStatus) -> None:
        self._on_status("retargeting", message)

    def _on_policy(self, message: PolicyStatus) -> None:
        self._on_status("policy", message)

    def _on_status(self, who: str, message: RetargetingStatus | PolicyStatus) -> None:
        said = Said(who, time_ns(message.header.stamp), message.state, message.reason.name, message)
        with self.lock:
            self.records.said.append(said)

    def _on_chunk(self, message: ActionChunk) -> None:
        with self.lock:
            self.records.chunks.append((self.true_ns, bytes(message.session.uuid)))

    def _on_sent(self, message: JointTrajectoryMessage) -> None:
        if not message.points:
            return
        times = [time_ns(point.time_from_start) for point in message.points]
        regular = next((k for k in range(2, len(times)) if times[k] - times[k - 1] != times[1] - times[0]), len(times))
        start_ns = time_ns(message.header.stamp)
        trajectory = JointTrajectory(
            tuple(message.joint_names),
            start_ns or self.true_ns,
            times[1] - times[0] if len(times) > 1 else 1,
            np.array([point.positions for point in message.points[:regular]]),
            np.array([point.velocities for point in message.points[:regular]]),
        )
        with self.lock:
            self.records.sent.append(Sent(trajectory, not start_ns, self.true_ns))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_ns = time_ns(message.header.stamp)
        with self.lock:
            for status in message.status:
                values = {pair.key: pair.value for pair in status.values}
                self.records.diagnosed.append(Diagnosed(stamp_ns, status.name, ord(status.level), values))
