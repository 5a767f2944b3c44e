"""Human hand and robot arm, both ways (MiVLA, Eq. 2 and 3): frames, hand template, gripper rule. See docs/alignment.md.

Arrays keep their precision (float32 or float64) and may have any leading axes. Poses are (..., 7): xyz in metres and
a unit quaternion wxyz. Hands are ``HandActions`` with ARKit's wrist axes; rows are the 24 or 48 values of
``action_space``.
"""

from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.gripper_rule import GripperRule, pinch_distance
from mivla_ros.alignment.hand_rows import hand_from_row, hands_from_rows, row_from_hand, rows_from_hands
from mivla_ros.alignment.human_to_robot import (
    eef_from_hand,
    eef_from_reference,
    eef_from_rows,
    gripper_opening,
    hand_reference,
)
from mivla_ros.alignment.options import AlignmentOptions, InitialPair, Reference
from mivla_ros.alignment.robot_to_human import hand_from_eef, rows_from_eef

__all__ = [
    "AlignmentError",
    "AlignmentOptions",
    "GripperRule",
    "InitialPair",
    "Reference",
    "eef_from_hand",
    "eef_from_reference",
    "eef_from_rows",
    "gripper_opening",
    "hand_from_eef",
    "hand_from_row",
    "hand_reference",
    "hands_from_rows",
    "pinch_distance",
    "row_from_hand",
    "rows_from_eef",
    "rows_from_hands",
]
