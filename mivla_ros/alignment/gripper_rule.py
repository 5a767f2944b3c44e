"""Pinch of thumb and index finger to gripper opening, and back: linear between two distances, clipped outside."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mivla_ros import action_space
from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.poses import Array, checked, first_row, value_at

OPENING_TOLERANCE = 1e-3  # a network's opening may lie this far outside 0 to 1
_THUMB, _INDEX = action_space.FINGERS.index("thumb"), action_space.FINGERS.index("index")


@dataclass(frozen=True)
class GripperRule:
    """Distances between the tips of thumb and index finger, m, at which a gripper is closed and open.

    The defaults are Human2LocoMan's (its code); MiVLA gives none. Raises AlignmentError unless 0 <= closed < open.
    """

    closed: float = 0.02
    open: float = 0.15

    def __post_init__(self) -> None:
        if not 0 <= self.closed < self.open < np.inf:
            words = f"closed {self.closed} and open {self.open} m must be 0 <= closed < open"
            raise AlignmentError("gripper rule", words, None, self.closed, self.open)

    def opening(self, distance: ArrayLike) -> Array:
        """Openings (...), 0 closed to 1 open, from pinch distances (...) in m."""
        values = checked("pinch distance", distance, ())
        return np.clip((values - self.closed) / (self.open - self.closed), 0, 1)

    def distance(self, opening: ArrayLike) -> Array:
        """Pinch distances (...) in m from openings (...). Raises AlignmentError for openings outside 0 to 1."""
        values = checked("gripper opening", opening, ())
        bad = (values < -OPENING_TOLERANCE) | (values > 1 + OPENING_TOLERANCE)
        if np.any(bad):
            row = first_row(bad)
            value = value_at(values, row)
            limit = 0.0 if value < 0 else 1.0
            raise AlignmentError("gripper opening", f"{value:.6g} is outside 0 to 1", row, value, limit)
        return self.closed + (self.open - self.closed) * np.clip(values, 0, 1)


def pinch_distance(finger_tips: ArrayLike) -> Array:
    """Distances (...) in m between the tips of thumb and index finger, from five tips (..., 5, 3)."""
    tips = checked("finger tips", finger_tips, (len(action_space.FINGERS), 3))
    return np.linalg.norm(tips[..., _INDEX, :] - tips[..., _THUMB, :], axis=-1)
