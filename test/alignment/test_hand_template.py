"""The template hand opens exactly as far as the gripper, and never farther than its bones allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.alignment import AlignmentError, GripperRule, hand_template, pinch_distance
from test.alignment.motions import SIDES, quick, sides

openings = st.floats(0, 1)


@quick
@given(openings, sides)
def test_pinch_is_the_gripper_rules(opening: float, side: str) -> None:
    tips = hand_template.finger_tips(opening, side)
    assert pinch_distance(tips) == pytest.approx(0.02 + 0.13 * opening, abs=1e-12)


def test_another_rule_moves_the_thumb_only() -> None:
    usual, wide = (hand_template.finger_tips(1.0, "right", rule) for rule in (None, GripperRule(0.0, 0.1)))
    assert np.array_equal(usual[1:], wide[1:])
    assert pinch_distance(wide) == pytest.approx(0.1)


@quick
@given(openings)
def test_no_finger_is_longer_than_its_bones(opening: float) -> None:
    tips = hand_template.finger_tips(opening, "right")
    assert np.linalg.norm(tips[0] - hand_template.thumb_knuckle("right")) <= hand_template.THUMB_LENGTH
    for finger, tip in zip(("index", "middle", "ring", "little"), tips[1:], strict=True):
        knuckle = hand_template.finger_joints(finger, closed=False)[0]
        assert np.linalg.norm(tip - knuckle) <= sum(hand_template.BONES[finger][1:]) + 1e-12


def test_hand_is_as_long_as_an_adults() -> None:
    middle = hand_template.BONES["middle"]
    assert 0.168 <= hand_template.CARPUS + sum(middle) <= 0.190


@quick
@given(openings)
def test_left_hand_is_the_mirror_of_the_right(opening: float) -> None:
    left, right = (hand_template.finger_tips(opening, side) for side in SIDES)
    assert np.allclose(left, right * [1, 1, -1])
    assert np.allclose(hand_template.thumb_knuckle("left"), hand_template.thumb_knuckle("right") * [1, 1, -1])


def test_fingers_lie_from_the_thumbs_side_outwards_and_bend_to_the_palm() -> None:
    open_tips, closed_tips = (hand_template.finger_tips(g, "right") for g in (1.0, 0.0))
    assert np.all(np.diff(open_tips[:, 2]) < 0)  # thumb, index, middle, ring, little: z falls
    assert np.all(closed_tips[1:, 1] > open_tips[1:, 1])
    assert np.all(closed_tips[1:, 0] < open_tips[1:, 0])


def test_it_opens_in_a_straight_line() -> None:
    closed, half, wide = hand_template.finger_tips([0.0, 0.5, 1.0], "left")
    assert np.allclose(half, (closed + wide) / 2)


def test_openings_outside_are_refused_by_row() -> None:
    with pytest.raises(AlignmentError, match="row 1"):
        hand_template.finger_tips([0.5, 1.5], "right")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype: type) -> None:
    assert hand_template.finger_tips(np.ones(2, dtype), "left").dtype == dtype
