"""One hand: ARKit's 25 joints from a wrist and a posture, bones of constant length.

Bones and the places of knuckles are those of ``alignment.hand_template``. Everything is computed for a right hand in
the canonical hand frame (x to the finger tips, y out of the palm, z to the thumb; origin at the wrist, m) and mirrored
for a left one. A posture is 19 numbers, smooth to blend: bends of knuckle, middle and end joint of four fingers (rad),
their spreads (rad), and where the thumb's tip wants to be (m).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import FINGERS
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from mivla_ros.alignment.hand_template import BONES, CARPUS, FLEXION, KNUCKLE_ACROSS, MIRROR, PINCH_AXIS, THUMB_KNUCKLE

Array = NDArray[np.float64]

THUMB_JOINTS = ("ThumbKnuckle", "ThumbIntermediateBase", "ThumbIntermediateTip", "ThumbTip")
FINGER_JOINTS = ("Metacarpal", "Knuckle", "IntermediateBase", "IntermediateTip", "Tip")
JOINTS: tuple[str, ...] = (
    "Hand",
    *THUMB_JOINTS,
    *(f"{finger.capitalize()}Finger{joint}" for finger in FINGERS[1:] for joint in FINGER_JOINTS),
)
"""ARKit's names of one hand's joints without the side, wrist first, in its order."""
PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 3, *(p for f in range(4) for p in (0, *range(5 * f + 5, 5 * f + 9))))
TIPS: tuple[int, ...] = (4, 9, 14, 19, 24)
THUMB_KNUCKLE_INDEX = JOINTS.index("ThumbKnuckle")

BENDS, SPREADS, THUMB = slice(0, 12), slice(12, 16), slice(16, 19)
POSTURE_SIZE = 19
THUMB_BENDS = np.array([0.35, 1.0, 0.8])  # how the bend of the thumb is shared: at its root (turned away), middle, end
MOST_THUMB_BEND = 1.15  # rad, of its middle joint
_STEPS = np.linspace(0.0, MOST_THUMB_BEND, 64)


def joint_names(side: str) -> tuple[str, ...]:
    """EgoDex's names of a hand's 25 joints."""
    return tuple(f"{side}{name}" for name in JOINTS)


def _thumb_lengths(scale: float) -> Array:
    metacarpal, proximal, _, distal, soft = BONES["thumb"]
    return scale * np.array([metacarpal, proximal, distal + soft])


def _thumb_reach(lengths: Array, bend: Array) -> Array:
    """In-plane end (..., 2) of the thumb's chain for bends of its middle joint (...)."""
    angles = np.stack([np.zeros_like(bend), THUMB_BENDS[1] * bend, (THUMB_BENDS[1] + THUMB_BENDS[2]) * bend], axis=-1)
    return np.stack([(lengths * np.cos(angles)).sum(-1), (lengths * np.sin(angles)).sum(-1)], axis=-1)


@dataclass(frozen=True)
class Hand:
    """A hand of one person. scale: its size over the template's."""

    side: str
    scale: float = 1.0

    def joints(self, wrist_positions: Array, wrist_rotations: Array, postures: Array) -> tuple[Array, Array]:
        """Positions (N, 25, 3) and rotations (N, 25, 3, 3) of the joints, rotations with ARKit's axes of that side, for
        wrists (N, 3), (N, 3, 3) (canonical hand frame) and postures (N, 19)."""
        local, turns = self._local(postures)
        mirror = MIRROR[self.side]
        local = local * mirror
        turns = mirror[:, None] * turns * mirror
        positions = wrist_positions[:, None] + np.einsum("nij,nkj->nki", wrist_rotations, local)
        arkit = ARKIT_WRIST_FROM_HAND[self.side].T
        return positions, np.einsum("nij,nkjl,lm->nkim", wrist_rotations, turns, arkit)

    def tips(self, postures: Array) -> Array:
        """Five finger tips (N, 5, 3) from the wrist, canonical hand frame of the side."""
        return self._local(postures)[0][:, TIPS] * MIRROR[self.side]

    def _local(self, postures: Array) -> tuple[Array, Array]:
        count = len(postures)
        positions, rotations = np.zeros((count, 25, 3)), np.tile(np.eye(3), (count, 25, 1, 1))
        for finger, name in enumerate(FINGERS[1:]):
            self._finger(name, postures, finger, positions, rotations)
        self._thumb(postures[:, THUMB], positions, rotations)
        return positions, rotations

    def _finger(self, name: str, postures: Array, finger: int, positions: Array, rotations: Array) -> None:
        metacarpal, *phalanges, soft = (self.scale * bone for bone in BONES[name])
        lengths = [phalanges[0], phalanges[1], phalanges[2] + soft]
        across, carpus = self.scale * KNUCKLE_ACROSS[name], self.scale * CARPUS
        knuckle = np.array([np.sqrt((carpus + metacarpal) ** 2 - across**2), 0.0, across])
        first = 5 + 5 * finger
        outwards = np.arctan2(-across, knuckle[0])  # about y
        positions[:, first] = knuckle * carpus / (carpus + metacarpal)
        rotations[:, first] = _about_y(np.array([outwards]))
        positions[:, first + 1] = knuckle
        bends = np.cumsum(postures[:, BENDS].reshape(-1, 4, 3)[:, finger], axis=1)
        spread = _about_y(postures[:, SPREADS][:, finger])
        for joint, length in enumerate(lengths):
            turn = spread @ _about_z(bends[:, joint])
            rotations[:, first + 1 + joint] = turn
            positions[:, first + 2 + joint] = positions[:, first + 1 + joint] + length * turn[:, :, 0]
        rotations[:, first + 4] = rotations[:, first + 3]

    def _thumb(self, wanted: Array, positions: Array, rotations: Array) -> None:
        """The thumb's chain bends in one plane until its tip is as far from its knuckle as wanted, and is then turned
        there; what is out of its reach it points at."""
        lengths = _thumb_lengths(self.scale)
        root = self.scale * np.array(THUMB_KNUCKLE)
        way = wanted - root
        distance = np.linalg.norm(way, axis=1)
        reach = np.linalg.norm(_thumb_reach(lengths, _STEPS), axis=1)  # falls with the bend
        bend = np.interp(distance, reach[::-1], _STEPS[::-1])
        end = _thumb_reach(lengths, bend)
        ahead = way / np.maximum(distance, 1e-9)[:, None]
        # the nail looks away from the palm and from the fingers: the thumb bends towards them
        palmar = np.array([0.55, -0.35, -0.75])
        inwards = palmar - (ahead @ palmar)[:, None] * ahead
        inwards /= np.linalg.norm(inwards, axis=1)[:, None]
        frame = np.stack([ahead, inwards, np.cross(ahead, inwards)], axis=2)
        lean = np.arctan2(end[:, 1], end[:, 0])
        angles = np.stack([0 * bend, THUMB_BENDS[1] * bend, (THUMB_BENDS[1] + THUMB_BENDS[2]) * bend], axis=1)
        positions[:, 1] = root
        for joint, length in enumerate(lengths):
            turn = frame @ _about_z(angles[:, joint] - lean)
            rotations[:, 1 + joint] = turn
            positions[:, 2 + joint] = positions[:, 1 + joint] + length * turn[:, :, 0]
        rotations[:, 4] = rotations[:, 3]


