"""Joint trajectories as they are sent: points at the command rate, cubic in between, at rest at the end."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.compilation import compiled
from mivla_ros.robots.profile import GripperProfile

Array = NDArray[np.float64]


class Moved(Protocol):
    """What trajectories are sent to, and where it stands: an arm (ArmProfile), or the body that carries the arms.

    ready: joint values, rad or m.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def base_frame(self) -> str: ...  # noqa: D102
    @property
    def joints(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def ready(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def controller(self) -> str: ...  # noqa: D102
    @property
    def gripper(self) -> GripperProfile | None: ...  # noqa: D102


@dataclass(frozen=True)
class JointTrajectory:
    """Points of n joints at start_ns + k * period_ns: positions (N, n) in rad or m, velocities (N, n) in
    rad/s or m/s.

    Between two points the motion is the cubic through both positions and velocities, as
    joint_trajectory_controller does it. In front of the first and behind the last point it rests there.
    """

    joint_names: tuple[str, ...]
    start_ns: int
    period_ns: int
    positions: Array
    velocities: Array

    @property
    def end_ns(self) -> int:
        """Time of the last point."""
        return self.start_ns + (len(self.positions) - 1) * self.period_ns

    def state(self, time_ns: int) -> tuple[Array, Array]:
        """Positions and velocities (n,) at a time."""
        positions, velocities = self.states(time_ns, 1)
        return positions[0], velocities[0]

    def states(self, start_ns: int, count: int) -> tuple[Array, Array]:
        """Positions and velocities (count, n) at start_ns and every period after it."""
        k, rest_ns = divmod(start_ns - self.start_ns, self.period_ns)
        shape = (count, self.positions.shape[1])
        positions, velocities = np.empty(shape), np.empty(shape)
        _states(
            self.positions, self.velocities, k, rest_ns / self.period_ns, self.period_ns * 1e-9, positions, velocities
        )
        return positions, velocities

    def acceleration(self, time_ns: int) -> Array:
        """Accelerations (n,) around a time: change of the velocity over one period, within the points."""
        if not self.start_ns <= time_ns < self.end_ns:
            return np.zeros(len(self.joint_names))
        half_ns = self.period_ns // 2
        first_ns = min(max(time_ns - half_ns, self.start_ns), self.end_ns - 2 * half_ns)
        after, before = self.state(first_ns + 2 * half_ns)[1], self.state(first_ns)[1]
        return (after - before) / (2 * half_ns * 1e-9)

    def bend(self, time_ns: int) -> Array:
        """Accelerations (n,) of the cubic itself at a time; zero where it rests."""
        if not self.start_ns <= time_ns < self.end_ns:
            return np.zeros(len(self.joint_names))
        k, rest_ns = divmod(time_ns - self.start_ns, self.period_ns)
        period, s = self.period_ns * 1e-9, rest_ns / self.period_ns
        p0, p1 = self.positions[k], self.positions[k + 1]
        m0, m1 = self.velocities[k] * period, self.velocities[k + 1] * period
        return (6.0 * (2.0 * (p0 - p1) + m0 + m1) * s + 2.0 * (3.0 * (p1 - p0) - 2.0 * m0 - m1)) / period**2

    @classmethod
    def resting(cls, joint_names: tuple[str, ...], positions: Array, time_ns: int, period_ns: int) -> "JointTrajectory":
        """A single point: rest at positions (n,)."""
        rows = np.array(positions, dtype=np.float64)[None]
        return cls(joint_names, time_ns, period_ns, rows, np.zeros_like(rows))


@dataclass(frozen=True)
class ArmMotion:
    """What one arm and its gripper do, or the body; gripper is None where there is none, or it is not commanded."""

    arm: JointTrajectory
    gripper: JointTrajectory | None = None

    @property
    def end_ns(self) -> int:
        """When both are at rest."""
        return max(self.arm.end_ns, self.gripper.end_ns if self.gripper else 0)


@compiled
def _states(
    points: Array, speeds: Array, first: int, share: float, period: float, positions: Array, velocities: Array
) -> None:
    """Write positions and velocities (N, n) every period from ``share`` of the way behind point ``first`` on."""
    last = points.shape[0] - 1
    for i in range(positions.shape[0]):
        k = first + i
        for j in range(points.shape[1]):
            if k < 0 or k >= last:
                positions[i, j], velocities[i, j] = points[0 if k < 0 else last, j], 0.0
                continue
            # cubic Hermite polynomial and its derivative
            p0, p1, m0, m1 = points[k, j], points[k + 1, j], speeds[k, j] * period, speeds[k + 1, j] * period
            a, b = 2.0 * (p0 - p1) + m0 + m1, 3.0 * (p1 - p0) - 2.0 * m0 - m1
            positions[i, j] = ((a * share + b) * share + m0) * share + p0
            velocities[i, j] = ((3.0 * a * share + 2.0 * b) * share + m0) / period
