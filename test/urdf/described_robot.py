"""Any robot's description and collision list, expanded from its profile, with poses and contacts by pinocchio."""

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from xml.etree import ElementTree

import numpy as np
import pinocchio as pin

from mivla_ros.robots.description import description_path, expand_xacro
from mivla_ros.robots.profile import RobotProfile

UNCHECKED = ("head_camera_link",)  # its pose is an argument, so its contacts are always checked


class DescribedRobot:
    """URDF and SRDF of a profile, with other xacro arguments where given."""

    def __init__(self, profile: RobotProfile, **arguments: str) -> None:
        given = {**profile.description_arguments, **arguments}
        self.xml = expand_xacro(description_path(profile.description), given)
        self.urdf = ElementTree.fromstring(self.xml)
        self.srdf = ElementTree.fromstring(expand_xacro(description_path(profile.semantic_description), given))
        self.model = pin.buildModelFromXML(self.xml)
        self.data = self.model.createData()
        self.joint_to = {joint.find("child").get("link"): joint for joint in self.urdf.findall("joint")}
        self.followers = {
            joint.get("name"): (joint.find("mimic").get("joint"), float(joint.find("mimic").get("multiplier")))
            for joint in self.urdf.findall("joint")
            if joint.find("mimic") is not None
        }

    def configuration(self, joints: Mapping[str, float]) -> np.ndarray:
        """Configuration vector: others stand at 0, mimicking joints follow."""
        q = pin.neutral(self.model)
        for name, value in joints.items():
            q[self._index(name)] = value
        return self._followed(q)

    def _index(self, name: str) -> int:
        assert self.model.existJointName(name), f"no joint {name!r}"
        return int(self.model.idx_qs[self.model.getJointId(name)])

    def _followed(self, q: np.ndarray) -> np.ndarray:
        for name, (other, multiplier) in self.followers.items():
            q[self._index(name)] = multiplier * q[self._index(other)]
        return q

    def random(self, generator: np.random.Generator) -> np.ndarray:
        """A configuration drawn evenly within the limits; one in four at the limits."""
        lower, upper = self.model.lowerPositionLimit, self.model.upperPositionLimit
        share = generator.random(self.model.nq)
        if generator.random() < 0.25:
            share = np.round(share)
        return self._followed(lower + (upper - lower) * share)

    def within_limits(self, q: np.ndarray) -> bool:
        """Whether every joint is inside its limits."""
        return bool(
            (q >= self.model.lowerPositionLimit - 1e-12).all() and (q <= self.model.upperPositionLimit + 1e-12).all()
        )

    def pose(self, base: str, frame: str, q: np.ndarray) -> pin.SE3:
        """base_from_frame."""
        pin.framesForwardKinematics(self.model, self.data, q)
        for name in (base, frame):
            assert self.model.existFrame(name), f"no frame {name!r}"
        poses = [self.data.oMf[self.model.getFrameId(name)] for name in (base, frame)]
        return poses[0].actInv(poses[1])

    @cached_property
    def _shapes(self) -> pin.GeometryModel:
        return pin.buildGeomFromUrdfString(self.model, self.xml, pin.GeometryType.COLLISION)

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Links with collision shapes."""
        return tuple(dict.fromkeys(_link_of(shape) for shape in self._shapes.geometryObjects))

    @cached_property
    def off(self) -> dict[frozenset[str], str]:
        """Reason for every pair that the SRDF switches off."""
        pairs = self.srdf.findall("disable_collisions")
        found = {frozenset((pair.get("link1"), pair.get("link2"))): pair.get("reason") for pair in pairs}
        assert len(found) == len(pairs), "a pair is switched off twice"
        return found

    def off_for(self, reason: str) -> set[frozenset[str]]:
        """Pairs that are off for a reason."""
        return {pair for pair, given in self.off.items() if given == reason}

    @property
    def checked(self) -> set[frozenset[str]]:
        """Pairs that are checked."""
        return {frozenset(pair) for pair in itertools.combinations(self.links, 2)} - set(self.off)

    def contacts(self, pairs: set[frozenset[str]], configurations: Iterator[np.ndarray]) -> set[frozenset[str]]:
        """Those of the pairs that touch in any of the configurations."""
        shapes = self._shapes.copy()
        owners = [_link_of(shape) for shape in shapes.geometryObjects]
        for i, j in itertools.combinations(range(len(owners)), 2):
            if frozenset((owners[i], owners[j])) in pairs:
                shapes.addCollisionPair(pin.CollisionPair(i, j))
        results, touching = pin.GeometryData(shapes), set()
        for q in configurations:
            pin.computeCollisions(self.model, self.data, shapes, results, q, False)
            for pair, result in zip(shapes.collisionPairs, results.collisionResults, strict=True):
                if result.isCollision():
                    touching.add(frozenset((owners[pair.first], owners[pair.second])))
        return touching

    def rigid_part(self, link: str) -> str:
        """The first link of those that are fixed to the link, towards the root."""
        while link in self.joint_to and self.joint_to[link].get("type") == "fixed":
            link = self.joint_to[link].find("parent").get("link")
        return link

    def joined(self, first: str, second: str) -> bool:
        """Whether two links are one rigid part, or two that one joint joins."""
        one, two = self.rigid_part(first), self.rigid_part(second)
        above = [
            self.rigid_part(self.joint_to[part].find("parent").get("link")) if part in self.joint_to else ""
            for part in (one, two)
        ]
        return one == two or above[0] == two or above[1] == one

    def state(self, name: str, group: str) -> dict[str, float]:
        """Joint values of a named state."""
        for found in self.srdf.findall("group_state"):
            if (found.get("name"), found.get("group")) == (name, group):
                return {joint.get("name"): float(joint.get("value")) for joint in found.findall("joint")}
        raise AssertionError(f"no state {name!r} of group {group!r}")


def _link_of(shape: pin.GeometryObject) -> str:
    return shape.name.rsplit("_", 1)[0]
