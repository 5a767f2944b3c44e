"""Another configuration of the arm for a chunk that the present one cannot follow to its end.

From the same pose an arm may go on with its elbow up or down, its wrist turned or not. Inverse kinematics stays on the
branch it is on; where that runs into a joint limit and another one reaches every step, an arm at rest goes there
first, straight in joint space, and then follows the whole chunk late. Never in the middle of a motion: then only the
branch that the running motion leads to is tried.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics import Chain, IkOptions, PathSolution, PathStatus, solve_path, solve_pose

Array = NDArray[np.float64]

MOST_BRANCHES = 8
_SEEDS = 64
_APART = 0.1  # rad or m between two branches
_TOLERANCE = (1e-4, 1e-3)


def branches(chain: Chain, pose: Array, near: Array) -> list[Array]:
    """Joint values (n,) that reach one pose (7,), different ones, the nearest to ``near`` (n,) first; at most
    MOST_BRANCHES.
    """
    lower, upper = np.maximum(chain.lower, -np.pi), np.minimum(chain.upper, np.pi)
    seeds = lower + np.random.default_rng(2).random((_SEEDS, chain.size)) * (upper - lower)
    once = IkOptions(restarts=1)
    found: list[Array] = []
    for seed in seeds:
        solution = solve_pose(chain, pose, seed, once, _TOLERANCE)
        if solution.reached and all(np.max(np.abs(solution.q - other)) > _APART for other in found):
            found.append(solution.q)
    found.sort(key=lambda q: float(np.max(np.abs(q - near))))
    return found[:MOST_BRANCHES]


def other_way(
    chain: Chain, poses: Array, solution: PathSolution, start: Array, destination: Array, max_step: Array,
    options: IkOptions, may_go: Callable[[Array], bool],
) -> PathSolution | None:  # fmt: skip
    """A solution for poses (K, 7) that reaches all of them, for one that does not; None where there is none.

    start, destination: (n,) where the arm is and where the running motion ends, the same for an arm at rest. may_go:
    whether an arm at rest may go straight to joint values (n,). max_step: as in ``solve_path``.
    """
    unreached = np.flatnonzero(solution.status == PathStatus.UNREACHABLE)
    if not len(unreached):
        return None
    at_rest = np.array_equal(start, destination)
    if not at_rest:
        seeds = [destination]
    elif solve_pose(chain, poses[unreached[0]], start, replace(options, restarts=32), _TOLERANCE).reached:
        seeds = branches(chain, poses[0], start)
    else:
        return None
    for seed in seeds:
        other = solve_path(chain, poses, seed, max_step, options)
        if (other.status != PathStatus.UNREACHABLE).all() and (not at_rest or may_go(other.q[0])):
            return other
    return None
