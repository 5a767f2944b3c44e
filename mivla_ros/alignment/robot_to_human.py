"""Robot to human, MiVLA's Eq. 3: the end effector is taken for the thumb knuckle (or the wrist), the rest of the hand
comes from the hand template, opened as far as the gripper.

p_thumb = R^m p_eef / s, R_hand = R^m R_eef (tool_from_hand); or, with an initial pair, the exact inverse of Eq. 2.
"""

from numpy.typing import ArrayLike

from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from mivla_ros.alignment.hand_rows import check_side, row_from_hand
from mivla_ros.alignment.hand_template import finger_tips, thumb_knuckle
from mivla_ros.alignment.options import AlignmentOptions, InitialPair, Reference
from mivla_ros.alignment.poses import Array, checked, checked_poses, matrix_from_quaternion, poses_from
from mivla_ros.alignment.relative_motion import carry

DEFAULT = AlignmentOptions()


def hand_from_eef(
    eef: ArrayLike,
    opening: ArrayLike,
    side: str,
    options: AlignmentOptions = DEFAULT,
    initial: InitialPair | None = None,
) -> HandActions:
    """A hand over time, in the human's world with ARKit's wrist axes, from end-effector poses (..., 7) and gripper
    openings (...).

    Without ``initial`` the robot's pose itself becomes the hand's (the paper's Eq. 3); with it, the hand moves from
    ``initial.hand`` as the arm does from ``initial.eef`` (the inverse of Eq. 2). The thumb knuckle's pose has the
    wrist's rotation. Raises AlignmentError.
    """
    check_side(side)
    poses = checked_poses("eef", eef)
    openings = checked("gripper opening", opening, (), poses.dtype)
    if openings.shape != poses.shape[:-1]:
        words = f"has shape {openings.shape}, the poses ask for {poses.shape[:-1]}"
        raise AlignmentError("gripper opening", words)
    reference, wrist_rotation = _reference(poses, side, options, initial)
    hand_rotation = wrist_rotation @ ARKIT_WRIST_FROM_HAND[side].astype(poses.dtype)
    knuckle = hand_rotation @ thumb_knuckle(side, poses.dtype)
    wrist = reference - knuckle if options.reference is Reference.THUMB_KNUCKLE else reference
    tips = finger_tips(openings, side, options.gripper)
    return HandActions(
        wrist=poses_from(wrist, wrist_rotation),
        finger_tips=wrist[..., None, :] + tips @ hand_rotation.swapaxes(-1, -2),
        thumb_knuckle=poses_from(wrist + knuckle, wrist_rotation),
        left=side == "left",
    )


def rows_from_eef(
    eef: ArrayLike,
    opening: ArrayLike,
    side: str,
    options: AlignmentOptions = DEFAULT,
    initial: InitialPair | None = None,
) -> Array:
    """As ``hand_from_eef``, as that hand's 24 values (..., 24) of the unified action space."""
    return row_from_hand(hand_from_eef(eef, opening, side, options, initial))


def _reference(poses: Array, side: str, options: AlignmentOptions, initial: InitialPair | None) -> tuple[Array, Array]:
    """Reference point (..., 3) and wrist rotation (..., 3, 3), ARKit's axes, in the human's world."""
    position, rotation = poses[..., :3], matrix_from_quaternion(poses[..., 3:])
    human_from_robot = options.robot_from_human.T.astype(poses.dtype)
    if initial is None:
        tool_from_wrist = options.tool_from_hand @ ARKIT_WRIST_FROM_HAND[side].T
        point = position @ human_from_robot.T / options.scale
        return point, human_from_robot @ rotation @ tool_from_wrist.astype(poses.dtype)
    hand, eef = (checked_poses("initial pair", pose, poses.dtype) for pose in (initial.hand, initial.eef))
    return carry(
        position,
        rotation,
        eef[:3],
        matrix_from_quaternion(eef[3:]),
        hand[:3],
        matrix_from_quaternion(hand[3:]),
        human_from_robot,
        1 / options.scale,
    )
