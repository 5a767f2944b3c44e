"""Quaternions in ROS order: x, y, z, w."""

import math

import numpy as np
from scipy.spatial.transform import Rotation

from .vectors import Matrix, Values, unit

Quaternion = tuple[float, float, float, float]
_EPS = np.finfo(np.float64).eps * 4.0


def homogeneous(rotation: np.ndarray) -> np.ndarray:
    """Return the 4x4 matrix of a 3x3 one."""
    matrix = np.identity(4)
    matrix[:3, :3] = rotation
    return matrix


def as_tuple(rotation: Rotation, *, canonical: bool) -> Quaternion:
    """Return x, y, z, w; canonical means w is not negative."""
    x, y, z, w = rotation.as_quat(canonical=canonical).tolist()
    return x, y, z, w


def quaternion_about_axis(angle: float, axis: Values) -> Quaternion:
    """Return the unit quaternion of a turn by an angle about an axis of any length."""
    x, y, z = (unit(axis) * math.sin(0.5 * angle)).tolist()
    return x, y, z, math.cos(0.5 * angle)


def quaternion_matrix(quaternion: Values) -> np.ndarray:
    """Return the 4x4 rotation matrix of a quaternion of any length; one of no length turns nothing."""
    values = np.asarray(quaternion, dtype=np.float64)
    if values @ values < np.finfo(np.float64).eps:
        return np.identity(4)
    return homogeneous(Rotation.from_quat(values).as_matrix())


def rotation_part(matrix: Matrix) -> np.ndarray:
    """Return the rotation of a transform's upper 3x3, without its scale and shear."""
    values = np.asarray(matrix, dtype=np.float64)[:3, :3]
    rotation, rest = np.linalg.qr(values)
    rotation = rotation * np.where(np.diag(rest) < 0.0, -1.0, 1.0)
    if np.linalg.det(rotation) < 0.0:
        rotation[:, 0] *= -1.0  # a mirrored frame: the mirror goes to the first axis
    return rotation


def quaternion_from_matrix(matrix: Matrix) -> Quaternion:
    """Return the unit quaternion, w not negative, of a transform's rotation."""
    return as_tuple(Rotation.from_matrix(rotation_part(matrix)), canonical=True)


def quaternion_multiply(quaternion1: Values, quaternion0: Values) -> Quaternion:
    """Return the Hamilton product: as rotations, first quaternion0 and then quaternion1."""
    x1, y1, z1, w1 = quaternion1
    x0, y0, z0, w0 = quaternion0
    return (
        w1 * x0 + x1 * w0 + y1 * z0 - z1 * y0,
        w1 * y0 - x1 * z0 + y1 * w0 + z1 * x0,
        w1 * z0 + x1 * y0 - y1 * x0 + z1 * w0,
        w1 * w0 - x1 * x0 - y1 * y0 - z1 * z0,
    )


def quaternion_conjugate(quaternion: Values) -> np.ndarray:
    """Return the quaternion with x, y, z turned round, shape (4,)."""
    x, y, z, w = quaternion
    return np.array((-x, -y, -z, w), dtype=np.float64)


def quaternion_inverse(quaternion: Values) -> np.ndarray:
    """Return the quaternion whose product with this one is 0, 0, 0, 1; shape (4,)."""
    return quaternion_conjugate(quaternion) / np.dot(quaternion, quaternion)


def quaternion_slerp(
    quat0: Values, quat1: Values, fraction: float, spin: int = 0, shortestpath: bool = True
) -> np.ndarray:
    """Return the unit quaternion at a fraction of the arc from quat0 to quat1, shape (4,).

    ``spin`` adds half turns on the way; without ``shortestpath`` the arc may be the longer one.
    """
    start, end = unit(np.asarray(quat0)[:4]), unit(np.asarray(quat1)[:4])
    if fraction in (0.0, 1.0):
        return end if fraction else start
    cosine = float(start @ end)
    if abs(abs(cosine) - 1.0) < _EPS:
        return start
    if shortestpath and cosine < 0.0:
        cosine, end = -cosine, -end
    arc = math.acos(cosine) + spin * math.pi
    if abs(arc) < _EPS:
        return start
    return (start * math.sin((1.0 - fraction) * arc) + end * math.sin(fraction * arc)) / math.sin(arc)


def random_quaternion(rand: Values | None = None) -> np.ndarray:
    """Return a uniformly distributed unit quaternion, shape (4,), from three values in [0, 1) if given."""
    u, v, w = np.random.random(3) if rand is None else np.asarray(rand, dtype=np.float64)
    v, w = 2.0 * math.pi * v, 2.0 * math.pi * w
    low, high = math.sqrt(1.0 - u), math.sqrt(u)
    return np.array((low * math.sin(v), low * math.cos(v), high * math.sin(w), high * math.cos(w)))


def random_rotation_matrix(rand: Values | None = None) -> np.ndarray:
    """Return a uniformly distributed 4x4 rotation matrix."""
    return quaternion_matrix(random_quaternion(rand))
