"""Zero-phase smoothing of a chunk's poses before inverse kinematics sees them.

A network's poses carry noise that exact inverse kinematics turns into jumps near singularities. A penalised
least-squares smoother (Whittaker; E. T. Whittaker, Proc. Edinburgh Math. Soc. 41, 1923, with fourth
differences) has no lag, treats the ends of the chunk without padding, leaves cubics in time as they are and,
for a given horizon, is one matrix. Rotations are smoothed as unit quaternions of one sign, linearly and then
scaled back to SO(3): that does not depend on the frame the poses are given in.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEFAULT_CUTOFF = 2.2
"""Hz at which a wave is halved. A hand's or an arm's motion lies below it, most of a network's noise above."""

MOST = (6e-3, 5.2e-2)
"""Metres and radians that no pose is moved by more than: a jump or a sharp corner is no noise."""

_ORDER = 4


def smooth_poses(poses: Array, step: float, cutoff: float = DEFAULT_CUTOFF) -> Array:
    """Poses (H, 7), wxyz, ``step`` seconds apart, without what is faster than ``cutoff`` (Hz; 0: as they are).

    No pose is moved by more than MOST.
    """
    if cutoff <= 0.0 or len(poses) < 3:
        return poses
    aligned = poses.copy()
    flips = np.einsum("ij,ij->i", poses[1:, 3:], poses[:-1, 3:]) < 0.0
    if flips.any():
        aligned[1:, 3:] *= np.where(np.cumsum(flips) % 2, -1.0, 1.0)[:, None]
    change = smoothing_matrix(len(poses), step, cutoff) @ aligned - aligned
    for part, most in ((slice(0, 3), MOST[0]), (slice(3, 7), 0.5 * MOST[1])):  # a quaternion turns by half the angle
        size = np.sqrt(np.einsum("ij,ij->i", change[:, part], change[:, part]))
        if size.max() > most:
            change[:, part] *= np.minimum(1.0, most / np.maximum(size, 1e-12))[:, None]
    smooth: Array = aligned + change
    smooth[:, 3:] /= np.sqrt(np.einsum("ij,ij->i", smooth[:, 3:], smooth[:, 3:]))[:, None]
    return smooth


@lru_cache(maxsize=64)
def smoothing_matrix(count: int, step: float, cutoff: float) -> Array:
    """(count, count): values at steps to smoothed values. Symmetric, so there is no lag; rows sum to one."""
    order = min(_ORDER, count - 1)
    # above the highest frequency that the steps can show there is nothing to take away
    share = min(cutoff * step, 0.5)
    weight = (2.0 * np.sin(np.pi * share)) ** (-2 * order)
    differences = np.diff(np.eye(count), order, axis=0)
    matrix: Array = np.linalg.inv(np.eye(count) + weight * differences.T @ differences)
    matrix.setflags(write=False)
    return matrix
