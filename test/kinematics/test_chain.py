"""Chains from URDF text."""

import numpy as np
import pytest

from mivla_ros.kinematics import KinematicsError, chain_from_urdf
from test.kinematics.chains import SEVEN_JOINTS, piper, piper_urdf, seven_joints


def test_piper_has_its_six_joints_and_limits() -> None:
    chain = piper()
    assert chain.joint_names == tuple(f"joint{i}" for i in range(1, 7))
    assert not chain.prismatic.any()
    assert np.allclose(chain.lower, [-2.6179, 0, -2.967, -1.745, -1.22, -2.09439], atol=1e-6)
    assert np.allclose(chain.upper, [2.6179, 3.14, 0, 1.745, 1.22, 2.09439], atol=1e-6)


def test_fixed_joints_are_merged_and_kinds_kept() -> None:
    chain = seven_joints()
    assert chain.joint_names == ("j1", "j2", "j3", "j4", "j5", "j6", "j7")
    assert chain.prismatic.tolist() == [True] + [False] * 6
    assert chain.lower[1] == -np.inf and chain.upper[1] == np.inf
    assert chain.velocity[2] == np.inf  # 0 in the description means "not given"
    assert np.allclose(chain.rotations @ chain.rotations.transpose(0, 2, 1), np.eye(3))


def test_no_pose_lies_beyond_the_reach() -> None:
    from mivla_ros.kinematics import forward_kinematics
    from test.kinematics.chains import random_joints

    for chain in (piper(), seven_joints()):
        positions = forward_kinematics(chain, random_joints(chain, 500, 0))[:, :3]
        assert np.linalg.norm(positions, axis=1).max() <= chain.reach


@pytest.mark.parametrize(
    ("old", "new", "base", "tip", "subject", "words"),
    [
        ("<robot", "<robo", "base", "tool", "robot description", "not XML"),
        (
            'link name="base"/>',
            'link name="base"/>',
            "base",
            "hand",
            "link 'hand'",
            "not in the robot description",
        ),
        (
            'link name="base"/>',
            'link name="base"/>',
            "tool",
            "base",
            "chain tool -> base",
            "does not hang below",
        ),
        ('link name="base"/>', 'link name="base"/>', "base", "finger", "joint 'pinch'", "mimics"),
        ('link name="base"/>', 'link name="base"/>', "g", "tool", "chain g -> tool", "0 moving joints"),
        ('name="j4" type="revolute"', 'name="j4" type="planar"', "base", "tool", "joint 'j4'", "'planar'"),
        (
            'lower="-1.5" upper="2.5"',
            'lower="2.5" upper="-1.5"',
            "base",
            "tool",
            "joint 'j4' limit",
            "below upper",
        ),
        ('lower="-1.5" upper="2.5"', 'lower="x" upper="2.5"', "base", "tool", "joint 'j4' limit", "'x'"),
        ('<axis xyz="0.6 0 -0.8"/>', '<axis xyz="0 0 0"/>', "base", "tool", "joint 'j4' axis", "length 0"),
        ('xyz="0.2 0.05 0"', 'xyz="0.2 nan 0"', "base", "tool", "joint 'j4' origin", "finite"),
    ],
)
def test_what_cannot_be_used_is_named(old: str, new: str, base: str, tip: str, subject: str, words: str) -> None:
    assert old in SEVEN_JOINTS
    with pytest.raises(KinematicsError) as caught:
        chain_from_urdf(SEVEN_JOINTS.replace(old, new), base, tip)
    assert caught.value.subject == subject
    assert words in str(caught.value)


def test_a_chain_of_more_than_seven_joints_is_refused() -> None:
    urdf = SEVEN_JOINTS.replace('<mimic joint="j7"/>', "")
    with pytest.raises(KinematicsError, match="has 8 moving joints"):
        chain_from_urdf(urdf, "base", "finger")


def test_the_gripper_fingers_are_not_in_the_arm() -> None:
    assert "gripper" in piper_urdf()
    assert all("gripper" not in name for name in piper().joint_names)
