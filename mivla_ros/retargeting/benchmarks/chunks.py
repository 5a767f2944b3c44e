"""Whole chunks in the middle of a motion, for one robot: what the retargeting node does to each that it receives."""

from collections.abc import Callable

import numpy as np

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, Space
from mivla_ros.kinematics import forward_kinematics
from mivla_ros.retargeting.benchmarks.smoothness import STEP
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory
from mivla_ros.retargeting.report import RetargetingReport
from mivla_ros.retargeting.retargeter import IDENTITY, Retargeter, RetargetingOptions
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

_RATES = (1.1, 0.9, 1.3, 1.0, 1.2, 0.7, 0.8)  # rad/s
_SIZES = (0.12, 0.06, 0.06, 0.12, 0.06, 0.12, 0.06)  # rad
SPLICE_NS = NANOSECONDS // 5


def retargeter_of(robot: str, collisions: bool = True) -> Retargeter:
    """Of a robot profile by name."""
    profile = load_profile(robot)
    return Retargeter(profile, robot_description(profile), RetargetingOptions(collisions=collisions))


def chunk_of(retargeter: Retargeter, horizon: int, begin: float, first_ns: int) -> ActionChunk:
    """Waves of every arm about its ready pose, mirrored for a left one, as end-effector poses in each arm's base, with
    grippers that close in the middle; ``begin``: seconds after which the waves are cut out.
    """
    arms = []
    for arm in retargeter.profile.arms:
        count, sign = len(arm.joints), -1.0 if arm.side == "left" else 1.0
        mirror = np.array([sign, 1.0, 1.0, sign, 1.0, sign, 1.0])[:count]
        waves = 1 - np.cos(np.outer(begin + np.arange(horizon) * STEP, _RATES[:count]))
        joints = np.array(arm.ready) + waves * mirror * _SIZES[:count]
        poses = forward_kinematics(retargeter.arms[arm.name].chain, joints)
        openings = (np.arange(horizon) < horizon // 2).astype(np.float64)
        arms.append(ArmActions(arm.name, Space.EEF, arm.eef_frame, poses, openings if arm.gripper else None))
    step_ns = round(STEP * NANOSECONDS)
    until_ns = first_ns + horizon * step_ns
    frame = retargeter.profile.arms[0].base_frame
    return ActionChunk(
        frame, first_ns, step_ns, horizon, tuple(arms), valid_until_ns=until_ns, robot=retargeter.profile.name
    )


def resting(retargeter: Retargeter) -> dict[str, ArmMotion]:
    """Every arm at rest at its ready pose, grippers half open."""
    motions = {}
    for arm in retargeter.profile.arms:
        at_rest = JointTrajectory.resting(arm.joints, np.array(arm.ready), 0, retargeter.period_ns)
        middle = 0.5 * (arm.gripper.closed + arm.gripper.open) if arm.gripper else 0.0
        motions[arm.name] = ArmMotion(at_rest, retargeter.resting_gripper(arm, middle, 0))
    return motions


def whole_chunk(robot: str, horizon: int, collisions: bool = True) -> Callable[[], RetargetingReport]:
    """A task that retargets a chunk 0.2 s after the motion of the one before began, all arms of a robot at once."""
    retargeter = retargeter_of(robot, collisions)
    bases = {arm.name: IDENTITY for arm in retargeter.profile.arms}
    motions = retargeter.retarget(chunk_of(retargeter, horizon, 0.0, 0), resting(retargeter), 0, bases).motions
    newer = chunk_of(retargeter, horizon, 0.2, SPLICE_NS)
    return lambda: retargeter.retarget(newer, motions, SPLICE_NS, bases).report
