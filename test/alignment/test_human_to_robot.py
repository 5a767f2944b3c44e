"""Eq. 2: the end effector moves as the hand does, both from where they began."""

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment import (
    AlignmentError,
    AlignmentOptions,
    InitialPair,
    Reference,
    eef_from_hand,
    eef_from_rows,
    hand_reference,
    row_from_hand,
)
from mivla_ros.alignment.frames import ROBOTWIN_FROM_ARKIT, ROS_FROM_ARKIT
from test.alignment.motions import (
    hands,
    matrices,
    mirrored,
    mirrored_hand,
    moved,
    moved_hand,
    pose_paths,
    quick,
    same_poses,
    turns,
    vectors,
)

WRIST = AlignmentOptions(reference=Reference.WRIST)
PIPER_READY = np.array([0.3, 0.0, 0.25, 0.0, 1.0, 0.0, 0.0])


def still_hand(steps: int, left: bool = False) -> HandActions:
    wrist = np.tile([0.2, 0.9, -0.4, 0.5, 0.5, -0.5, 0.5], (steps, 1))
    tips = np.tile(wrist[0, :3] + 0.1 * np.eye(5, 3), (steps, 1, 1))
    return HandActions(wrist, tips, None, left)


def follow(hand: HandActions, eef: np.ndarray, options: AlignmentOptions) -> np.ndarray:
    return eef_from_hand(hand, hand_reference(hand, options)[0], eef, options)[0]


@quick
@given(hands(), pose_paths(steps=1), turns)
def test_a_hand_that_rests_leaves_the_robot_where_it_is(hand: HandActions, eef: np.ndarray, turn: np.ndarray) -> None:
    resting = HandActions(
        np.repeat(hand.wrist[:1], 4, axis=0), np.repeat(hand.finger_tips[:1], 4, axis=0), None, hand.left
    )
    result = follow(resting, eef[0], AlignmentOptions(robot_from_human=turn, scale=0.7))
    assert same_poses(result, np.repeat(eef, 4, axis=0))


@quick
@given(hands(knuckle=False), vectors, pose_paths(steps=1), turns)
def test_a_hand_that_only_shifts_shifts_the_robot(
    hand: HandActions, shift: np.ndarray, eef: np.ndarray, turn: np.ndarray
) -> None:
    there = moved_hand(hand, np.eye(3), shift)
    options = AlignmentOptions(robot_from_human=turn)
    result, _ = eef_from_hand(there, hand_reference(hand, options)[0], eef[0], options)
    assert np.allclose(result[0, :3], eef[0, :3] + turn @ shift)
    assert same_poses(result[:1, :] * [0, 0, 0, 1, 1, 1, 1], eef * [0, 0, 0, 1, 1, 1, 1])


def test_up_is_up_ahead_is_ahead_and_left_is_left() -> None:
    hand = still_hand(4)
    hand.wrist[1:, :3] += [[0, 0.1, 0], [0, 0, -0.1], [-0.1, 0, 0]]  # ARKit: up, ahead, left
    steps = follow(hand, PIPER_READY, AlignmentOptions())[1:, :3] - PIPER_READY[:3]
    assert np.allclose(steps, [[0, 0, 0.1], [0.1, 0, 0], [0, 0.1, 0]])
    robotwin = AlignmentOptions(robot_from_human=ROBOTWIN_FROM_ARKIT)
    steps = follow(hand, PIPER_READY, robotwin)[1:, :3] - PIPER_READY[:3]
    assert np.allclose(steps, [[0, 0, 0.1], [0, 0.1, 0], [-0.1, 0, 0]])


@pytest.mark.parametrize("left", [False, True])
def test_turning_the_hand_about_the_vertical_turns_the_tool_about_the_vertical(left: bool) -> None:
    hand = still_hand(2, left)
    turn = Rotation.from_rotvec([0, 0.5, 0])  # ARKit's up
    hand.wrist[1, 3:] = (turn * Rotation.from_quat(hand.wrist[0, 3:], scalar_first=True)).as_quat(scalar_first=True)
    result = follow(hand, PIPER_READY, WRIST)
    turned = matrices(result[1]) @ matrices(result[0]).T
    assert np.allclose(turned, Rotation.from_rotvec([0, 0, 0.5]).as_matrix())


@quick
@given(hands(knuckle=True), pose_paths(steps=1))
def test_the_thumb_knuckle_leads_unless_the_wrist_is_asked_for(hand: HandActions, eef: np.ndarray) -> None:
    assert hand.thumb_knuckle is not None
    for points, options in ((hand.thumb_knuckle, AlignmentOptions()), (hand.wrist, WRIST)):
        result = follow(hand, eef[0], options)
        expected = eef[0, :3] + (points[:, :3] - points[0, :3]) @ ROS_FROM_ARKIT.T
        assert np.allclose(result[:, :3], expected)
        assert np.allclose(matrices(result), matrices(follow(hand, eef[0], WRIST)))


@quick
@given(hands(), pose_paths(steps=1))
def test_workspace_scale_scales_the_way_and_not_the_rotation(hand: HandActions, eef: np.ndarray) -> None:
    whole, half = (follow(hand, eef[0], AlignmentOptions(scale=s)) for s in (1.0, 0.5))
    assert np.allclose(half[:, :3] - eef[0, :3], (whole[:, :3] - eef[0, :3]) / 2)
    assert np.allclose(matrices(half), matrices(whole))


@quick
@given(hands(), pose_paths(steps=1), turns, vectors)
def test_the_humans_world_does_not_matter(
    hand: HandActions, eef: np.ndarray, turn: np.ndarray, shift: np.ndarray
) -> None:
    usual = follow(hand, eef[0], AlignmentOptions())
    elsewhere = AlignmentOptions(robot_from_human=ROS_FROM_ARKIT @ turn.T)
    assert same_poses(follow(moved_hand(hand, turn, shift), eef[0], elsewhere), usual)


