"""Grippers over the chunk: where they shall be when, and a motion there within every limit. Never averaged across a
decision: a binary gripper moves when its step is due and not before.

The motion has one jerk for each period of the command rate, so that the cubic a trajectory controller lays through
positions and velocities is the motion itself. Each jerk is the greatest after which the gripper can still come to
rest, within its limits, in front of where it shall be.
"""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import GripperKind
from mivla_ros.kinematics.compilation import compiled
from mivla_ros.retargeting.limits import JointLimits

Array = NDArray[np.float64]

LONGEST_AFTER = 10.0
"""Seconds after the last step in which a gripper has come to rest whatever it does."""
_HALVINGS = 16
_PLANNED = 0.75  # share of the jerk that stopping is planned with; the rest is for whole periods
_BEYOND = 0.05  # times jerk and period cubed, what one period can be wrong by: 16 um at 40 m/s3 and 50 Hz
_SETTLING = (3, 4, 5, 6, 7, 8)  # periods in which it comes to rest exactly
_TOP = 0.995  # share of the velocity that is gone for, for the same reason


def gripper_reference(positions: Array, kind: GripperKind, step_times: Array, times: Array) -> tuple[Array, Array]:
    """Joint positions and velocities (N,) at times (N,) for positions (K,) due at rising step_times (K,), seconds.

    Binary positions change when their step is due and not before; continuous ones are joined by straight lines.
    """
    if kind is GripperKind.CONTINUOUS and len(positions) > 1:
        i = np.minimum(np.maximum(np.searchsorted(step_times, times, side="right") - 1, 0), len(positions) - 2)
        slopes = (np.diff(positions) / np.diff(step_times))[i]
        moving = (times >= step_times[0]) & (times < step_times[-1])
        return np.interp(times, step_times, positions), np.where(moving, slopes, 0.0)
    due = np.maximum(np.searchsorted(step_times, times + 1e-9, side="right") - 1, 0)
    return positions[due], np.zeros(len(times))


def follow_gripper(
    reference: Array, velocities: Array, start: tuple[float, float, float], limits: JointLimits, period: float
) -> tuple[Array, Array]:
    """Positions and velocities (M, 1) ``period`` apart that follow a reference (N,) with velocities (N,) and come to
    rest at its end.

    start: position, velocity and acceleration of the first point. limits: of one joint. Never beyond the range of
    what is still to come, but for what stopping from the start state takes.
    """
    most = len(reference) + int(np.ceil(LONGEST_AFTER / period))
    rows, speeds = np.empty((most, 1)), np.empty((most, 1))
    count = _follow(
        reference, velocities, *start, limits.lower[0], limits.upper[0], limits.velocity[0], limits.acceleration[0],
        limits.jerk[0], period, _GAINS, rows[:, 0], speeds[:, 0],
    )  # fmt: skip
    return rows[:count], speeds[:count]


@compiled
def stop_distance(velocity: float, acceleration: float, most: float, jerk: float) -> float:
    """How far a joint goes on (m or rad, signed) when it stops as fast as greatest deceleration and jerk allow."""
    ahead = velocity + acceleration * abs(acceleration) / (2.0 * jerk)
    sign = 1.0 if ahead >= 0.0 else -1.0
    v, a = sign * velocity, sign * acceleration
    peak, hold = np.sqrt(max(jerk * v + 0.5 * a * a, 0.0)), 0.0
    if peak > most:
        peak, hold = most, (v + a * a / (2.0 * jerk) - most * most / jerk) / most
    down, up = max(a + peak, 0.0) / jerk, peak / jerk
    distance = v * down + 0.5 * a * down * down - jerk * down**3 / 6.0
    v += a * down - 0.5 * jerk * down * down
    distance += v * hold - 0.5 * peak * hold * hold
    v -= peak * hold
    distance += v * up - 0.5 * peak * up * up + jerk * up**3 / 6.0
    result: float = sign * distance
    return result


