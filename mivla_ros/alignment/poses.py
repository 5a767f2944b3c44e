"""Checked poses and rotations with any leading axes, in the precision they came in (float32 or float64).

A pose is (..., 7): xyz in metres and a unit quaternion wxyz. Where signs of quaternions matter, time is the axis
before the last.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.spatial.transform import Rotation

from mivla_ros import action_space
from mivla_ros.alignment.errors import AlignmentError

Array = NDArray[Any]
"""Real numbers, float32 or float64."""

UNIT_TOLERANCE = 0.01  # how far a quaternion's length may be from 1
ORTHONORMAL_TOLERANCE = 1e-3  # how far R^T R may be from the identity, each entry
MIN_COLUMN = 1e-3  # shortest usable column of a 6-D rotation, and smallest sine between the two


def checked(subject: str, values: ArrayLike, tail: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
    """Values (..., *tail) as floats, of ``dtype`` where given; float32 and float64 stay what they are.

    Raises AlignmentError for another shape, and naming the first row that holds NaN or infinity.
    """
    array = np.asarray(values)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if dtype is not None:
        array = array.astype(dtype)
    if array.ndim < len(tail) or array.shape[array.ndim - len(tail) :] != tail:
        wanted = ", ".join(str(size) for size in tail)
        raise AlignmentError(subject, f"has shape {array.shape}, must be (..., {wanted})")
    finite = np.isfinite(array).all(axis=tuple(range(-len(tail), 0))) if tail else np.isfinite(array)
    if not finite.all():
        row = first_row(~finite)
        raise AlignmentError(subject, "holds NaN or infinity, must be finite", row, np.nan)
    return array


def first_row(bad: NDArray[np.bool_]) -> int | tuple[int, ...] | None:
    """Index of the first true entry: an int for one axis, a tuple for more, None for none at all."""
    index = np.unravel_index(int(np.argmax(bad)), bad.shape)
    if not index:
        return None
    return int(index[0]) if len(index) == 1 else tuple(int(i) for i in index)


def value_at(values: Array, row: int | tuple[int, ...] | None) -> float:
    """The value at a row of ``first_row``."""
    return float(values if row is None else values[row])


def checked_poses(subject: str, poses: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """Poses (..., 7), finite and with quaternions of length 1 within ``UNIT_TOLERANCE``; else AlignmentError."""
    array = checked(subject, poses, (7,), dtype)
    length = np.linalg.norm(array[..., 3:], axis=-1)
    bad = np.abs(length - 1) > UNIT_TOLERANCE
    if bad.any():
        row = first_row(bad)
        value = value_at(length, row)
        words = f"quaternion of length {value:.6g}, must be 1 within {UNIT_TOLERANCE}"
        raise AlignmentError(subject, words, row, value, UNIT_TOLERANCE)
    return array


def checked_rotations(subject: str, matrices: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """Rotation matrices (..., 3, 3): orthonormal within ``ORTHONORMAL_TOLERANCE``, determinant +1; else
    AlignmentError.
    """
    array = checked(subject, matrices, (3, 3), dtype)
    error = np.abs(array.swapaxes(-1, -2) @ array - np.eye(3)).max(axis=(-1, -2))
    bad = (error > ORTHONORMAL_TOLERANCE) | (np.linalg.det(array) < 0)
    if bad.any():
        row = first_row(bad)
        value = value_at(error, row)
        words = f"is no rotation: off by {value:.3g} from orthonormal (limit {ORTHONORMAL_TOLERANCE}), or mirrored"
        raise AlignmentError(subject, words, row, value, ORTHONORMAL_TOLERANCE)
    return array


def matrix_from_rotation_6d(subject: str, rotation: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) from 6-D rotations (..., 6), columns as in ``action_space``.

    Raises AlignmentError naming the row where a column is shorter than ``MIN_COLUMN`` or both are parallel.
    """
    array = checked(subject, rotation, (6,))
    first, second = array[..., :3], array[..., 3:]
    lengths = np.linalg.norm(first, axis=-1), np.linalg.norm(second, axis=-1)
    shortest = np.minimum(*lengths)
    product = np.maximum(lengths[0] * lengths[1], np.finfo(array.dtype).tiny)
    sine = np.linalg.norm(np.cross(first, second), axis=-1) / product
    for value, words in ((shortest, "column of length"), (sine, "parallel columns, sine of their angle")):
        bad = value < MIN_COLUMN
        if bad.any():
            row = first_row(bad)
            text = f"{words} {value_at(value, row):.3g}, must be at least {MIN_COLUMN}"
            raise AlignmentError(subject, text, row, value_at(value, row), MIN_COLUMN)
    return action_space.matrix_from_rotation_6d(array)


def matrix_from_quaternion(quaternion: Array) -> Array:
    """Rotation matrices (..., 3, 3) from quaternions wxyz (..., 4) of about unit length."""
    unit = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    w, x, y, z = (unit[..., i] for i in range(4))
    matrix = np.empty((*unit.shape[:-1], 3, 3), dtype=unit.dtype)
    matrix[..., 0, 0] = 1 - 2 * (y * y + z * z)
    matrix[..., 0, 1] = 2 * (x * y - w * z)
    matrix[..., 0, 2] = 2 * (x * z + w * y)
    matrix[..., 1, 0] = 2 * (x * y + w * z)
    matrix[..., 1, 1] = 1 - 2 * (x * x + z * z)
    matrix[..., 1, 2] = 2 * (y * z - w * x)
    matrix[..., 2, 0] = 2 * (x * z - w * y)
    matrix[..., 2, 1] = 2 * (y * z + w * x)
    matrix[..., 2, 2] = 1 - 2 * (x * x + y * y)
    return matrix


def quaternion_from_matrix(matrix: Array) -> Array:
    """Unit quaternions wxyz (..., 4), without a jump of sign along time; the first has w >= 0."""
    flat = Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_quat(scalar_first=True)
    quaternion = flat.reshape(*matrix.shape[:-2], 4).astype(matrix.dtype)
    return without_sign_jumps(quaternion)


def without_sign_jumps(quaternion: Array) -> Array:
    """Unit quaternions (..., T, 4), each with the sign nearer to the one before it; the first has w >= 0."""
    canonical = action_space.canonical_quaternion(quaternion)
    if canonical.ndim < 2:
        return canonical
    signs = np.ones(canonical.shape[:-1], dtype=canonical.dtype)
    steps = np.sum(canonical[..., 1:, :] * canonical[..., :-1, :], axis=-1)
    signs[..., 1:] = np.cumprod(np.where(steps < 0, -1, 1), axis=-1)
    return canonical * signs[..., None]


def poses_from(position: Array, matrix: Array) -> Array:
    """Poses (..., 7) from positions (..., 3) and rotation matrices (..., 3, 3)."""
    return np.concatenate([position, quaternion_from_matrix(matrix)], axis=-1)
