"""LocoMan's own cap on the speed of its hands: kept whatever a chunk asks for, and the path is followed all the
same.
"""

import numpy as np
import pytest

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, Space
from mivla_ros.kinematics import forward_kinematics
from mivla_ros.retargeting import Retargeter
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory
from mivla_ros.retargeting.retargeter import IDENTITY, Retargeted
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile
from mivla_ros.stop_reasons import Reason

PROFILE = load_profile("locoman")
ARM = PROFILE.arm("right_arm")
FORWARDS = np.array([np.cos(0.9), 0.0, -np.sin(0.9)])  # of the world, in the trunk, which stands 0.9 rad nose up
RETARGETER = Retargeter(PROFILE, robot_description(PROFILE))


def sent_along(metres_per_second: float) -> Retargeted:
    """What is sent for 8 steps forwards over the table at a steady speed, 30 Hz."""
    model, step_ns = RETARGETER.arms[ARM.name], NANOSECONDS // 30
    start = forward_kinematics(model.chain, np.array(ARM.ready))
    poses = np.repeat(start[None], 8, axis=0)
    poses[:, :3] += np.outer(metres_per_second * np.arange(8) / 30, FORWARDS)
    actions = ArmActions(ARM.name, Space.EEF, ARM.eef_frame, poses)
    chunk = ActionChunk(ARM.base_frame, 0, step_ns, 8, (actions,), valid_until_ns=10 * NANOSECONDS)
    rest = JointTrajectory.resting(ARM.joints, np.array(ARM.ready), 0, RETARGETER.period_ns)
    return RETARGETER.retarget(chunk, {ARM.name: ArmMotion(rest)}, 0, {ARM.name: IDENTITY})


def speed_of(result: Retargeted) -> float:
    path = RETARGETER.end_effector_path(result.motions[ARM.name], ARM.name)
    steps = np.linalg.norm(np.diff(path[:, :3], axis=0), axis=1)
    return float(steps.max() / (RETARGETER.period_ns / NANOSECONDS))


def test_a_slow_hand_is_left_alone() -> None:
    result = sent_along(0.15)
    assert not [c for c in result.report.arms[0].clips if c.unit == "m/s"]


def test_a_fast_hand_keeps_the_cap_reports_it_and_arrives_late() -> None:
    result = sent_along(0.55)
    assert ARM.eef_speed is not None
    assert speed_of(result) <= ARM.eef_speed.linear * 1.1
    clips = [c for c in result.report.arms[0].clips if c.unit == "m/s"]
    assert clips
    assert clips[0].reason is Reason.LIMIT_VELOCITY
    assert clips[0].value == pytest.approx(0.55, rel=0.15)
    assert clips[0].limit == ARM.eef_speed.linear
    path = RETARGETER.end_effector_path(result.motions[ARM.name], ARM.name)
    start = forward_kinematics(RETARGETER.arms[ARM.name].chain, np.array(ARM.ready))
    assert (path[-1, :3] - start[:3]) @ FORWARDS == pytest.approx(0.55 * 7 / 30, abs=0.01)
    assert result.report.arms[0].delay > 0.05
