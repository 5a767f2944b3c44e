"""Rows of the unified action space (24 values a hand, 48 for both) to hands and back; order from ``action_space``."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from mivla_ros import action_space
from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.poses import (
    Array,
    checked,
    checked_poses,
    matrix_from_quaternion,
    matrix_from_rotation_6d,
    poses_from,
)

_TIPS = (len(action_space.FINGERS), 3)


def check_side(side: str) -> str:
    """The side itself. Raises AlignmentError unless it is left or right."""
    if side not in action_space.SIDES:
        raise AlignmentError("side", f"is {side!r}, must be one of {action_space.SIDES}")
    return side


def hand_from_row(rows: ArrayLike, side: str, thumb_knuckle: ArrayLike | None = None) -> HandActions:
    """One hand from its 24 values (..., 24); ``thumb_knuckle`` (..., 7) where known. Raises AlignmentError."""
    check_side(side)
    subject = f"{side} hand"
    values = checked(subject, rows, (action_space.HAND_SIZE,))
    matrices = matrix_from_rotation_6d(f"{subject} wrist rotation", values[..., action_space.WRIST_ROTATION])
    tips = values[..., action_space.FINGER_TIPS]
    return HandActions(
        wrist=poses_from(values[..., action_space.WRIST_POSITION], matrices),
        finger_tips=tips.reshape(*tips.shape[:-1], *_TIPS),
        thumb_knuckle=None
        if thumb_knuckle is None
        else checked_poses(f"{subject} thumb knuckle", thumb_knuckle, values.dtype),
        left=side == "left",
    )


def row_from_hand(hand: HandActions) -> Array:
    """The 24 values (..., 24) of a hand. Raises AlignmentError."""
    side = "left" if hand.left else "right"
    wrist = checked_poses(f"{side} hand wrist", hand.wrist)
    tips = checked(f"{side} hand finger tips", hand.finger_tips, _TIPS, wrist.dtype)
    row = np.empty((*wrist.shape[:-1], action_space.HAND_SIZE), dtype=wrist.dtype)
    row[..., action_space.WRIST_POSITION] = wrist[..., :3]
    matrix = matrix_from_quaternion(wrist[..., 3:])
    row[..., action_space.WRIST_ROTATION] = action_space.rotation_6d_from_matrix(matrix)
    row[..., action_space.FINGER_TIPS] = tips.reshape(*tips.shape[:-2], -1)
    return row


def hands_from_rows(rows: ArrayLike, thumb_knuckles: Mapping[str, ArrayLike] | None = None) -> dict[str, HandActions]:
    """Hands by side from rows (..., 48). A hand that is NaN throughout is not there and left out; a hand that is NaN
    in part raises AlignmentError, as does one without any hand.
    """
    values = np.asarray(rows)
    if values.ndim == 0 or values.shape[-1] != action_space.HUMAN_SIZE:
        raise AlignmentError("human rows", f"have shape {values.shape}, must be (..., {action_space.HUMAN_SIZE})")
    hands = {}
    for side in action_space.SIDES:
        row = values[..., action_space.hand_slice(side)]
        if not np.isnan(row).all():
            hands[side] = hand_from_row(row, side, (thumb_knuckles or {}).get(side))
    if not hands:
        raise AlignmentError("human rows", "hold no hand, both are NaN throughout")
    return hands


def rows_from_hands(hands: Mapping[str, HandActions]) -> Array:
    """Rows (..., 48) from hands by side; a hand that is not there is NaN throughout. Raises AlignmentError."""
    parts = {}
    for side, hand in hands.items():
        check_side(side)
        if hand.left != (side == "left"):
            raise AlignmentError(f"{side} hand", f"says left={hand.left}")
        parts[side] = row_from_hand(hand)
    if not parts:
        raise AlignmentError("hands", "are none")
    some = next(iter(parts.values()))
    rows = np.full((*some.shape[:-1], action_space.HUMAN_SIZE), np.nan, dtype=some.dtype)
    for side, part in parts.items():
        if part.shape != some.shape:
            raise AlignmentError(f"{side} hand", f"has shape {part.shape}, the other hand {some.shape}")
        rows[..., action_space.hand_slice(side)] = part
    return rows
