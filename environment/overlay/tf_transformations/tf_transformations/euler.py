"""Euler angles of the 24 axis sequences: "s" before the axes for static ones, "r" for rotating ones."""

import itertools
import math
import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from .quaternions import Quaternion, as_tuple, homogeneous, quaternion_matrix
from .vectors import Matrix, Values

Axes = str | tuple[int, int, int, int]


def _encoded(axes: str) -> tuple[int, int, int, int]:
    """Return first axis, parity, repetition and frame: the older way of naming a sequence."""
    # Rotating sequences are coded as the static ones read backwards.
    letters = axes[1:] if axes[0] == "s" else axes[:0:-1]
    first, second, third = ("xyz".index(letter) for letter in letters)
    return first, int((second - first) % 3 == 2), int(first == third), int(axes[0] == "r")


_SEQUENCES = [
    frame + "".join(letters)
    for frame in "sr"
    for letters in itertools.product("xyz", repeat=3)
    if letters[0] != letters[1] != letters[2]
]
_LOCK = 1e-6  # scipy's own limit of gimbal lock, rad
_BY_CODE = {_encoded(axes): axes for axes in _SEQUENCES}


def _static(axes: Axes) -> tuple[str, int]:
    """Return scipy's static sequence and the direction (1 or -1) in which it takes the angles."""
    name = axes if isinstance(axes, str) else _BY_CODE.get(axes, "")
    if name not in _SEQUENCES:
        raise KeyError(axes)
    return (name[1:], 1) if name[0] == "s" else (name[:0:-1], -1)


def _half_turn(angle: float) -> float:
    return angle - math.copysign(math.pi, angle)


def _rotation(ai: float, aj: float, ak: float, axes: Axes) -> Rotation:
    sequence, direction = _static(axes)
    return Rotation.from_euler(sequence, (ai, aj, ak)[::direction])


def euler_matrix(ai: float, aj: float, ak: float, axes: Axes = "sxyz") -> np.ndarray:
    """Return the 4x4 rotation matrix of three Euler angles."""
    return homogeneous(_rotation(ai, aj, ak, axes).as_matrix())


def quaternion_from_euler(ai: float, aj: float, ak: float, axes: Axes = "sxyz") -> Quaternion:
    """Return the unit quaternion of three Euler angles."""
    return as_tuple(_rotation(ai, aj, ak, axes), canonical=False)


def euler_from_matrix(matrix: Matrix, axes: Axes = "sxyz") -> tuple[float, float, float]:
    """Return the three Euler angles of a rotation matrix (3x3 or 4x4)."""
    sequence, direction = _static(axes)
    rotation = Rotation.from_matrix(np.asarray(matrix, dtype=np.float64)[:3, :3])
    with warnings.catch_warnings():
        # At gimbal lock one angle is free: it is taken as zero, as the real package does.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        first, second, third = rotation.as_euler(sequence)[::direction].tolist()
    _, parity, repetition, _ = _encoded(axes if isinstance(axes, str) else _BY_CODE[axes])
    if parity and repetition and abs(math.sin(second)) > _LOCK:
        # Of the two triplets of such a sequence the real package takes the one with a negative middle angle.
        first, second, third = _half_turn(first), -second, _half_turn(third)
    return first, second, third


def euler_from_quaternion(quaternion: Values, axes: Axes = "sxyz") -> tuple[float, float, float]:
    """Return the three Euler angles of a quaternion."""
    return euler_from_matrix(quaternion_matrix(quaternion), axes)
