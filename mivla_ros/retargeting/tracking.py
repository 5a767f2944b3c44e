"""What one arm shall follow, as joint values at the chunk's steps: inverse kinematics, or the chunk's own
joints.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ArmActions
from mivla_ros.kinematics import (
    Chain,
    IkOptions,
    PathSolution,
    PathStatus,
    compose_poses,
    forward_kinematics,
    pose_errors,
    solve_path,
)
from mivla_ros.retargeting.errors import refuse
from mivla_ros.retargeting.escape import other_way
from mivla_ros.retargeting.report import Clip
from mivla_ros.retargeting.smoothing import smooth_poses
from mivla_ros.retargeting.value_ranges import (
    check_joints,
    check_positions,
    clamp_to_workspace,
    hold_outside_workspace,
)
from mivla_ros.robots.profile import ArmProfile
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrackedSteps:
    """Joint values (K, n) at K steps within position limits, how well each meets what was asked for, and what
    was clipped.

    chain, asked: whose tip was to be at the poses (K, 7), in the arm's base. elsewhere: the arm must first go, at rest
    and straight in joint space, to another branch.
    """

    joints: Array
    status: NDArray[np.int64]
    position_error: Array
    rotation_error: Array
    clips: tuple[Clip, ...]
    chain: Chain
    asked: Array
    elsewhere: bool = False

    def held_from(self, step: int, joints: Array, clips: tuple[Clip, ...]) -> "TrackedSteps":
        """From a step on at rest at joint values (n,), with the errors that this makes, and more clips."""
        held, position, rotation = self.joints.copy(), self.position_error.copy(), self.rotation_error.copy()
        held[step:] = joints
        errors = pose_errors(self.asked[step:], forward_kinematics(self.chain, held[step:]))
        position[step:] = np.linalg.norm(errors[:, :3], axis=1)
        rotation[step:] = np.linalg.norm(errors[:, 3:], axis=1)
        return replace(self, joints=held, position_error=position, rotation_error=rotation, clips=(*self.clips, *clips))


def track_eef(
    arm: ArmProfile, chain: Chain, frame_poses: Array, base_from_frame: Array, seed: Array,
    steps: slice, step_seconds: float, options: IkOptions, cutoff: float, destination: Array,
    may_go: Callable[[Array], bool], moves: Array | None = None,
) -> TrackedSteps:  # fmt: skip
    """Follow poses (H, 7) of the chain's tip, given in the chunk's frame, over ``steps`` of the horizon.

    Smoothed over the whole horizon, up to ``cutoff`` Hz; errors are those to the smoothed poses. Warm from
    joint values ``seed`` (n,); destination, may_go: see ``escape.other_way``. moves: transform (K, 7) from the base as
    it is now to the base as it will be at each of the steps; None: it stands still. Steps that bounded joint
    motion near a singularity kept from their pose are clipped with SINGULARITY.
    Raises RetargetingError (CHUNK_OUT_OF_RANGE).
    """
    check_positions(arm.name, chain, compose_poses(base_from_frame, frame_poses[steps]))
    poses = compose_poses(base_from_frame, smooth_poses(frame_poses, step_seconds, cutoff)[steps])
    if moves is not None:
        poses = np.concatenate([compose_poses(move, pose[None]) for move, pose in zip(moves, poses, strict=True)])
    poses, clips = clamp_to_workspace(arm, poses, steps.start)
    max_step = np.array(arm.velocity) * step_seconds
    solution = solve_path(chain, poses, seed, max_step, options)
    other = other_way(chain, poses, solution, seed, destination, max_step, options, may_go)
    solution = other or solution
    clips += _singularities(arm, solution, steps.start, options)
    return TrackedSteps(
        solution.q, solution.status, solution.position_error, solution.rotation_error, tuple(clips), chain, poses,
        elsewhere=other is not None and np.array_equal(seed, destination),
    )  # fmt: skip


def _singularities(arm: ArmProfile, solution: PathSolution, first_step: int, options: IkOptions) -> list[Clip]:
    """What keeping the joints calm near a singularity cost: position or rotation error, the larger for its limit."""
    clips = []
    for k in np.flatnonzero(solution.status == PathStatus.SLOWED):
        metres, radians = float(solution.position_error[k]), float(solution.rotation_error[k])
        turned = radians / options.reach[1] > metres / options.reach[0]
        value, limit, unit = (radians, options.reach[1], "rad") if turned else (metres, options.reach[0], "m")
        clips.append(Clip(first_step + int(k), arm.eef_frame, Reason.SINGULARITY, value, limit, unit))
    return clips


def track_joints(arm: ArmProfile, chain: Chain, actions: ArmActions, seed: Array, steps: slice) -> TrackedSteps:
    """Follow the chunk's joint values over ``steps`` of the horizon, clipped to the position limits.

    Raises RetargetingError (CHUNK_INVALID) unless the chunk names exactly the arm's joints, and
    (CHUNK_OUT_OF_RANGE).
    """
    assert actions.joints is not None  # check_chunk has seen to it
    if set(actions.joint_names) != set(arm.joints):
        names = sorted(set(actions.joint_names) ^ set(arm.joints))
        raise refuse(
            Reason.CHUNK_INVALID,
            f"arm {arm.name!r} joint_names",
            f"must be the arm's joints, differ by {', '.join(names)}",
        )
    asked = actions.joints[steps][:, [actions.joint_names.index(name) for name in arm.joints]]
    check_joints(arm.name, chain, asked)
    joints = np.clip(asked, chain.lower, chain.upper)
    clips = [
        Clip(
            step=steps.start + int(k),
            joint=arm.joints[j],
            reason=Reason.LIMIT_POSITION,
            value=float(asked[k, j]),
            limit=float(joints[k, j]),
            unit="m" if chain.prismatic[j] else "rad",
        )
        for k, j in np.argwhere(joints != asked)
    ]
    joints, outside = hold_outside_workspace(arm, joints, forward_kinematics(chain, joints), seed, steps.start)
    poses = forward_kinematics(chain, asked)
    errors = pose_errors(poses, forward_kinematics(chain, joints))
    position, rotation = np.linalg.norm(errors[:, :3], axis=1), np.linalg.norm(errors[:, 3:], axis=1)
    status = np.full(len(joints), int(PathStatus.REACHED), dtype=np.int64)
    return TrackedSteps(joints, status, position, rotation, tuple(clips + outside), chain, poses)
