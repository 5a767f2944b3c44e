"""Robot models from URDF: serial chains, forward kinematics, Jacobians and inverse kinematics, compiled with
numba.

Poses are arrays (..., 7): xyz in metres and a unit quaternion wxyz, of the chain's tip in its base frame.
"""

from mivla_ros.kinematics.chain import Chain, chain_from_urdf
from mivla_ros.kinematics.errors import KinematicsError
from mivla_ros.kinematics.forward import compose_poses, forward_kinematics, jacobian, pose_errors
from mivla_ros.kinematics.inverse import (
    IkOptions,
    PathSolution,
    PathStatus,
    PoseSolution,
    solve_path,
    solve_pose,
)

__all__ = [
    "Chain",
    "IkOptions",
    "KinematicsError",
    "PathSolution",
    "PathStatus",
    "PoseSolution",
    "chain_from_urdf",
    "compose_poses",
    "forward_kinematics",
    "jacobian",
    "pose_errors",
    "solve_path",
    "solve_pose",
]
