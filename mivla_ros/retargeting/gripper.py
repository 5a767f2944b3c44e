"""Gripper positions over the chunk as a reference for its joint. Never averaged across a decision."""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import GripperKind

Array = NDArray[np.float64]


def gripper_reference(positions: Array, kind: GripperKind, step_times: Array, times: Array) -> tuple[Array, Array]:
    """Joint positions and velocities (N, 1) at times (N,) for positions (K,) due at rising step_times (K,),
    seconds.

    Binary positions change when their step is due and not before; continuous ones are joined by straight
    lines.
    """
    if kind is GripperKind.CONTINUOUS and len(positions) > 1:
        i = np.clip(np.searchsorted(step_times, times, side="right") - 1, 0, len(positions) - 2)
        slopes = (np.diff(positions) / np.diff(step_times))[i]
        moving = (times >= step_times[0]) & (times < step_times[-1])
        return np.interp(times, step_times, positions)[:, None], np.where(moving, slopes, 0.0)[:, None]
    due = np.clip(np.searchsorted(step_times, times + 1e-9, side="right") - 1, 0, len(positions) - 1)
    return positions[due][:, None], np.zeros((len(times), 1))
