"""A person's hand on video and a person's hand on an arm, through both equations."""

import numpy as np
import pytest

from mivla_ros.alignment import (
    AlignmentError,
    AlignmentOptions,
    eef_from_hand,
    eef_from_rows,
    hand_reference,
    pinch_distance,
    rows_from_eef,
)
from mivla_ros.alignment import mediapipe_landmarks as mp
from mivla_ros.alignment.frames import ROS_FROM_OPENCV_CAMERA
from test.alignment.motions import RECORDINGS, SIDES, matrices, same_poses

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings in ../shared/data are not here")


@pytest.fixture(scope="module")
def landmarks() -> np.ndarray:
    with np.load(RECORDINGS / "human_hand_video_landmarks.npz") as file:
        sides = {mp.side_from_label(str(label), mirrored=False) for label in file["handedness"]}
        assert sides == {"right"}
        return file["world_landmarks"]


def angles(rotations: np.ndarray) -> np.ndarray:
    """Angles (T - 1,) in rad between one rotation (T, 3, 3) and the next."""
    trace = np.einsum("tij,tij->t", rotations[1:].astype(float), rotations[:-1].astype(float))
    return np.arccos(np.clip((trace - 1) / 2, -1, 1))


def test_the_hand_frame_never_flips(landmarks: np.ndarray) -> None:
    rotation = mp.hand_rotation(landmarks, "right")
    assert np.linalg.det(rotation).min() > 0.999
    assert angles(rotation).max() < 0.6  # 0.465 measured, from frame 281 to 282


def test_palm_and_thumb_are_on_their_sides(landmarks: np.ndarray) -> None:
    rotation = mp.hand_rotation(landmarks, "right")
    local = np.einsum("tji,tkj->tki", rotation, landmarks - landmarks[:, :1])
    bend = (local[:, mp.TIPS[1:], 1] - local[:, mp.KNUCKLES, 1]).sum(axis=1)
    assert np.all(bend > 0)  # fingers bend to the palm in every frame
    assert np.all(local[:, 1, 2] > 0)  # the thumb's knuckle on its side of the palm in every frame


def test_the_other_side_is_refused(landmarks: np.ndarray) -> None:
    with pytest.raises(AlignmentError, match="back of a left hand"):
        mp.hand_from_landmarks(landmarks, "left")


def test_the_pinch_is_a_hands(landmarks: np.ndarray) -> None:
    distance = pinch_distance(mp.hand_from_landmarks(landmarks, "right").finger_tips)
    assert 0.005 < distance.min() < 0.02  # it closes
    assert 0.10 < distance.max() < 0.20  # and opens


def test_the_arm_turns_with_the_hand_and_the_gripper_with_the_pinch(landmarks: np.ndarray) -> None:
    options = AlignmentOptions(robot_from_human=ROS_FROM_OPENCV_CAMERA)
    hand = mp.hand_from_landmarks(landmarks, "right")
    start = np.array([0.3, 0, 0.25, 0, 1, 0, 0])
    poses, opening = eef_from_hand(hand, hand_reference(hand, options)[0], start, options)
    assert poses.dtype == np.float32
    assert np.allclose(angles(matrices(poses)), angles(matrices(hand.wrist)), atol=2e-3)
    assert np.sum(poses[1:, 3:] * poses[:-1, 3:], axis=1).min() > 0
    assert opening.min() == 0
    assert opening.max() > 0.9


@pytest.mark.parametrize("number", [4, 5, 6, 7])
@pytest.mark.parametrize("side", SIDES)
def test_a_steered_arms_motion_comes_back_from_the_hand(number: int, side: str) -> None:
    with np.load(RECORDINGS / f"teleop_eef_{number}.npz") as file:
        quaternion = file["quaternion_xyzw"][:, [3, 0, 1, 2]]
        path = np.concatenate([file["position"], quaternion], axis=1)
        opening = np.clip(file["gripper_width"] / 0.08, 0, 1)
    rows = rows_from_eef(path, opening, side)
    assert rows.dtype == np.float32
    again, openings = eef_from_rows(rows, side, path[0])
    assert same_poses(again, path, 5e-6)
    assert np.allclose(openings, opening, atol=5e-6)
