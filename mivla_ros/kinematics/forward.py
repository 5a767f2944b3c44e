"""Forward kinematics, Jacobians and differences of poses, for one or many joint vectors at once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mivla_ros.kinematics import kernels
from mivla_ros.kinematics.chain import Chain
from mivla_ros.kinematics.errors import KinematicsError

Array = NDArray[np.float64]


def joint_rows(chain: Chain, q: ArrayLike) -> Array:
    """Joint values (..., n) as contiguous rows (N, n). Raises KinematicsError for another number."""
    values = np.asarray(q, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] != chain.size:
        size = values.shape[-1] if values.ndim else 0
        raise KinematicsError(
            "joint values", f"have shape {values.shape}, must be (..., {chain.size})", size, chain.size
        )
    return np.ascontiguousarray(values.reshape(-1, chain.size))


def pose_rows(poses: ArrayLike, subject: str = "poses") -> Array:
    """Poses (..., 7) as contiguous rows (N, 7). Raises KinematicsError for other sizes and values that are
    not finite.
    """
    values = np.asarray(poses, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] != 7:
        size = values.shape[-1] if values.ndim else 0
        raise KinematicsError(subject, f"have shape {values.shape}, must be (..., 7)", size, 7)
    rows = np.ascontiguousarray(values.reshape(-1, 7))
    finite = np.isfinite(rows).all(axis=1) & (np.abs(rows[:, 3:]).sum(axis=1) > 1e-9)
    if not finite.all():
        step = int(np.argmin(finite))
        raise KinematicsError(
            subject, f"pose {step} is {rows[step].tolist()}, must be finite with a unit quaternion", step
        )
    return rows


def forward_kinematics(chain: Chain, q: ArrayLike) -> Array:
    """Tip poses (..., 7) in the chain's base frame for joint values (..., n) in rad or m. Raises
    KinematicsError.
    """
    rows = joint_rows(chain, q)
    poses = np.empty((len(rows), 7))
    kernels.forward_kernel(chain.rotations, chain.translations, chain.prismatic, rows, poses)
    return poses.reshape(*np.shape(q)[:-1], 7)


def jacobian(chain: Chain, q: ArrayLike) -> Array:
    """Geometric Jacobians (..., 6, n) of the tip in the base frame: linear over angular velocity. Raises
    KinematicsError.
    """
    rows = joint_rows(chain, q)
    jacobians = np.empty((len(rows), 6, chain.size))
    kernels.jacobian_kernel(chain.rotations, chain.translations, chain.prismatic, rows, jacobians)
    return jacobians.reshape(*np.shape(q)[:-1], 6, chain.size)


def pose_errors(targets: ArrayLike, poses: ArrayLike) -> Array:
    """Twists (..., 6) from poses to targets, both (..., 7): metres, then rotation vector in the common frame
    (rad).
    """
    target_rows, rows = pose_rows(targets, "targets"), pose_rows(poses)
    if target_rows.shape != rows.shape:
        raise KinematicsError(
            "poses",
            f"are {len(rows)}, must be as many as targets, {len(target_rows)}",
            len(rows),
            len(target_rows),
        )
    errors = np.empty((len(rows), 6))
    kernels.errors_kernel(target_rows, rows, errors)
    return errors.reshape(*np.shape(poses)[:-1], 6)


def compose_poses(target_from_source: ArrayLike, source_poses: ArrayLike) -> Array:
    """Poses (N, 7) in the source frame to poses (N, 7) in the target frame; target_from_source is a pose
    (7,).

    Quaternions come out with unit length. Raises KinematicsError for wrong sizes and values that are not
    finite.
    """
    outer, inner = pose_rows(target_from_source, "transform"), pose_rows(source_poses)
    poses = np.empty_like(inner)
    kernels.compose_kernel(outer[0], inner, poses)
    return poses
