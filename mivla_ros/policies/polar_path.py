"""A smooth path of an end effector around its base: azimuth, radius, height and tilt as quintics of time.

Coordinates in the arm's base frame (z up): the point (radius cos azimuth, radius sin azimuth, height); the
approach axis z of the end effector points away from the base's axis, ``tilt`` below the horizontal; its y
axis is horizontal, to the left of the approach; so its x axis points down. Every path of this family lies in
one vertical plane at a time, which is what an arm with a vertical first joint does without turning its wrist.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_space import canonical_quaternion

Array = NDArray[np.float64]

PEAK = 1.875  # peak speed of a minimum-jerk move over its mean speed
PEAK_ACCELERATION = 5.7735  # its peak acceleration over distance / seconds**2
NEVER_NS = 2**62


def polar(azimuth: float, radius: float, height: float, tilt: float) -> Array:
    """(4,) coordinates: azimuth rad, radius m, height m, tilt rad."""
    return np.array([azimuth, radius, height, tilt], dtype=np.float64)


def rotation_at(coordinates: Array) -> Rotation:
    """Rotations of the end effector in the base frame for (n, 4) coordinates."""
    azimuth, tilt = coordinates[..., 0], coordinates[..., 3]
    return Rotation.from_euler("ZY", np.stack([azimuth, np.pi / 2 + tilt], axis=-1))


def position_at(coordinates: Array) -> Array:
    """(n, 3) positions in the base frame for (n, 4) coordinates."""
    azimuth, radius, height = coordinates[..., 0], coordinates[..., 1], coordinates[..., 2]
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=-1)


def coordinates_of(pose: Array) -> tuple[Array, Array]:
    """Coordinates (4,) of a pose (7,), and the rotation vector (3,) by which the pose departs from the
    family, in its axes.
    """
    rotation = Rotation.from_quat(pose[3:], scalar_first=True)
    approach = rotation.as_matrix()[:, 2]
    tilt = float(np.arctan2(-approach[2], np.hypot(approach[0], approach[1])))
    azimuth = float(np.arctan2(pose[1], pose[0]))
    coordinates = polar(azimuth, float(np.hypot(pose[0], pose[1])), float(pose[2]), tilt)
    return coordinates, (rotation_at(coordinates).inv() * rotation).as_rotvec()


@dataclass(frozen=True)
class Segment:
    """One move or rest. coefficients (6, 4): of 1, s, ... s**5 with s = seconds since its start. departure
    (3,): rotation vector by which it begins off the family; it has faded to nothing at ``faded_ns``. A
    segment that was cut ends before that.
    """

    phase: str
    start_ns: int
    end_ns: int
    faded_ns: int
    coefficients: Array
    opening: float
    departure: Array

    def state(self, time_ns: int) -> tuple[Array, Array, Array]:
        """Coordinates (4,) and their first and second derivatives at a time, held at its ends."""
        s = (min(max(time_ns, self.start_ns), self.end_ns) - self.start_ns) / 1e9
        c, powers = self.coefficients, s ** np.arange(6)
        first = np.arange(1, 6)[:, None] * c[1:]
        second = np.arange(1, 5)[:, None] * first[1:]
        return powers @ c, powers[:5] @ first, powers[:4] @ second

    def departure_at(self, time_ns: int) -> Array:
        """Rotation vector (3,) of the departure from the family at a time, held at the segment's end."""
        share = (min(time_ns, self.end_ns) - self.start_ns) / max(self.faded_ns - self.start_ns, 1)
        s = min(max(share, 0.0), 1.0)
        return self.departure * (1 - s**3 * (10 - 15 * s + 6 * s * s))


def quintic(start: tuple[Array, Array, Array], goal: Array, seconds: float) -> Array:
    """(6, n) coefficients from a position, speed and acceleration to rest at ``goal`` in ``seconds``."""
    p, v, a = start
    t = seconds
    d = goal - p - v * t - a * t * t / 2
    dv, da = -v - a * t, -a
    return np.array(
        [
            p,
            v,
            a / 2,
            (10 * d - 4 * dv * t + da * t * t / 2) / t**3,
            (-15 * d + 7 * dv * t - da * t * t) / t**4,
            (6 * d - 3 * dv * t + da * t * t / 2) / t**5,
        ]
    )


