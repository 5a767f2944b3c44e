"""WebXR's joints to the canonical hand: one convention for both hands."""

import numpy as np
import pytest

from mivla_ros.alignment import AlignmentError
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND, ROS_FROM_ARKIT
from mivla_ros.alignment.webxr_joints import JOINTS, hand_from_webxr
from test.alignment.motions import SIDES, matrices


def joints(steps: int = 2) -> np.ndarray:
    transforms = np.tile(np.eye(4), (steps, JOINTS, 1, 1))
    transforms[..., :3, 3] = np.arange(JOINTS * 3).reshape(JOINTS, 3)
    return transforms


@pytest.mark.parametrize("side", SIDES)
def test_a_flat_hand_points_ahead_with_the_palm_down(side: str) -> None:
    # identity in WebXR: -z ahead is to the finger tips, +y up is the back of the hand
    hand = hand_from_webxr(joints(), side)
    axes = ROS_FROM_ARKIT @ matrices(hand.wrist)[0] @ ARKIT_WRIST_FROM_HAND[side]
    assert np.allclose(axes[:, 0], [1, 0, 0])
    assert np.allclose(axes[:, 1], [0, 0, -1])


def test_tips_and_thumb_knuckle_in_w3cs_order() -> None:
    hand = hand_from_webxr(joints(), "left")
    assert hand.finger_tips[0, :, 0].tolist() == [12, 27, 42, 57, 72]
    assert hand.thumb_knuckle is not None
    assert hand.thumb_knuckle[0, :3].tolist() == [3, 4, 5]
    assert hand.left


def test_a_wrist_that_is_not_tracked_is_named_by_row() -> None:
    transforms = joints()
    transforms[1, 0, :3, :3] = 0
    with pytest.raises(AlignmentError, match="left WebXR wrist: row 1: is no rotation"):
        hand_from_webxr(transforms, "left")
