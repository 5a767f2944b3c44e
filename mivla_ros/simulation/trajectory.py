"""Joint trajectories and how a controller follows them: the semantics of ros2_control's
joint_trajectory_controller.

What a message means (its documentation, Jazzy): a header stamp of zero means now, else the points'
``time_from_start`` count from the stamp; joints may come in any order but all of them must be there; a new
trajectory takes over at its start time and the old one is followed until then; points already past are
left out; without velocities the points are joined by straight lines, with velocities by cubics, with
accelerations by quintics; no points at all means stop here; after the last point the controller holds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mivla_ros.simulation.errors import Rejection, TrajectoryRejectedError

Row = NDArray[np.float64]


@dataclass(frozen=True)
class TrajectoryPoint:
    """One point: time in ns from the trajectory's start; values in the order of its joint names, rad or m.

    Empty velocities or accelerations mean that none are asked for.
    """

    time_ns: int
    positions: Sequence[float]
    velocities: Sequence[float] = ()
    accelerations: Sequence[float] = ()


@dataclass(frozen=True)
class JointTrajectory:
    """As trajectory_msgs/JointTrajectory: ``stamp_ns`` 0 starts now; no points stop the controller."""

    joint_names: Sequence[str]
    points: Sequence[TrajectoryPoint] = ()
    stamp_ns: int = 0


def joint_trajectory(
    joint_names: Sequence[str],
    seconds: ArrayLike,
    positions: ArrayLike,
    velocities: ArrayLike | None = None,
    stamp_ns: int = 0,
) -> JointTrajectory:
    """A trajectory from arrays: seconds (N,) from its start, positions and velocities (N, J) rad or m."""
    times = np.round(np.atleast_1d(np.asarray(seconds, dtype=float)) * 1e9)
    rows = np.atleast_2d(np.asarray(positions, dtype=float))
    speeds = None if velocities is None else np.atleast_2d(np.asarray(velocities, dtype=float))
    points = [TrajectoryPoint(int(time), rows[i], () if speeds is None else speeds[i]) for i, time in enumerate(times)]
    return JointTrajectory(tuple(joint_names), tuple(points), stamp_ns)


@dataclass(frozen=True)
class Desired:
    """Where the joints shall be at one moment: positions, velocities, accelerations, each (J,)."""

    positions: Row
    velocities: Row
    accelerations: Row


@dataclass(frozen=True)
class _Knot:
    """A point in absolute time; None where the trajectory gives no such values."""

    time_ns: int
    positions: Row
    velocities: Row | None
    accelerations: Row | None


def _interpolate(a: _Knot, b: _Knot, now_ns: int) -> Desired:
    """Between two knots by the lowest order both can give; ``a.time_ns <= now_ns < b.time_ns``."""
    span = (b.time_ns - a.time_ns) / 1e9
    t = (now_ns - a.time_ns) / 1e9
    p0, p1 = a.positions, b.positions
    if a.velocities is None or b.velocities is None:
        slope = (p1 - p0) / span
        return Desired(p0 + slope * t, slope, np.zeros_like(p0))
    v0, v1 = a.velocities, b.velocities
    if a.accelerations is None or b.accelerations is None:
        c2 = (3 * (p1 - p0) / span - 2 * v0 - v1) / span
        c3 = (-2 * (p1 - p0) / span + v0 + v1) / span**2
        return Desired(p0 + t * (v0 + t * (c2 + t * c3)), v0 + t * (2 * c2 + 3 * t * c3), 2 * c2 + 6 * t * c3)
    a0, a1 = a.accelerations, b.accelerations
    step = p1 - p0
    c2 = a0 / 2
    c3 = (20 * step - (8 * v1 + 12 * v0) * span - (3 * a0 - a1) * span**2) / (2 * span**3)
    c4 = (-30 * step + (14 * v1 + 16 * v0) * span + (3 * a0 - 2 * a1) * span**2) / (2 * span**4)
    c5 = (12 * step - 6 * (v1 + v0) * span + (a1 - a0) * span**2) / (2 * span**5)
    return Desired(
        p0 + t * (v0 + t * (c2 + t * (c3 + t * (c4 + t * c5)))),
        v0 + t * (2 * c2 + t * (3 * c3 + t * (4 * c4 + t * 5 * c5))),
        2 * c2 + t * (6 * c3 + t * (12 * c4 + t * 20 * c5)),
    )


def _at(knots: Sequence[_Knot], now_ns: int) -> Desired:
    """The state at a time: before the first knot and after the last one the joints rest there."""
    for a, b in pairwise(knots):
        if a.time_ns <= now_ns < b.time_ns:
            return _interpolate(a, b, now_ns)
    rest = knots[0 if now_ns < knots[0].time_ns else -1].positions
    return Desired(rest, np.zeros_like(rest), np.zeros_like(rest))


def _resting(time_ns: int, positions: Row) -> _Knot:
    return _Knot(time_ns, positions, np.zeros_like(positions), np.zeros_like(positions))


class TrajectoryFollower:
    """One controller: keeps what it follows and says where its joints shall be at any later moment."""

    def __init__(
        self, name: str, joints: Sequence[str], positions: ArrayLike, *, allow_moving_end: bool = False
    ) -> None:
        """``positions`` (J,) is where it holds at first.

        allow_moving_end: joint_trajectory_controller's allow_nonzero_velocity_at_trajectory_end, off there
        by default.
        """
        self.name = name
        self.joints = tuple(joints)
        self.allow_moving_end = allow_moving_end
        self._knots: list[_Knot] = []
        self.hold(positions)

    def hold(self, positions: ArrayLike) -> None:
        """Forget everything and hold these positions (J,)."""
        self._knots = [_resting(0, np.array(positions, dtype=float))]

    @property
    def end_ns(self) -> int:
        """When the last point is due; from then on it holds."""
        return self._knots[-1].time_ns

    def sample(self, now_ns: int) -> Desired:
        """Where the joints shall be. Times must not go back between calls: what is past is forgotten."""
        knots = self._knots
        while len(knots) > 1 and knots[1].time_ns <= now_ns:
            del knots[0]
        return _at(knots, now_ns)

    def command(self, trajectory: JointTrajectory, now_ns: int, measured: ArrayLike) -> None:
        """Take over a trajectory; ``measured`` (J,) is where the joints are, which is where an empty one
        stops them.

        Raises TrajectoryRejectedError and goes on as before if it breaks a rule.
        """
        if not trajectory.points:
            self.hold(measured)
            return
        new = self._checked(trajectory, now_ns)
        start_ns = max(trajectory.stamp_ns, now_ns)
        # no room for a bridge at the start itself: then the way to the first point begins on arrival
        splice_ns = start_ns if new[0].time_ns > start_ns else now_ns
        new = [knot for knot in new if knot.time_ns > now_ns] or [new[-1]]
        if new[0].time_ns <= now_ns:
            self._knots = [new[0]]
            return
        kept = self._until(now_ns, splice_ns)
        self._knots = kept + new

    def _until(self, now_ns: int, splice_ns: int) -> list[_Knot]:
        """What is followed now, cut at the splice, with the desired state there as its last knot."""
        self.sample(now_ns)
        kept = [knot for knot in self._knots if knot.time_ns < splice_ns]
        state = _at(self._knots, splice_ns)
        splice = _Knot(splice_ns, state.positions, state.velocities, state.accelerations)
        if len(kept) == len(self._knots):
            # it ends before the splice: rests at its end until then, whatever speed its last point asked for
            return [*kept, _resting(kept[-1].time_ns, kept[-1].positions), splice]
        # the segment that is cut keeps its order; the one that begins here may have another
        following = self._knots[len(kept)]
        cut = _Knot(
            splice_ns,
            state.positions,
            None if following.velocities is None else state.velocities,
            None if following.accelerations is None else state.accelerations,
        )
        return [*kept, cut, splice]

    def _refuse(
        self, reason: Rejection, message: str, value: float = np.nan, limit: float = np.nan
    ) -> TrajectoryRejectedError:
        return TrajectoryRejectedError(self.name, reason, message, value, limit)

    def _checked(self, trajectory: JointTrajectory, now_ns: int) -> list[_Knot]:
        """The trajectory as knots in absolute time and in this controller's joint order, or a refusal."""
        columns = self._columns(trajectory.joint_names)
        start_ns = trajectory.stamp_ns or now_ns
        knots: list[_Knot] = []
        for i, point in enumerate(trajectory.points):
            if point.time_ns < 0:
                raise self._refuse(
                    Rejection.NEGATIVE_TIME,
                    f"point {i} is due {point.time_ns / 1e9:g} s",
                    point.time_ns / 1e9,
                    0.0,
                )
            if i and point.time_ns <= trajectory.points[i - 1].time_ns:
                before = trajectory.points[i - 1].time_ns / 1e9
                raise self._refuse(
                    Rejection.TIMES_NOT_INCREASING,
                    f"point {i} is due {point.time_ns / 1e9:g} s, not after point {i - 1} at {before:g} s",
                    point.time_ns / 1e9,
                    before,
                )
            positions = self._row("positions", i, point.positions, columns)
            if positions is None:
                raise self._refuse(Rejection.WRONG_SIZE, f"point {i} has no positions", 0, len(self.joints))
            velocities = self._row("velocities", i, point.velocities, columns)
            accelerations = self._row("accelerations", i, point.accelerations, columns)
            knots.append(_Knot(start_ns + point.time_ns, positions, velocities, accelerations))
        if trajectory.stamp_ns and knots[-1].time_ns < now_ns:
            late = (now_ns - knots[-1].time_ns) / 1e9
            raise self._refuse(Rejection.ENDS_IN_PAST, f"its last point was due {late:.3f} s ago", late, 0.0)
        last = knots[-1].velocities
        if not self.allow_moving_end and last is not None and np.abs(last).max() > 1e-6:
            worst = int(np.argmax(np.abs(last)))
            raise self._refuse(
                Rejection.MOVING_END,
                f"joint {self.joints[worst]!r} moves at {last[worst]:g} at the last point, must be 0",
                float(last[worst]),
                0.0,
            )
        return knots

    def _columns(self, names: Sequence[str]) -> list[int]:
        """Column of the trajectory for each joint of this controller."""
        order = list(names)
        for name in order:
            if name not in self.joints:
                raise self._refuse(
                    Rejection.UNKNOWN_JOINT, f"{name!r} is not one of {', '.join(self.joints)}", len(order)
                )
            if order.count(name) > 1:
                raise self._refuse(Rejection.DUPLICATE_JOINT, f"{name!r} appears {order.count(name)} times")
        missing = [name for name in self.joints if name not in order]
        if missing:
            raise self._refuse(
                Rejection.PARTIAL_JOINTS,
                f"{', '.join(missing)} missing, all of {', '.join(self.joints)} are needed",
                len(order),
                len(self.joints),
            )
        return [order.index(name) for name in self.joints]

    def _row(self, kind: str, index: int, values: Sequence[float], columns: list[int]) -> Row | None:
        row = np.asarray(values, dtype=float)
        if row.size == 0:
            return None
        if row.shape != (len(columns),):
            raise self._refuse(
                Rejection.WRONG_SIZE,
                f"point {index} has {row.size} {kind} for {len(columns)} joints",
                row.size,
                len(columns),
            )
        if not np.isfinite(row).all():
            raise self._refuse(Rejection.NOT_FINITE, f"point {index}: {kind} hold NaN or infinity", index)
        return row[columns]
