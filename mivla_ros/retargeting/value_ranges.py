"""Values of an impossible size (degrees sent as radians, millimetres as metres), and the box the end effector
may be in.
"""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics import Chain
from mivla_ros.retargeting.errors import refuse
from mivla_ros.retargeting.report import Clip
from mivla_ros.robots.profile import ArmProfile
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]

REACH_FACTOR = 4.0
"""A pose farther from the base than this many times the arm's reach cannot be meant in metres."""
JOINT_MARGIN = 1.0
"""A joint value farther (rad or m) beyond its position limit than this cannot be meant in radians or metres.
"""

_AXES = ("x", "y", "z")


def check_positions(arm: str, chain: Chain, poses: Array) -> None:
    """Raise RetargetingError (CHUNK_OUT_OF_RANGE) where poses (H, 7) in the base frame lie impossibly far
    away.
    """
    distance = np.linalg.norm(poses[:, :3], axis=1)
    limit = REACH_FACTOR * chain.reach
    if distance.max() > limit:
        step = int(np.argmax(distance))
        words = "are the values in metres and the frame right?"
        subject = f"arm {arm!r} step {step} distance from the base"
        raise refuse(Reason.CHUNK_OUT_OF_RANGE, subject, words, float(distance[step]), limit, "m")


def check_joints(arm: str, chain: Chain, joints: Array) -> None:
    """Raise RetargetingError (CHUNK_OUT_OF_RANGE) where joint values (H, n) lie impossibly far beyond their
    limits.
    """
    excess = np.maximum(joints - chain.upper, chain.lower - joints)
    if excess.max() > JOINT_MARGIN:
        step, joint = np.unravel_index(int(np.argmax(excess)), excess.shape)
        value = float(joints[step, joint])
        limit = float(chain.upper[joint] if value > 0 else chain.lower[joint])
        unit = "m" if chain.prismatic[joint] else "rad"
        subject = f"arm {arm!r} step {step} joint {chain.joint_names[joint]!r}"
        raise refuse(Reason.CHUNK_OUT_OF_RANGE, subject, "are the values in radians?", value, limit, unit)


def clamp_to_workspace(arm: ArmProfile, poses: Array, first_step: int) -> tuple[Array, list[Clip]]:
    """Poses (H, 7) in the base frame moved into the arm's box, and which steps that changed."""
    lower, upper = np.array(arm.workspace_lower), np.array(arm.workspace_upper)
    inside = np.clip(poses[:, :3], lower, upper)
    changed = inside != poses[:, :3]
    if not changed.any():
        return poses, []
    clips = [
        Clip(
            step=first_step + int(step),
            joint=f"{arm.eef_frame} {_AXES[axis]}",
            reason=Reason.LIMIT_WORKSPACE,
            value=float(poses[step, axis]),
            limit=float(inside[step, axis]),
            unit="m",
        )
        for step, axis in np.argwhere(changed)
    ]
    return np.concatenate([inside, poses[:, 3:]], axis=1), clips


def hold_outside_workspace(
    arm: ArmProfile, joints: Array, poses: Array, start: Array, first_step: int
) -> tuple[Array, list[Clip]]:
    """Joint values (H, n) whose end effector, at poses (H, 7), leaves the box hold at the step before (first:
    start (n,)).
    """
    lower, upper = np.array(arm.workspace_lower), np.array(arm.workspace_upper)
    excess = np.maximum(poses[:, :3] - upper, lower - poses[:, :3])
    outside = np.flatnonzero((excess > 0).any(axis=1))
    if not len(outside):
        return joints, []
    joints, clips = joints.copy(), []
    for step in outside:
        joints[step] = joints[step - 1] if step else start
        axis = int(np.argmax(excess[step]))
        value = float(poses[step, axis])
        limit = float(upper[axis] if value > upper[axis] else lower[axis])
        clips.append(
            Clip(
                first_step + int(step),
                f"{arm.eef_frame} {_AXES[axis]}",
                Reason.LIMIT_WORKSPACE,
                value,
                limit,
                "m",
            )
        )
    return joints, clips
