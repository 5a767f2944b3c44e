"""Every frame that hands and robots come in, and the rotations between them; all read-only (3, 3) float64.

``A_FROM_B`` takes coordinates in B to coordinates in A. Its columns are B's axes, written in A.

The canonical hand frame G, called HAND here, is the same thought for both hands and for a parallel gripper: x to the
finger tips, y out of the palm (the axis on which thumb and index finger oppose each other), z = x cross y; so z points
to the thumb for a right hand and to the little finger for a left one.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.poses import Array, checked_rotations

MIN_HORIZONTAL = 0.1  # least horizontal part of a unit view direction that still has a heading (5.7 degrees)


def _rotation(*rows: tuple[int, int, int]) -> Array:
    matrix = np.array(rows, dtype=np.float64)
    matrix.setflags(write=False)
    return matrix


# --- worlds -----------------------------------------------------------------------------------------------------------

# ARKit, EgoDex and WebXR: x right, y up, -z ahead at the start of the recording (Apple's and W3C's documentation).
# ROS: x forward, y left, z up (REP-103). LocoMan's and Human2LocoMan's unified frame has the same axes.
ROS_FROM_ARKIT = _rotation((0, 0, -1), (-1, 0, 0), (0, 1, 0))
# Human2LocoMan turns Vuer's (WebXR's) world into its unified one in two steps; their product, as read in its code.
UNIFIED_FROM_WEBXR = _rotation((0, 0, -1), (-1, 0, 0), (0, 1, 0))
# RoboTwin: x right, y forward (the way its arms face), z up (its documentation).
ROBOTWIN_FROM_ARKIT = _rotation((1, 0, 0), (0, 0, -1), (0, 1, 0))
ROS_FROM_ROBOTWIN = _rotation((0, 1, 0), (-1, 0, 0), (0, 0, 1))
# OpenCV camera, which is also EgoDex's transforms/camera: x right, y down, z ahead (REP-103 "optical"; for EgoDex
# derived from the constant of egodex-retargeting). SAPIEN's cameras have the ROS axes.
ROS_FROM_OPENCV_CAMERA = _rotation((0, 0, 1), (-1, 0, 0), (0, -1, 0))
# The world of a person who looks into such a camera: ahead is to the camera, the person's left is right in the image.
ROS_FROM_FACING_CAMERA = _rotation((0, 0, -1), (1, 0, 0), (0, -1, 0))

# --- hands ------------------------------------------------------------------------------------------------------------

# ARKit and EgoDex wrists. Right: x from fingers to forearm, y out of the back of the hand, z to the thumb. Left: x from
# forearm to fingers, y out of the palm, z to the little finger. (VisionProTeleop's picture of the axes; the constants
# of egodex-retargeting and of Bunny-VisionPro agree.)
ARKIT_WRIST_FROM_HAND: Mapping[str, Array] = MappingProxyType(
    {
        "left": _rotation((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "right": _rotation((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    }
)
# WebXR joints, both hands alike: -z to the finger tip, +y out of the back of the hand (W3C WebXR Hand Input).
WEBXR_JOINT_FROM_HAND = _rotation((0, 0, -1), (0, -1, 0), (-1, 0, 0))
# Human2LocoMan's local axes of head and wrists: x = -z, y = -x, z = y of WebXR's (its code).
WEBXR_JOINT_FROM_UNIFIED_HAND = _rotation((0, -1, 0), (0, 0, 1), (-1, 0, 0))

# --- grippers ---------------------------------------------------------------------------------------------------------

# RoboTwin's endpose: x out of the gripper, y along which the fingers move (its code): the hand frame itself.
X_TOOL_FROM_HAND = _rotation((1, 0, 0), (0, 1, 0), (0, 0, 1))
# Tool with z out of the gripper and fingers along y: PiPER's tcp here (urdf/piper), and the usual ROS tool0.
Z_TOOL_FROM_HAND = _rotation((0, 0, -1), (0, 1, 0), (1, 0, 0))
# LocoMan's end effector: x = -z, y = x, z = -y of its own axes make the unified frame (Human2LocoMan's code).
LOCOMAN_EEF_FROM_UNIFIED = _rotation((0, 1, 0), (0, 0, -1), (-1, 0, 0))


def rotation_about_y(angle: float) -> Array:
    """Rotation (3, 3) by an angle in rad about y, which is up in ARKit's world."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def heading(arkit_from_camera: ArrayLike) -> float:
    """Head yaw in rad about ARKit's up, 0 where the OpenCV-style camera (3, 3) looks along -z, positive to the left.

    Raises AlignmentError where the camera looks straight up or down, so that there is no heading.
    """
    ahead = checked_rotations("camera rotation", arkit_from_camera)[:, 2]
    horizontal = float(np.hypot(ahead[0], ahead[2]))
    if horizontal < MIN_HORIZONTAL:
        words = f"looks straight up or down: horizontal part {horizontal:.3g}, must be at least {MIN_HORIZONTAL}"
        raise AlignmentError("camera rotation", words, None, horizontal, MIN_HORIZONTAL)
    return float(np.arctan2(-ahead[0], -ahead[2]))


def robot_from_arkit(yaw: float, robot_from_level: ArrayLike = ROS_FROM_ARKIT) -> Array:
    """The paper's R^h (3, 3): ARKit's world, the person's first heading ``yaw`` (rad) taken out, to the robot's."""
    return checked_rotations("robot_from_level", robot_from_level, np.float64) @ rotation_about_y(-yaw)
