"""Every frame is a rotation, and frames that were learnt from different sources agree with one another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.alignment import AlignmentError, frames
from test.alignment.motions import SIDES, quick

NAMED = {
    **{name: value for name, value in vars(frames).items() if isinstance(value, np.ndarray)},
    **{f"ARKIT_WRIST_FROM_HAND[{side}]": m for side, m in frames.ARKIT_WRIST_FROM_HAND.items()},
}
# the hand frame's axes in the operator frame of dex-retargeting: x palmar, z to the finger tips
OPERATOR_FROM_HAND = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
# operator axes in ARKit wrist axes, as dex-retargeting and Bunny-VisionPro have them
WRIST_FROM_OPERATOR = {
    "right": np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]]),
    "left": np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
}
# egodex-retargeting's xArm tool: x to the fingers, z palmar
WRIST_FROM_EGODEX_TOOL = {
    "right": np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]]),
    "left": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
}


@pytest.mark.parametrize("name", NAMED)
def test_every_frame_is_a_read_only_rotation(name: str) -> None:
    matrix = NAMED[name]
    assert np.array_equal(matrix.T @ matrix, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 2


def test_worlds_agree_with_one_another() -> None:
    assert np.array_equal(frames.ROS_FROM_ROBOTWIN @ frames.ROBOTWIN_FROM_ARKIT, frames.ROS_FROM_ARKIT)
    vuer = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    assert np.array_equal(vuer, frames.UNIFIED_FROM_WEBXR)
    assert np.array_equal(frames.UNIFIED_FROM_WEBXR, frames.ROS_FROM_ARKIT)


def test_ahead_left_and_up_are_the_same_in_every_world() -> None:
    ahead, left, up = np.eye(3)
    assert np.array_equal(frames.ROS_FROM_ARKIT @ [0, 0, -1], ahead)
    assert np.array_equal(frames.ROS_FROM_ARKIT @ [-1, 0, 0], left)
    assert np.array_equal(frames.ROS_FROM_ARKIT @ [0, 1, 0], up)
    assert np.array_equal(frames.ROS_FROM_ROBOTWIN @ [0, 1, 0], ahead)
    assert np.array_equal(frames.ROS_FROM_OPENCV_CAMERA @ [0, 0, 1], ahead)
    assert np.array_equal(frames.ROS_FROM_OPENCV_CAMERA @ [0, -1, 0], up)


def test_palms_down_fingers_ahead_as_in_the_picture_of_arkits_axes() -> None:
    # right: x back, y up, z left; left: x ahead, y down, z left; in ROS axes
    right = np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0]])
    left = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    for side, wrist in (("right", right), ("left", left)):
        hand = wrist @ frames.ARKIT_WRIST_FROM_HAND[side]
        assert np.array_equal(hand[:, 0], [1, 0, 0])  # fingers ahead
        assert np.array_equal(hand[:, 1], [0, 0, -1])  # palm down


@pytest.mark.parametrize("side", SIDES)
def test_arkit_axes_agree_with_two_other_projects(side: str) -> None:
    wrist = frames.ARKIT_WRIST_FROM_HAND[side]
    assert np.array_equal(WRIST_FROM_OPERATOR[side] @ OPERATOR_FROM_HAND, wrist)
    assert np.array_equal(WRIST_FROM_EGODEX_TOOL[side][:, 0], wrist[:, 0])
    assert np.array_equal(WRIST_FROM_EGODEX_TOOL[side][:, 2], wrist[:, 1])


def test_changing_a_right_wrists_axes_twice_changes_nothing() -> None:
    right = frames.ARKIT_WRIST_FROM_HAND["right"]
    assert np.array_equal(right @ right, np.eye(3))


def test_webxr_joints_point_to_the_tips_and_out_of_the_palm() -> None:
    hand = frames.WEBXR_JOINT_FROM_HAND
    assert np.array_equal(hand[:, 0], [0, 0, -1])
    assert np.array_equal(hand[:, 1], [0, -1, 0])
    unified = frames.WEBXR_JOINT_FROM_UNIFIED_HAND  # x to the tips, z out of the back of the hand
    assert np.array_equal(unified[:, 0], hand[:, 0])
    assert np.array_equal(unified[:, 2], -hand[:, 1])


def test_locomans_tool_axes_make_its_unified_frame() -> None:
    x, y, z = np.eye(3)
    native = frames.LOCOMAN_EEF_FROM_UNIFIED
    assert np.array_equal(native.T, np.stack([-z, x, -y]))  # unified x = -z, y = x, z = -y
    assert np.array_equal(native @ [1, 2, 3], [2, -3, -1])  # policy to robot: x = y_u, y = -z_u, z = -x_u


def test_z_tool_approaches_along_z_and_keeps_the_fingers_axis() -> None:
    assert np.array_equal(frames.Z_TOOL_FROM_HAND[:, 0], [0, 0, 1])
    assert np.array_equal(frames.Z_TOOL_FROM_HAND[:, 1], [0, 1, 0])


@quick
@given(st.floats(-3, 3), st.floats(-1.3, 1.3))
def test_heading_is_the_yaw_of_a_head_that_also_nods(yaw: float, nod: float) -> None:
    c, s = np.cos(nod), np.sin(nod)
    level = np.diag([1.0, -1.0, -1.0])  # OpenCV axes of a camera that looks along -z, y up
    camera = frames.rotation_about_y(yaw) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ level
    assert frames.heading(camera) == pytest.approx(yaw)


@quick
@given(st.floats(-3, 3))
def test_what_the_head_faces_first_is_ahead_of_the_robot(yaw: float) -> None:
    faced = frames.rotation_about_y(yaw) @ [0, 0, -1]
    assert np.allclose(frames.robot_from_arkit(yaw) @ faced, [1, 0, 0])
    about_z = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    assert np.allclose(frames.robot_from_arkit(yaw), about_z @ frames.UNIFIED_FROM_WEBXR)  # Human2LocoMan's order


def test_no_heading_when_looking_straight_down() -> None:
    down = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    with pytest.raises(AlignmentError, match="straight up or down") as caught:
        frames.heading(down)
    assert (caught.value.value, caught.value.limit) == (0.0, frames.MIN_HORIZONTAL)


def test_a_mirror_is_no_rotation() -> None:
    with pytest.raises(AlignmentError, match="mirrored"):
        frames.robot_from_arkit(0.0, np.diag([1.0, 1.0, -1.0]))
