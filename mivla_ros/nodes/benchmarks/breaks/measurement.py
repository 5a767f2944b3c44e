"""What a stop was like, from what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from mivla_ros.retargeting import JointTrajectory
from mivla_ros.retargeting.limits import JointLimits

Array = NDArray[np.float64]
AT_REST = 0.02  # rad/s


@dataclass(frozen=True)
class Braking:
    """acceleration: greatest share of a joint's limit, from before the join of two trajectories to rest. jerk: the same
    at the stop's own points; join_jerk: where they join what was sent before, which is read between its points.
    seconds: from its first point to its last. ends_at_rest: its last point asks for no velocity.
    """

    acceleration: float
    jerk: float
    join_jerk: float
    seconds: float
    ends_at_rest: bool


def braking(stop: JointTrajectory, before: Sequence[JointTrajectory], limits: JointLimits) -> Braking:
    """How hard a stopping trajectory brakes. before: those sent before it, the newest last; each takes over at its
    start from the one before.
    """
    period = stop.period_ns / 1e9
    velocities = stop.velocities
    times = [stop.start_ns - k * stop.period_ns for k in (2, 1)]
    in_force = [next((t for t in reversed(before) if t.start_ns <= time), None) for time in times]
    early = [t.state(time)[1] for t, time in zip(in_force, times, strict=True) if t is not None]
    joined = len(early) if len(early) == len(times) else 0
    if joined:
        velocities = np.concatenate([early, velocities])
    accelerations = np.diff(velocities, axis=0) / period
    jerks = np.abs(np.diff(accelerations, axis=0) / period) / limits.jerk
    return Braking(
        acceleration=float(np.max(np.abs(accelerations) / limits.acceleration, initial=0.0)),
        jerk=float(np.max(jerks[joined:], initial=0.0)),
        join_jerk=float(np.max(jerks[:joined], initial=0.0)),
        seconds=(len(stop.positions) - 1) * period,
        ends_at_rest=not stop.velocities[-1].any(),
    )


@dataclass(frozen=True)
class Standstill:
    """seconds from a moment until every joint is slower than AT_REST and stays so; way: greatest way of a joint from
    that moment to the end, rad. NaN where it does not come to rest.
    """

    seconds: float
    way: float


def standstill(joints: Sequence[tuple[int, Array, Array]], from_ns: int) -> Standstill:
    """When measured joints (time in ns, positions and velocities (n,)) came to rest after a moment."""
    after = [(time, positions, velocities) for time, positions, velocities in joints if time >= from_ns]
    if not after:
        return Standstill(nan, nan)
    moving = [k for k, (_, _, velocities) in enumerate(after) if np.abs(velocities).max() > AT_REST]
    rest = moving[-1] + 1 if moving else 0
    if rest == len(after):
        return Standstill(nan, nan)
    return Standstill((after[rest][0] - from_ns) / 1e9, float(np.abs(after[-1][1] - after[0][1]).max()))