def _about_y(angles: Array) -> Array:
    c, s, o = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    rows = np.stack([c, o, s, o, o + 1, o, -s, o, c], axis=-1)
    return rows.reshape(*angles.shape, 3, 3)


def _about_z(angles: Array) -> Array:
    c, s, o = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    rows = np.stack([c, -s, o, s, c, o, o, o, o + 1], axis=-1)
    return rows.reshape(*angles.shape, 3, 3)


def pinch_posture(hand: Hand, distance: float, curl: float = 0.0) -> Array:
    """A posture (19,): tips of thumb and index finger ``distance`` m apart on the template's pinch axis. curl: bend of
    the other fingers, 0 as in the template to 1, much closed."""
    share = float(np.clip((distance - 0.02) / 0.13, -0.12, 1.0))
    posture = np.zeros(POSTURE_SIZE)
    for finger, name in enumerate(FINGERS[1:]):
        wide, closed = (np.radians(FLEXION[name][i]) for i in (0, 1))
        bends = closed + share * (wide - closed)
        if finger:
            bends = bends + curl * np.radians([35.0, 45.0, 25.0]) * (1 + 0.12 * finger)
        posture[3 * finger : 3 * finger + 3] = bends
    return _with_thumb(hand, posture, distance)


def power_posture(hand: Hand, width: float) -> Array:
    """A posture (19,): all fingers around something ``width`` m thick, the thumb opposite to the index finger."""
    share = float(np.clip((width - 0.02) / 0.10, 0.0, 1.0))
    posture = np.zeros(POSTURE_SIZE)
    for finger in range(4):
        closed = np.radians([62.0, 58.0, 30.0]) + np.radians(4.0) * finger
        wide = np.radians([18.0, 14.0, 8.0])
        posture[3 * finger : 3 * finger + 3] = closed + share * (wide - closed)
    return _with_thumb(hand, posture, min(width, 0.085))


def rest_posture(hand: Hand) -> Array:
    """A posture (19,) of a hand at rest."""
    return pinch_posture(hand, 0.075, 0.15)


def _with_thumb(hand: Hand, posture: Array, distance: float) -> Array:
    """The thumb's tip ``distance`` m from the index finger's along the pinch axis, as far as it reaches: where not, the
    direction gives way, not the distance."""
    index = Hand("right", hand.scale).tips(posture[None])[0, 1]
    root = hand.scale * np.array(THUMB_KNUCKLE)
    reach = 0.985 * float(_thumb_lengths(hand.scale).sum())
    least = float(np.linalg.norm(_thumb_reach(_thumb_lengths(hand.scale), np.array([MOST_THUMB_BEND]))))
    tip = index - distance * PINCH_AXIS
    for _ in range(60):  # onto both spheres: about the index finger's tip, and within reach of the thumb's knuckle
        away = tip - root
        length = float(np.linalg.norm(away))
        tip = root + away * np.clip(length, least, reach) / length
        away = tip - index
        tip = index + away * distance / max(float(np.linalg.norm(away)), 1e-9)
    posture[THUMB] = tip
    return posture
