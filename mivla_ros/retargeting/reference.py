"""A smooth reference at the command rate: through the chunk's steps, joined to the running motion, at rest at
the end.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.retargeting.limits import JointLimits

Array = NDArray[np.float64]

_SHARE = 0.8
"""Share of the limits that joining and stopping plan with; the rest is left for the steps' own motion."""


@dataclass(frozen=True)
class Knots:
    """Positions (K, n) at times (K,), seconds from the first point sent, rising; may begin before zero."""

    times: Array
    positions: Array


def monotone_slopes(times: Array, positions: Array) -> Array:
    """Velocities (K, n) at knots for a cubic that never overshoots them (M. Steffen, Astron. Astrophys. 239,
    1990).
    """
    if len(times) < 2:
        return np.zeros_like(positions)
    h = np.diff(times)[:, None]
    s = np.diff(positions, axis=0) / h
    slopes = np.empty_like(positions)
    slopes[0], slopes[-1] = s[0], s[-1]
    if len(times) > 2:
        p = (s[:-1] * h[1:] + s[1:] * h[:-1]) / (h[:-1] + h[1:])
        smaller = np.minimum(np.minimum(np.abs(s[:-1]), np.abs(s[1:])), 0.5 * np.abs(p))
        slopes[1:-1] = (np.sign(s[:-1]) + np.sign(s[1:])) * smaller
    return slopes


def evaluate(knots: Knots, times: Array) -> tuple[Array, Array]:
    """Positions and velocities (N, n) of the monotone cubic at times (N,); at rest in front of and behind the
    knots.
    """
    if len(knots.times) == 1:
        rows = np.repeat(knots.positions, len(times), axis=0)
        return rows, np.zeros_like(rows)
    slopes = monotone_slopes(knots.times, knots.positions)
    inside = np.clip(times, knots.times[0], knots.times[-1])
    i = np.clip(np.searchsorted(knots.times, inside, side="right") - 1, 0, len(knots.times) - 2)
    h = (knots.times[i + 1] - knots.times[i])[:, None]
    s = (inside - knots.times[i])[:, None] / h
    p0, p1 = knots.positions[i], knots.positions[i + 1]
    m0, m1 = slopes[i] * h, slopes[i + 1] * h
    a, b = 2 * (p0 - p1) + m0 + m1, 3 * (p1 - p0) - 2 * m0 - m1
    velocities = ((3 * a * s + 2 * b) * s + m0) / h
    velocities[(times < knots.times[0]) | (times > knots.times[-1])] = 0.0
    return ((a * s + b) * s + m0) * s + p0, velocities


def braked_times(times: Array, end: float, braking: float) -> tuple[Array, Array]:
    """Times (N,) on the path, and its rate, for a run that follows the path and brakes evenly to stand at
    ``end``.

    The run keeps the path's own time until end - braking / 2 and stands at end + braking / 2; seconds.
    """
    into = np.clip(times - (end - 0.5 * braking), 0.0, braking) if braking > 0 else np.zeros_like(times)
    if braking <= 0:
        return np.minimum(times, end), (times < end).astype(np.float64)
    path_times = np.minimum(times, end - 0.5 * braking) + into - 0.5 * into**2 / braking
    return np.minimum(path_times, end), 1.0 - into / braking


def join_and_stop(
    knots: Knots, start: Array, start_velocity: Array, limits: JointLimits, period: float, blend: float
) -> tuple[Array, Array]:
    """Reference positions and velocities (N, n), ``period`` seconds apart from time zero until everything
    rests.

    It leaves the start state (n,) without a step in position or velocity, reaches the path through the knots
    after ``blend`` seconds or as many as the limits need, follows it, and slows down along it to stand at the
    last knot.
    """
    end = float(knots.times[-1])
    speeds = np.abs(np.diff(knots.positions, axis=0)) / np.diff(knots.times)[:, None]
    recent = knots.times[1:] > end - 0.5
    braking = float(np.max(speeds[recent] / (_SHARE * limits.acceleration))) if recent.any() else 0.0
    braking = min(braking, max(2.0 * end, 0.0))  # it cannot have begun to brake before it began

    first, first_velocity = evaluate(knots, np.zeros(1))
    offset, offset_velocity = start - first[0], start_velocity - first_velocity[0]
    joining = max(
        blend if np.any(np.abs(offset) > 1e-9) or np.any(np.abs(offset_velocity) > 1e-9) else 0.0,
        float(np.max(1.5 * np.abs(offset) / (_SHARE * limits.velocity))),
        float(np.max(np.sqrt(6.0 * np.abs(offset) / (_SHARE * limits.acceleration)))),
        float(np.max(4.0 * np.abs(offset_velocity) / (_SHARE * limits.acceleration))),
    )
    count = int(np.ceil(max(end + 0.5 * braking, joining, 0.0) / period)) + 1
    times = period * np.arange(count, dtype=np.float64)
    path_times, rate = braked_times(times, end, braking)
    positions, velocities = evaluate(knots, path_times)
    velocities = velocities * rate[:, None]
    if joining > 0.0:
        # the offset fades as the cubic from (offset, its velocity) to (0, 0)
        s = np.minimum(times / joining, 1.0)[:, None]
        m = offset_velocity * joining
        a, b = 2 * offset + m, -3 * offset - 2 * m
        fading = (s < 1.0).astype(np.float64)
        positions = positions + (((a * s + b) * s + m) * s + offset) * fading
        velocities = velocities + ((3 * a * s + 2 * b) * s + m) / joining * fading
    return positions, velocities