@quick
@given(hands(), pose_paths(steps=1), turns, vectors)
def test_the_robots_world_does_not_matter(
    hand: HandActions, eef: np.ndarray, turn: np.ndarray, shift: np.ndarray
) -> None:
    usual = follow(hand, eef[0], AlignmentOptions())
    elsewhere = AlignmentOptions(robot_from_human=turn @ ROS_FROM_ARKIT)
    assert same_poses(follow(hand, moved(eef, turn, shift)[0], elsewhere), moved(usual, turn, shift))


@quick
@given(hands(side="right"), pose_paths(steps=1))
def test_mirrored_hands_make_mirrored_robots(hand: HandActions, eef: np.ndarray) -> None:
    arkit, ros = np.diag([-1.0, 1, 1]), np.diag([1.0, -1, 1])
    tool = np.diag([1.0, -1, 1])  # a gripper is its own mirror image; its fingers' axis takes the sign
    result = follow(hand, eef[0], AlignmentOptions())
    other = follow(mirrored_hand(hand, arkit), mirrored(eef, ros, tool)[0], AlignmentOptions())
    assert same_poses(other, mirrored(result, ros, tool))


@quick
@given(hands(knuckle=False), pose_paths(steps=1))
def test_the_sign_of_a_quaternion_means_nothing(hand: HandActions, eef: np.ndarray) -> None:
    flipped = HandActions(hand.wrist * [1, 1, 1, -1, -1, -1, -1], hand.finger_tips, None, hand.left)
    assert same_poses(follow(flipped, eef[0], AlignmentOptions()), follow(hand, eef[0], AlignmentOptions()))


def test_a_smooth_hand_gives_quaternions_without_a_jump() -> None:
    hand = still_hand(60)
    turn = Rotation.from_rotvec(np.linspace(0, 4 * np.pi, 60)[:, None] * [0.6, 0, 0.8])
    hand.wrist[:, 3:] = (turn * Rotation.from_quat(hand.wrist[0, 3:], scalar_first=True)).as_quat(
        canonical=True, scalar_first=True
    )
    result = follow(hand, PIPER_READY, AlignmentOptions())
    assert np.linalg.norm(np.diff(result[:, 3:], axis=0), axis=1).max() < 0.12
    assert result[0, 3] >= 0


@quick
@given(hands(), pose_paths(steps=1))
def test_both_precisions_agree(hand: HandActions, eef: np.ndarray) -> None:
    knuckle = None if hand.thumb_knuckle is None else hand.thumb_knuckle.astype(np.float32)
    single = HandActions(hand.wrist.astype(np.float32), hand.finger_tips.astype(np.float32), knuckle, hand.left)
    exact, opening = eef_from_hand(hand, hand_reference(hand)[0], eef[0])
    result, single_opening = eef_from_hand(single, hand_reference(single)[0], eef[0])
    assert (result.dtype, single_opening.dtype, exact.dtype) == (np.float32, np.float32, np.float64)
    assert same_poses(result, exact, 2e-5)
    assert np.allclose(single_opening, opening, atol=1e-5)


@quick
@given(hands(knuckle=False), pose_paths(steps=1))
def test_rows_begin_at_their_first(hand: HandActions, eef: np.ndarray) -> None:
    side = "left" if hand.left else "right"
    poses, opening = eef_from_rows(row_from_hand(hand), side, eef[0])
    expected, expected_opening = eef_from_hand(hand, hand_reference(hand)[0], eef[0])
    assert same_poses(poses, expected)
    assert np.allclose(opening, expected_opening)


def test_the_second_chunk_goes_on_where_the_first_ended() -> None:
    rng = np.random.default_rng(0)
    hand = still_hand(10)
    hand.wrist[:, :3] += rng.normal(size=(10, 3)) * 0.05
    first = hand_reference(hand)[0]
    whole, _ = eef_from_hand(hand, first, PIPER_READY)
    later = HandActions(hand.wrist[6:], hand.finger_tips[6:])
    assert same_poses(eef_from_hand(later, first, PIPER_READY)[0], whole[6:])


def test_nan_in_a_wrist_is_named_by_row() -> None:
    hand = still_hand(3, left=True)
    hand.wrist[2, 1] = np.nan
    with pytest.raises(AlignmentError, match="left hand wrist: row 2: holds NaN") as caught:
        hand_reference(hand)
    assert caught.value.row == 2


def test_nan_in_a_finger_tip_is_named_by_row() -> None:
    hand = still_hand(3)
    hand.finger_tips[1, 4, 0] = np.inf
    with pytest.raises(AlignmentError, match="finger tips: row 1"):
        eef_from_hand(hand, hand.wrist[0], PIPER_READY)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 0.0}, "option scale: is 0.0, must be above 0"),
        ({"scale": float("nan")}, "option scale"),
        ({"robot_from_human": np.diag([1.0, 1.0, -1.0])}, "option robot_from_human"),
        ({"tool_from_hand": 2 * np.eye(3)}, "option tool_from_hand"),
        ({"tool_from_hand": np.stack([np.eye(3)] * 2)}, "option tool_from_hand"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict, words: str) -> None:
    with pytest.raises(AlignmentError, match=words):
        AlignmentOptions(**options)


def test_an_initial_pair_is_two_poses() -> None:
    with pytest.raises(AlignmentError, match=r"initial eef: has shape \(1, 7\)"):
        InitialPair(PIPER_READY, PIPER_READY[None])
    with pytest.raises(AlignmentError, match="initial hand: quaternion of length 0"):
        InitialPair(np.zeros(7), PIPER_READY)
