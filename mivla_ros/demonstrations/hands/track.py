"""Where a hand is at any time: minimum-jerk parts that add up, turns and postures one after the other, unsteadiness.

A reach is a first part that ends somewhat beside the goal and a second one, begun before the first has ended, that
takes the rest (Meyer et al. 1988; Flash and Hogan 1985 for the minimum jerk). Parts that overlap blend by themselves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

WAVES = 4
SLOW, FAST = (0.3, 2.5), (8.0, 11.0)  # Hz, of unsteadiness and of tremor
FAST_SHARE = 0.12
TURN_PER_METRE = 4.0  # rad of unsteady turning a metre of unsteadiness


def share(times: Array, start: float, seconds: float) -> Array:
    """Minimum-jerk share of the way, 0 to 1, at times (n,)."""
    s = np.clip((times - start) / max(seconds, 1e-6), 0.0, 1.0)
    return s**3 * (10 - 15 * s + 6 * s * s)


@dataclass(frozen=True)
class Part:
    """A movement by ``way`` (3,) m; ``bulge`` (3,) m beside it at its middle."""

    start: float
    seconds: float
    way: Array
    bulge: Array


@dataclass(frozen=True)
class Turn:
    """A turn to a rotation."""

    start: float
    seconds: float
    goal: Rotation


@dataclass(frozen=True)
class Shaping:
    """A change to a posture (19,)."""

    start: float
    seconds: float
    goal: Array


class HandTrack:
    """One hand's plan; whatever is appended begins where all before it leads to. Times in s, lengths in m."""

    def __init__(
        self, place: Array, rotation: Rotation, posture: Array, random: np.random.Generator, tremor: float
    ) -> None:
        """tremor: m."""
        self._place, self._rotation, self._posture = place.copy(), rotation, posture.copy()
        self._parts: list[Part] = []
        self._turns: list[Turn] = []
        self._shapings: list[Shaping] = []
        self._rate = 2 * np.pi * np.concatenate([random.uniform(*SLOW, (WAVES, 6)), random.uniform(*FAST, (1, 6))])
        self._phase = random.uniform(0, 2 * np.pi, (WAVES + 1, 6))
        size = tremor * np.sqrt(2 / WAVES) * np.array([1.0] * 3 + [TURN_PER_METRE] * 3)
        self._size = np.concatenate([np.tile(size, (WAVES, 1)), FAST_SHARE * size[None]])

    @property
    def goal(self) -> Array:
        """Where the wrist ends (3,)."""
        return np.asarray(self._place + sum((part.way for part in self._parts), np.zeros(3)))

    @property
    def goal_rotation(self) -> Rotation:
        """How it is turned then."""
        return self._turns[-1].goal if self._turns else self._rotation

    @property
    def goal_posture(self) -> Array:
        """The posture (19,) then."""
        return self._shapings[-1].goal if self._shapings else self._posture

    def move(self, start: float, seconds: float, way: Array, bulge: Array | None = None) -> None:
        """Add a movement."""
        self._parts.append(Part(start, seconds, np.asarray(way), np.zeros(3) if bulge is None else bulge))

    def turn(self, start: float, seconds: float, goal: Rotation) -> None:
        """Turn; not before the turn before it has ended."""
        if self._turns:
            start = max(start, self._turns[-1].start + self._turns[-1].seconds)
        self._turns.append(Turn(start, seconds, goal))

    def shape(self, start: float, seconds: float, goal: Array) -> None:
        """Take a posture; not before the change before it has ended."""
        if self._shapings:
            start = max(start, self._shapings[-1].start + self._shapings[-1].seconds)
        self._shapings.append(Shaping(start, seconds, goal))

    def at(self, times: Array) -> tuple[Array, Array, Array]:
        """Wrist positions (n, 3), rotations (n, 3, 3) of the canonical hand frame, postures (n, 19) at times (n,)."""
        noise = self._unsteady(times)
        positions = self._place + noise[:, :3]
        for part in self._parts:
            along = share(times, part.start, part.seconds)
            positions = positions + along[:, None] * part.way
            if part.bulge.any():
                positions += (4 * along * (1 - along))[:, None] * part.bulge
        turned = np.tile(self._rotation.as_matrix(), (len(times), 1, 1))
        before = self._rotation
        for turn in self._turns:
            way = (before.inv() * turn.goal).as_rotvec()
            begun = times >= turn.start
            if begun.any():
                along = share(times[begun], turn.start, turn.seconds)
                turned[begun] = (before * Rotation.from_rotvec(along[:, None] * way)).as_matrix()
            before = turn.goal
        turned = turned @ Rotation.from_rotvec(noise[:, 3:]).as_matrix()
        postures = np.tile(self._posture, (len(times), 1))
        last = self._posture
        for shaping in self._shapings:
            postures += share(times, shaping.start, shaping.seconds)[:, None] * (shaping.goal - last)
            last = shaping.goal
        return positions, turned, postures

    def _unsteady(self, times: Array) -> Array:
        waves = np.sin(times[:, None, None] * self._rate + self._phase)
        return np.asarray((self._size * waves).sum(axis=1))
