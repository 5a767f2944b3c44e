"""Joint states while they are recorded: jumps no motor can make, joints that are missing, values that are none."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite

from mivla_ros.robots.profile import RobotProfile

SPEED_FACTOR = 3.0  # times the profile's velocity: above it is a jump, not a motion
FLOOR = 0.02  # rad or m: steps below are encoder noise at any interval


@dataclass(frozen=True)
class Jump:
    """One joint that moved farther between two samples than it can: step in rad or m, seconds between, its stamp."""

    joint: str
    step: float
    seconds: float
    stamp_ns: int


class JointMonitor:
    """Told of every joint state of one robot; joints are matched by name."""

    def __init__(self, profile: RobotProfile) -> None:
        self._speeds: dict[str, float] = {}
        for arm in profile.arms:
            self._speeds.update(zip(arm.joints, arm.velocity, strict=True))
            if arm.gripper is not None:
                self._speeds[arm.gripper.joint] = arm.gripper.velocity
        self._last: dict[str, tuple[int, float]] = {}
        self.jump_count = 0
        self.jumps: list[Jump] = []  # the first hundred
        self.invalid = 0  # values that are NaN or infinite
        self.positions: dict[str, float] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """Joints of the profile that never came."""
        return tuple(name for name in self._speeds if name not in self._last)

    def see(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """One joint state: positions in rad or m, as many as names."""
        for name, position in zip(names, positions, strict=False):
            if name not in self._speeds:
                continue
            if not isfinite(position):
                self.invalid += 1
                continue
            self.positions[name] = float(position)
            last = self._last.get(name)
            if last is not None and stamp_ns > last[0]:
                seconds, step = (stamp_ns - last[0]) / 1e9, float(position) - last[1]
                if abs(step) > SPEED_FACTOR * self._speeds[name] * seconds + FLOOR:
                    self.jump_count += 1
                    if len(self.jumps) < 100:
                        self.jumps.append(Jump(name, step, seconds, stamp_ns))
            if last is None or stamp_ns > last[0]:
                self._last[name] = (stamp_ns, float(position))

    def moved(self, before: dict[str, float]) -> float:
        """How far the joints are from ``before`` (rad and m together, Euclidean)."""
        return hypot(*(self.positions[name] - value for name, value in before.items() if name in self.positions))
