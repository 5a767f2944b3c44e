"""The compiled loops of the reference: the cubic through the steps, the time along it, and the join.

Arrays are float64 and C-contiguous, so that every function is compiled once. ``reference`` says what they are for.
"""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.compilation import compiled

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SHARE = 0.95
"""Share of the limits that paths are timed with; the rest is left for joining."""
ROUNDING = 0.16
"""Seconds over which corners of the path are rounded."""
TURN_SHARE = 0.45
"""Share of the acceleration limits that slowing down along the path may take; the path's own bends take the rest."""
EASE, EASE_TIME = 0.6, 0.4
"""Share of the limits, and seconds, with which a path begins that has to leave room for the join."""
FREE = 0
_ROUNDS = 24
_JOIN_ROUNDS = 14
_LONGER = 1.3  # times the last one that a join is tried with next


@compiled
def cubic_slopes(times: Array, positions: Array, slopes: Array) -> None:
    """Write slopes (K, n) at knots for a cubic that never overshoots them (M. Steffen, Astron. Astrophys. 239,
    1990).
    """
    count, n = positions.shape
    slopes[:] = 0.0
    if count < 2:
        return
    for j in range(n):
        slopes[0, j] = (positions[1, j] - positions[0, j]) / (times[1] - times[0])
        slopes[count - 1, j] = (positions[count - 1, j] - positions[count - 2, j]) / (
            times[count - 1] - times[count - 2]
        )
        for k in range(1, count - 1):
            h0, h1 = times[k] - times[k - 1], times[k + 1] - times[k]
            s0, s1 = (positions[k, j] - positions[k - 1, j]) / h0, (positions[k + 1, j] - positions[k, j]) / h1
            p = (s0 * h1 + s1 * h0) / (h0 + h1)
            smaller = min(abs(s0), abs(s1), 0.5 * abs(p))
            slopes[k, j] = (np.sign(s0) + np.sign(s1)) * smaller


@compiled
def cubic_at(
    knot_times: Array, knot_positions: Array, slopes: Array, times: Array, positions: Array, velocities: Array
) -> None:
    """Write positions and velocities (N, n) at times (N,): straight on in front of the knots, at rest behind them."""
    count, n = knot_positions.shape
    k = 0
    for i in range(times.shape[0]):
        t = times[i]
        if count == 1:
            for j in range(n):
                positions[i, j], velocities[i, j] = knot_positions[0, j], 0.0
            continue
        if t < knot_times[k]:
            k = 0
        while k < count - 2 and knot_times[k + 1] <= t:
            k += 1
        h = knot_times[k + 1] - knot_times[k]
        inside = min(max(t, knot_times[0]), knot_times[count - 1])
        s, early = (inside - knot_times[k]) / h, min(t - knot_times[0], 0.0)
        for j in range(n):
            p0, p1 = knot_positions[k, j], knot_positions[k + 1, j]
            m0, m1 = slopes[k, j] * h, slopes[k + 1, j] * h
            a, b = 2.0 * (p0 - p1) + m0 + m1, 3.0 * (p1 - p0) - 2.0 * m0 - m1
            positions[i, j] = ((a * s + b) * s + m0) * s + p0 + early * slopes[0, j]
            velocities[i, j] = 0.0 if t > knot_times[count - 1] else ((3.0 * a * s + 2.0 * b) * s + m0) / h


@compiled
def hann(half: int) -> Array:
    """(2 half + 1,) weights that sum to one."""
    weights = np.empty(2 * half + 1)
    total = 0.0
    for k in range(2 * half + 1):
        weights[k] = np.sin(np.pi * (k + 1) / (2 * half + 2)) ** 2
        total += weights[k]
    for k in range(2 * half + 1):
        weights[k] /= total
    return weights


@compiled
def averaged(values: Array, weights: Array) -> Array:
    """Weighted averages (N - K + 1, n) over K neighbours."""
    count, n = values.shape[0] - weights.shape[0] + 1, values.shape[1]
    result = np.zeros((count, n))
    for i in range(count):
        for k in range(weights.shape[0]):
            w = weights[k]
            for j in range(n):
                result[i, j] += w * values[i + k, j]
    return result