@compiled
def _follow(
    reference: Array, velocities: Array, q: float, v: float, a: float, lower: float, upper: float, top: float,
    most: float, jerk: float, dt: float, gains: Array, positions: Array, speeds: Array,
) -> int:  # fmt: skip
    """Write the motion and return how many points it has: up to the first from which on it rests."""
    count = reference.shape[0]
    highest, lowest = np.empty(count), np.empty(count)  # of what is still to come
    for k in range(count - 1, -1, -1):
        target = min(max(reference[k], lower), upper)
        highest[k] = target if k == count - 1 else max(target, highest[k + 1])
        lowest[k] = target if k == count - 1 else min(target, lowest[k + 1])
    a = min(max(a, -most), most)
    positions[0], speeds[0] = q, v
    planned, fast, settled, done, used, last = _PLANNED * jerk, _TOP * top, 0, 0, 1, np.zeros(gains.shape[1])
    for k in range(1, positions.shape[0]):
        at = min(k, count - 1)
        target = min(max(reference[at], lower), upper)
        ahead = velocities[at] if k < count and target == reference[at] else 0.0
        if q == target and v == 0.0 and a == 0.0 and ahead == 0.0:
            positions[k], speeds[k] = q, v
            if highest[at] == lowest[at]:
                break
            continue
        if settled == 0 and ahead == 0.0:
            same = 1  # periods for which it shall stay there
            while same <= gains.shape[1] and (k + same >= count or reference[k + same] == reference[at]):
                same += 1
            if same > gains.shape[1]:
                settled = _settle(q - target, v, a, dt, most, jerk, gains, last)
                done = 0
        if settled > 0:
            j = last[done]
            done += 1
        else:
            rest = q + stop_distance(v, a, most, planned)
            # where it cannot stop in front of the range any more, it stops as soon as it can
            high, low = max(highest[at], min(rest, upper)), min(lowest[at], max(rest, lower))
            least, greatest = max(-jerk, (-most - a) / dt), min(jerk, (most - a) / dt)
            j = greatest
            if _judge(q, v, a, greatest, dt, target, ahead, low, high, fast, most, planned) > 0:
                j = least
                if _judge(q, v, a, least, dt, target, ahead, low, high, fast, most, planned) < 0:
                    for _ in range(_HALVINGS):
                        j = 0.5 * (least + greatest)
                        if _judge(q, v, a, j, dt, target, ahead, low, high, fast, most, planned) > 0:
                            greatest = j
                        else:
                            least = j
        q += v * dt + 0.5 * a * dt * dt + j * dt**3 / 6.0
        v += a * dt + 0.5 * j * dt * dt
        a += j * dt
        if settled > 0 and done == settled:
            q, v, a, settled = target, 0.0, 0.0, 0
        positions[k], speeds[k] = min(max(q, lower), upper), v
        used = k + 1
    speeds[used - 1] = 0.0
    return used


def _settling() -> Array:
    """(S, M, 3): the least jerks that bring position, velocity and acceleration to zero within so many periods of
    length one, for S numbers of periods up to M; unused rows are zero.
    """
    gains = np.zeros((len(_SETTLING), _SETTLING[-1], 3))
    for row, count in enumerate(_SETTLING):
        behind = np.arange(count)[::-1]  # periods that follow a jerk's own
        jerks = np.stack([0.5 * behind**2 + 0.5 * behind + 1.0 / 6.0, behind + 0.5, np.ones(count)])
        free = np.array([[1.0, count, 0.5 * count**2], [0.0, 1.0, count], [0.0, 0.0, 1.0]])
        gains[row, :count] = -np.linalg.pinv(jerks) @ free
    return gains


@compiled
def _settle(q: float, v: float, a: float, dt: float, most: float, jerk: float, gains: Array, last: Array) -> int:
    """Write the jerks, a period each, that bring a state to rest at zero within the limits and no more than a hair
    beyond it; how many they are, 0 where there are none.
    """
    for row in range(gains.shape[0]):
        count = _SETTLING[0] + row
        x, w, b, good = q, v, a, True
        for k in range(count):
            j = gains[row, k, 0] * q / dt**3 + gains[row, k, 1] * v / dt**2 + gains[row, k, 2] * a / dt
            x += w * dt + 0.5 * b * dt * dt + j * dt**3 / 6.0
            w += b * dt + 0.5 * j * dt * dt
            b += j * dt
            good = good and abs(j) <= jerk and abs(b) <= most and (x if q >= 0.0 else -x) >= -_BEYOND * jerk * dt**3
            last[k] = j
        if good:
            return count
    return 0


@compiled
def _judge(
    q: float, v: float, a: float, j: float, dt: float, target: float, ahead: float, low: float, high: float,
    top: float, most: float, jerk: float,
) -> int:  # fmt: skip
    """Whether a jerk over the next period is too great (1) or too small (-1)."""
    q += v * dt + 0.5 * a * dt * dt + j * dt**3 / 6.0
    v += a * dt + 0.5 * j * dt * dt
    a += j * dt
    rest, fastest = q + stop_distance(v, a, most, jerk), v + a * abs(a) / (2.0 * jerk)
    if rest > high or fastest > top:
        return 1
    if rest < low or fastest < -top:
        return -1
    return 1 if q - target + stop_distance(v - ahead, a, most, jerk) > 0.0 else -1


_GAINS = _settling()
