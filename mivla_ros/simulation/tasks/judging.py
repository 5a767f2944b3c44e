"""What several tasks share: poses on the table, whether a thing has stayed put, and whether the arms are back."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mivla_ros.simulation.state import SceneState


def pose_on_table(place: Sequence[float], turn: float) -> NDArray[np.float64]:
    """Pose (7,) at a place (x, y, z in m), turned by ``turn`` rad about the vertical."""
    x, y, z = place
    return np.array([x, y, z, np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2)])


class Settled:
    """True once a condition has held for some seconds on end."""

    def __init__(self, seconds: float) -> None:
        self._ns = round(seconds * 1e9)
        self._since_ns: int | None = None

    def update(self, now_ns: int, holds: bool) -> bool:
        """Take in whether it holds now."""
        if not holds:
            self._since_ns = None
            return False
        if self._since_ns is None:
            self._since_ns = now_ns
        return now_ns - self._since_ns >= self._ns


def at_ready(state: SceneState, ready: Mapping[str, NDArray[np.float64]], tolerance: float, speed: float) -> bool:
    """Whether every arm is within ``tolerance`` rad of where it began and slower than ``speed`` rad/s."""
    return all(
        np.abs(state.joints[arm] - joints).max() < tolerance and np.abs(state.joint_velocities[arm]).max() < speed
        for arm, joints in ready.items()
    )


def turned_by(pose: NDArray[np.float64]) -> float:
    """Angle in the table's plane from the world's x axis to the x axis of a pose (7,), rad in -pi..pi."""
    w, x, y, z = pose[3:]
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


def upwards(pose: NDArray[np.float64]) -> float:
    """Cosine between the z axis of a pose (7,) and the vertical."""
    w, x, y, z = pose[3:]
    return float(w * w - x * x - y * y + z * z)