@compiled
def path_speed(
    d1: Array, d2: Array, d3: Array, velocity: Array, acceleration: Array, jerk: Array, shares: Array,
    first: float, step: float, speed: Array, joint: Integers, kind: Integers,
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
            if abs(d1[k, j]) > share * velocity[j]:
                s = share * velocity[j] / abs(d1[k, j])
                if s < speed[k]:
                    speed[k], joint[k], kind[k] = s, j, 1
            # where it would pass at its own speed there is no need to leave room for slowing down
            if abs(d2[k, j]) > share * acceleration[j]:
                s = np.sqrt((share - TURN_SHARE * share) * acceleration[j] / abs(d2[k, j]))
                if s < speed[k]:
                    speed[k], joint[k], kind[k] = s, j, 2
            if abs(d3[k, j]) > share * jerk[j]:
                s = (share * jerk[j] / abs(d3[k, j])) ** (1.0 / 3.0)
                if s < speed[k]:
                    speed[k], joint[k], kind[k] = s, j, 3
            rate[k] = min(rate[k], TURN_SHARE * share * acceleration[j] / max(abs(d1[k, j]), 1e-9))
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
    for j in range(velocities.shape[1]):
        v, a, b = 1.0 / velocity[j], 1.0 / (period * acceleration[j]), 1.0 / (period * period * jerk[j])
        for k in range(count):
            worst = max(worst, abs(velocities[k, j]) * v)
            if k >= 1:
                worst = max(worst, abs(velocities[k, j] - velocities[k - 1, j]) * a)
            if k >= 2:
                worst = max(worst, abs(velocities[k, j] - 2.0 * velocities[k - 1, j] + velocities[k - 2, j]) * b)
    return worst


@compiled
def between_ratio(positions: Array, velocities: Array, velocity: Array, period: float, count: int) -> float:
    """Greatest share of the velocity limits that the cubics between the first ``count`` points take half way."""
    worst = 0.0
    for k in range(min(count, positions.shape[0]) - 1):
        for j in range(positions.shape[1]):
            even = (positions[k + 1, j] - positions[k, j]) / period
            half_way = 1.5 * even - 0.25 * (velocities[k, j] + velocities[k + 1, j])
            worst = max(worst, abs(half_way) / velocity[j])
    return worst


@compiled
def _averaged_in_time(
    positions: Array, velocities: Array, path_times: Array, half: int, period: float
) -> tuple[Array, Array, Array]:
    if half < 1:
        return positions, velocities, path_times
    count, n = positions.shape
    resting = True
    for j in range(n):
        resting = resting and abs(velocities[0, j]) < 1e-9
    # a path that begins at rest begins so much later, any other came straight from where it begins
    lead = 2 * half if resting else half
    weights, rows = hann(half), count + lead
    new_positions, new_velocities, new_times = np.zeros((rows, n)), np.zeros((rows, n)), np.zeros(rows)
    for i in range(rows):
        for k in range(2 * half + 1):
            source, w = i + k - lead, weights[k]
            at = min(max(source, 0), count - 1)
            new_times[i] += w * path_times[at]
            for j in range(n):
                if source < 0:
                    new_positions[i, j] += w * (positions[0, j] + source * period * velocities[0, j])
                else:
                    new_positions[i, j] += w * positions[at, j]
                if source < count:
                    new_velocities[i, j] += w * velocities[at, j]
    return new_positions, new_velocities, new_times


@compiled
def timed_path(
    knot_times: Array, knot_positions: Array, lower: Array, upper: Array, velocity: Array, acceleration: Array,
    jerk: Array, period: float, gently: bool, start_velocity: Array,
) -> tuple[Array, Array, Array, Array, Integers, Integers, Array]:  # fmt: skip
    """Positions and velocities (N, n), path times (N,), and where it is slow: times, joint, kind, demand (S,).

    gently: begin with the part of start_velocity (n,) that lies along the path, and with room in the limits.
    """
    n = knot_positions.shape[1]
    half = max(round(0.5 * ROUNDING / period), 1)
    end = max(knot_times[-1], 0.0)
    count = int(np.ceil(end / period - 1e-9)) + half + 4
    total = count + 2 * half + 2
    slopes, grid = np.empty(knot_positions.shape), np.empty(total)
    for i in range(total):
        grid[i] = (i - half - 1) * period
    raw, raw_velocities = np.empty((total, n)), np.empty((total, n))
    cubic_slopes(knot_times, knot_positions, slopes)
    cubic_at(knot_times, knot_positions, slopes, grid, raw, raw_velocities)
    for i in range(total):
        for j in range(n):
            raw[i, j] = min(max(raw[i, j], lower[j]), upper[j])
    wide = averaged(raw, hann(half))  # one more on either side
    path, d1, d2, d3 = np.empty((count, n)), np.empty((count, n)), np.empty((count, n)), np.empty((count, n))
    for i in range(count):
        for j in range(n):
            path[i, j] = wide[i + 1, j]
            d1[i, j] = (wide[i + 2, j] - wide[i, j]) / (2.0 * period)
            d2[i, j] = (wide[i + 2, j] - 2.0 * wide[i + 1, j] + wide[i, j]) / (period * period)
    for i in range(count):
        for j in range(n):
            after = (d2[i + 1, j] - d2[i, j]) / period if i < count - 1 else 0.0
            before = (d2[i, j] - d2[i - 1, j]) / period if i > 0 else 0.0
            d3[i, j] = after if abs(after) > abs(before) else before
    speed, joint, kind = np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64)
    first, shares, share = 1.0, np.full(count, SHARE), 1.0
    if gently:
        along = square = 0.0
        for j in range(n):
            along += start_velocity[j] * d1[0, j]
            square += d1[0, j] * d1[0, j]
        first = min(max(along / max(square, 1e-9), 0.0), 1.0)
        for i in range(count):
            shares[i] = SHARE * min(max(EASE + (1.0 - EASE) * (i * period - EASE_TIME), EASE), 1.0)
    widest = 0.0
    for j in range(n):
        widest = max(widest, 4.0 * acceleration[j] / jerk[j])
    positions, velocities, path_times = path, d1, grid
    for _ in range(_ROUNDS):
        path_speed(d1, d2, d3, velocity, acceleration, jerk, share * shares, first, period, speed, joint, kind)
        positions, velocities, path_times = _along(path, d1, speed, period)
        plain = positions, velocities, path_times
        good = False
        for part in (0.0, 0.25, 0.5, 1.0):
            width = round(0.5 * part * widest / period)
            positions, velocities, path_times = _averaged_in_time(plain[0], plain[1], plain[2], width, period)
            rows = velocities.shape[0]
            if (
                worst_ratio(velocities, velocity, acceleration, jerk, period, rows) <= 1.0
                and between_ratio(positions, velocities, velocity, period, rows) <= 1.0
            ):
                good = True
                break
        if good:
            break
        share *= 0.85
    # cubics between points may be off the path by a hair
    for i in range(positions.shape[0]):
        for j in range(n):
            positions[i, j] = min(max(positions[i, j], lower[j]), upper[j])
    # coming to rest at the end is nothing the chunk has asked too much of
    until, slow = max(end - ROUNDING, 0.5 * end), 0
    for i in range(count):
        if kind[i] != FREE and i * period < until:
            slow += 1
    slow_times, slow_joint, slow_kind = np.empty(slow), np.empty(slow, np.int64), np.empty(slow, np.int64)
    demand, k = np.empty(slow), 0
    for i in range(count):
        if kind[i] != FREE and i * period < until:
            derivative = d1 if kind[i] == 1 else (d2 if kind[i] == 2 else d3)
            slow_times[k], slow_joint[k], slow_kind[k] = i * period, joint[i], kind[i]
            demand[k] = derivative[i, joint[i]]
            k += 1
    return positions, velocities, path_times, slow_times, slow_joint, slow_kind, demand


