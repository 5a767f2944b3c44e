"""Recorded motions from files move the simulated arm through the whole live graph: end effectors and hands."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from mivla_msgs.msg import ActionChunk, ArmActions, PolicyStatus, RetargetingStatus, StopReason
from mivla_ros.action_space import hand_slice
from mivla_ros.alignment import AlignmentOptions, rows_from_eef
from test.launch.conftest import Launch
from test.launch.operator import Operator

StartLaunch = Callable[..., Launch]

TIME = np.linspace(0.0, 3.0, 91)
LIFT = 0.04 * (1 - np.cos(np.pi * TIME / 3.0)) / 2
PATH = np.stack([0.3 + 0 * LIFT, LIFT, 0.2 + LIFT], axis=1)
WIDTH = np.linspace(0.08, 0.02, len(TIME))


def eef_motion(file: Path) -> Path:
    """4 cm to the left and up with a closing gripper."""
    quaternions = np.tile([0.0, 0.0, 0.0, 1.0], (len(TIME), 1))
    np.savez(file, time=TIME, position=PATH, quaternion_xyzw=quaternions, gripper_width=WIDTH)
    return file


def hand_motion(file: Path) -> Path:
    """The same by a right hand that closes its pinch, in the frame "world"."""
    poses = np.hstack([PATH, np.tile([1.0, 0.0, 0.0, 0.0], (len(TIME), 1))])
    hands = np.full((len(TIME), 48), np.nan)
    hands[:, hand_slice("right")] = rows_from_eef(
        poses, np.linspace(1.0, 0.2, len(TIME)), "right", options=AlignmentOptions(robot_from_human=np.eye(3))
    )
    np.savez(file, time=TIME, hand=hands, frame="world")
    return file


@pytest.mark.parametrize(
    ("make", "space"), [(eef_motion, ArmActions.SPACE_EEF), (hand_motion, ArmActions.SPACE_HAND)], ids=["eef", "hand"]
)
def test_a_recorded_motion_moves_the_arm_to_its_end(
    start_launch: StartLaunch,
    operator_of: Callable[[Launch], Operator],
    tmp_path: Path,
    make: Callable[[Path], Path],
    space: int,
) -> None:
    file = make(tmp_path / "motion.npz")
    launch = start_launch("piper.launch.py", "policy:=demonstration", f"demonstration:={file}")
    operator = operator_of(launch)
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 120, "tracking")
    assert operator.newest[ActionChunk].arms[0].space == space
    before = operator.positions()
    operator.wait(
        lambda: (
            PolicyStatus in operator.newest and operator.newest[PolicyStatus].reason.code == StopReason.POLICY_FINISHED
        ),
        60,
        "the end of the motion",
    )
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.HOLDING), 20, "holding")
    operator.wait(lambda: operator.speed() < 0.01, 10, "rest")
    # at the start a chunk may come before the first joint states; later ones are taken
    status = operator.newest[RetargetingStatus]
    assert status.accepted_chunks > 10 > status.refused_chunks, status
    assert np.abs(operator.positions() - before).max() > 0.05
    opening = operator.positions()[list(operator.names()).index("gripper")]
    assert opening < 0.05, "the gripper did not close"
