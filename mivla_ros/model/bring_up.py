"""Statistics for a checkpoint that nobody has trained: made up from the robot, so that its noise stays near ready."""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import ACTION_SIZE, POSE_POSITION, arm_slice, pose_slice
from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
from mivla_ros.model.statistics import Normalisation, ValueStatistics
from mivla_ros.robots.profile import RobotProfile

JOINT_REACH = 0.25  # rad to either side of the ready pose
POSITION_REACH = 0.1  # m to either side of the ready pose's end effector

Array = NDArray[np.float64]


def bring_up_normalisation(profile: RobotProfile, urdf: str) -> Normalisation:
    """States over the joints' limits and the workspace; actions close to the ready pose, within the limits.

    Raises KinematicsError where the description does not fit the profile.
    """
    state_low, state_high = np.full(ACTION_SIZE, np.nan), np.full(ACTION_SIZE, np.nan)
    low, high = state_low.copy(), state_high.copy()
    for arm in profile.arms:
        chain = chain_from_urdf(urdf, arm.base_frame, arm.eef_frame)
        ready = np.array(arm.ready)
        start = arm_slice(arm.side).start
        joints = slice(start, start + len(ready))
        lower, upper = np.maximum(chain.lower, -np.pi), np.minimum(chain.upper, np.pi)
        state_low[joints], state_high[joints] = lower, upper
        low[joints], high[joints] = np.maximum(ready - JOINT_REACH, lower), np.minimum(ready + JOINT_REACH, upper)
        if arm.gripper is not None:
            gripper = arm_slice(arm.side).stop - 1
            state_low[gripper], state_high[gripper] = low[gripper], high[gripper] = 0.0, 1.0
        pose, place = pose_slice(arm.side), forward_kinematics(chain, ready)
        position = slice(pose.start + POSE_POSITION.start, pose.start + POSE_POSITION.stop)
        rotation = slice(position.stop, pose.stop)
        state_low[position], state_high[position] = arm.workspace_lower, arm.workspace_upper
        low[position], high[position] = place[:3] - POSITION_REACH, place[:3] + POSITION_REACH
        for array, value in ((state_low, -1.0), (state_high, 1.0), (low, -1.0), (high, 1.0)):
            array[rotation] = value
    return Normalisation(
        source=f"made up for bring-up: joints of {profile.name} within {JOINT_REACH} rad of ready",
        state=_uniform(state_low, state_high),
        actions=_uniform(low, high),
        margin=0.0,
    )


def _uniform(low: Array, high: Array) -> ValueStatistics:
    """Statistics of values spread evenly from low to high (76,); NaN: none."""
    known = np.isfinite(low)

    def column(values: Array) -> tuple[float | None, ...]:
        return tuple(float(v) if k else None for v, k in zip(values, known, strict=True))

    return ValueStatistics(
        count=tuple(int(k) for k in known),
        minimum=column(low),
        maximum=column(high),
        mean=column((low + high) / 2),
        std=column((high - low) / np.sqrt(12)),
        q01=column(low + 0.01 * (high - low)),
        q99=column(high - 0.01 * (high - low)),
    )
