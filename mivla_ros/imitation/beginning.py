"""Where an arm had better begin, so that as much of a motion as can be lies within its reach.

Eq. 2 only carries the change of a hand's pose: where the arm begins decides what it can follow. Candidates are tried
with the inverse kinematics of retargeting over the whole motion; what is counted is what retargeting would refuse or
change: steps out of reach, outside the workspace, touching, or near a singularity.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.leaders import Leader
from mivla_ros.imitation.robot import Robot
from mivla_ros.kinematics import PathStatus, solve_path, solve_pose
from mivla_ros.retargeting.smoothing import smooth_poses

Array = NDArray[np.float64]

PLACES = 4  # of each axis, spread over the room that the motion leaves in the workspace
PITCHES = tuple(np.deg2rad([0.0, -30.0, 30.0, -60.0, 60.0]))  # of the ready pose's rotation, about the base's y
MOST_STEPS = 150  # longer motions are looked at in fewer places
FALLING_SHORT = 0.25  # a step near a singularity counts as this much of one out of reach


def best_beginning(robot: Robot, arm: str, leader: Leader, seconds: float) -> tuple[Array, float]:
    """Pose (7,) of the end effector in the arm's base to begin at, and the share of steps that then cannot be followed.

    The ready pose is among the candidates and wins a tie. The same motion always gives the same answer. Raises
    ImitationError where no candidate can be begun at.
    """
    profile, chain = robot.profile.arm(arm), robot.chains[arm]
    ready = robot.end_effector(arm, np.array(profile.ready))
    times = np.linspace(0.0, seconds, min(MOST_STEPS, max(int(seconds / 0.05), 2)))
    lower, upper = np.array(profile.workspace_lower), np.array(profile.workspace_upper)
    moved = leader.targets(times, ready)[0][:, :3] - ready[:3]
    first, last = lower - moved.min(axis=0), upper - moved.max(axis=0)  # where a beginning keeps all of it inside
    middle = 0.5 * (first + last)
    axes = [
        np.unique(np.linspace(first[k], last[k], PLACES + 2)[1:-1] if first[k] < last[k] else middle[k : k + 1])
        for k in range(3)
    ]
    axes[1] = np.array([np.clip(0.0, min(first[1], last[1]), max(first[1], last[1]))])  # before the base, or near it
    candidates = [ready]
    for x, y, z, pitch in product(*axes, PITCHES):
        turn = Rotation.from_euler("y", pitch) * Rotation.from_quat(ready[3:], scalar_first=True)
        candidates.append(np.concatenate([[x, y, z], turn.as_quat(scalar_first=True)]))
    best, least = None, np.inf
    for pose in candidates:
        start = solve_pose(chain, pose, np.array(profile.ready), tolerance=(1e-3, 1e-2))
        if not start.reached or _touches(robot, arm, start.q):
            continue
        lost = _lost_share(robot, arm, leader.targets(times, pose)[0], start.q, times[1] - times[0], least)
        if lost < least - 1e-9:
            best, least = pose, lost
    if best is None:
        raise ImitationError(robot.profile.name, "cannot begin anywhere: every candidate is out of reach or touches")
    return best, least


def _lost_share(robot: Robot, arm: str, poses: Array, start: Array, step: float, enough: float) -> float:
    """Share of poses (n, 7) that cannot be followed; no better than ``enough`` is not looked at further."""
    profile = robot.profile.arm(arm)
    outside = np.any((poses[:, :3] < profile.workspace_lower) | (poses[:, :3] > profile.workspace_upper), axis=1)
    if outside.mean() >= enough:
        return float(outside.mean())
    solution = solve_path(robot.chains[arm], smooth_poses(poses, step), start, np.array(profile.velocity) * step)
    lost = outside | (solution.status == PathStatus.UNREACHABLE)
    for k in np.flatnonzero(~lost):
        lost[k] = _touches(robot, arm, solution.q[k])
    slowed = ~lost & (solution.status == PathStatus.SLOWED)
    return float(lost.mean() + FALLING_SHORT * slowed.mean())


def _touches(robot: Robot, arm: str, joints: Array) -> bool:
    """Whether links touch with these joints of one arm, the others ready."""
    row = np.concatenate([joints if a.name == arm else np.array(a.ready) for a in robot.profile.arms])
    return robot.collision_model.first_contact(row[None], margin=1e-3) is not None
