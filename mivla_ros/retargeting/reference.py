"""A motion at the command rate: along the path through the chunk's steps, no faster than the limits allow, joined to
the running motion, at rest at the end.

Three stages, each of which can only keep limits, never break them:

1. The path: a monotone cubic through the steps, rounded by an average over 0.16 s (Hann), so that its third
   derivative is bounded. An average never leaves the range of what it averages: no overshoot, no position limit.
2. The time along the path: where velocity, acceleration or jerk would be too great, the path is followed more slowly,
   its shape is kept, and how late that makes each step is known. What is left of jerk goes by an average over time.
3. The join: the running motion fades into the new one (fifth-order weights), as fast as the limits allow. Where that
   is not possible at all, the arm brakes first and goes to the path from rest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.retargeting import reference_kernels as kernels
from mivla_ros.retargeting.limits import JointLimits, stop_points
from mivla_ros.retargeting.reference_kernels import ROUNDING

Array = NDArray[np.float64]

_LONG = 3.0
"""Times the wanted duration of a join above which the new path is rather begun at the speed of the running motion."""


@dataclass(frozen=True)
class Knots:
    """Positions (K, n) at times (K,), seconds from the first point sent, rising; may begin before zero."""

    times: Array
    positions: Array


def evaluate(knots: Knots, times: Array) -> tuple[Array, Array]:
    """Positions and velocities (N, n) of the monotone cubic at times (N,): straight on in front of the knots,
    at rest behind them.
    """
    knot_times, knot_positions = np.ascontiguousarray(knots.times), np.ascontiguousarray(knots.positions)
    slopes = np.empty_like(knot_positions)
    kernels.cubic_slopes(knot_times, knot_positions, slopes)
    shape = (len(times), knot_positions.shape[1])
    positions, velocities = np.empty(shape), np.empty(shape)
    kernels.cubic_at(knot_times, knot_positions, slopes, np.ascontiguousarray(times), positions, velocities)
    return positions, velocities


@dataclass(frozen=True)
class TimedPath:
    """Positions and velocities (N, n) ``period`` seconds apart from time zero, the last at rest.

    path_times: (N,) seconds on the path's own clock; never more than the time since zero. Where the path asks for
    more than the limits: slow (S,) path times, and for each what held it back there: joint (S,), kind (S,) 1
    velocity, 2 acceleration, 3 jerk, and demand (S,) of it at the path's own speed.
    """

    positions: Array
    velocities: Array
    path_times: Array
    slow: Array
    joint: NDArray[np.int64]
    kind: NDArray[np.int64]
    demand: Array


def time_path(knots: Knots, limits: JointLimits, period: float, velocity: Array | None = None) -> TimedPath:
    """The path through the knots from time zero to rest at the last knot, as fast as it asks for within velocity,
    acceleration and jerk limits. It begins at any speed, ``join`` sees to that; or with the part of ``velocity`` (n,)
    that lies along it.
    """
    timed = kernels.timed_path(
        np.ascontiguousarray(knots.times), np.ascontiguousarray(knots.positions), limits.lower, limits.upper,
        limits.velocity, limits.acceleration, limits.jerk, period,
        velocity is not None, np.zeros(knots.positions.shape[1]) if velocity is None else velocity,
    )  # fmt: skip
    return TimedPath(*timed)


def join(
    timed: TimedPath, running: Array, running_velocities: Array, acceleration: Array, limits: JointLimits,
    period: float, shortest: float,
) -> tuple[Array, Array, float] | None:  # fmt: skip
    """Positions and velocities (N, n) that leave the running motion at time zero and are on the timed path for good
    after ``shortest`` seconds, or as many more as the limits ask for, the third value; None where they never allow it.

    running, running_velocities: (M, n) the running motion from time zero on, at rest at its end; acceleration: (n,)
    its own at time zero.
    """
    positions, velocities, joining = kernels.joined_path(
        timed.positions, timed.velocities, running, running_velocities, acceleration,
        limits.velocity, limits.acceleration, limits.jerk, period, shortest,
    )  # fmt: skip
    return (positions, velocities, joining) if np.isfinite(joining) else None


def follow(
    knots: Knots, running: Array, running_velocities: Array, acceleration: Array, limits: JointLimits,
    period: float, blend: float, from_rest: bool = False,
) -> tuple[Array, Array, TimedPath]:  # fmt: skip
    """A whole motion (N, n) from the running one to rest at the last knot, and the timed path it follows; see ``join``.

    acceleration: (n,) of the running motion at time zero. from_rest: brake first, go straight to the path and follow
    all of it late.
    """
    timed = time_path(knots, limits, period)
    joined = None
    if not from_rest:
        joined = join(timed, running, running_velocities, acceleration, limits, period, blend)
    if not from_rest and (joined is None or joined[2] > _LONG * blend):
        # rather late on the path than beside it for long
        slower = _begun_gently(knots, running[0], running_velocities[0], limits, period)
        again = join(slower, running, running_velocities, acceleration, limits, period, blend)
        if again is not None and (joined is None or again[2] < joined[2]):
            timed, joined = slower, again
    if joined is None:
        # brake first, then go to the path from rest, straight, and follow it late
        stopped, stopped_velocities = stop_points(running[0], running_velocities[0], acceleration, limits, period)
        first = evaluate(knots, np.zeros(1))[0]
        way = float(np.max(np.abs(first - stopped[-1]) / limits.velocity)) + 0.1
        rest = ROUNDING
        ahead = knots.times > 0.0
        late = Knots(
            np.concatenate([[-1.0, rest, rest + way], rest + way + knots.times[ahead]]),
            np.concatenate([stopped[-1:], stopped[-1:], first, knots.positions[ahead]]),
        )
        timed = time_path(late, limits, period)
        timed = TimedPath(
            np.concatenate([stopped[:-1], timed.positions]),
            np.concatenate([stopped_velocities[:-1], timed.velocities]),
            np.concatenate([np.zeros(len(stopped) - 1), np.maximum(timed.path_times - rest - way, 0.0)]),
            np.maximum(timed.slow - rest - way, 0.0), timed.joint, timed.kind, timed.demand,
        )  # fmt: skip
        joined = timed.positions, timed.velocities, 0.0
    positions, velocities, _ = joined
    positions, velocities = kernels.trimmed(
        positions, velocities, running[0], running_velocities[0], limits.lower, limits.upper
    )
    return positions, velocities, timed


def _begun_gently(knots: Knots, start: Array, velocity: Array, limits: JointLimits, period: float) -> TimedPath:
    """The timed path begun with the speed of the running motion, and at first with room in the limits to join it."""
    if np.abs(velocity).max() > 1e-6:
        return time_path(knots, limits, period, velocity)
    # from rest no join is needed: the path begins where the arm is, and its first steps are made up for
    hold = 0.5 * ROUNDING + 2.0 * period
    ahead = knots.times > 0.0
    times = knots.times[ahead]
    times = times + hold * np.clip(1.0 - times / (4.0 * hold), 0.0, 1.0)
    positions = np.concatenate([start[None], start[None], knots.positions[ahead]])
    if len(times) == 0:
        times, positions = np.array([2.0 * hold]), np.concatenate([positions, knots.positions[-1:]])
    return time_path(Knots(np.concatenate([[-1.0, hold], times]), positions), limits, period)
