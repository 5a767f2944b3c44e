"""A bottle to be grasped: round body with a dome, neck and cap, made of shapes whose contacts MuJoCo
computes exactly."""

from collections.abc import Mapping

import mujoco
import numpy as np

from mivla_ros.simulation.scene import COLLISION_GROUP, VISUAL_GROUP

FOOT_RADIUS = 0.005
FEET = 8
Colour = tuple[float, float, float, float]
COLOURS: Mapping[str, Colour] = {
    "glass": (0.10, 0.33, 0.78, 1),
    "label": (0.96, 0.95, 0.90, 1),
    "cap": (0.87, 0.16, 0.13, 1),
}
OTHER_COLOURS: Mapping[str, Colour] = {
    "glass": (0.55, 0.12, 0.50, 1),
    "label": (0.98, 0.85, 0.30, 1),
    "cap": (0.15, 0.15, 0.15, 1),
}


def add_bottle(
    spec: mujoco.MjSpec,
    name: str,
    radius: float,
    height: float,
    mass: float,
    colours: Mapping[str, Colour] = COLOURS,
) -> None:
    """Add a free bottle; its frame is the centre of its base, z along its axis. Lengths m, mass kg.

    Its sides are one capsule (two contacts with a flat finger) and it stands on a ring of small spheres,
    so that it neither rocks nor slips as a single convex shape would. Sides are straight from ``radius``
    to two thirds of ``height``.
    """
    body = spec.worldbody.add_body(name=name, pos=[0, 0, height])
    body.add_freejoint(name=name)
    shoulder = straight_top(height)
    neck = 0.45 * radius
    centre = 0.42 * height
    body.explicitinertial = True
    body.mass = mass
    body.ipos = [0, 0, centre]
    across = mass * (3 * radius**2 + (0.8 * height) ** 2) / 12
    body.inertia = [across, across, mass * radius**2 / 2]

    solid = {"group": COLLISION_GROUP, "condim": 4, "friction": [0.9, 0.004, 0.0002]}
    capsule, cylinder, sphere = (
        mujoco.mjtGeom.mjGEOM_CAPSULE,
        mujoco.mjtGeom.mjGEOM_CYLINDER,
        mujoco.mjtGeom.mjGEOM_SPHERE,
    )
    lift = 0.003  # the capsule's round end stays clear of what the feet stand on
    body.add_geom(type=capsule, fromto=[0, 0, radius + lift, 0, 0, shoulder], size=[radius, 0, 0], **solid)
    body.add_geom(type=capsule, fromto=[0, 0, shoulder, 0, 0, height - neck], size=[neck, 0, 0], **solid)
    ring = radius - FOOT_RADIUS
    for angle in np.arange(FEET) * 2 * np.pi / FEET:
        position = [ring * np.cos(angle), ring * np.sin(angle), FOOT_RADIUS]
        body.add_geom(type=sphere, pos=position, size=[FOOT_RADIUS, 0, 0], **(solid | {"condim": 3}))

    def skin(kind: mujoco.mjtGeom, lower: float, upper: float, width: float, colour: str) -> None:
        body.add_geom(
            type=kind, fromto=[0, 0, lower, 0, 0, upper], size=[width, 0, 0], rgba=colours[colour],
            group=VISUAL_GROUP, contype=0, conaffinity=0,
        )  # fmt: skip

    skin(cylinder, 0.0, shoulder, radius, "glass")
    body.add_geom(
        type=sphere, pos=[0, 0, shoulder], size=[radius, 0, 0], rgba=colours["glass"], group=VISUAL_GROUP,
        contype=0, conaffinity=0,
    )  # fmt: skip
    skin(cylinder, shoulder, height - 0.018, neck, "glass")
    skin(cylinder, height - 0.02, height, neck + 0.002, "cap")
    skin(cylinder, 0.3 * shoulder, 0.8 * shoulder, radius + 0.0004, "label")


def straight_top(height: float) -> float:
    """Height above the base up to which the sides are straight, m."""
    return 0.63 * height
