"""ros2_control's controller_manager without it: one joint_trajectory_controller for each controller of a profile, and a
joint_state_broadcaster, by their documented interface (Jazzy), with the controller's defaults.

Rules of its own, not the suite's TrajectoryFollower: this is the other side.
"""

from itertools import pairwise

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_system_default
from rclpy.time import Time
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from mivla_ros.hardware.drivers import controllers_of
from mivla_ros.robots.profile import load_profile

RATE = 100.0


class Controller:
    """One joint_trajectory_controller: takes a trajectory or says why not; positions by cubic splines."""

    def __init__(self, name: str, joints: tuple[str, ...], row: list[float]) -> None:
        self.name, self.joints, self.row = name, joints, np.array(row)
        self._knots: list[tuple[float, np.ndarray, np.ndarray]] = []

    def refusal(self, message: JointTrajectory, now: float) -> str:
        """Why the controller does not take it (its defaults: no partial goals, no moving end); empty where it does."""
        points = message.points
        if sorted(message.joint_names) != sorted(self.joints):
            return f"joints {message.joint_names}"
        if not points:
            return ""
        times = [p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in points]
        if any(b <= a for a, b in pairwise(times)):
            return "time between points is not strictly increasing"
        for point in points:
            if len(point.positions) != len(self.joints):
                return "mismatch between joint_names and positions"
            if len(point.velocities) not in (0, len(self.joints)):
                return "mismatch between joint_names and velocities"
        if len(points[-1].velocities) and max(abs(v) for v in points[-1].velocities) > 1e-6:
            return f"velocity of last trajectory point is not zero: {list(points[-1].velocities)}"
        begin = Time.from_msg(message.header.stamp).nanoseconds * 1e-9
        if begin and begin + times[-1] <= now:
            return "received trajectory ends in the past"
        return ""

    def take(self, message: JointTrajectory, now: float) -> None:
        """Follow it from here."""
        begin = Time.from_msg(message.header.stamp).nanoseconds * 1e-9 or now
        order = [list(message.joint_names).index(name) for name in self.joints]
        knots = [(now, self.row, np.zeros(len(self.joints)))]
        for point in message.points:
            at = begin + point.time_from_start.sec + point.time_from_start.nanosec * 1e-9
            if at > now:
                speeds = point.velocities or np.zeros(len(self.joints))
                knots.append((at, np.array(point.positions)[order], np.array(speeds)[order]))
        self._knots = knots

    def update(self, now: float) -> None:
        """Move to where it shall be now."""
        for (t0, p0, v0), (t1, p1, v1) in pairwise(self._knots):
            if t0 <= now < t1:
                h, s = t1 - t0, (now - t0) / (t1 - t0)
                self.row = (
                    (2 * s**3 - 3 * s**2 + 1) * p0 + (s**3 - 2 * s**2 + s) * h * v0
                    + (3 * s**2 - 2 * s**3) * p1 + (s**3 - s**2) * h * v1
                )  # fmt: skip
                return
        if self._knots:
            self.row = self._knots[-1][1]


class ControllerManager(Node):
    """All controllers of a robot; prints what it refuses, and how many it took when asked to end."""

    def __init__(self, robot: str) -> None:
        super().__init__("controller_manager")
        profile = load_profile(robot)
        ready = {n: v for arm in profile.arms for n, v in zip(arm.joints, arm.ready, strict=True)}
        self._controllers = [
            Controller(name, joints, [ready.get(joint, 0.03) - 0.1 * (joint in ready) for joint in joints])
            for name, joints in controllers_of(profile.arms).items()
        ]
        for controller in self._controllers:
            self.create_subscription(
                JointTrajectory, f"{controller.name}/joint_trajectory",
                lambda message, controller=controller: self._on_trajectory(controller, message),
                qos_profile_system_default,
            )  # fmt: skip
        self._publisher = self.create_publisher(JointState, "joint_states", qos_profile_system_default)
        self.taken = self.refused = 0
        self.create_timer(1.0 / RATE, self._on_period)

    @property
    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def _on_trajectory(self, controller: Controller, message: JointTrajectory) -> None:
        why = controller.refusal(message, self._now)
        if why:
            self.refused += 1
            print(f"{controller.name} refused: {why}", flush=True)
            return
        if not self.taken:
            print("the first trajectory was taken", flush=True)
        self.taken += 1
        controller.take(message, self._now)

    def _on_period(self) -> None:
        names: list[str] = []
        positions: list[float] = []
        message = JointState()
        message.header.stamp = self.get_clock().now().to_msg()
        # grippers first and one more joint: a broadcaster's order is the hardware's, and it publishes all there is
        for controller in reversed(self._controllers):
            controller.update(self._now)
            names += controller.joints
            positions += controller.row.tolist()
        message.name, message.position = [*names, "a_joint_of_somebody_else"], [*positions, 0.0]
        message.velocity, message.effort = [0.0] * len(message.name), [float("nan")] * len(message.name)
        self._publisher.publish(message)