@compiled
def _along(path: Array, d1: Array, speed: Array, period: float) -> tuple[Array, Array, Array]:
    """Positions, velocities and path times ``period`` apart along a path followed at a speed (N,)."""
    count, n = path.shape
    when = np.zeros(count)
    for i in range(1, count):
        when[i] = when[i - 1] + 2.0 * period / (speed[i] + speed[i - 1])
    rows = int(np.ceil(when[count - 1] / period - 1e-9)) + 1
    positions, velocities, path_times = np.empty((rows, n)), np.empty((rows, n)), np.empty(rows)
    k = 0
    for i in range(rows):
        t = i * period
        while k < count - 2 and when[k + 1] <= t:
            k += 1
        # between the two points, and not beyond the last
        share = min((t - when[k]) / (when[k + 1] - when[k]), 1.0)
        path_times[i] = (k + share) * period
        at = min(int(k + share + 1e-9), count - 2)
        s = k + share - at
        pace = speed[at] + (speed[at + 1] - speed[at]) * min(max(s, 0.0), 1.0)
        for j in range(n):
            p0, p1 = path[at, j], path[at + 1, j]
            # never beyond the two points that it lies between
            most = 3.0 * (p1 - p0)
            low, high = min(most, 0.0), max(most, 0.0)
            m0, m1 = min(max(d1[at, j] * period, low), high), min(max(d1[at + 1, j] * period, low), high)
            a, b = 2.0 * (p0 - p1) + m0 + m1, 3.0 * (p1 - p0) - 2.0 * m0 - m1
            positions[i, j] = ((a * s + b) * s + m0) * s + p0
            velocities[i, j] = (d1[at, j] * (1.0 - s) + d1[at + 1, j] * s) * pace
    for j in range(n):
        velocities[rows - 1, j] = 0.0
    return positions, velocities, path_times


