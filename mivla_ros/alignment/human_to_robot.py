"""Human to robot, MiVLA's Eq. 2: the end effector moves as the hand does, both from where they began.

Position: p_r,t = p_r,0 + s R^h (p_h,t - p_h,0), of the thumb knuckle (or the wrist).
Rotation: R_r,t = R^h (R_h,t R_h,0^T) R^h^T R_r,0, of the wrist: the thumb's own rotation changes with every pinch.
Gripper: linear in the distance of thumb tip and index tip.
"""

import numpy as np
from numpy.typing import ArrayLike

from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from mivla_ros.alignment.gripper_rule import pinch_distance
from mivla_ros.alignment.hand_rows import hand_from_row
from mivla_ros.alignment.hand_template import thumb_knuckle
from mivla_ros.alignment.options import AlignmentOptions, InitialPair, Reference
from mivla_ros.alignment.poses import Array, checked, checked_poses, matrix_from_quaternion, poses_from
from mivla_ros.alignment.relative_motion import carry

DEFAULT = AlignmentOptions()


def hand_reference(hand: HandActions, options: AlignmentOptions = DEFAULT) -> Array:
    """Poses (..., 7) of the hand's reference point in the hand's world: its position, with the wrist's rotation.

    Where the thumb knuckle is wanted but not known, the hand template says where it is. Raises AlignmentError.
    """
    side = "left" if hand.left else "right"
    wrist = checked_poses(f"{side} hand wrist", hand.wrist)
    if options.reference is Reference.WRIST:
        return wrist
    if hand.thumb_knuckle is not None:
        position = checked_poses(f"{side} hand thumb knuckle", hand.thumb_knuckle, wrist.dtype)[..., :3]
    else:
        in_wrist = ARKIT_WRIST_FROM_HAND[side] @ thumb_knuckle(side)
        position = wrist[..., :3] + matrix_from_quaternion(wrist[..., 3:]) @ in_wrist.astype(wrist.dtype)
    return np.concatenate([position, wrist[..., 3:]], axis=-1)


def gripper_opening(hand: HandActions, options: AlignmentOptions = DEFAULT) -> Array:
    """Openings (...), 0 closed to 1 open, from the pinch of a hand. Raises AlignmentError."""
    return options.gripper.opening(pinch_distance(hand.finger_tips))


def eef_from_reference(reference: ArrayLike, initial: InitialPair, options: AlignmentOptions = DEFAULT) -> Array:
    """End-effector poses (..., 7) in the robot's world from reference poses (..., 7) of ``hand_reference``.

    Quaternions keep their sign along time (first w >= 0). Raises AlignmentError.
    """
    poses = checked_poses("hand reference", reference)
    hand, eef = (checked_poses("initial pair", pose, poses.dtype) for pose in (initial.hand, initial.eef))
    position, rotation = carry(
        poses[..., :3],
        matrix_from_quaternion(poses[..., 3:]),
        hand[:3],
        matrix_from_quaternion(hand[3:]),
        eef[:3],
        matrix_from_quaternion(eef[3:]),
        options.robot_from_human.astype(poses.dtype),
        options.scale,
    )
    return poses_from(position, rotation)


def eef_from_hand(
    hand: HandActions,
    initial_hand: ArrayLike,
    initial_eef: ArrayLike,
    options: AlignmentOptions = DEFAULT,
) -> tuple[Array, Array]:
    """End-effector poses (..., 7) in the robot's world and gripper openings (...) for a hand over time.

    The caller keeps, from the moment the imitation begins until it ends: ``initial_hand`` (7,), the
    ``hand_reference`` of that moment, and ``initial_eef`` (7,), where the arm then was. Raises AlignmentError.
    """
    pair = InitialPair(checked("initial hand", initial_hand, (7,)), checked("initial eef", initial_eef, (7,)))
    return eef_from_reference(hand_reference(hand, options), pair, options), gripper_opening(hand, options)


def eef_from_rows(
    rows: ArrayLike,
    side: str,
    initial_eef: ArrayLike,
    initial_hand: ArrayLike | None = None,
    thumb_knuckle: ArrayLike | None = None,
    options: AlignmentOptions = DEFAULT,
) -> tuple[Array, Array]:
    """As ``eef_from_hand``, from one hand's rows (T, 24); without ``initial_hand``, the first row is the beginning."""
    hand = hand_from_row(rows, side, thumb_knuckle)
    first = hand_reference(hand, options)[0] if initial_hand is None else initial_hand
    return eef_from_hand(hand, first, initial_eef, options)
