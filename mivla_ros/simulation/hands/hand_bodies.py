"""Two hands, two arms and the head's camera as bodies that are placed, not driven.

A body a joint; its shapes reach to the joints that hang on it. They are seen, never felt: what a hand holds is held by
a weld to its wrist, and what it pushes feels a flat pusher, which else waits far below the floor.
"""

from dataclasses import dataclass
from itertools import pairwise

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import SIDES
from mivla_ros.simulation.hands.anatomy import JOINTS, PARENTS, POSTURE_SIZE, Hand, joint_names
from mivla_ros.simulation.robot import OPTICAL_FROM_CAMERA
from mivla_ros.simulation.scene import VISUAL_GROUP
from mivla_ros.tabletop.things import Colour

Array = NDArray[np.float64]

CAMERA = "head_camera"
RADII = (0.0, 0.0125, 0.0105, 0.0090, 0.0080, *(0.0105, 0.0105, 0.0088, 0.0078, 0.0068) * 4)  # m, at each joint
PALM_RADIUS = 0.0125
FOREARM, UPPER_ARM = 0.26, 0.30  # m, elbow to wrist, shoulder to elbow
SKIN_SHARE = 0.45  # of the forearm that no sleeve covers
PUSHER = (0.006, 0.03, 0.018)  # m, half lengths; x to what is pushed
PARKED = (0.0, 0.0, -3.0)


@dataclass(frozen=True)
class Looks:
    """A person's looks. skin, sleeve: colours. scale: size of the hands over the template's."""

    skin: Colour = (0.86, 0.66, 0.53, 1.0)
    sleeve: Colour = (0.25, 0.32, 0.45, 1.0)
    scale: float = 1.0


@dataclass(frozen=True)
class Lens:
    """Of the head's camera: pixels and vertical field of view, rad; the default is EgoDex's, a quarter its size."""

    width: int = 480
    height: int = 270
    vertical_fov: float = 2 * float(np.arctan(540 / 736.6339))


def arm_names(side: str) -> tuple[str, str]:
    """Names of the bodies of forearm and upper arm."""
    return f"{side}Forearm", f"{side}UpperArm"


def pusher_name(side: str) -> str:
    """Name of the pusher's body."""
    return f"{side}Pusher"


def add_hands(spec: mujoco.MjSpec, looks: Looks, lens: Lens) -> None:
    """Add everything to the world body."""
    for side in SIDES:
        _add_hand(spec, side, looks)
        _add_arm(spec, side, looks)
        pusher = spec.worldbody.add_body(name=pusher_name(side), mocap=True, pos=PARKED)
        pusher.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, size=PUSHER, group=VISUAL_GROUP, rgba=[0, 0, 0, 0], condim=3,
            friction=[0.5, 0.005, 0.0001],
        )  # fmt: skip
    head = spec.worldbody.add_body(name=CAMERA, mocap=True)
    head.add_camera(
        name=CAMERA, quat=OPTICAL_FROM_CAMERA, fovy=np.degrees(lens.vertical_fov), resolution=[lens.width, lens.height]
    )


def _skin(body: mujoco.MjsBody, start: Array, end: Array, radius: float, rgba: Colour) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[*start, *end], size=[radius, 0, 0], rgba=rgba, group=VISUAL_GROUP,
        contype=0, conaffinity=0, mass=0,
    )  # fmt: skip


def _add_hand(spec: mujoco.MjSpec, side: str, looks: Looks) -> None:
    hand = Hand(side, looks.scale)
    found = hand.joints(np.zeros((1, 3)), np.eye(3)[None], np.zeros((1, POSTURE_SIZE)))
    positions, rotations = found[0][0], found[1][0]
    bodies = [spec.worldbody.add_body(name=name, mocap=True) for name in joint_names(side)]
    for joint in range(1, len(JOINTS)):
        parent = PARENTS[joint]
        end = rotations[parent].T @ (positions[joint] - positions[parent])
        start = np.zeros(3)
        shade = 0.97 if joint % 2 else 1.0  # so that joints can be told apart
        colour = (looks.skin[0] * shade, looks.skin[1] * shade, looks.skin[2] * shade, 1.0)
        _skin(bodies[parent], start, end, looks.scale * RADII[joint], colour)
    wrist = rotations[0].T
    knuckles = [wrist @ (positions[j] - positions[0]) for j in (1, 6, 11, 16, 21)]
    for first, second in pairwise(knuckles):
        _skin(bodies[0], first, second, looks.scale * PALM_RADIUS, looks.skin)
        _skin(bodies[0], 0.55 * first, 0.55 * second, looks.scale * PALM_RADIUS, looks.skin)
    for knuckle in knuckles[1:]:
        _skin(bodies[0], 0.1 * knuckle, knuckle, looks.scale * PALM_RADIUS, looks.skin)


def _add_arm(spec: mujoco.MjSpec, side: str, looks: Looks) -> None:
    """From the wrist along -x to the elbow, and from there along -x to the shoulder."""
    body, upper = (spec.worldbody.add_body(name=name, mocap=True) for name in arm_names(side))
    cuff = -SKIN_SHARE * FOREARM
    for start, end, radius in ((0.0, 0.4, 0.0235), (0.3, 1.0, 0.0275)):
        _skin(body, np.array([start * cuff, 0, 0]), np.array([end * cuff, 0, 0]), looks.scale * radius, looks.skin)
    _skin(body, np.array([cuff, 0, 0]), np.array([-FOREARM, 0, 0]), looks.scale * 0.038, looks.sleeve)
    _skin(upper, np.zeros(3), np.array([-UPPER_ARM, 0, 0]), looks.scale * 0.045, looks.sleeve)
