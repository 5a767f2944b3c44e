"""An adult hand that opens and closes like a gripper: the paper's f_d, for which it gives no numbers.

All points are in the canonical hand frame of a right hand, origin at the wrist, metres; a left hand is its mirror
image (z negated, since z points to the thumb of a right hand and away from the thumb of a left one).

What the numbers rest on:

======================  ===========================  ==================================================================
what                    value                        source
======================  ===========================  ==================================================================
bones and soft tips     ``BONES``, means of 66       Buryanov and Kotiuk 2010, Proportions of Hand Segments,
                        adults on X-ray              Int. J. Morphol. 28(3):755-758 (as quoted by others)
wrist to metacarpals    30 mm                        our assumption; 187 mm from wrist to middle tip. Adult hands:
                                                     168 mm (women), 185 mm (men), Binvignat et al. 2012,
                                                     Int. J. Morphol. 30(2)
knuckles across the     35, 10, -13, -31 mm          measured: medians over 621 frames of MediaPipe's landmarks of one
palm, thumb knuckle     (24, 17, 29) mm              person's right hand (the project's hand video)
bends, open and closed  ``FLEXION``                  our assumption, well inside normal motion
pinch axis              ``PINCH_AXIS``               our choice near the same video's; its depth is poorly known, so
                                                     the thumb is kept before the palm and no longer than its bones
======================  ===========================  ==================================================================

The two pinch templates are linear in between, and the tips of thumb and index finger stay on one axis, so that their
distance is exactly the gripper rule's at every opening.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mivla_ros import action_space
from mivla_ros.alignment.gripper_rule import GripperRule
from mivla_ros.alignment.poses import Array, checked

# finger: metacarpal, proximal, middle, distal bone, soft tip, in m; the thumb has no middle phalanx
BONES = {
    "thumb": (0.04622, 0.03157, 0.0, 0.02167, 0.00567),
    "index": (0.06812, 0.03978, 0.02238, 0.01582, 0.00384),
    "middle": (0.06460, 0.04463, 0.02633, 0.01740, 0.00395),
    "ring": (0.05800, 0.04137, 0.02565, 0.01730, 0.00395),
    "little": (0.05369, 0.03257, 0.01811, 0.01596, 0.00373),
}
CARPUS = 0.030
KNUCKLE_ACROSS = {"index": 0.035, "middle": 0.010, "ring": -0.013, "little": -0.031}
THUMB_KNUCKLE = (0.024, 0.017, 0.029)
# (open, closed) bend in degrees of the finger's own knuckle, middle and end joint
FLEXION = {
    "index": ((0.0, 0.0, 0.0), (50.0, 50.0, 25.0)),
    "middle": ((10.0, 10.0, 5.0), (30.0, 30.0, 15.0)),
    "ring": ((10.0, 10.0, 5.0), (30.0, 30.0, 15.0)),
    "little": ((10.0, 10.0, 5.0), (30.0, 30.0, 15.0)),
}
PINCH_AXIS = np.array([0.79, -0.21, -0.57]) / np.linalg.norm([0.79, -0.21, -0.57])
"""From the tip of the thumb to the tip of the index finger, unit."""

THUMB_LENGTH = sum(BONES["thumb"])
MIRROR = {"right": np.array([1.0, 1.0, 1.0]), "left": np.array([1.0, 1.0, -1.0])}


def finger_joints(finger: str, closed: bool) -> Array:
    """Knuckle, middle joint, end joint and tip (4, 3) of a finger other than the thumb, right hand, bent as in
    ``FLEXION``.
    """
    across = KNUCKLE_ACROSS[finger]
    metacarpal, *phalanges, soft = BONES[finger]
    lengths = np.array([phalanges[0], phalanges[1], phalanges[2] + soft])
    bends = np.cumsum(np.radians(FLEXION[finger][1 if closed else 0]))
    steps = lengths[:, None] * np.stack([np.cos(bends), np.sin(bends), np.zeros(3)], axis=1)
    knuckle = np.array([np.sqrt((CARPUS + metacarpal) ** 2 - across**2), 0.0, across])
    return np.concatenate([knuckle[None], knuckle + np.cumsum(steps, axis=0)])


# tips of the four fingers when the gripper is closed and open, (4, 3)
_CLOSED, _OPEN = (np.array([finger_joints(f, c)[-1] for f in action_space.FINGERS[1:]]) for c in (True, False))


def thumb_knuckle(side: str, dtype: Any = np.float64) -> Array:  # noqa: ANN401
    """Thumb knuckle (3,) from the wrist, in the hand frame of that side."""
    return (np.array(THUMB_KNUCKLE) * MIRROR[side]).astype(dtype)


def finger_tips(opening: ArrayLike, side: str, rule: GripperRule | None = None) -> Array:
    """Five finger tips (..., 5, 3) from the wrist, in the hand frame of that side, for openings (...) from 0 to 1.

    Raises AlignmentError for openings outside 0 to 1.
    """
    values = checked("gripper opening", opening, ())
    distance = (rule or GripperRule()).distance(values)[..., None]
    share = np.clip(values, 0, 1)[..., None, None]
    fingers = _CLOSED.astype(values.dtype) + share * (_OPEN - _CLOSED).astype(values.dtype)
    thumb = fingers[..., 0, :] - distance * PINCH_AXIS.astype(values.dtype)
    tips = np.concatenate([thumb[..., None, :], fingers], axis=-2)
    return tips * MIRROR[side].astype(values.dtype)
