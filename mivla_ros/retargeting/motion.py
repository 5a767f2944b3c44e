"""Joint trajectories as they are sent: points at the command rate, cubic in between, at rest at the end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
        if time_ns < self.start_ns:
            return self.positions[0].copy(), np.zeros(len(self.joint_names))
        if time_ns >= self.end_ns:
            return self.positions[-1].copy(), np.zeros(len(self.joint_names))
        k, rest_ns = divmod(time_ns - self.start_ns, self.period_ns)
        period, s = self.period_ns * 1e-9, rest_ns / self.period_ns
        p0, p1 = self.positions[k], self.positions[k + 1]
        m0, m1 = self.velocities[k] * period, self.velocities[k + 1] * period
        # cubic Hermite polynomial and its derivative
        a, b = 2 * (p0 - p1) + m0 + m1, 3 * (p1 - p0) - 2 * m0 - m1
        return ((a * s + b) * s + m0) * s + p0, ((3 * a * s + 2 * b) * s + m0) / period

    def states(self, start_ns: int, count: int) -> tuple[Array, Array]:
        """Positions and velocities (count, n) at start_ns and every period after it."""
        ahead = (start_ns - self.start_ns) / self.period_ns + np.arange(count)
        inside = np.clip(ahead, 0.0, len(self.positions) - 1)
        k = np.minimum(inside.astype(np.int64), max(len(self.positions) - 2, 0))
        after = np.minimum(k + 1, len(self.positions) - 1)
        period, s = self.period_ns * 1e-9, (inside - k)[:, None]
        p0, p1 = self.positions[k], self.positions[after]
        m0, m1 = self.velocities[k] * period, self.velocities[after] * period
        a, b = 2 * (p0 - p1) + m0 + m1, 3 * (p1 - p0) - 2 * m0 - m1
        velocities = ((3 * a * s + 2 * b) * s + m0) / period
        velocities[(ahead < 0) | (ahead >= len(self.positions) - 1)] = 0.0
        return ((a * s + b) * s + m0) * s + p0, velocities

    def acceleration(self, time_ns: int) -> Array:
        """Accelerations (n,) around a time: change of the velocity over one period, within the points."""
        if not self.start_ns <= time_ns < self.end_ns:
            return np.zeros(len(self.joint_names))
        half_ns = self.period_ns // 2
        first_ns = min(max(time_ns - half_ns, self.start_ns), self.end_ns - 2 * half_ns)
        after, before = self.state(first_ns + 2 * half_ns)[1], self.state(first_ns)[1]
        return (after - before) / (2 * half_ns * 1e-9)

    @classmethod
    def resting(cls, joint_names: tuple[str, ...], positions: Array, time_ns: int, period_ns: int) -> "JointTrajectory":
        """A single point: rest at positions (n,)."""
        rows = np.array(positions, dtype=np.float64)[None]
        return cls(joint_names, time_ns, period_ns, rows, np.zeros_like(rows))


@dataclass(frozen=True)
class ArmMotion:
    """What one arm and its gripper do; gripper is None where there is none, or where it is not commanded."""

    arm: JointTrajectory
    gripper: JointTrajectory | None = None

    @property
    def end_ns(self) -> int:
        """When both are at rest."""
        return max(self.arm.end_ns, self.gripper.end_ns if self.gripper else 0)
