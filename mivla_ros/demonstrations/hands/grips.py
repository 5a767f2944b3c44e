"""How a hand takes a thing: where its wrist is, how it is turned, and the postures before and around it.

The tips of thumb and index finger close along an axis across the thing; of the wrists that can do so, the one is taken
that is turned least from how a hand lies in front of its shoulder.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.alignment.hand_template import MIRROR, PINCH_AXIS
from mivla_ros.simulation.hands.anatomy import Hand, pinch_posture, power_posture
from mivla_ros.tabletop.things import Grasp

Array = NDArray[np.float64]

PALM_DEPTH = 0.017  # m, from the wrist's plane to the skin of the palm
POWER_REACH = 0.082  # m, from the wrist to the middle of what the whole hand holds
NATURAL_PITCH, POWER_PITCH = np.radians(48.0), np.radians(12.0)  # of the fingers below the horizontal
PRONATION = np.radians(20.0)  # from palm down towards palm inwards
FREE_AXES = np.radians(np.arange(-90.0, 90.0, 10.0))
PITCHES = np.radians([25.0, 40.0, 55.0, 70.0])
SHOULDER = 0.19  # m beside the middle
# palm down, fingers ahead: the canonical hand frame in the world, alike for both hands
PALM_DOWN = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Grip:
    """A wrist (position (3,) m and rotation, canonical hand frame) around a thing, with the postures (19,) on the way
    to it and closed."""

    place: Array
    rotation: Rotation
    open: Array
    closed: Array


def inwards(side: str) -> float:
    """+1 for a right hand, whose thumb is to the left; -1 for a left one."""
    return 1.0 if side == "right" else -1.0


def natural(side: str, azimuth: float, pitch: float) -> Rotation:
    """A relaxed hand in front of its shoulder, fingers to ``azimuth``, ``pitch`` rad below the horizontal."""
    roll = Rotation.from_rotvec([inwards(side) * PRONATION, 0.0, 0.0])
    return Rotation.from_euler("z", azimuth) * Rotation.from_euler("y", pitch) * roll * Rotation.from_matrix(PALM_DOWN)


def grip_of(hand: Hand, grasp: Grasp, thing: Array, person_x: float, random: np.random.Generator) -> Grip:
    """How a hand takes a thing at a pose (7,), world frame."""
    frame = Rotation.from_quat(thing[3:], scalar_first=True)
    point = thing[:3] + frame.apply(grasp.point)
    shoulder = np.array([person_x - 0.05, -inwards(hand.side) * SHOULDER])
    ahead = float(np.arctan2(*(point[:2] - shoulder)[::-1]))
    if grasp.power:
        return _power(hand, grasp, point, ahead, random)
    spare = float(random.uniform(0.02, 0.045))
    closed = pinch_posture(hand, max(grasp.width, 0.004), float(random.uniform(0.0, 0.35)))
    tips = hand.tips(closed[None])[0]
    axis = tips[1] - tips[0]
    length = float(np.linalg.norm(axis))
    axis = axis / length if length > 0.003 else PINCH_AXIS * MIRROR[hand.side]
    yaw = float(frame.as_euler("ZYX")[0])
    angles = [yaw + a for a in grasp.axes] if grasp.axes else list(FREE_AXES + ahead)
    usual = natural(hand.side, 0.6 * ahead, NATURAL_PITCH + random.normal(0.0, 0.08))
    found = [
        _aligned(axis, np.array([np.cos(a), np.sin(a), 0.0]) * way, _fingers(ahead, pitch))
        for a in angles for way in (1, -1) for pitch in PITCHES
    ]  # fmt: skip
    costs = [(usual.inv() * one).magnitude() + _awkward(one, tips, hand) for one in found]
    rotation = found[int(np.argmin(costs))]
    place = point - rotation.apply((tips[0] + tips[1]) / 2)
    return Grip(place, rotation, pinch_posture(hand, min(grasp.width + spare, 0.15), 0.1), closed)


def _power(hand: Hand, grasp: Grasp, point: Array, ahead: float, random: np.random.Generator) -> Grip:
    """Palm to the thing, thumb up."""
    side = inwards(hand.side)
    upright = np.column_stack([[1.0, 0, 0], [0, side, 0], [0, 0, side]])
    turn = Rotation.from_euler("z", 0.7 * ahead + side * (0.35 + random.normal(0.0, 0.12)))
    lean = Rotation.from_euler("y", POWER_PITCH + random.normal(0.0, 0.08))
    rotation = turn * lean * Rotation.from_matrix(upright)
    middle = hand.scale * np.array([POWER_REACH, 0.0, 0.0]) + [0.0, PALM_DEPTH + grasp.width / 2, 0.0]
    spare = float(random.uniform(0.025, 0.045))
    return Grip(
        point - rotation.apply(middle), rotation, power_posture(hand, min(grasp.width + spare, 0.12)),
        power_posture(hand, grasp.width),
    )  # fmt: skip


def _fingers(azimuth: float, pitch: float) -> Array:
    return np.array([np.cos(pitch) * np.cos(azimuth), np.cos(pitch) * np.sin(azimuth), -np.sin(pitch)])


def _aligned(axis: Array, wanted: Array, fingers: Array) -> Rotation:
    """The rotation that takes ``axis`` to ``wanted`` and the hand's x as near as can be to ``fingers``."""
    return Rotation.from_matrix(_frame(wanted, fingers) @ _frame(axis, np.array([1.0, 0.0, 0.0])).T)


def _frame(first: Array, second: Array) -> Array:
    rest = second - (second @ first) * first
    rest = rest / np.linalg.norm(rest)
    return np.column_stack([first, rest, np.cross(first, rest)])


def _awkward(rotation: Rotation, tips: Array, hand: Hand) -> float:
    """What a wrist costs that is not above its finger tips."""
    above = float(-rotation.apply((tips[0] + tips[1]) / 2)[2])
    return 12.0 * max(0.07 - above, 0.0)
