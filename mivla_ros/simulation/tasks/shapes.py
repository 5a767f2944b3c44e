"""Things of ``tabletop`` as MuJoCo bodies: what is touched is made of boxes, so that things lie still."""

from itertools import pairwise

import mujoco

from mivla_ros.simulation.scene import COLLISION_GROUP, VISUAL_GROUP
from mivla_ros.tabletop.things import KNOB, WALL, Colour, Shape, Thing

SOLID = {"condim": 4, "friction": [0.9, 0.004, 0.0002]}
SMOOTH = {"condim": 3, "friction": [0.3, 0.002, 0.0001], "priority": 1}  # whatever it touches
DARK: Colour = (0.16, 0.13, 0.12, 1.0)
_BOX = mujoco.mjtGeom.mjGEOM_BOX
_CYLINDER = mujoco.mjtGeom.mjGEOM_CYLINDER
_CAPSULE = mujoco.mjtGeom.mjGEOM_CAPSULE
Triple = tuple[float, float, float]


def add_thing(spec: mujoco.MjSpec, thing: Thing) -> None:
    """Add a body of the thing's name to the world: free, or a mocap body where nothing moves it."""
    body = spec.worldbody.add_body(name=thing.name, mocap=thing.fixed, pos=[0.0, 0.0, 0.2])
    if not thing.fixed:
        body.add_freejoint(name=thing.name)
        x, y, z = thing.size
        body.explicitinertial = True
        body.mass, body.ipos = thing.mass, [0.0, 0.0, 0.4 * z]
        body.inertia = [
            thing.mass / 12 * (y * y + z * z), thing.mass / 12 * (x * x + z * z), thing.mass / 12 * (x * x + y * y),
        ]  # fmt: skip
    _SHAPES[thing.shape](body, thing)


def _touched(body: mujoco.MjsBody, size: Triple, centre: Triple, rgba: Colour | None, smooth: bool = False) -> None:
    """A box that is touched, and drawn where it has a colour."""
    half = [length / 2 for length in size]
    look = {"group": COLLISION_GROUP} if rgba is None else {"group": VISUAL_GROUP, "rgba": rgba}
    body.add_geom(type=_BOX, size=half, pos=list(centre), **look, **(SMOOTH if smooth else SOLID))


def _drawn(body: mujoco.MjsBody, kind: mujoco.mjtGeom, rgba: Colour, **where: object) -> None:
    body.add_geom(type=kind, rgba=rgba, group=VISUAL_GROUP, contype=0, conaffinity=0, **where)


def _block(body: mujoco.MjsBody, thing: Thing) -> None:
    _touched(body, thing.size, (0.0, 0.0, thing.size[2] / 2), thing.rgba)


def _crate(body: mujoco.MjsBody, thing: Thing) -> None:
    _touched(body, thing.size, (0.0, 0.0, thing.size[2] / 2), thing.rgba, smooth=True)


def _can(body: mujoco.MjsBody, thing: Thing) -> None:
    x, _, z = thing.size
    _touched(body, thing.size, (0.0, 0.0, z / 2), None)
    _drawn(body, _CYLINDER, thing.rgba, fromto=[0, 0, 0, 0, 0, z], size=[x / 2, 0, 0])
    _drawn(body, _CYLINDER, (0.8, 0.8, 0.8, 1.0), fromto=[0, 0, z - 0.004, 0, 0, z + 0.0005], size=[0.44 * x, 0, 0])


def _ball(body: mujoco.MjsBody, thing: Thing) -> None:
    x, _, z = thing.size
    _touched(body, (0.8 * x, 0.8 * x, z), (0.0, 0.0, z / 2), None)
    _drawn(body, mujoco.mjtGeom.mjGEOM_SPHERE, thing.rgba, pos=[0, 0, z / 2], size=[x / 2, 0, 0])


def _cup(body: mujoco.MjsBody, thing: Thing) -> None:
    x, _, z = thing.size
    _touched(body, thing.size, (0.0, 0.0, z / 2), None)
    _drawn(body, _CYLINDER, thing.rgba, fromto=[0, 0, 0, 0, 0, z], size=[x / 2, 0, 0])
    _drawn(body, _CYLINDER, DARK, fromto=[0, 0, z - 0.002, 0, 0, z + 0.0005], size=[0.44 * x, 0, 0])
    points = [(0.5 * x, 0.72 * z), (0.78 * x, 0.62 * z), (0.78 * x, 0.36 * z), (0.5 * x, 0.24 * z)]
    for (x0, z0), (x1, z1) in pairwise(points):
        _drawn(body, _CAPSULE, thing.rgba, fromto=[x0, 0, z0, x1, 0, z1], size=[0.004, 0, 0])


def _pad(body: mujoco.MjsBody, thing: Thing) -> None:
    _touched(body, thing.size, (0.0, 0.0, thing.size[2] / 2), thing.rgba)


def _mark(body: mujoco.MjsBody, thing: Thing) -> None:
    x, y, z = thing.size
    _drawn(body, _BOX, thing.rgba, size=[x / 2, y / 2, z / 2], pos=[0.0, 0.0, 0.0])


def _open_box(body: mujoco.MjsBody, thing: Thing, smooth: bool = False) -> None:
    x, y, z = thing.size
    _touched(body, (x, y, WALL), (0.0, 0.0, WALL / 2), thing.rgba, smooth)
    for side in (-1, 1):
        _touched(body, (WALL, y, z), (side * (x - WALL) / 2, 0.0, z / 2), thing.rgba, smooth)
        _touched(body, (x, WALL, z), (0.0, side * (y - WALL) / 2, z / 2), thing.rgba, smooth)


def _tray(body: mujoco.MjsBody, thing: Thing) -> None:
    _open_box(body, thing)


def _lid(body: mujoco.MjsBody, thing: Thing) -> None:
    z = thing.size[2]
    _touched(body, thing.size, (0.0, 0.0, z / 2), thing.rgba)
    _touched(body, KNOB, (0.0, 0.0, z + KNOB[2] / 2), DARK)


def _drawer(body: mujoco.MjsBody, thing: Thing) -> None:
    _open_box(body, thing, smooth=True)
    x, _, z = thing.size
    _touched(body, KNOB, (-(x + KNOB[0]) / 2, 0.0, z / 2), DARK)


def _cabinet(body: mujoco.MjsBody, thing: Thing) -> None:
    """Walls, back and top around the room that a drawer has, open to -x."""
    x, y, z = thing.size
    for side in (-1, 1):
        _touched(body, (x, WALL, z), (0.0, side * (y - WALL) / 2, z / 2), thing.rgba, smooth=True)
    _touched(body, (WALL, y, z), ((x - WALL) / 2, 0.0, z / 2), thing.rgba, smooth=True)
    _touched(body, (x, y, WALL), (0.0, 0.0, z - WALL / 2), thing.rgba, smooth=True)


_SHAPES = {
    Shape.BLOCK: _block, Shape.STICK: _block, Shape.CRATE: _crate, Shape.CAN: _can, Shape.BALL: _ball,
    Shape.CUP: _cup, Shape.PAD: _pad, Shape.MARK: _mark,
    Shape.TRAY: _tray, Shape.LID: _lid, Shape.DRAWER: _drawer, Shape.CABINET: _cabinet,
}  # fmt: skip
