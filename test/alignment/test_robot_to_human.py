"""Eq. 3: a hand for every pose and opening of a gripper; and both equations undo one another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment import (
    AlignmentError,
    AlignmentOptions,
    InitialPair,
    Reference,
    eef_from_hand,
    eef_from_rows,
    gripper_opening,
    hand_from_eef,
    hand_reference,
    pinch_distance,
    rows_from_eef,
)
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND, ROS_FROM_ARKIT, X_TOOL_FROM_HAND, Z_TOOL_FROM_HAND
from test.alignment.motions import (
    SIDES,
    hands,
    matrices,
    mirrored,
    mirrored_hand,
    moved,
    pose_paths,
    quick,
    same_poses,
    sides,
    turns,
)


@st.composite
def grips(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    path = draw(pose_paths())
    return path, draw(arrays(np.float64, len(path), elements=st.floats(0, 1)))


@st.composite
def choices(draw: st.DrawFn) -> AlignmentOptions:
    return AlignmentOptions(
        reference=draw(st.sampled_from(Reference)),
        robot_from_human=draw(turns),
        tool_from_hand=draw(st.sampled_from([X_TOOL_FROM_HAND, Z_TOOL_FROM_HAND])),
        scale=draw(st.floats(0.25, 4)),
    )


@quick
@given(grips(), sides)
def test_the_tool_is_taken_for_the_thumb_knuckle(grip: tuple[np.ndarray, np.ndarray], side: str) -> None:
    hand = hand_from_eef(*grip, side)
    assert hand.thumb_knuckle is not None
    assert np.allclose(hand.thumb_knuckle[:, :3], grip[0][:, :3] @ ROS_FROM_ARKIT)


@quick
@given(grips(), sides, st.sampled_from([X_TOOL_FROM_HAND, Z_TOOL_FROM_HAND]))
def test_fingers_point_where_the_gripper_does(
    grip: tuple[np.ndarray, np.ndarray], side: str, tool_from_hand: np.ndarray
) -> None:
    hand = hand_from_eef(*grip, side, AlignmentOptions(tool_from_hand=tool_from_hand))
    axes = matrices(hand.wrist) @ ARKIT_WRIST_FROM_HAND[side]
    tool = ROS_FROM_ARKIT.T @ matrices(grip[0])
    approach = tool[..., 0] if tool_from_hand is X_TOOL_FROM_HAND else tool[..., 2]
    assert np.allclose(axes[..., 0], approach)
    assert np.allclose(axes[..., 1], tool[..., 1])  # thumb against index, on the gripper's axis
    ahead = np.einsum("tki,ti->tk", hand.finger_tips - hand.wrist[:, None, :3], axes[..., 0])
    assert np.all(ahead > 0)


@quick
@given(grips(), sides, choices())
def test_the_hand_pinches_as_far_as_the_gripper_opens(
    grip: tuple[np.ndarray, np.ndarray], side: str, options: AlignmentOptions
) -> None:
    hand = hand_from_eef(*grip, side, options)
    assert np.allclose(pinch_distance(hand.finger_tips), 0.02 + 0.13 * grip[1], atol=1e-12)
    assert np.allclose(gripper_opening(hand, options), grip[1], atol=1e-10)


@quick
@given(grips(), sides, choices())
def test_robot_to_human_to_robot_changes_nothing(
    grip: tuple[np.ndarray, np.ndarray], side: str, options: AlignmentOptions
) -> None:
    rows = rows_from_eef(*grip, side, options)  # 24 values: the thumb knuckle is left to the template
    poses, opening = eef_from_rows(rows, side, grip[0][0], options=options)
    assert same_poses(poses, grip[0])
    assert np.allclose(poses[0, 3:], grip[0][0, 3:])
    assert np.allclose(opening, grip[1], atol=1e-9)


@quick
@given(hands(knuckle=False), pose_paths(steps=1), choices())
def test_human_to_robot_to_human_keeps_place_rotation_and_pinch(
    hand: HandActions, eef: np.ndarray, options: AlignmentOptions
) -> None:
    side = "left" if hand.left else "right"
    reference = hand_reference(hand, options)
    pair = InitialPair(reference[0], eef[0])
    poses, opening = eef_from_hand(hand, pair.hand, pair.eef, options)
    again = hand_from_eef(poses, opening, side, options, pair)
    assert same_poses(hand_reference(again, options), reference)
    assert same_poses(again.wrist, hand.wrist)
    pinch = np.clip(pinch_distance(hand.finger_tips), 0.02, 0.15)
    assert np.allclose(pinch_distance(again.finger_tips), pinch, atol=1e-9)


@quick
@given(grips())
def test_mirrored_robots_make_mirrored_hands(grip: tuple[np.ndarray, np.ndarray]) -> None:
    arkit, ros = np.diag([-1.0, 1, 1]), np.diag([1.0, -1, 1])
    right = hand_from_eef(*grip, "right")
    # the mirrored gripper, written with its z axis reversed: then palm and fingers keep their meaning
    left = hand_from_eef(mirrored(grip[0], ros, np.diag([1.0, 1, -1])), grip[1], "left")
    expected = mirrored_hand(right, arkit)
    assert same_poses(left.wrist, expected.wrist)
    assert np.allclose(left.finger_tips, expected.finger_tips)


@quick
@given(grips(), sides, turns)
def test_turning_the_robots_world_changes_no_hand(
    grip: tuple[np.ndarray, np.ndarray], side: str, turn: np.ndarray
) -> None:
    usual = hand_from_eef(*grip, side)
    options = AlignmentOptions(robot_from_human=turn @ ROS_FROM_ARKIT)
    other = hand_from_eef(moved(grip[0], turn, np.zeros(3)), grip[1], side, options)
    assert same_poses(other.wrist, usual.wrist)
    assert np.allclose(other.finger_tips, usual.finger_tips)


@quick
@given(grips(), sides)
def test_both_precisions_agree(grip: tuple[np.ndarray, np.ndarray], side: str) -> None:
    exact = rows_from_eef(*grip, side)
    single = rows_from_eef(grip[0].astype(np.float32), grip[1].astype(np.float32), side)
    assert (exact.dtype, single.dtype) == (np.float64, np.float32)
    assert np.allclose(single, exact, atol=2e-5)


@pytest.mark.parametrize("side", SIDES)
def test_batches_are_their_parts(side: str) -> None:
    rng = np.random.default_rng(1)
    poses = rng.normal(size=(2, 3, 7))
    poses[..., 3:] /= np.linalg.norm(poses[..., 3:], axis=-1, keepdims=True)
    opening = rng.uniform(size=(2, 3))
    rows = rows_from_eef(poses, opening, side)
    assert rows.shape == (2, 3, 24)
    assert np.allclose(rows[1], rows_from_eef(poses[1], opening[1], side))


def test_an_opening_for_another_number_of_poses_is_refused() -> None:
    poses = np.tile([0, 0, 0, 1.0, 0, 0, 0], (3, 1))
    with pytest.raises(AlignmentError, match=r"has shape \(2,\), the poses ask for \(3,\)"):
        hand_from_eef(poses, np.zeros(2), "left")


def test_nan_in_a_pose_is_named_by_row() -> None:
    poses = np.tile([0, 0, 0, 1.0, 0, 0, 0], (3, 1))
    poses[1, 5] = np.nan
    with pytest.raises(AlignmentError, match="eef: row 1: holds NaN"):
        hand_from_eef(poses, np.zeros(3), "left")
