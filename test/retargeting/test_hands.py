"""A hand moves the arm: Eq. 2 from where both were when the imitation began, through the follower and its limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import ActionChunk, ArmActions, HandActions, Space
from mivla_ros.alignment import AlignmentOptions, hand_from_eef
from mivla_ros.kinematics import compose_poses, forward_kinematics
from mivla_ros.retargeting import Follower, FollowerOptions
from mivla_ros.retargeting.hands import HandOptions, Imitation, follow_hands
from mivla_ros.stop_reasons import Reason
from test.kinematics.chains import piper
from test.retargeting.robots import ARM, READY, START_NS, PerfectRobot, chunk_of, retargeter

SAME_WORLD = AlignmentOptions(robot_from_human=np.eye(3))
EEF = forward_kinematics(piper(), READY)
FRAME = np.array([0.4, -0.2, 0.3, *Rotation.from_euler("xyz", [0.3, -0.2, 1.1]).as_quat(scalar_first=True)])


def moved_hand(offsets: np.ndarray, openings: np.ndarray, turn: float = 0.0, left: bool = False) -> HandActions:
    """A hand (H steps) that goes along offsets (H, 3) from somewhere, turns about z, and opens."""
    turns = Rotation.from_rotvec(np.linspace(0, turn, len(offsets))[:, None] * [0, 0, 1.0])
    poses = np.hstack([np.array([0.1, 0.5, 1.0]) + offsets, turns.as_quat(scalar_first=True)])
    return hand_from_eef(poses, openings, "left" if left else "right", options=SAME_WORLD)


def hand_chunk(hand: HandActions, **changes: object) -> ActionChunk:
    return chunk_of(ArmActions(ARM.name, Space.HAND, hand=hand), len(hand.wrist), **changes)


def follow(
    chunk: ActionChunk, imitation: Imitation, frame: np.ndarray = FRAME
) -> tuple[np.ndarray, ActionChunk, Imitation]:
    """Poses in the arm's base, the chunk, and the imitation."""
    followed, imitation = follow_hands(chunk, imitation, {ARM.name: frame}, {ARM.name: EEF}, 0, HandOptions())
    poses = followed.arms[0].eef
    assert poses is not None
    return compose_poses(frame, poses), followed, imitation


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=3), st.booleans())
def test_a_hands_translation_is_the_arms_turned_into_its_base(offset: list[float], left: bool) -> None:
    hand = moved_hand(np.linspace(0, 1, 5)[:, None] * offset, np.ones(5), left=left)
    poses, followed, _ = follow(hand_chunk(hand), Imitation())
    turned = Rotation.from_quat(FRAME[3:], scalar_first=True).apply(np.linspace(0, 1, 5)[:, None] * offset)
    assert np.allclose(poses[:, :3], EEF[:3] + turned, atol=1e-9)
    assert np.allclose(np.abs(poses[:, 3:] @ EEF[3:]), 1, atol=1e-9)
    assert followed.arms[0].space is Space.EEF


def test_the_pinch_moves_the_gripper_unless_the_chunk_says_otherwise() -> None:
    openings = np.linspace(0, 1, 5)
    chunk = hand_chunk(moved_hand(np.zeros((5, 3)), openings))
    _, followed, _ = follow(chunk, Imitation())
    assert np.allclose(followed.arms[0].gripper, openings, atol=1e-6)
    own = replace(chunk, arms=(replace(chunk.arms[0], gripper=np.zeros(5)),))
    _, followed, _ = follow(own, Imitation())
    assert np.array_equal(followed.arms[0].gripper, np.zeros(5))


def test_the_next_chunk_goes_on_from_the_same_beginning_and_a_new_generation_begins_anew() -> None:
    first = hand_chunk(moved_hand(np.zeros((4, 3)), np.ones(4)))
    there = hand_chunk(moved_hand(np.tile([0.0, 0.0, 0.1], (4, 1)), np.ones(4)), sequence=2)
    _, _, imitation = follow(first, Imitation())
    poses, _, _ = follow(there, imitation)
    assert np.allclose(np.linalg.norm(poses[:, :3] - EEF[:3], axis=1), 0.1)
    poses, _, _ = follow(there.stamped(generation=1), imitation)
    assert np.allclose(poses[:, :3], EEF[:3])


def test_a_robot_follows_a_hand_and_ends_where_the_hand_did() -> None:
    robot = PerfectRobot(Follower(retargeter()))
    offsets = 0.06 * (1 - np.cos(np.linspace(0, np.pi, 16)))[:, None] / 2 * [0.3, 1.0, 0.5]
    robot.give(hand_chunk(moved_hand(offsets, np.linspace(1, 0.2, 16), turn=0.2), first_ns=START_NS + 20_000_000))
    assert robot.follower.reason.reason is Reason.NONE
    robot.run(2.5)
    names, positions = robot.follower.commanded(robot.now_ns)
    end = forward_kinematics(piper(), np.array([positions[list(names).index(j)] for j in ARM.joints]))
    assert np.allclose(end[:3], EEF[:3] + offsets[-1], atol=2e-3)
    turn = Rotation.from_quat(end[3:], scalar_first=True) * Rotation.from_quat(EEF[3:], scalar_first=True).inv()
    assert np.allclose(turn.as_rotvec(), [0, 0, 0.2], atol=1e-2)
    assert ARM.gripper is not None
    assert np.isclose(ARM.gripper.opening(positions[list(names).index("gripper")]), 0.2, atol=0.005)


def test_scale_makes_the_arms_motion_smaller() -> None:
    options = FollowerOptions(hands=HandOptions(scale=0.5))
    robot = PerfectRobot(Follower(retargeter(), options))
    offsets = np.linspace(0, 0.1, 16)[:, None] * [0, 1, 0]
    robot.give(hand_chunk(moved_hand(offsets, np.ones(16)), first_ns=START_NS + 20_000_000))
    robot.run(3.0)
    names, positions = robot.follower.commanded(robot.now_ns)
    end = forward_kinematics(piper(), np.array([positions[list(names).index(j)] for j in ARM.joints]))
    assert np.allclose(end[:3] - EEF[:3], [0, 0.05, 0], atol=2e-3)


def test_a_hand_that_cannot_be_is_refused_by_name() -> None:
    hand = moved_hand(np.zeros((4, 3)), np.ones(4))
    wrist = hand.wrist.copy()
    wrist[2, 3:] = 0.0
    robot = PerfectRobot(Follower(retargeter()))
    robot.give(hand_chunk(replace(hand, wrist=wrist)))
    assert robot.follower.reason.reason is Reason.CHUNK_INVALID
    assert "hand" in str(robot.follower.reason)


@pytest.mark.parametrize("space", [Space.EEF, Space.JOINT])
def test_chunks_without_hands_pass_as_they_are(space: Space) -> None:
    arm = ArmActions(ARM.name, space, eef=np.tile(EEF, (3, 1)), joint_names=ARM.joints, joints=np.tile(READY, (3, 1)))
    chunk, imitation = chunk_of(arm, 3), Imitation()
    assert follow_hands(chunk, imitation, {}, {}, 0, HandOptions()) == (chunk, imitation)
