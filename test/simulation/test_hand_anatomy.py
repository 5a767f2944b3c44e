import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.action_space import SIDES
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from mivla_ros.alignment.gripper_rule import pinch_distance
from mivla_ros.alignment.hand_template import finger_tips
from mivla_ros.simulation.hands.anatomy import (
    JOINTS,
    PARENTS,
    POSTURE_SIZE,
    TIPS,
    Hand,
    joint_names,
    pinch_posture,
    power_posture,
)

WRIST = np.zeros((1, 3)), np.eye(3)[None]
postures = st.lists(st.floats(-0.3, 1.6), min_size=POSTURE_SIZE, max_size=POSTURE_SIZE).map(np.array)


def bones(hand: Hand, posture: np.ndarray) -> np.ndarray:
    positions, _ = hand.joints(*WRIST, posture[None])
    return np.linalg.norm(positions[0, 1:] - positions[0, PARENTS[1:]], axis=1)


def test_a_hand_has_arkits_25_joints() -> None:
    assert len(JOINTS) == len(set(JOINTS)) == len(PARENTS) == 25
    fingers = ("Thumb", *(f"{finger}Finger" for finger in ("Index", "Middle", "Ring", "Little")))
    assert [JOINTS[tip] for tip in TIPS] == [f"{finger}Tip" for finger in fingers]
    assert joint_names("left")[0] == "leftHand"
    assert joint_names("right")[7] == "rightIndexFingerIntermediateBase"


@given(postures, st.sampled_from(SIDES), st.floats(0.85, 1.15))
def test_bones_keep_their_lengths_and_joints_their_axes_in_any_posture(
    posture: np.ndarray, side: str, scale: float
) -> None:
    hand = Hand(side, scale)
    np.testing.assert_allclose(bones(hand, posture), scale * bones(Hand(side), np.zeros(POSTURE_SIZE)), atol=1e-9)
    positions, rotations = hand.joints(*WRIST, posture[None])
    assert np.isfinite(positions).all() and np.isfinite(rotations).all()
    np.testing.assert_allclose(rotations @ rotations.swapaxes(-1, -2), np.tile(np.eye(3), (1, 25, 1, 1)), atol=1e-9)
    assert np.linalg.det(rotations[0]).min() > 0.99
    assert np.linalg.norm(positions[0], axis=1).max() < 0.25


@pytest.mark.parametrize("side", SIDES)
def test_tips_of_thumb_and_index_finger_are_as_far_apart_as_the_pinch_says(side: str) -> None:
    hand = Hand(side)
    for distance in np.linspace(0.0, 0.15, 16):
        tips = hand.tips(pinch_posture(hand, distance)[None])
        assert pinch_distance(tips)[0] == pytest.approx(distance, abs=1e-4)
    for width in (0.03, 0.05, 0.07):
        assert pinch_distance(hand.tips(power_posture(hand, width)[None]))[0] == pytest.approx(width, abs=1e-4)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("opening", [0.0, 1.0])
def test_open_and_closed_hands_are_the_alignments_template(side: str, opening: float) -> None:
    hand = Hand(side)
    tips = hand.tips(pinch_posture(hand, 0.02 + 0.13 * opening)[None])[0]
    np.testing.assert_allclose(tips, finger_tips(opening, side), atol=5e-4)


def test_a_left_hand_is_a_right_one_in_the_mirror() -> None:
    left, right = (Hand(side).tips(power_posture(Hand(side), 0.05)[None])[0] for side in SIDES)
    np.testing.assert_allclose(left, right * [1, 1, -1], atol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_the_wrist_has_arkits_axes(side: str) -> None:
    turn = Rotation.from_euler("xyz", [0.3, -0.5, 0.9]).as_matrix()
    _, rotations = Hand(side).joints(np.zeros((1, 3)), turn[None], np.zeros((1, POSTURE_SIZE)))
    np.testing.assert_allclose(rotations[0, 0] @ ARKIT_WRIST_FROM_HAND[side], turn, atol=1e-9)
