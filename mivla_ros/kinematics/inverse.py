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
from mivla_ros.kinematics.forward import jacobian, joint_rows, pose_errors, pose_rows

Array = NDArray[np.float64]

_REGULAR_GAIN = 1.2
"""Times the angle that a single joint would have turned for the same motion of the tip, away from singularities."""
_VERY = 0.3
"""Share of ``IkOptions.singular`` below which joints keep to max_step whatever the tip asks for."""


class PathStatus(IntEnum):
    """How one pose of a path was met."""

    REACHED = kernels.REACHED
    SLOWED = kernels.SLOWED  # could be met only by a larger joint step than allowed; followed with the error reported
    UNREACHABLE = kernels.UNREACHABLE  # out of reach: followed as far as possible


@dataclass(frozen=True)
class IkOptions:
    """How inverse kinematics is solved. Tolerances are (metres, radians).

    aim: the solver stops there. reach: a pose counts as reached. near_reach: up to this error, it is not asked
    whether a pose is out of reach. length: metres that a radian weighs. damped_steps, damping: damped least
    squares for every pose of a path; two steps at 2e-3 keep PiPER's wrist calm near its singularity
    (joint5 = 0). singular: least singular value of the Jacobian (m, a radian weighing ``length``) below which
    joints keep to max_step. gain: rad (or m) that a joint may move beyond the damped steps for each metre of error
    left; more is asked for near singularities only. restarts: seeds tried for a pose that the first seed does not
    lead to. iterations: of each seed.
    """

    aim: tuple[float, float] = (5e-5, 5e-4)
    reach: tuple[float, float] = (1e-3, 8.7e-3)
    near_reach: tuple[float, float] = (1e-2, 8.7e-2)
    length: float = 0.3
    damped_steps: int = 2
    damping: float = 2e-3
    singular: float = 0.05
    gain: float = 4.0
    iterations: int = 60
    restarts: int = 256


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
    at all. max_step: (n,) or one number, rad or m that a joint may move between two poses near a singularity,
    where a bounded joint motion wins over the pose; away from singularities a path that asks for more is
    followed (slowing down is the business of those who know the time). Unreachable poses are followed as far
    as possible and marked. Raises KinematicsError for wrong sizes.
    """
    targets = pose_rows(poses)
    start = np.clip(joint_rows(chain, seed)[0], chain.lower, chain.upper)
    steps = np.broadcast_to(np.asarray(max_step, dtype=np.float64), chain.size).copy()
    solution = _solve_path(chain, targets, start, np.full(chain.size, np.inf), options)
    demand = np.max(np.abs(np.diff(solution.q, axis=0)) / steps, axis=1)
    fast = np.flatnonzero(demand > 1.0)
    if not len(fast):
        return solution
    singular = _singular(chain, targets, solution.q, fast, options)
    if not singular.any():
        return solution
    # as fast as the path itself asks for where it is regular, and no faster where it is not
    regular = float(np.max(demand[fast[~singular]], initial=1.0))
    return _solve_path(chain, targets, start, regular * steps, options)


def _solve_path(chain: Chain, targets: Array, start: Array, bound: Array, options: IkOptions) -> PathSolution:
    path, errors = np.empty((len(targets), chain.size)), np.empty((len(targets), 2))
    status = np.empty(len(targets), dtype=np.int64)
    kernels.solve_path_kernel(
        chain.rotations, chain.translations, chain.prismatic, chain.lower, chain.upper,
        targets, start, bound, _seeds(chain, options.restarts // 16),
        options.length, options.damped_steps, options.damping,
        np.array(options.aim), np.array(options.reach), np.array(options.near_reach), options.gain,
        options.iterations,
        path, errors, status,
    )  # fmt: skip
    return PathSolution(path, errors[:, 0], errors[:, 1], status)


def _singular(chain: Chain, targets: Array, q: Array, steps: NDArray[np.intp], options: IkOptions) -> NDArray[np.bool_]:
    """Which ``steps`` (K,) of a path move the joints more than the tip asks for, near a singularity."""
    weights = np.array([1.0, 1.0, 1.0, options.length, options.length, options.length])
    values = [
        np.linalg.svd(jacobian(chain, q[k]) * weights[:, None], compute_uv=False)[:, -1] for k in (steps, steps + 1)
    ]
    moved = np.linalg.norm(pose_errors(targets[steps + 1], targets[steps]) * weights, axis=1)
    asked = _REGULAR_GAIN * moved / options.length
    least = np.minimum(*values)
    more = np.max(np.abs(q[steps + 1] - q[steps]), axis=1) > asked
    result: NDArray[np.bool_] = ((least < options.singular) & more) | (least < _VERY * options.singular)
    return result
