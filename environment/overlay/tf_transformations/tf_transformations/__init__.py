"""Rotations and homogeneous transforms: quaternions x, y, z, w, angles in rad, matrices 4x4."""

from .euler import euler_from_matrix, euler_from_quaternion, euler_matrix, quaternion_from_euler
from .matrices import (
    compose_matrix,
    concatenate_matrices,
    decompose_matrix,
    identity_matrix,
    inverse_matrix,
    is_same_transform,
    rotation_from_matrix,
    rotation_matrix,
    translation_from_matrix,
    translation_matrix,
)
from .quaternions import (
    quaternion_about_axis,
    quaternion_conjugate,
    quaternion_from_matrix,
    quaternion_inverse,
    quaternion_matrix,
    quaternion_multiply,
    quaternion_slerp,
    random_quaternion,
    random_rotation_matrix,
)
from .vectors import random_vector, unit_vector, vector_norm

__all__ = [
    "compose_matrix",
    "concatenate_matrices",
    "decompose_matrix",
    "euler_from_matrix",
    "euler_from_quaternion",
    "euler_matrix",
    "identity_matrix",
    "inverse_matrix",
    "is_same_transform",
    "quaternion_about_axis",
    "quaternion_conjugate",
    "quaternion_from_euler",
    "quaternion_from_matrix",
    "quaternion_inverse",
    "quaternion_matrix",
    "quaternion_multiply",
    "quaternion_slerp",
    "random_quaternion",
    "random_rotation_matrix",
    "random_vector",
    "rotation_from_matrix",
    "rotation_matrix",
    "translation_from_matrix",
    "translation_matrix",
    "unit_vector",
    "vector_norm",
]
