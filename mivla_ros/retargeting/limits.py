"""The limits of joints, the hardest stop they allow, and a filter that keeps a gripper within them.

The filter follows a moving reference as closely as the limits allow, without overshoot: each step adds to the
reference's velocity only as much as can be braked off before the reference is met. Points are joined by
constant acceleration, so that the cubic a trajectory controller lays through positions and velocities keeps
the limits between the points as well.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.compilation import compiled

Array = NDArray[np.float64]

VELOCITY, ACCELERATION, POSITION = 1, 2, 4
"""Bits of Limited.flags."""


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints, each (n,): rad or m, per second, per second squared, per second cubed (infinite: none)."""

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array
    jerk: Array


@dataclass(frozen=True)
class Limited:
    """Positions and velocities (N, n) within the limits; flags (N, n): bits of the limits that kept a point
    off its reference; demand (N, n, 3): position, velocity and acceleration that were asked for there.
    """

    positions: Array
    velocities: Array
    flags: NDArray[np.int64]
    demand: Array


def follow_reference(
    reference: Array, velocities: Array, start: Array, start_velocity: Array, limits: JointLimits,
    period: float, tolerance: float = 1e-3,
) -> Limited:  # fmt: skip
    """Follow reference positions (N, n) with velocities (N, n) at points ``period`` seconds apart, within the
    limits.

    The first point is the start state (n,), whatever the reference says. Points that stay more than
    ``tolerance`` (rad or m) off the reference are flagged with the limits that held them.
    """
    shape = reference.shape
    limited = Limited(np.empty(shape), np.empty(shape), np.zeros(shape, dtype=np.int64), np.zeros((*shape, 3)))
    _follow(
        reference, velocities, start, start_velocity, limits.lower, limits.upper, limits.velocity,
        limits.acceleration, period, tolerance,
        limited.positions, limited.velocities, limited.flags, limited.demand,
    )  # fmt: skip
    return limited


def stop_points(
    start: Array, velocity: Array, acceleration: Array, limits: JointLimits, period: float
) -> tuple[Array, Array]:
    """Positions and velocities (N, n) from a state, each (n,), to rest, each joint braking as hard as its
    acceleration and jerk limits allow.
    """
    speeds = []
    for v, a, most, jerk in zip(velocity, acceleration, limits.acceleration, limits.jerk, strict=True):
        speeds.append(_stop_speeds(float(v), float(np.clip(a, -most, most)), float(most), float(jerk), period))
    count = max(len(s) for s in speeds)
    velocities = np.stack([np.pad(s, (0, count - len(s))) for s in speeds], axis=1)
    steps = 0.5 * (velocities[1:] + velocities[:-1]) * period
    positions = start + np.concatenate([np.zeros((1, len(start))), np.cumsum(steps, axis=0)])
    return np.clip(positions, np.minimum(limits.lower, start), np.maximum(limits.upper, start)), velocities


def _stop_speeds(velocity: float, acceleration: float, most: float, jerk: float, period: float) -> Array:
    """Velocities (N,) at whole periods of the fastest stop: jerk down, hold the greatest deceleration, jerk up."""
    if np.isinf(jerk):
        count = int(np.ceil(abs(velocity) / (most * period))) + 1
        return np.sign(velocity) * np.maximum(abs(velocity) - np.arange(count) * most * period, 0.0)
    # seen in the direction in which it would go on once the acceleration is gone
    sign = 1.0 if velocity + acceleration * abs(acceleration) / (2.0 * jerk) >= 0.0 else -1.0
    v, a = sign * velocity, sign * acceleration
    peak = np.sqrt(max(jerk * v + 0.5 * a * a, 0.0))
    hold = 0.0
    if peak > most:
        peak, hold = most, (v + a * a / (2.0 * jerk) - most * most / jerk) / most
    down, up = max(a + peak, 0.0) / jerk, peak / jerk
    times = np.arange(int(np.ceil((down + hold + up) / period - 1e-9)) + 1) * period
    first = np.minimum(times, down)
    second = np.clip(times - down, 0.0, hold)
    third = np.clip(times - down - hold, 0.0, up)
    speeds: Array = v + a * first - 0.5 * jerk * first**2 - peak * second - peak * third + 0.5 * jerk * third**2
    speeds[-1] = 0.0
    return sign * speeds


@compiled
def _follow(
    reference: Array,
    reference_velocity: Array,
    start: Array,
    start_velocity: Array,
    lower: Array,
    upper: Array,
    max_velocity: Array,
    max_acceleration: Array,
    dt: float,
    tolerance: float,
    positions: Array,
    velocities: Array,
    flags: NDArray[np.int64],
    demand: Array,
) -> None:
    for j in range(reference.shape[1]):
        q, v = start[j], start_velocity[j]
        a, top = max_acceleration[j], max_velocity[j]
        positions[0, j], velocities[0, j] = q, v
        for k in range(1, reference.shape[0]):
            target = min(max(reference[k, j], lower[j]), upper[j])
            ahead = reference_velocity[k, j] if target == reference[k, j] else 0.0
            # what is left once the reference's velocity is matched, and how fast it may be made up for
            gap = target - q - 0.5 * (v + ahead) * dt
            margin = 0.125 * a * dt * dt  # what braking in whole steps may take more than braking evenly
            correction = abs(gap) / dt
            if correction > a * dt:  # cannot be made up for in one step
                correction = max(_approach(abs(gap) - margin, a, dt), a * dt)
            wanted = ahead + (correction if gap > 0.0 else -correction)
            bits = 0
            u = wanted
            if abs(u) > top:
                u = top if u > 0.0 else -top
                bits |= 1
            # never faster than what still stops in front of the position limits
            up = _approach(max(upper[j] - margin - q - 0.5 * v * dt, 0.0), a, dt)
            down = -_approach(max(q - lower[j] - margin + 0.5 * v * dt, 0.0), a, dt)
            if u > up or u < down:
                u = up if u > up else down
            if u > v + a * dt or u < v - a * dt:
                bits |= 2
                u = v + a * dt if u > v else v - a * dt
            q += 0.5 * (v + u) * dt
            v_before, v = v, u
            if target != reference[k, j] and abs(reference[k, j] - target) > tolerance:
                bits |= 4
            positions[k, j], velocities[k, j] = q, v
            if abs(q - reference[k, j]) > tolerance:
                flags[k, j] = bits
                demand[k, j, 0] = reference[k, j]
                demand[k, j, 1] = wanted
                demand[k, j, 2] = (wanted - v_before) / dt


@compiled
def _approach(distance: float, acceleration: float, dt: float) -> float:
    """Greatest speed that, after one more step towards it, is braked off within a distance."""
    speed: float = acceleration * (np.sqrt(0.25 * dt * dt + 2.0 * distance / acceleration) - 0.5 * dt)
    return speed
