"""How a hand's motion becomes a robot's and back: the choices MiVLA leaves open, with its own where it makes one."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.frames import ROS_FROM_ARKIT, X_TOOL_FROM_HAND
from mivla_ros.alignment.gripper_rule import GripperRule
from mivla_ros.alignment.poses import Array, checked_poses, checked_rotations


class Reference(StrEnum):
    """The point of the hand that the end effector follows."""

    THUMB_KNUCKLE = "thumb_knuckle"
    WRIST = "wrist"


@dataclass(frozen=True, eq=False)
class AlignmentOptions:
    """What both directions share; checked when made (AlignmentError).

    reference: the paper's symbols say thumb knuckle, its text also says wrist. robot_from_human: R^h (3, 3), human
    world to robot world; its transpose is R^m. tool_from_hand: (3, 3), hand frame to tool frame, for Eq. 3 without an
    initial pair. scale: metres of robot motion for one metre of hand motion. gripper: pinch distance to opening.
    """

    reference: Reference = Reference.THUMB_KNUCKLE
    robot_from_human: Array = field(default_factory=lambda: ROS_FROM_ARKIT)
    tool_from_hand: Array = field(default_factory=lambda: X_TOOL_FROM_HAND)
    scale: float = 1.0
    gripper: GripperRule = field(default_factory=GripperRule)

    def __post_init__(self) -> None:
        for name in ("robot_from_human", "tool_from_hand"):
            matrix = checked_rotations(f"option {name}", getattr(self, name), np.float64)
            if matrix.shape != (3, 3):
                raise AlignmentError(f"option {name}", f"has shape {matrix.shape}, must be (3, 3)")
        if not 0 < self.scale < np.inf:
            raise AlignmentError("option scale", f"is {self.scale}, must be above 0", None, self.scale, 0.0)


@dataclass(frozen=True, eq=False)
class InitialPair:
    """Where hand and robot were when the imitation began: ``hand`` (7,), of ``hand_reference``, in the human's world;
    ``eef`` (7,) in the robot's. Raises AlignmentError unless both are poses.
    """

    hand: Array
    eef: Array

    def __post_init__(self) -> None:
        for name in ("hand", "eef"):
            pose = checked_poses(f"initial {name}", getattr(self, name))
            if pose.shape != (7,):
                raise AlignmentError(f"initial {name}", f"has shape {pose.shape}, must be (7,)")
