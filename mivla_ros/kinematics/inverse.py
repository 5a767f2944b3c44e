"""Inverse kinematics within position limits: one pose from nothing, or a whole path of poses from where the
arm is.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mivla_ros.kinematics import kernels
from mivla_ros.kinematics.chain import Chain
from mivla_ros.kinematics.errors import KinematicsError
from mivla_ros.kinematics.forward import joint_rows, pose_rows

Array = NDArray[np.float64]


class PathStatus(IntEnum):
    """How one pose of a path was met."""

    REACHED = kernels.REACHED
    SLOWED = kernels.SLOWED  # could be met only by a larger joint step than allowed; the error is small and reported
    UNREACHABLE = kernels.UNREACHABLE  # out of reach: followed as far as possible


@dataclass(frozen=True)
class IkOptions:
    """How inverse kinematics is solved. Tolerances are (metres, radians).

    aim: the solver stops there. reach: a pose counts as reached. near_reach: up to this error, a calm arm is
    preferred to a pose met by a jump of the joints. length: metres that a radian weighs. damped_steps,
    damping: damped least squares for every pose of a path; two steps at 1e-3 keep PiPER's wrist calm near its
    singularity (joint5 = 0). restarts: seeds tried for a pose that the first seed does not lead to.
    iterations: of each seed.
    """

    aim: tuple[float, float] = (5e-5, 5e-4)
    reach: tuple[float, float] = (1e-3, 8.7e-3)
    near_reach: tuple[float, float] = (1e-2, 8.7e-2)
    length: float = 0.3
    damped_steps: int = 2
    damping: float = 1e-3
    iterations: int = 60
    restarts: int = 64


@dataclass(frozen=True)
class PoseSolution:
    """Joint values (n,) for one pose, the error left (m, rad), whether it is within the tolerances, and the
    seeds used.
    """

    q: Array
    position_error: float
    rotation_error: float
    reached: bool
    seeds: int


@dataclass(frozen=True)
class PathSolution:
    """Joint values (H, n) for a path, the errors left (H,) in m and rad, and each pose's status (H,), see
    PathStatus.
    """

    q: Array
    position_error: Array
    rotation_error: Array
    status: NDArray[np.int64]


@lru_cache(maxsize=32)
def _shares(count: int, joints: int) -> Array:
    """(count, joints) numbers between 0 and 1, the same in every run."""
    return np.random.default_rng(1).random((count, joints))


def _seeds(chain: Chain, count: int) -> Array:
    lower = np.maximum(chain.lower, -np.pi)
    upper = np.minimum(chain.upper, np.pi)
    seeds: Array = lower + _shares(count, chain.size) * (upper - lower)
    return seeds


def solve_pose(
    chain: Chain,
    pose: ArrayLike,
    seed: ArrayLike | None = None,
    options: IkOptions = IkOptions(),
    tolerance: tuple[float, float] = (1e-5, 1e-4),
) -> PoseSolution:
    """Joint values for one tip pose (7,) in the base frame, from ``seed`` (n,) or the middle of the limits,
    then restarts.

    Within the position limits always. ``tolerance``: metres and radians at which it counts as reached. Raises
    KinematicsError for wrong sizes.
    """
    target = pose_rows(pose, "pose")
    if len(target) != 1:
        raise KinematicsError("pose", f"is {len(target)} poses, must be one", len(target), 1)
    random_seeds = _seeds(chain, options.restarts)
    first = random_seeds.mean(axis=0)[None] if seed is None else joint_rows(chain, seed)
    first = np.clip(first, chain.lower, chain.upper)
    q = first[0].copy()
    metres, radians, used = kernels.solve_pose_kernel(
        chain.rotations, chain.translations, chain.prismatic, chain.lower, chain.upper,
        target[0], np.concatenate([first, random_seeds]), first[0],
        options.length, *tolerance, options.iterations, 1, q,
    )  # fmt: skip
    return PoseSolution(q, metres, radians, metres <= tolerance[0] and radians <= tolerance[1], used)


def solve_path(
    chain: Chain,
    poses: ArrayLike,
    seed: ArrayLike,
    max_step: ArrayLike = np.inf,
    options: IkOptions = IkOptions(),
) -> PathSolution:
    """Joint values for tip poses (H, 7) in the base frame along a path that starts at joint values ``seed``
    (n,).

    Every pose is solved from the one before and stays on its branch; only the first may change it to be met
    at all. max_step: (n,) or one number, rad or m between two poses above which a calm arm is preferred (see
    IkOptions.near_reach). Unreachable poses are followed as far as possible and marked. Raises
    KinematicsError for wrong sizes.
    """
    targets = pose_rows(poses)
    start = np.clip(joint_rows(chain, seed)[0], chain.lower, chain.upper)
    path, errors = np.empty((len(targets), chain.size)), np.empty((len(targets), 2))
    status = np.empty(len(targets), dtype=np.int64)
    kernels.solve_path_kernel(
        chain.rotations, chain.translations, chain.prismatic, chain.lower, chain.upper,
        targets, start, np.broadcast_to(np.asarray(max_step, dtype=np.float64), chain.size).copy(),
        _seeds(chain, options.restarts // 4),
        options.length, options.damped_steps, options.damping,
        np.array(options.aim), np.array(options.reach), np.array(options.near_reach), options.iterations,
        path, errors, status,
    )  # fmt: skip
    return PathSolution(path, errors[:, 0], errors[:, 1], status)
