"""Expands the PiPer descriptions and computes their poses and contacts with pinocchio."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.dom.minidom import Document

import numpy as np
import pinocchio as pin
import xacro

PIPER = Path(__file__).parents[2] / "urdf" / "piper"


def expand(name: str, **arguments: str) -> Document:
    """The XML document of one of the xacro files under urdf/piper."""
    return xacro.process_file(str(PIPER / name), mappings=arguments)


@dataclass
class Arm:
    """A description with pinocchio's model of it; mimic joints are set from the gripper's opening."""

    xml: str
    model: pin.Model = field(init=False)
    shapes: pin.GeometryModel = field(init=False)

    def __post_init__(self) -> None:
        self.model = pin.buildModelFromXML(self.xml)
        self.shapes = pin.buildGeomFromUrdfString(self.model, self.xml, pin.GeometryType.COLLISION)
        self.data = self.model.createData()

    def configuration(self, joints: Mapping[str, float]) -> np.ndarray:
        """Configuration vector from joint names (rad, m): others stand at 0, fingers follow the gripper."""
        values = dict(joints)
        for name in joints:
            if name.endswith("gripper"):
                values[f"{name}_joint1"] = 0.5 * joints[name]
                values[f"{name}_joint2"] = -0.5 * joints[name]
        q = pin.neutral(self.model)
        for name, value in values.items():
            q[self.model.idx_qs[self.model.getJointId(name)]] = value
        return q

    def pose(self, frame: str, joints: Mapping[str, float], base: str = "base_link") -> np.ndarray:
        """base_from_frame as a 4x4 matrix."""
        pin.framesForwardKinematics(self.model, self.data, self.configuration(joints))
        world_from_base, world_from_frame = (self.data.oMf[self.frame(name)] for name in (base, frame))
        return (world_from_base.actInv(world_from_frame)).homogeneous

    def frame(self, name: str) -> int:
        """Pinocchio's index of a link."""
        assert self.model.existFrame(name), f"no frame '{name}'"
        return self.model.getFrameId(name)

    def links_with_shapes(self) -> list[str]:
        """Names of the links that carry collision shapes."""
        return list(dict.fromkeys(link_of(shape) for shape in self.shapes.geometryObjects))

    def contacts(self, q: np.ndarray, pairs: set[frozenset[str]]) -> set[frozenset[str]]:
        """Those of the given link pairs that touch at q."""
        geometry = self._geometry(frozenset(pairs))
        pin.computeCollisions(self.model, self.data, geometry[0], geometry[1], q, False)
        return {
            frozenset(
                (
                    link_of(geometry[0].geometryObjects[pair.first]),
                    link_of(geometry[0].geometryObjects[pair.second]),
                )
            )
            for pair, result in zip(geometry[0].collisionPairs, geometry[1].collisionResults, strict=True)
            if result.isCollision()
        }

    def _geometry(self, pairs: frozenset[frozenset[str]]) -> tuple[pin.GeometryModel, pin.GeometryData]:
        cache = self.__dict__.setdefault("_cache", {})
        if pairs not in cache:
            shapes = self.shapes.copy()
            links = [link_of(shape) for shape in shapes.geometryObjects]
            for i, j in itertools.combinations(range(len(links)), 2):
                if frozenset((links[i], links[j])) in pairs:
                    shapes.addCollisionPair(pin.CollisionPair(i, j))
            cache[pairs] = (shapes, pin.GeometryData(shapes))
        return cache[pairs]

    def random(self, generator: np.random.Generator, prefix: str = "") -> np.ndarray:
        """A configuration drawn evenly within the limits, the fingers following the gripper."""
        lower, upper = self.model.lowerPositionLimit, self.model.upperPositionLimit
        joints = {}
        for name in [f"{prefix}joint{i}" for i in range(1, 7)] + [f"{prefix}gripper"]:
            index = self.model.idx_qs[self.model.getJointId(name)]
            joints[name] = generator.uniform(lower[index], upper[index])
        return self.configuration(joints)


def link_of(shape: pin.GeometryObject) -> str:
    """The link a collision shape belongs to (pinocchio names shapes LINK_NUMBER)."""
    return shape.name.rsplit("_", 1)[0]
