"""Measured joint states: the newest value of every joint of the robot, and whether it is new enough."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mivla_ros.retargeting.errors import refuse
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]


class JointWatch:
    """Newest positions (rad or m), velocities and stamps by joint name. stale_ns: greatest age allowed."""

    def __init__(self, joint_names: Sequence[str], stale_ns: int) -> None:
        self._states: dict[str, tuple[int, float, float]] = {}
        self._names = tuple(joint_names)
        self._stale_ns = stale_ns
        self._heard_ns: int | None = None
        self._words = ""

    def update(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]
    ) -> None:
        """Take a joint state; values that are not finite, and joints without a position, count as not
        delivered.
        """
        self._heard_ns = stamp_ns
        counts = f", the newest message has {len(positions)} positions under {len(names)} names"
        self._words = counts if len(names) != len(positions) else ""
        for k, name in enumerate(names[: len(positions)]):
            velocity = velocities[k] if k < len(velocities) and np.isfinite(velocities[k]) else 0.0
            if np.isfinite(positions[k]):
                self._states[name] = (stamp_ns, float(positions[k]), float(velocity))

    def check(self, now_ns: int) -> None:
        """Raise RetargetingError naming the first joint that is not delivered (JOINTS_MISSING: never, or no more though
        joint states come) or too old (JOINTS_STALE; also where its stamps lie ahead of the clock).
        """
        limit = self._stale_ns / 1e9
        for name in self._names:
            if name not in self._states:
                raise refuse(Reason.JOINTS_MISSING, f"joint {name!r}", f"is not in the joint states{self._words}")
        oldest = min(self._names, key=lambda name: self._states[name][0])
        age_ns = now_ns - self._states[oldest][0]
        if age_ns > self._stale_ns:
            age, heard_ns = age_ns / 1e9, self._heard_ns or 0
            if now_ns - heard_ns <= self._stale_ns:
                words = f"joint states come, but no more with this joint{self._words}"
                raise refuse(Reason.JOINTS_MISSING, f"joint {oldest!r} age", words, age, limit, "s")
            raise refuse(Reason.JOINTS_STALE, f"joint {oldest!r} age", "", age, limit, "s")
        newest = max(self._names, key=lambda name: self._states[name][0])
        ahead_ns = self._states[newest][0] - now_ns
        if ahead_ns > self._stale_ns:
            words = "stamped ahead of the clock: another clock, or use_sim_time differs"
            raise refuse(Reason.JOINTS_STALE, f"joint {newest!r} age", words, -ahead_ns / 1e9, limit, "s")

    def state(self, names: Sequence[str]) -> tuple[int, Array, Array]:
        """Oldest stamp, positions and velocities (n,) of joints that ``check`` has found."""
        states = [self._states[name] for name in names]
        return min(s[0] for s in states), np.array([s[1] for s in states]), np.array([s[2] for s in states])

    def forget(self) -> None:
        """Forget everything, as after a jump of the clock."""
        self._states.clear()
        self._heard_ns, self._words = None, ""
