"""The unified action space: 76 named values, their order, units and kinds. The only place that states any order.

Layout (MiVLA, section on the unified action space; order where the paper is silent as in H-RDT and RoboTwin)::

    human 48 = [left 24 | right 24],  24 = wrist xyz 3, rotation 6-D 6, five finger tips xyz 15
    robot 14 = [left 7 | right 7],     7 = six joints, gripper
    eef   14 = [left 7 | right 7],     7 = xyz 3, quaternion 4

The 6-D rotation is the first two columns of the rotation matrix, first column first. Quaternions in arrays are wxyz:
w >= 0 where one stands alone (``canonical_quaternion``), of continuous sign along a motion. ROS messages are xyzw, and
only ``nodes/conversions.py`` turns one into the other. Grippers are 0 closed to 1 open. Lengths are metres, angles
radians.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

SIDES = ("left", "right")
FINGERS = ("thumb", "index", "middle", "ring", "little")
QUATERNION_ORDER = "wxyz"

HUMAN_SIZE, ROBOT_SIZE, EEF_SIZE = 48, 14, 14
ACTION_SIZE = HUMAN_SIZE + ROBOT_SIZE + EEF_SIZE
HAND_SIZE, ARM_SIZE, POSE_SIZE = HUMAN_SIZE // 2, ROBOT_SIZE // 2, EEF_SIZE // 2
ARM_JOINTS = 6


class Kind(StrEnum):
    """What a value is; decides how two values may be blended."""

    POSITION = "position"  # metres, linear
    ROTATION_6D = "rotation_6d"  # blended on SO(3) only
    QUATERNION = "quaternion"  # blended on SO(3) only
    JOINT = "joint"  # radians, linear
    GRIPPER = "gripper"  # 0 to 1, never averaged across a decision


@dataclass(frozen=True)
class Value:
    """One of the 76 values: its name, unit and kind."""

    name: str
    unit: str
    kind: Kind


def _hand_values(side: str) -> list[Value]:
    wrist = [Value(f"human.{side}.wrist.{axis}", "m", Kind.POSITION) for axis in "xyz"]
    rotation = [
        Value(f"human.{side}.wrist.rotation.{column}{row}", "1", Kind.ROTATION_6D)
        for column in "xy"
        for row in range(3)
    ]
    tips = [Value(f"human.{side}.{f}.{axis}", "m", Kind.POSITION) for f in FINGERS for axis in "xyz"]
    return wrist + rotation + tips


def _arm_values(side: str) -> list[Value]:
    joints = [Value(f"robot.{side}.joint{i + 1}", "rad", Kind.JOINT) for i in range(ARM_JOINTS)]
    return [*joints, Value(f"robot.{side}.gripper", "1", Kind.GRIPPER)]


def _pose_values(side: str) -> list[Value]:
    xyz = [Value(f"eef.{side}.{axis}", "m", Kind.POSITION) for axis in "xyz"]
    return xyz + [Value(f"eef.{side}.q{axis}", "1", Kind.QUATERNION) for axis in QUATERNION_ORDER]


VALUES: tuple[Value, ...] = tuple(
    value for make in (_hand_values, _arm_values, _pose_values) for side in SIDES for value in make(side)
)

HUMAN = slice(0, HUMAN_SIZE)
ROBOT = slice(HUMAN_SIZE, HUMAN_SIZE + ROBOT_SIZE)
EEF = slice(HUMAN_SIZE + ROBOT_SIZE, ACTION_SIZE)


def _side_index(side: str) -> int:
    if side not in SIDES:
        raise ValueError(f"side is {side!r}, must be one of {SIDES}")
    return SIDES.index(side)


def hand_slice(side: str) -> slice:
    """Columns of one hand's 24 values in the 76. Raises ValueError for a side that is neither left nor right."""
    start = HUMAN.start + HAND_SIZE * _side_index(side)
    return slice(start, start + HAND_SIZE)


def arm_slice(side: str) -> slice:
    """Columns of one arm's six joints and gripper in the 76. Raises ValueError for an unknown side."""
    start = ROBOT.start + ARM_SIZE * _side_index(side)
    return slice(start, start + ARM_SIZE)


def pose_slice(side: str) -> slice:
    """Columns of one end effector's xyz and quaternion in the 76. Raises ValueError for an unknown side."""
    start = EEF.start + POSE_SIZE * _side_index(side)
    return slice(start, start + POSE_SIZE)


# Inside one hand's 24 values
WRIST_POSITION = slice(0, 3)
WRIST_ROTATION = slice(3, 9)
FINGER_TIPS = slice(9, 24)
# Inside one end effector's 7 values
POSE_POSITION = slice(0, 3)
POSE_QUATERNION = slice(3, 7)


def rotation_6d_from_matrix(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """(..., 3, 3) rotation matrices to (..., 6): first column, then second column (H-RDT's EgoDex order)."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def matrix_from_rotation_6d(rotation: NDArray[np.floating]) -> NDArray[np.floating]:
    """(..., 6) to the nearest (..., 3, 3) rotation matrices by Gram-Schmidt; columns as in rotation_6d_from_matrix.

    Raises ValueError where a column has no length or the two columns are parallel.
    """
    first, second = rotation[..., :3], rotation[..., 3:]
    norm = np.linalg.norm(first, axis=-1, keepdims=True)
    x = first / np.where(norm > 0, norm, 1)
    rest = second - np.sum(x * second, axis=-1, keepdims=True) * x
    rest_norm = np.linalg.norm(rest, axis=-1, keepdims=True)
    if np.any(norm < 1e-9) or np.any(rest_norm < 1e-9):
        raise ValueError("6-D rotation: a column has length below 1e-9, or the two columns are parallel")
    y = rest / rest_norm
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def canonical_quaternion(quaternion: NDArray[np.floating]) -> NDArray[np.floating]:
    """(..., 4) wxyz quaternions with unit length and w >= 0 (first non-zero value positive where w is 0).

    Raises ValueError where a quaternion has length below 1e-6.
    """
    norm = np.linalg.norm(quaternion, axis=-1, keepdims=True)
    if np.any(norm < 1e-6):
        raise ValueError(f"quaternion of length {float(norm.min()):.3g}, must be at least 1e-6")
    unit = quaternion / norm
    leading = np.take_along_axis(unit, np.argmax(unit != 0, axis=-1)[..., None], axis=-1)
    return np.where(leading < 0, -unit, unit)
