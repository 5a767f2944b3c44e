"""WebXR's 25 hand joints (Vuer, OpenTelevision, Human2LocoMan) to hands."""

from numpy.typing import ArrayLike

from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND, WEBXR_JOINT_FROM_HAND
from mivla_ros.alignment.hand_rows import check_side
from mivla_ros.alignment.poses import checked, checked_rotations, poses_from

JOINTS = 25
WRIST, THUMB_KNUCKLE = 0, 1  # 1 is "thumb-metacarpal", whose origin is the joint next to the wrist
TIPS = (4, 9, 14, 19, 24)  # order of action_space.FINGERS


def hand_from_webxr(transforms: ArrayLike, side: str) -> HandActions:
    """A hand over time, in WebXR's world (the axes of ARKit's) with ARKit's wrist axes, from joint poses
    (..., 25, 4, 4) in W3C's order. Raises AlignmentError.
    """
    check_side(side)
    values = checked(f"{side} WebXR joints", transforms, (JOINTS, 4, 4))
    wrist = checked_rotations(f"{side} WebXR wrist", values[..., WRIST, :3, :3])
    wrist_from_wrist = WEBXR_JOINT_FROM_HAND @ ARKIT_WRIST_FROM_HAND[side].T
    rotation = wrist @ wrist_from_wrist.astype(values.dtype)
    points = values[..., :3, 3]
    return HandActions(
        wrist=poses_from(points[..., WRIST, :], rotation),
        finger_tips=points[..., TIPS, :],
        thumb_knuckle=poses_from(points[..., THUMB_KNUCKLE, :], rotation),
        left=side == "left",
    )
