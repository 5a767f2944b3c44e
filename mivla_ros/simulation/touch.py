"""Who touches whom: MuJoCo's contacts turned into names."""

from collections.abc import Sequence

import mujoco
import numpy as np

ROBOT, TABLE = "robot", "table"


class TouchMap:
    """Names the owner of every shape once, so that contacts are looked up by number."""

    def __init__(self, model: mujoco.MjModel, robot_bodies: Sequence[str], objects: Sequence[str]) -> None:
        robot = {model.body(name).id for name in robot_bodies}
        named = {model.body(name).id: name for name in objects}
        self._objects = tuple(objects)
        self._owner = [
            ROBOT if body in robot else named.get(body, model.geom(geom).name)
            for geom, body in enumerate(model.geom_bodyid)
        ]

    def read(self, data: mujoco.MjData) -> dict[str, frozenset[str]]:
        """What touches each object: "robot", another object's name, "table" or "floor"."""
        touching: dict[str, set[str]] = {name: set() for name in self._objects}
        for first, second in np.asarray(data.contact.geom):
            a, b = self._owner[first], self._owner[second]
            if a in touching:
                touching[a].add(b)
            if b in touching:
                touching[b].add(a)
        return {name: frozenset(others) for name, others in touching.items()}
