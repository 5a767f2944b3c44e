"""MediaPipe's 21 hand landmarks to hands: axes estimated from the palm, and the trap of its handedness.

MediaPipe's world landmarks are metres, x right, y down, z away from the camera, about the hand's own centre: they say
how the hand is held, not where it is. Its labels "Left" and "Right" are right for mirrored (selfie) images only; in
any other image they are swapped. In a mirrored image the label is right but the points are a mirror image.
"""

import numpy as np
from numpy.typing import ArrayLike

from mivla_ros import action_space
from mivla_ros.action_chunk import HandActions
from mivla_ros.alignment.errors import AlignmentError
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from mivla_ros.alignment.hand_rows import check_side
from mivla_ros.alignment.poses import Array, checked, first_row, poses_from, value_at

POINTS = 21
WRIST, THUMB_KNUCKLE = 0, 1
KNUCKLES = (5, 9, 13, 17)  # index to little finger
TIPS = (4, 8, 12, 16, 20)  # order of action_space.FINGERS
MIN_LENGTH = 0.005  # m; a palm shorter or narrower than this has no axes
MIN_CURL = 0.02  # m; fingers bent to the back of the hand by more than this, in the median, are the other hand's


def side_from_label(label: str, mirrored: bool) -> str:
    """The real side of a hand that MediaPipe labels "Left" or "Right", in a mirrored image or not.

    Raises AlignmentError for another label.
    """
    side = check_side(label.lower())
    return side if mirrored else action_space.SIDES[1 - action_space.SIDES.index(side)]


def unmirrored(landmarks: ArrayLike) -> Array:
    """Landmarks (..., 21, 3) found in a mirrored image, as they are in the world: x negated."""
    return checked("landmarks", landmarks, (POINTS, 3)) * np.array([-1, 1, 1], dtype=np.float32)


def hand_rotation(landmarks: ArrayLike, side: str) -> Array:
    """Hand frame (..., 3, 3) in the landmarks' frame, from landmarks (..., 21, 3) in m.

    x runs from the wrist to the middle of the four knuckles, z along the knuckles at a right angle to it. Raises
    AlignmentError naming the row where palm points coincide.
    """
    sign = 1 if check_side(side) == "right" else -1
    points = checked("landmarks", landmarks, (POINTS, 3))
    along = points[..., KNUCKLES, :].mean(axis=-2) - points[..., WRIST, :]
    x = along / _length(along, "wrist and knuckles")
    across = sign * (points[..., KNUCKLES[0], :] - points[..., KNUCKLES[-1], :])
    across = across - np.sum(across * x, axis=-1, keepdims=True) * x
    z = across / _length(across, "knuckles of index and little finger")
    return np.stack([x, np.cross(z, x), z], axis=-1)


def hand_from_landmarks(landmarks: ArrayLike, side: str) -> HandActions:
    """A hand over time from world landmarks (..., 21, 3), in their frame, with ARKit's wrist axes.

    ``side`` is the real one (``side_from_label``), landmarks of a mirrored image must be ``unmirrored``. Raises
    AlignmentError where the fingers bend to the back of the hand: then the side is wrong or the image mirrored.
    """
    points = checked("landmarks", landmarks, (POINTS, 3))
    rotation = hand_rotation(points, side)
    reach = points[..., TIPS[1:], :] - points[..., KNUCKLES, :]
    curl = float(np.median(np.sum(reach * rotation[..., None, :, 1], axis=-1)))
    if curl < -MIN_CURL:
        words = (
            f"fingers bend {-curl:.3f} m to the back of a {side} hand (limit {MIN_CURL}): it is the other hand, or the "
            "image is mirrored"
        )
        raise AlignmentError("landmarks", words, None, curl, -MIN_CURL)
    wrist_rotation = rotation @ ARKIT_WRIST_FROM_HAND[side].T.astype(points.dtype)
    return HandActions(
        wrist=poses_from(points[..., WRIST, :], wrist_rotation),
        finger_tips=points[..., TIPS, :],
        thumb_knuckle=poses_from(points[..., THUMB_KNUCKLE, :], wrist_rotation),
        left=side == "left",
    )


def _length(vector: Array, words: str) -> Array:
    length = np.linalg.norm(vector, axis=-1)
    bad = length < MIN_LENGTH
    if bad.any():
        row = first_row(bad)
        value = value_at(length, row)
        text = f"{words} are {value:.3g} m apart, must be at least {MIN_LENGTH}"
        raise AlignmentError("landmarks", text, row, value, MIN_LENGTH)
    return length[..., None]
