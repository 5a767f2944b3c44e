"""How a scene differs from the usual one: colours, light, clutter and table height, as RoboTwin 2.0's 'hard' setting
varies them (paper.md 1.7).

A variation changes the compiled model in place and is taken back at the next reset; shapes of objects are the task's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.simulation.scene import FLOOR, TABLE, VISUAL_GROUP

CLUTTER_COUNT = 6
CLUTTER_PREFIX = "clutter"
PARKED = -3.0  # m; where clutter waits that is not in the scene
TABLE_HEIGHTS = 0.03  # m up or down, as RoboTwin
CLUTTER_X, CLUTTER_Y = (0.16, 0.78), (-0.55, 0.55)
CLEARANCE = 0.13  # m from clutter to what the task moves, and to the straight way between
ROBOT_CLEARANCE = 0.22  # m from clutter to an arm's base

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Piece:
    """One piece of clutter: number of the body, pose (x, y, yaw) on the table in m and rad, rgba."""

    body: int
    x: float
    y: float
    yaw: float
    rgba: tuple[float, float, float, float]


@dataclass(frozen=True)
class Variation:
    """Differences from the usual scene. None: as usual.

    table_rgba, floor_rgba: colours. light_direction: (3,) of the lamp. light: factor on lamp and ambient light.
    tint: colour factor (3,) of the light. table_height: m above the usual one. clutter: pieces on the table.
    """

    table_rgba: tuple[float, float, float, float] | None = None
    floor_rgba: tuple[float, float, float, float] | None = None
    light_direction: tuple[float, float, float] | None = None
    light: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    table_height: float = 0.0
    clutter: tuple[Piece, ...] = ()


def random_variation(
    seed: int, keep_clear: Sequence[Array], bases: Sequence[Array] = (), *, heights: bool = True, clutter: bool = True
) -> Variation:
    """A 'hard' scene; the same seed gives the same one.

    keep_clear: points (2,) or (3,), m in the world frame, that clutter keeps away from, as from the lines between them.
    bases: points where arms stand.
    """
    random = np.random.default_rng([seed, 0x5CE7E])
    pieces: list[Piece] = []
    if clutter:
        wanted = int(random.integers(2, CLUTTER_COUNT + 1))
        for body in random.permutation(CLUTTER_COUNT)[:wanted]:
            for _ in range(40):
                spot = np.array([random.uniform(*CLUTTER_X), random.uniform(*CLUTTER_Y)])
                others = [np.array([p.x, p.y]) for p in pieces]
                near_base = any(np.linalg.norm(spot - base[:2]) < ROBOT_CLEARANCE for base in bases)
                if not near_base and _clear(spot, [np.asarray(p)[:2] for p in keep_clear], others):
                    colour = _colour(random, 0.1, 0.95)
                    pieces.append(
                        Piece(int(body), float(spot[0]), float(spot[1]), random.uniform(-np.pi, np.pi), colour)
                    )
                    break
    direction = np.array([random.uniform(-0.7, 0.7), random.uniform(-0.7, 0.7), -1.0])
    return Variation(
        table_rgba=_colour(random, 0.25, 0.95),
        floor_rgba=_colour(random, 0.2, 0.9),
        light_direction=tuple(direction / np.linalg.norm(direction)),
        light=float(random.uniform(0.6, 1.3)),
        tint=tuple(random.uniform(0.85, 1.1, 3)),
        table_height=float(random.uniform(-TABLE_HEIGHTS, TABLE_HEIGHTS)) if heights else 0.0,
        clutter=tuple(pieces),
    )


def _colour(random: np.random.Generator, lower: float, upper: float) -> tuple[float, float, float, float]:
    red, green, blue = random.uniform(lower, upper, 3)
    return float(red), float(green), float(blue), 1.0


def _clear(spot: Array, points: Sequence[Array], others: Sequence[Array]) -> bool:
    if any(np.linalg.norm(spot - other) < 0.1 for other in others):
        return False
    for i, first in enumerate(points):
        for second in points[i:]:
            way = second - first
            length = way @ way
            along = np.clip((spot - first) @ way / length, 0, 1) if length > 0 else 0.0
            if np.linalg.norm(spot - first - along * way) < CLEARANCE:
                return False
    return True


def add_clutter(spec: mujoco.MjSpec) -> None:
    """Add the pieces that a variation may put on the table: boxes, cylinders and balls that nothing moves."""
    kinds = (mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER, mujoco.mjtGeom.mjGEOM_SPHERE)
    for number in range(CLUTTER_COUNT):
        name = f"{CLUTTER_PREFIX}{number}"
        half = 0.018 + 0.004 * number
        body = spec.worldbody.add_body(name=name, mocap=True, pos=[0, 0, PARKED])
        body.add_geom(
            name=name, type=kinds[number % 3], size=[half, half if number % 3 == 0 else 0.7 * half, 0.8 * half],
            rgba=[0.5, 0.5, 0.5, 1], group=VISUAL_GROUP,
        )  # fmt: skip


class Stage:
    """The part of a compiled model that variations change, and how it was."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._table = int(model.body(TABLE).mocapid[0])
        self._rgba = model.geom_rgba.copy()
        self._lights = model.light_dir.copy(), model.light_diffuse.copy()
        self._ambient = model.vis.headlight.ambient.copy(), model.vis.headlight.diffuse.copy()
        self._clutter = [model.body(f"{CLUTTER_PREFIX}{i}") for i in range(CLUTTER_COUNT)]

    def show(self, variation: Variation, data: mujoco.MjData) -> None:
        """Make model and data look like this; whatever an earlier variation changed is as usual again."""
        model = self._model
        model.geom_rgba[:] = self._rgba
        model.light_dir[:], model.light_diffuse[:] = self._lights
        tint = np.array(variation.tint) * variation.light
        model.vis.headlight.ambient[:] = np.clip(self._ambient[0] * tint, 0, 1)
        model.vis.headlight.diffuse[:] = np.clip(self._ambient[1] * tint, 0, 1)
        model.light_diffuse[:] = np.clip(self._lights[1] * tint, 0, 1)
        if variation.table_rgba is not None:
            model.geom(TABLE).rgba[:] = variation.table_rgba
        if variation.floor_rgba is not None:
            model.geom(FLOOR).rgba[:] = variation.floor_rgba
        if variation.light_direction is not None:
            model.light_dir[:] = variation.light_direction
        data.mocap_pos[self._table, 2] = variation.table_height
        placed: Mapping[int, Piece] = {piece.body: piece for piece in variation.clutter}
        for number, body in enumerate(self._clutter):
            index, geom = int(body.mocapid[0]), model.geom(f"{CLUTTER_PREFIX}{number}")
            piece = placed.get(number)
            if piece is None:
                data.mocap_pos[index] = [0.1 * number, 0, PARKED]
                continue
            height = variation.table_height + _half_height(geom)
            data.mocap_pos[index] = [piece.x, piece.y, height]
            data.mocap_quat[index] = [np.cos(piece.yaw / 2), 0, 0, np.sin(piece.yaw / 2)]
            geom.rgba[:] = piece.rgba


def _half_height(geom: object) -> float:
    kind, size = int(geom.type[0]), geom.size  # type: ignore[attr-defined]
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return float(size[0])
    return float(size[1] if kind == mujoco.mjtGeom.mjGEOM_CYLINDER else size[2])
