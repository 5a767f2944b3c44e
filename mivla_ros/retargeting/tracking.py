"""What one arm shall follow, as joint values at the chunk's steps: inverse kinematics, or the chunk's own
joints.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import ArmActions
from mivla_ros.kinematics import Chain, IkOptions, PathStatus, compose_poses, forward_kinematics, solve_path
from mivla_ros.retargeting.errors import refuse
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
    """

    joints: Array
    status: NDArray[np.int64]
    position_error: Array
    rotation_error: Array
    clips: tuple[Clip, ...]


def track_eef(
    arm: ArmProfile, chain: Chain, frame_poses: Array, base_from_frame: Array, seed: Array,
    steps: slice, step_seconds: float, options: IkOptions,
) -> TrackedSteps:  # fmt: skip
    """Follow poses (H, 7) of the chain's tip, given in the chunk's frame, over ``steps`` of the horizon.

    Warm from joint values ``seed`` (n,). Raises RetargetingError (CHUNK_OUT_OF_RANGE).
    """
    poses = compose_poses(base_from_frame, frame_poses[steps])
    check_positions(arm.name, chain, poses)
    poses, clips = clamp_to_workspace(arm, poses, steps.start)
    solution = solve_path(chain, smooth_poses(poses), seed, np.array(arm.velocity) * step_seconds, options)
    return TrackedSteps(solution.q, solution.status, solution.position_error, solution.rotation_error, tuple(clips))


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
    zeros = np.zeros(len(joints))
    status = np.full(len(joints), int(PathStatus.REACHED), dtype=np.int64)
    return TrackedSteps(joints, status, zeros, zeros, tuple(clips + outside))
