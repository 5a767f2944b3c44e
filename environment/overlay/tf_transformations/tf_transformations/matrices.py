"""Homogeneous 4x4 transforms."""

import math
from functools import reduce

import numpy as np
from scipy.spatial.transform import Rotation

from .euler import euler_from_matrix, euler_matrix
from .quaternions import homogeneous
from .vectors import Matrix, Values, unit

_EPS = np.finfo(np.float64).eps * 4.0


def identity_matrix() -> np.ndarray:
    """Return the transform that changes nothing."""
    return np.identity(4)


def translation_matrix(direction: Values) -> np.ndarray:
    """Return the transform that moves by a vector (3,)."""
    matrix = np.identity(4)
    matrix[:3, 3] = np.asarray(direction, dtype=np.float64)[:3]
    return matrix


def translation_from_matrix(matrix: Matrix) -> np.ndarray:
    """Return a copy of the translation (3,) of a transform."""
    return np.array(matrix, dtype=np.float64)[:3, 3].copy()


def rotation_matrix(angle: float, direction: Values, point: Values | None = None) -> np.ndarray:
    """Return the turn by an angle about the axis along a direction, through the origin or a point."""
    matrix = homogeneous(Rotation.from_rotvec(unit(np.asarray(direction)[:3]) * angle).as_matrix())
    if point is not None:
        centre = np.asarray(point, dtype=np.float64)[:3]
        matrix[:3, 3] = centre - matrix[:3, :3] @ centre
    return matrix


def rotation_from_matrix(matrix: Matrix) -> tuple[float, np.ndarray, np.ndarray]:
    """Return angle, unit axis (3,) and a point (4,) on the axis of a pure rotation about a line.

    Raises ValueError where the matrix is no rotation. Without a turn, any axis would do: it is x.
    """
    values = np.asarray(matrix, dtype=np.float64)
    part = values[:3, :3]
    if not np.allclose(part @ part.T, np.identity(3)) or np.linalg.det(part) < 0.0:
        raise ValueError("the matrix is no rotation")
    vector = Rotation.from_matrix(part).as_rotvec()
    angle = float(np.linalg.norm(vector))
    if angle < _EPS:
        return 0.0, np.array((1.0, 0.0, 0.0)), np.array((0.0, 0.0, 0.0, 1.0))
    # The nearest point of the axis to the origin; I - R has no inverse along the axis itself.
    point = np.linalg.lstsq(np.identity(3) - part, values[:3, 3], rcond=1e-12)[0]
    return angle, vector / angle, np.append(point, 1.0)


def concatenate_matrices(*matrices: Matrix) -> np.ndarray:
    """Return the product of transforms, the last one applied first."""
    return reduce(np.dot, matrices, np.identity(4))


def inverse_matrix(matrix: Matrix) -> np.ndarray:
    """Return the inverse of a square matrix; raises numpy.linalg.LinAlgError where there is none."""
    return np.linalg.inv(matrix)


def is_same_transform(matrix0: Matrix, matrix1: Matrix) -> bool:
    """Tell whether two transforms are equal up to a common factor."""
    first, second = (np.array(matrix, dtype=np.float64) for matrix in (matrix0, matrix1))
    return bool(np.allclose(first / first[3, 3], second / second[3, 3]))


def compose_matrix(
    scale: Values | None = None,
    shear: Values | None = None,
    angles: Values | None = None,
    translate: Values | None = None,
    perspective: Values | None = None,
) -> np.ndarray:
    """Return perspective * translation * rotation * shear * scale.

    scale (3,), shear (xy, xz, yz), angles about static x, y, z, translate (3,), perspective (4,):
    each may be left out.
    """
    matrix = np.identity(4)
    if perspective is not None:
        matrix[3, :] = np.asarray(perspective, dtype=np.float64)[:4]
    if translate is not None:
        matrix = matrix @ translation_matrix(translate)
    if angles is not None:
        roll, pitch, yaw = angles
        matrix = matrix @ euler_matrix(roll, pitch, yaw, "sxyz")
    if shear is not None:
        slant = np.identity(4)
        slant[0, 1], slant[0, 2], slant[1, 2] = shear
        matrix = matrix @ slant
    if scale is not None:
        matrix = matrix @ np.diag([*scale, 1.0])
    return matrix / matrix[3, 3]


def decompose_matrix(
    matrix: Matrix,
) -> tuple[np.ndarray, list[float], tuple[float, float, float], np.ndarray, np.ndarray]:
    """Return scale, shear, angles, translation and perspective: what compose_matrix takes.

    Raises ValueError where the matrix is singular.
    """
    values = np.array(matrix, dtype=np.float64)
    if abs(values[3, 3]) < _EPS:
        raise ValueError("the matrix's last element is zero")
    values /= values[3, 3]
    projected = values.copy()
    projected[3, :] = (0.0, 0.0, 0.0, 1.0)
    if math.isclose(np.linalg.det(projected), 0.0, abs_tol=_EPS):
        raise ValueError("the matrix is singular")
    perspective = np.array((0.0, 0.0, 0.0, 1.0))
    if np.any(np.abs(values[3, :3]) > _EPS):
        perspective = values[3, :] @ np.linalg.inv(projected)
    rotation, rest = np.linalg.qr(projected[:3, :3])
    signs = np.where(np.diag(rest) < 0.0, -1.0, 1.0)
    rotation, rest = rotation * signs, signs[:, None] * rest
    if np.linalg.det(rotation) < 0.0:
        rotation, rest = -rotation, -rest
    scale = np.diag(rest).copy()
    shear = [float(rest[0, 1] / scale[1]), float(rest[0, 2] / scale[2]), float(rest[1, 2] / scale[2])]
    return scale, shear, euler_from_matrix(rotation), projected[:3, 3].copy(), perspective
