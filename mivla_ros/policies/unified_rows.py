"""Between what a robot measures and does, and rows of the unified 76-value action space."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.action_chunk import ArmActions, GripperKind, Space
from mivla_ros.observation import ArmState
from mivla_ros.robots.profile import ArmProfile

Array = NDArray[np.float64]


def unified_state(arms: Sequence[ArmProfile], states: Mapping[str, ArmState]) -> tuple[Array, NDArray[np.bool_]]:
    """Row (76,) and mask (76,) of what is measured: each arm's joints, gripper and end effector on its side.

    No hand is measured on a robot, so the human values are masked, as is the side of an arm that is not there.
    """
    row, mask = np.zeros(action_space.ACTION_SIZE), np.zeros(action_space.ACTION_SIZE, dtype=bool)
    for arm in arms:
        if arm.name not in states:
            continue
        state, joints = states[arm.name], _joint_columns(arm)
        row[joints], mask[joints] = state.joints, True
        if arm.gripper is not None:
            gripper = action_space.arm_slice(arm.side).stop - 1
            row[gripper], mask[gripper] = state.gripper, True
        pose = action_space.pose_slice(arm.side)
        row[pose] = np.concatenate([state.eef[:3], action_space.canonical_quaternion(state.eef[3:])])
        mask[pose] = True
    return row, mask


def predicted_values(arms: Sequence[ArmProfile]) -> NDArray[np.bool_]:
    """Mask (76,) of the values that this robot has actions for: its arms, and the hands of their sides, which a
    network that imitates predicts along with them."""
    mask = np.zeros(action_space.ACTION_SIZE, dtype=bool)
    for arm in arms:
        mask[_joint_columns(arm)] = True
        if arm.gripper is not None:
            mask[action_space.arm_slice(arm.side).stop - 1] = True
        mask[action_space.hand_slice(arm.side)] = True
        mask[action_space.pose_slice(arm.side)] = True
    return mask


def arm_actions(rows: Array, arm: ArmProfile, space: Space) -> ArmActions:
    """One arm's part of rows (H, 76): joints (Space.JOINT) or end effector (Space.EEF, in the arm's base frame).

    Raises ValueError for a quaternion without length and for another space.
    """
    gripper = None
    if arm.gripper is not None:
        gripper = np.clip(rows[:, action_space.arm_slice(arm.side).stop - 1], 0.0, 1.0)
    if space is Space.JOINT:
        return ArmActions(
            name=arm.name,
            space=space,
            gripper=gripper,
            gripper_kind=GripperKind.CONTINUOUS,
            joint_names=arm.joints,
            joints=rows[:, _joint_columns(arm)].copy(),
        )
    if space is not Space.EEF:
        raise ValueError(f"space is {space.name}, must be JOINT or EEF")
    pose = rows[:, action_space.pose_slice(arm.side)]
    eef = np.concatenate([pose[:, :3], action_space.canonical_quaternion(pose[:, 3:])], axis=1)
    return ArmActions(
        name=arm.name,
        space=space,
        eef_frame=arm.eef_frame,
        eef=eef,
        gripper=gripper,
        gripper_kind=GripperKind.CONTINUOUS,
    )


def _joint_columns(arm: ArmProfile) -> slice:
    start = action_space.arm_slice(arm.side).start
    return slice(start, start + len(arm.joints))
