"""A recorded hand at any time: positions linearly or by cubics, rotations the shortest way on SO(3)."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, Slerp

from mivla_ros import action_space
from mivla_ros.action_chunk import HandActions

Array = NDArray[np.float64]


class HandPath:
    """One hand over time (N,) s: rows (N, 24) as ``action_space``, thumb knuckles (N, 7) where known."""

    def __init__(
        self, time: Array, rows: Array, side: str, thumb_knuckles: Array | None = None, interpolation: str = "linear"
    ) -> None:
        self.side = side
        self.seconds = float(time[-1])
        points = [rows[:, action_space.WRIST_POSITION], rows[:, action_space.FINGER_TIPS]]
        self._points = interpolator(time, np.concatenate(points, axis=1), interpolation)
        matrices = action_space.matrix_from_rotation_6d(rows[:, action_space.WRIST_ROTATION])
        self._wrists = Slerp(time, Rotation.from_matrix(matrices))
        self._knuckles = None
        if thumb_knuckles is not None:
            rotations = Slerp(time, Rotation.from_quat(thumb_knuckles[:, 3:], scalar_first=True))
            self._knuckles = interpolator(time, thumb_knuckles[:, :3], interpolation), rotations

    def at(self, seconds: Array) -> HandActions:
        """The hand at times (n,) s, which must lie within the recording's."""
        points = self._points(seconds)
        knuckle = None
        if self._knuckles is not None:
            positions, rotations = self._knuckles
            knuckle = poses_of(positions(seconds), rotations(seconds))
        return HandActions(
            wrist=poses_of(points[:, :3], self._wrists(seconds)),
            finger_tips=points[:, 3:].reshape(-1, len(action_space.FINGERS), 3),
            thumb_knuckle=knuckle,
            left=self.side == "left",
        )


def poses_of(positions: Array, rotations: Rotation) -> Array:
    """(n, 7) from positions (n, 3) and n rotations."""
    return np.concatenate([positions, action_space.canonical_quaternion(rotations.as_quat(scalar_first=True))], axis=1)


class Linear:
    """Straight lines between samples (N, m)."""

    def __init__(self, time: Array, values: Array) -> None:
        self.time, self.values = time, values

    def __call__(self, at: Array) -> Array:
        """Values (n, m) at times (n,)."""
        return np.stack([np.interp(at, self.time, column) for column in self.values.T], axis=1)


def interpolator(time: Array, values: Array, kind: str) -> CubicSpline | Linear:
    """Samples (N, m) as a function of time: ``linear`` or ``cubic``."""
    return CubicSpline(time, values, axis=0) if kind == "cubic" else Linear(time, values)