@compiled
def joined_path(
    positions: Array, velocities: Array, running: Array, running_velocities: Array, before_acceleration: Array,
    velocity: Array, acceleration: Array, jerk: Array, period: float, shortest: float,
) -> tuple[Array, Array, float]:  # fmt: skip
    """Positions and velocities (M, n) that leave the running motion at time zero and are on the path (N, n) for good
    after the third value, seconds; that is infinite where the limits never allow it.
    """
    own, n = positions.shape
    others = running.shape[0]
    same = True
    for j in range(n):
        same = same and abs(running[0, j] - positions[0, j]) < 1e-9
        same = same and abs(running_velocities[0, j] - velocities[0, j]) < 1e-9
    if same:
        rows = np.empty((own + 1, n))
        for j in range(n):
            rows[0, j] = running_velocities[0, j] - period * before_acceleration[j]
        rows[1:] = velocities
        if worst_ratio(rows, velocity, acceleration, jerk, period, own + 1) <= 1.0 + 1e-6:
            return positions.copy(), velocities.copy(), 0.0
    joining = max(shortest, 2.0 * period)
    for _ in range(_JOIN_ROUNDS):
        blended = int(np.ceil(joining / period))
        count = max(own, blended + 2)
        new_positions, rows = np.empty((count, n)), np.empty((count + 1, n))
        for j in range(n):
            rows[0, j] = running_velocities[0, j] - period * before_acceleration[j]
        for i in range(count):
            s = min(i * period / joining, 1.0)
            weight = s**3 * (10.0 - 15.0 * s + 6.0 * s * s)
            rate = 30.0 * (s * (1.0 - s)) ** 2 / joining
            for j in range(n):
                p, v = positions[min(i, own - 1), j], velocities[i, j] if i < own else 0.0
                q, w = running[min(i, others - 1), j], running_velocities[i, j] if i < others else 0.0
                new_positions[i, j] = q + weight * (p - q)
                rows[i + 1, j] = w + weight * (v - w) + rate * (p - q)
        until = min(blended + 3, count + 1)
        if (
            worst_ratio(rows, velocity, acceleration, jerk, period, until) <= 1.0 + 1e-6
            and between_ratio(new_positions, rows[1:], velocity, period, until) <= 1.01
        ):
            return new_positions, rows[1:].copy(), joining
        joining *= _LONGER
    return positions, velocities, np.inf


@compiled
def trimmed(
    positions: Array, velocities: Array, start: Array, start_velocity: Array, lower: Array, upper: Array
) -> tuple[Array, Array]:
    """The points up to the first at which it rests for good, from the start state (n,), within the limits."""
    count, n = positions.shape
    last = -1
    for i in range(count):
        for j in range(n):
            if abs(velocities[i, j]) > 1e-9 or positions[i, j] != positions[count - 1, j]:
                last = i
    rows = min(last + 2, count) if last >= 0 else 1
    new_positions, new_velocities = np.empty((rows, n)), np.empty((rows, n))
    for j in range(n):
        low, high = min(lower[j], start[j]), max(upper[j], start[j])
        for i in range(rows):
            new_positions[i, j] = min(max(positions[i, j], low), high)
            new_velocities[i, j] = velocities[i, j]
        new_positions[0, j], new_velocities[0, j] = start[j], start_velocity[j]
        new_velocities[rows - 1, j] = 0.0
    return new_positions, new_velocities
