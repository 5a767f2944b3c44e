"""A path of end-effector poses: minimum-jerk moves and rests one after another, sampled at absolute times.

Positions go straight, orientations by the shortest turn, both with the same share of the way at the same time. Every
move begins and ends at rest, so a plan may be exchanged at the end of any of them without a jump.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_space import canonical_quaternion

Array = NDArray[np.float64]

PEAK = 1.875  # peak speed of a minimum-jerk move over its mean speed
PEAK_ACCELERATION = 5.7735  # its peak acceleration over distance / seconds**2


@dataclass(frozen=True)
class PosePace:
    """Peaks that a move keeps: m/s, m/s2, rad/s, rad/s2."""

    speed: float
    acceleration: float
    turn_speed: float
    turn_acceleration: float

    def seconds(self, start: Array, goal: Array) -> float:
        """How long a move between two poses (7,) must take."""
        distance = float(np.linalg.norm(goal[:3] - start[:3]))
        turn = float((_rotation(start).inv() * _rotation(goal)).magnitude())
        return max(
            PEAK * distance / self.speed,
            PEAK * turn / self.turn_speed,
            float(np.sqrt(PEAK_ACCELERATION * distance / self.acceleration)),
            float(np.sqrt(PEAK_ACCELERATION * turn / self.turn_acceleration)),
        )


@dataclass(frozen=True)
class PoseSegment:
    """One move or rest, from a pose (7,) to a pose (7,), with the gripper's opening asked for meanwhile."""

    phase: str
    start_ns: int
    end_ns: int
    start: Array
    goal: Array
    opening: float

    def pose(self, time_ns: int) -> Array:
        """Pose (7,) at a time, held at both ends."""
        if self.end_ns <= self.start_ns:
            return self.goal
        s = min(max((time_ns - self.start_ns) / (self.end_ns - self.start_ns), 0.0), 1.0)
        share = s**3 * (10 - 15 * s + 6 * s * s)
        turn = (_rotation(self.start).inv() * _rotation(self.goal)).as_rotvec()
        rotation = _rotation(self.start) * Rotation.from_rotvec(share * turn)
        position = self.start[:3] + share * (self.goal[:3] - self.start[:3])
        return np.concatenate([position, rotation.as_quat(scalar_first=True)])


class PosePath:
    """Moves and rests of one end effector; outside of them it holds. Poses (7,) xyz m + wxyz in one frame."""

    def __init__(self, start_ns: int, pose: Array, opening: float, pace: PosePace) -> None:
        self.pace = pace
        self.segments = [PoseSegment("start", start_ns, start_ns, pose.copy(), pose.copy(), opening)]

    @property
    def end_ns(self) -> int:
        """When the last of them is over."""
        return self.segments[-1].end_ns

    @property
    def goal(self) -> Array:
        """Pose (7,) where the path ends."""
        return self.segments[-1].goal.copy()

    @property
    def opening(self) -> float:
        """Opening at its end."""
        return self.segments[-1].opening

    def move(self, phase: str, goal: Array, opening: float, at_least: float = 0.4) -> None:
        """Append a move; it takes ``at_least`` seconds, or what the pace asks."""
        seconds = max(at_least, self.pace.seconds(self.goal, goal))
        self._append(phase, goal, seconds, opening)

    def rest(self, phase: str, seconds: float, opening: float) -> None:
        """Append a rest where the path ends."""
        self._append(phase, self.goal, seconds, opening)

    def wait_until(self, time_ns: int) -> None:
        """Hold until a time, where the path ends before it."""
        if time_ns > self.end_ns:
            self.rest("wait", (time_ns - self.end_ns) / 1e9, self.opening)

    def forget_after(self, time_ns: int) -> None:
        """Keep what has begun by a time; whatever begins later may be planned anew."""
        self.segments = [s for s in self.segments if s.start_ns < time_ns] or self.segments[:1]

    def at(self, time_ns: int) -> PoseSegment:
        """The segment that a time falls into; the last one after the end."""
        for segment in self.segments:
            if time_ns < segment.end_ns:
                return segment
        return self.segments[-1]

    def sample(self, times_ns: list[int]) -> tuple[Array, Array]:
        """Poses (n, 7) and openings (n,) at the times."""
        segments = [self.at(t) for t in times_ns]
        poses = np.array([s.pose(t) for s, t in zip(segments, times_ns, strict=True)])
        poses[:, 3:] = canonical_quaternion(poses[:, 3:])
        return poses, np.array([s.opening for s in segments])

    def _append(self, phase: str, goal: Array, seconds: float, opening: float) -> None:
        start_ns = self.end_ns
        self.segments.append(
            PoseSegment(phase, start_ns, start_ns + max(round(seconds * 1e9), 1), self.goal, goal.copy(), opening)
        )


def _rotation(pose: Array) -> Rotation:
    return Rotation.from_quat(pose[3:], scalar_first=True)