@dataclass(frozen=True)
class Pace:
    """Peaks that a move from rest keeps: m/s, m/s2 of the end effector, rad/s, rad/s2 of its azimuth and
    tilt.
    """

    speed: float
    acceleration: float
    turn_speed: float
    turn_acceleration: float

    def seconds(self, start: Array, goal: Array) -> float:
        """How long a minimum-jerk move between two coordinates (4,) must take."""
        change = np.abs(goal - start)
        distance = max(change[1], change[2], change[0] * max(start[1], goal[1]))
        turn = max(change[0], change[3])
        return max(
            PEAK * distance / self.speed,
            PEAK * turn / self.turn_speed,
            float(np.sqrt(PEAK_ACCELERATION * distance / self.acceleration)),
            float(np.sqrt(PEAK_ACCELERATION * turn / self.turn_acceleration)),
        )


class PolarPath:
    """Moves one after another, sampled at absolute times. What was sampled once never changes before the time
    of a ``cut``.
    """

    def __init__(self, start_ns: int, pose: Array, opening: float, pace: Pace) -> None:
        """Pose (7,): where it begins, at rest."""
        coordinates, departure = coordinates_of(pose)
        self.pace = pace
        still = np.zeros((6, 4))
        still[0] = coordinates
        self.segments = [Segment("start", start_ns, start_ns, NEVER_NS, still, opening, departure)]

    @property
    def end_ns(self) -> int:
        """When the last move is over."""
        return self.segments[-1].end_ns

    @property
    def goal(self) -> Array:
        """Coordinates (4,) where the last move ends."""
        return self.segments[-1].state(self.end_ns)[0]

    def move(self, phase: str, goal: Array, opening: float, at_least: float = 0.4) -> int:
        """Append a move to coordinates (4,) at rest; returns when it is over. It takes ``at_least`` seconds
        or what its pace asks.
        """
        last = self.segments[-1]
        start = last.state(last.end_ns)
        seconds = max(at_least, self.pace.seconds(start[0], goal))
        return self._append(phase, quintic(start, goal, seconds), seconds, opening, fades=True)

    def rest(self, phase: str, seconds: float, opening: float) -> int:
        """Append a rest where the path ends; returns when it is over. After a cut in mid-move the rest begins
        with coming to a halt.
        """
        last = self.segments[-1]
        start = last.state(last.end_ns)
        still = np.abs(start[1]).max() < 1e-6 and np.abs(start[2]).max() < 1e-6
        coefficients = np.zeros((6, 4))
        coefficients[0] = start[0]
        if not still:
            coefficients = quintic(start, start[0] + start[1] * seconds / 2, seconds)
        return self._append(phase, coefficients, seconds, opening, fades=False)

    def cut(self, time_ns: int) -> None:
        """Forget everything after a time; the next move goes on from there with the path's own speed and
        acceleration.
        """
        if time_ns >= self.end_ns:
            last = self.segments[-1]
            self.rest(last.phase, max((time_ns - self.end_ns) / 1e9, 1e-9), last.opening)
            return
        kept = [segment for segment in self.segments if segment.start_ns < time_ns] or self.segments[:1]
        kept[-1] = replace(kept[-1], end_ns=max(time_ns, kept[-1].start_ns))
        self.segments = kept

    def at(self, time_ns: int) -> Segment:
        """The move or rest a time falls into; the first or last one outside of the path."""
        for segment in self.segments:
            if time_ns < segment.end_ns:
                return segment
        return self.segments[-1]

    def sample(self, times_ns: list[int]) -> tuple[Array, Array]:
        """Poses (n, 7) in the base frame and openings (n,) at the times."""
        segments = [self.at(t) for t in times_ns]
        coordinates = np.array([s.state(t)[0] for s, t in zip(segments, times_ns, strict=True)])
        departures = np.array([s.departure_at(t) for s, t in zip(segments, times_ns, strict=True)])
        rotations = rotation_at(coordinates) * Rotation.from_rotvec(departures)
        quaternions = canonical_quaternion(rotations.as_quat(scalar_first=True))
        openings = np.array([s.opening for s in segments])
        return np.concatenate([position_at(coordinates), quaternions], axis=1), openings

    def _append(self, phase: str, coefficients: Array, seconds: float, opening: float, fades: bool) -> int:
        last = self.segments[-1]
        end_ns = last.end_ns + max(round(seconds * 1e9), 1)
        departure = last.departure_at(last.end_ns)
        faded_ns = end_ns if fades else NEVER_NS
        self.segments.append(Segment(phase, last.end_ns, end_ns, faded_ns, coefficients, opening, departure))
        return end_ns
