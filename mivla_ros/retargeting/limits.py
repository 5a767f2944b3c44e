"""The limits of joints, and the hardest stop that they allow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints, each (n,): rad or m, per second, per second squared, per second cubed (infinite: none)."""

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array
    jerk: Array


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
