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

from mivla_ros.kinematics.compilation import compiled
from mivla_ros.retargeting.limits import JointLimits, stop_points

Array = NDArray[np.float64]

_SHARE = 0.95
"""Share of the limits that paths are timed with; the rest is left for joining."""
_ROUNDING = 0.16
"""Seconds over which corners of the path are rounded."""
_TURN_SHARE = 0.45
"""Share of the acceleration limits that slowing down along the path may take; the path's own bends take the rest."""
_LONG = 3.0
"""Times the wanted duration of a join above which the new path is rather begun at the speed of the running motion."""
_EASE, _EASE_TIME = 0.6, 0.4
"""Share of the limits, and seconds, with which such a path begins, so that there is room for the join."""
_FREE = 0


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
    """Positions and velocities (N, n) of the monotone cubic at times (N,): straight on in front of the knots,
    at rest behind them.
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
    velocities[times > knots.times[-1]] = 0.0
    early = np.minimum(times - knots.times[0], 0.0)[:, None]
    return ((a * s + b) * s + m0) * s + p0 + early * slopes[0], velocities


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
    half = max(round(0.5 * _ROUNDING / period), 1)
    end = max(float(knots.times[-1]), 0.0)
    count = int(np.ceil(end / period - 1e-9)) + half + 4
    grid: Array = np.arange(-half - 1, count + half + 1, dtype=np.float64) * period
    raw, _ = evaluate(knots, grid)
    path = _averaged(np.clip(raw, limits.lower, limits.upper), _hann(half))  # one more on either side of the grid
    d1 = (path[2:] - path[:-2]) / (2.0 * period)
    d2 = (path[2:] - 2.0 * path[1:-1] + path[:-2]) / period**2
    d3 = np.zeros_like(d2)
    d3[1:] = (d2[1:] - d2[:-1]) / period
    d3[:-1] = np.where(np.abs(d3[1:]) > np.abs(d3[:-1]), d3[1:], d3[:-1])
    path, share = path[1:-1], _SHARE
    own: Array = np.arange(len(path), dtype=np.float64) * period
    speed, joint, kind = np.empty(len(path)), np.empty(len(path), np.int64), np.empty(len(path), np.int64)
    first, ease = 1.0, np.ones(len(path))
    if velocity is not None:
        first = float(np.clip(velocity @ d1[0] / max(float(d1[0] @ d1[0]), 1e-9), 0.0, 1.0))
        ease = np.clip(_EASE + (1.0 - _EASE) * (own - _EASE_TIME), _EASE, 1.0)
    for _ in range(24):
        path_speed(
            d1, d2, d3, limits.velocity, limits.acceleration, limits.jerk, share * ease,
            first, period, speed, joint, kind,
        )  # fmt: skip
        when = np.concatenate([[0.0], np.cumsum(2.0 * period / (speed[1:] + speed[:-1]))])
        times = np.arange(int(np.ceil(when[-1] / period - 1e-9)) + 1) * period
        path_times = np.minimum(np.interp(times, when, own), own[-1])
        i = np.minimum((path_times / period + 1e-9).astype(np.int64), len(path) - 2)
        s = (path_times / period - i)[:, None]
        p0, p1 = path[i], path[i + 1]
        # never beyond the two points that it lies between
        most = 3.0 * (p1 - p0)
        low, high = np.minimum(most, 0.0), np.maximum(most, 0.0)
        m0, m1 = np.clip(d1[i] * period, low, high), np.clip(d1[i + 1] * period, low, high)
        a, b = 2 * (p0 - p1) + m0 + m1, 3 * (p1 - p0) - 2 * m0 - m1
        positions = ((a * s + b) * s + m0) * s + p0
        velocities = (d1[i] * (1 - s) + d1[i + 1] * s) * np.interp(path_times, own, speed)[:, None]
        velocities[-1] = 0.0
        widest = 4.0 * float(np.max(limits.acceleration / limits.jerk))
        for width in (0.0, 0.25 * widest, 0.5 * widest, widest):
            result = _averaged_in_time(positions, velocities, path_times, round(0.5 * width / period), period)
            if _worst(result[1], limits, period, len(result[1])) <= 1.0:
                break
        else:
            share *= 0.85
            continue
        break
    # coming to rest at the end is nothing the chunk has asked too much of
    k = np.flatnonzero((kind != _FREE) & (own < max(end - _ROUNDING, 0.5 * end)))
    demands = np.stack([d1, d2, d3])[kind[k] - 1, k, joint[k]]
    positions, velocities, path_times = result
    # cubics between points may be off the path by a hair
    positions = np.clip(positions, limits.lower, limits.upper)
    return TimedPath(positions, velocities, path_times, own[k], joint[k], kind[k], demands)


def _hann(half: int) -> Array:
    """(2 half + 1,) weights that sum to one."""
    weights = np.sin(np.pi * np.arange(1, 2 * half + 2) / (2 * half + 2)) ** 2
    return weights / weights.sum()


def _averaged(values: Array, weights: Array) -> Array:
    """Weighted averages (N - K + 1, n) over K neighbours."""
    count = len(values) - len(weights) + 1
    result = weights[0] * values[:count]
    for k in range(1, len(weights)):
        result += weights[k] * values[k : k + count]
    return result


def _averaged_in_time(
    positions: Array, velocities: Array, path_times: Array, half: int, period: float
) -> tuple[Array, Array, Array]:
    if half < 1:
        return positions, velocities, path_times
    # a path that begins at rest begins so much later, any other came straight from where it begins
    lead = 2 * half if np.abs(velocities[0]).max() < 1e-9 else half
    early = np.arange(-lead, 0)[:, None] * period
    weights = _hann(half)
    ahead = positions[0] + early * velocities[0]
    positions = np.concatenate([ahead, positions, np.repeat(positions[-1:], 2 * half, 0)])
    rest = np.zeros((2 * half, positions.shape[1]))
    velocities = np.concatenate([np.repeat(velocities[:1], lead, 0), velocities, rest])
    path_times = np.concatenate([np.full(lead, path_times[0]), path_times, np.full(2 * half, path_times[-1])])
    return (
        _averaged(positions, weights),
        _averaged(velocities, weights),
        _averaged(path_times[:, None], weights)[:, 0],
    )


def join(
    timed: TimedPath, running: Array, running_velocities: Array, acceleration: Array, limits: JointLimits,
    period: float, shortest: float,
) -> tuple[Array, Array, float] | None:  # fmt: skip
    """Positions and velocities (N, n) that leave the running motion at time zero and are on the timed path for good
    after ``shortest`` seconds, or as many more as the limits ask for, the third value; None where they never allow it.

    running, running_velocities: (M, n) the running motion from time zero on, at rest at its end; acceleration: (n,)
    its own at time zero.
    """
    before = running_velocities[:1] - period * acceleration
    same = np.abs(running[0] - timed.positions[0]).max() < 1e-9
    if same and np.abs(running_velocities[0] - timed.velocities[0]).max() < 1e-9:
        velocities = np.concatenate([before, timed.velocities])
        if _worst(velocities, limits, period, len(velocities)) <= 1.0 + 1e-6:
            return timed.positions.copy(), timed.velocities.copy(), 0.0
    joining = max(shortest, 2.0 * period)
    for _ in range(14):
        blended = int(np.ceil(joining / period))
        count = max(len(timed.positions), blended + 2)
        positions, velocities = _extended(timed.positions, timed.velocities, count)
        old, old_velocities = _extended(running, running_velocities, count)
        s = np.minimum(np.arange(count) * period / joining, 1.0)[:, None]
        weight, rate = s**3 * (10 - 15 * s + 6 * s * s), 30 * (s * (1 - s)) ** 2 / joining
        away = positions - old
        joined = np.concatenate([before, old_velocities + weight * (velocities - old_velocities) + rate * away])
        if _worst(joined, limits, period, min(blended + 3, count + 1)) <= 1.0 + 1e-6:
            return old + weight * away, joined[1:], joining
        joining *= 1.3
    return None


def _worst(velocities: Array, limits: JointLimits, period: float, count: int) -> float:
    return worst_ratio(velocities, limits.velocity, limits.acceleration, limits.jerk, period, count)


def _extended(positions: Array, velocities: Array, count: int) -> tuple[Array, Array]:
    """At least ``count`` points, at rest behind the last."""
    more = count - len(positions)
    if more <= 0:
        return positions[:count], velocities[:count]
    return (
        np.concatenate([positions, np.repeat(positions[-1:], more, 0)]),
        np.concatenate([velocities, np.zeros((more, positions.shape[1]))]),
    )


def follow(
    knots: Knots, running: Array, running_velocities: Array, acceleration: Array, limits: JointLimits,
    period: float, blend: float,
) -> tuple[Array, Array, TimedPath]:  # fmt: skip
    """A whole motion (N, n) from the running one to rest at the last knot, and the timed path it follows; see ``join``.

    acceleration: (n,) of the running motion at time zero.
    """
    timed = time_path(knots, limits, period)
    joined = join(timed, running, running_velocities, acceleration, limits, period, blend)
    if joined is None or joined[2] > _LONG * blend:
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
        rest = _ROUNDING
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
    moving = np.flatnonzero(np.any(np.abs(velocities) > 1e-9, axis=1) | np.any(positions != positions[-1], axis=1))
    count = min(int(moving[-1]) + 2, len(positions)) if len(moving) else 1
    positions, velocities = positions[:count].copy(), velocities[:count].copy()
    positions[0], velocities[0] = running[0], running_velocities[0]
    if count > 1:
        velocities[-1] = 0.0
    lower, upper = np.minimum(limits.lower, running[0]), np.maximum(limits.upper, running[0])
    return np.clip(positions, lower, upper), velocities, timed


def _begun_gently(knots: Knots, start: Array, velocity: Array, limits: JointLimits, period: float) -> TimedPath:
    """The timed path begun with the speed of the running motion, and at first with room in the limits to join it."""
    if np.abs(velocity).max() > 1e-6:
        return time_path(knots, limits, period, velocity)
    # from rest no join is needed: the path begins where the arm is, and its first steps are made up for
    hold = 0.5 * _ROUNDING + 2.0 * period
    ahead = knots.times > 0.0
    times = knots.times[ahead]
    times = times + hold * np.clip(1.0 - times / (4.0 * hold), 0.0, 1.0)
    positions = np.concatenate([start[None], start[None], knots.positions[ahead]])
    if len(times) == 0:
        times, positions = np.array([2.0 * hold]), np.concatenate([positions, knots.positions[-1:]])
    return time_path(Knots(np.concatenate([[-1.0, hold], times]), positions), limits, period)


@compiled
def path_speed(
    d1: Array, d2: Array, d3: Array, velocity: Array, acceleration: Array, jerk: Array, shares: Array,
    first: float, step: float, speed: Array, joint: NDArray[np.int64], kind: NDArray[np.int64],
) -> None:  # fmt: skip
    """Write how fast (1: its own time) a path with derivatives (N, n) may be followed at each of its points, and which
    joint and limit hold it back there: 0 none, 1 velocity, 2 acceleration, 3 jerk. first: the greatest speed of the
    first point.
    """
    count, n = d1.shape
    rate = np.empty(count)
    for k in range(count):
        speed[k], joint[k], kind[k], rate[k], share = 1.0, 0, 0, 20.0, shares[k]
        for j in range(n):
            s = share * velocity[j] / max(abs(d1[k, j]), 1e-9)
            if s < speed[k]:
                speed[k], joint[k], kind[k] = s, j, 1
            s = np.sqrt((share - _TURN_SHARE * share) * acceleration[j] / max(abs(d2[k, j]), 1e-9))
            full = np.sqrt(share * acceleration[j] / max(abs(d2[k, j]), 1e-9))
            if full >= 1.0:  # it would pass at its own speed; no need to leave room for slowing down
                s = full
            if s < speed[k]:
                speed[k], joint[k], kind[k] = s, j, 2
            s = (share * jerk[j] / max(abs(d3[k, j]), 1e-9)) ** (1.0 / 3.0)
            if s < speed[k]:
                speed[k], joint[k], kind[k] = s, j, 3
            rate[k] = min(rate[k], _TURN_SHARE * share * acceleration[j] / max(abs(d1[k, j]), 1e-9))
    speed[0] = min(speed[0], first)
    for k in range(1, count):
        speed[k] = min(speed[k], np.sqrt(speed[k - 1] ** 2 + 2.0 * min(rate[k - 1], rate[k]) * step))
    for k in range(count - 2, -1, -1):
        speed[k] = min(speed[k], np.sqrt(speed[k + 1] ** 2 + 2.0 * min(rate[k + 1], rate[k]) * step))


@compiled
def worst_ratio(
    velocities: Array, velocity: Array, acceleration: Array, jerk: Array, period: float, count: int
) -> float:
    """Greatest share of a limit that the first ``count`` of velocities (N, n) take, accelerations and jerks as
    differences between neighbours.
    """
    worst = 0.0
    for k in range(count):
        for j in range(velocities.shape[1]):
            v = velocities[k, j]
            worst = max(worst, abs(v) / velocity[j])
            if k >= 1:
                worst = max(worst, abs(v - velocities[k - 1, j]) / (period * acceleration[j]))
            if k >= 2:
                bend = abs(v - 2.0 * velocities[k - 1, j] + velocities[k - 2, j])
                worst = max(worst, bend / (period * period * jerk[j]))
    return worst
