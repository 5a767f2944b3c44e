"""MediaPipe's landmarks to the canonical hand, for both hands, whatever its labels say."""

import numpy as np
import pytest
from hypothesis import given

from mivla_ros.alignment import AlignmentError, hand_template
from mivla_ros.alignment import mediapipe_landmarks as mp
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from test.alignment.motions import SIDES, matrices, quick, sides, turns, vectors


def template_landmarks(side: str) -> np.ndarray:
    """The template hand, half closed, as 21 landmarks (21, 3) in its own hand frame."""
    points = np.zeros((mp.POINTS, 3))
    knuckle = hand_template.thumb_knuckle("right")
    points[1:5] = knuckle + np.linspace(0, 1, 4)[:, None] * (hand_template.finger_tips(0.5, "right")[0] - knuckle)
    for first, finger in zip(mp.KNUCKLES, ("index", "middle", "ring", "little"), strict=True):
        points[first : first + 4] = hand_template.finger_joints(finger, closed=True)
    return points * hand_template.MIRROR[side]


@quick
@given(sides, turns, vectors)
def test_the_hand_frame_turns_with_the_hand(side: str, turn: np.ndarray, shift: np.ndarray) -> None:
    points = template_landmarks(side) @ turn.T + shift
    found = mp.hand_rotation(points, side)
    assert np.allclose(found, turn, atol=0.02)  # the palm's middle is not exactly the template's x
    assert np.allclose(found, turn @ mp.hand_rotation(template_landmarks(side), side))


@pytest.mark.parametrize("side", SIDES)
def test_wrist_tips_and_thumb_knuckle_are_the_landmarks(side: str) -> None:
    points = np.stack([template_landmarks(side)] * 3)
    hand = mp.hand_from_landmarks(points, side)
    assert hand.left == (side == "left")
    assert np.array_equal(hand.wrist[:, :3], points[:, 0])
    assert hand.thumb_knuckle is not None
    assert np.array_equal(hand.thumb_knuckle[:, :3], points[:, 1])
    assert np.array_equal(hand.finger_tips, points[:, [4, 8, 12, 16, 20]])
    assert np.allclose(matrices(hand.wrist) @ ARKIT_WRIST_FROM_HAND[side], np.eye(3), atol=0.02)


def test_labels_are_right_for_mirrored_images_only() -> None:
    assert mp.side_from_label("Left", mirrored=True) == "left"
    assert mp.side_from_label("Left", mirrored=False) == "right"
    assert mp.side_from_label("Right", mirrored=False) == "left"
    with pytest.raises(AlignmentError, match="both"):
        mp.side_from_label("both", mirrored=True)


@pytest.mark.parametrize("side", SIDES)
def test_the_wrong_side_is_noticed_by_the_bend_of_the_fingers(side: str) -> None:
    other = SIDES[1 - SIDES.index(side)]
    with pytest.raises(AlignmentError, match=f"back of a {other} hand") as caught:
        mp.hand_from_landmarks(template_landmarks(side), other)
    assert caught.value.value < caught.value.limit


@pytest.mark.parametrize("side", SIDES)
def test_a_mirrored_image_is_put_right(side: str) -> None:
    seen = template_landmarks(side) * [-1, 1, 1]
    with pytest.raises(AlignmentError, match="image is mirrored"):
        mp.hand_from_landmarks(seen, side)
    hand = mp.hand_from_landmarks(mp.unmirrored(seen), side)
    assert np.allclose(hand.finger_tips, template_landmarks(side)[[4, 8, 12, 16, 20]])


@pytest.mark.parametrize(("coincident", "words"), [(mp.KNUCKLES, "wrist and knuckles"), ((5, 17), "index and little")])
def test_points_that_coincide_are_named_by_row(coincident: tuple[int, ...], words: str) -> None:
    points = np.stack([template_landmarks("right")] * 3)
    target = 0 if len(coincident) == 4 else 9
    points[2, list(coincident)] = points[2, target]
    with pytest.raises(AlignmentError, match=words) as caught:
        mp.hand_rotation(points, "right")
    assert (caught.value.row, caught.value.limit) == (2, mp.MIN_LENGTH)


def test_nan_is_named_by_row() -> None:
    points = np.stack([template_landmarks("right")] * 3)
    points[1, 20, 2] = np.nan
    with pytest.raises(AlignmentError, match="landmarks: row 1"):
        mp.hand_from_landmarks(points, "right")


def test_single_precision_stays_single() -> None:
    points = template_landmarks("left").astype(np.float32)
    hand = mp.hand_from_landmarks(points, "left")
    assert hand.wrist.dtype == hand.finger_tips.dtype == mp.unmirrored(points).dtype == np.float32
