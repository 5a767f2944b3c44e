"""Head and elbows, which follow the hands: the head sways a little and looks where the hands are."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.demonstrations.hands.grips import SHOULDER, inwards
from mivla_ros.demonstrations.hands.person import Person
from mivla_ros.simulation.hands.hand_bodies import FOREARM, UPPER_ARM

Array = NDArray[np.float64]

WAVES, SWAY_RATE = 4, (0.08, 0.6)  # Hz
FOLLOWING = 0.30  # share of the way from the table's middle to the hands that the gaze goes
LAG = 0.7  # s, of the gaze behind the hands
GAZE = (0.31, 0.0, 0.03)  # m from the person
EYES_BACK = 0.03  # m of the eyes behind the person's place
SHOULDER_BACK, SHOULDER_HEIGHT = 0.05, 0.24  # m


def head_poses(
    times: Array, wrists: Mapping[str, Array], person: Person, person_x: float, table: float, seed: int
) -> Array:
    """Poses (N, 7) of the camera, optical axes, world frame, at evenly spaced times (N,) s. wrists: (N, 3) by side."""
    random = np.random.default_rng([seed, 0x4EAD])
    rate = 2 * np.pi * random.uniform(*SWAY_RATE, (WAVES, 6))
    phase = random.uniform(0, 2 * np.pi, (WAVES, 6))
    size = person.sway * np.sqrt(2 / WAVES) * np.array([1.0, 1.0, 0.6, 1.5, 1.5, 2.0])  # m, rad
    sway = (size * np.sin(times[:, None, None] * rate + phase)).sum(axis=1)
    eyes = np.array([person_x - EYES_BACK, random.normal(0.0, 0.015), table + person.eyes]) + sway[:, :3]
    middle = np.array([person_x + GAZE[0], GAZE[1], table + GAZE[2]])
    hands = np.mean([wrists[side] for side in wrists], axis=0)
    gaze = middle + FOLLOWING * (_late(hands, times) - middle)
    ahead = gaze - eyes
    ahead /= np.linalg.norm(ahead, axis=1)[:, None]
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right, axis=1)[:, None]
    down = np.cross(ahead, right)
    rotation = Rotation.from_matrix(np.stack([right, down, ahead], axis=2)) * Rotation.from_rotvec(sway[:, 3:])
    return np.concatenate([eyes, rotation.as_quat(scalar_first=True)], axis=1)


def _late(values: Array, times: Array) -> Array:
    """Low-passed, LAG behind."""
    late = values.copy()
    gain = 1 - np.exp(-np.diff(times) / LAG)
    for i in range(1, len(late)):
        late[i] = late[i - 1] + gain[i - 1] * (values[i] - late[i - 1])
    return late


def arm_poses(wrists: Array, ahead_of_hand: Array, side: str, person_x: float, table: float) -> Array:
    """Poses (N, 2, 7) of forearms at wrists (N, 3), x away from the elbow, and of upper arms at elbows, x away from the
    shoulder. ahead_of_hand: (N, 3), the hands' x.

    The elbow gives way so that the wrist is bent little, else hangs outwards and down; where the arm is too short, the
    shoulder comes along."""
    shoulder = np.array([person_x - SHOULDER_BACK, -inwards(side) * SHOULDER, table + SHOULDER_HEIGHT])
    way = wrists - shoulder
    length = np.linalg.norm(way, axis=1)
    reach = 0.97 * (UPPER_ARM + FOREARM)
    ahead = way / length[:, None]
    length = np.clip(length, 0.12, reach)
    along = (FOREARM**2 - UPPER_ARM**2 + length**2) / (2 * length)  # from the wrist back
    beside = np.sqrt(np.maximum(FOREARM**2 - along**2, 0.0))
    out = np.array([0.0, -inwards(side) * 0.5, -0.6]) - 0.8 * ahead_of_hand
    out = out - (ahead * out).sum(axis=1)[:, None] * ahead
    out /= np.linalg.norm(out, axis=1)[:, None]
    elbow = wrists - along[:, None] * ahead + beside[:, None] * out
    return np.stack(
        [_pointing(wrists, wrists - elbow), _pointing(elbow, elbow - wrists + length[:, None] * ahead)], axis=1
    )


def _pointing(places: Array, x: Array) -> Array:
    """Poses (N, 7) at places (N, 3) with their x along (N, 3)."""
    x = x / np.linalg.norm(x, axis=1)[:, None]
    y = np.cross([0.02, 0.01, 1.0], x)  # never along an arm that hangs straight down
    y /= np.linalg.norm(y, axis=1)[:, None]
    rotation = Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], axis=2))
    return np.concatenate([places, rotation.as_quat(scalar_first=True)], axis=1)
