"""Serial chains from URDF text: what lies between a base link and a tip link, as arrays."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.errors import KinematicsError

Array = NDArray[np.float64]

MOVING = ("revolute", "continuous", "prismatic")
MAX_JOINTS = 7


@dataclass(frozen=True)
class Chain:
    """A serial chain of n joints. Every joint turns about, or slides along, the z axis of its own frame.

    joint_names: base to tip. prismatic: (n,) bool. lower, upper: (n,) rad or m, infinite where the joint has
    no limit. velocity: (n,) rad/s or m/s, infinite where the URDF gives none. rotations (n+1, 3, 3),
    translations (n+1, 3): fixed transform in front of each joint, the last one to the tip.
    """

    base: str
    tip: str
    joint_names: tuple[str, ...]
    prismatic: NDArray[np.bool_]
    lower: Array
    upper: Array
    velocity: Array
    rotations: Array
    translations: Array

    @property
    def size(self) -> int:
        """Number of joints."""
        return len(self.joint_names)

    @property
    def reach(self) -> float:
        """Length (m) that no point of the tip can be farther from the base than."""
        travel = np.where(self.prismatic, np.maximum(np.abs(self.lower), np.abs(self.upper)), 0.0)
        return float(np.linalg.norm(self.translations, axis=1).sum() + travel.sum())


def chain_from_urdf(urdf: str, base: str, tip: str) -> Chain:
    """The chain from link ``base`` to link ``tip`` of a robot description (URDF text, xacro already
    expanded).

    Fixed joints are merged. Source of the rules: the URDF specification (fixed-axis roll, pitch, yaw; axis
    defaults to x). Raises KinematicsError for text that is no URDF, links that are not connected downwards,
    joints of other types, mimic joints, limits that are missing or upside down, and chains without joints or
    with more than seven.
    """
    try:
        robot = ElementTree.fromstring(urdf)
    except ElementTree.ParseError as error:
        raise KinematicsError("robot description", f"is not XML: {error}") from error
    if robot.tag != "robot":
        raise KinematicsError("robot description", f"root element is <{robot.tag}>, must be <robot>")
    joints = _joints_between(robot, base, tip)

    names, prismatic, lower, upper, velocity = [], [], [], [], []
    rotations, translations = [], []
    rotation, translation = np.eye(3), np.zeros(3)
    for joint in joints:
        name = joint.attrib["name"]
        origin_rotation, origin_translation = _origin(joint)
        translation = translation + rotation @ origin_translation
        rotation = rotation @ origin_rotation
        kind = joint.attrib.get("type", "")
        if kind == "fixed":
            continue
        if kind not in MOVING:
            raise KinematicsError(f"joint {name!r}", f"type {kind!r} is not one of {', '.join(MOVING)}, fixed")
        if joint.find("mimic") is not None:
            raise KinematicsError(f"joint {name!r}", "mimics another joint, which a serial chain cannot hold")
        low, high, speed = _limits(joint, name, kind)
        joint_from_z = _rotation_from_z(_axis(joint, name))
        rotations.append(rotation @ joint_from_z)
        translations.append(translation)
        rotation, translation = joint_from_z.T, np.zeros(3)
        names.append(name)
        prismatic.append(kind == "prismatic")
        lower.append(low)
        upper.append(high)
        velocity.append(speed)
    if not 1 <= len(names) <= MAX_JOINTS:
        message = f"has {len(names)} moving joints, must be 1 to {MAX_JOINTS}"
        raise KinematicsError(f"chain {base} -> {tip}", message, len(names), MAX_JOINTS)
    return Chain(
        base=base,
        tip=tip,
        joint_names=tuple(names),
        prismatic=np.array(prismatic),
        lower=np.array(lower),
        upper=np.array(upper),
        velocity=np.array(velocity),
        rotations=np.array([*rotations, rotation]),
        translations=np.array([*translations, translation]),
    )


def _joints_between(robot: ElementTree.Element, base: str, tip: str) -> list[ElementTree.Element]:
    links = {link.attrib.get("name", "") for link in robot.findall("link")}
    for link in (base, tip):
        if link not in links:
            raise KinematicsError(
                f"link {link!r}", f"is not in the robot description, which has {', '.join(sorted(links))}"
            )
    parent_joint: dict[str, ElementTree.Element] = {}
    for joint in robot.findall("joint"):
        parent_joint[_link_of(joint, "child")] = joint
    path: list[ElementTree.Element] = []
    link = tip
    while link != base:
        if link not in parent_joint or len(path) > len(parent_joint):
            raise KinematicsError(
                f"chain {base} -> {tip}", f"{tip!r} does not hang below {base!r}, the way up ends at {link!r}"
            )
        path.append(parent_joint[link])
        link = _link_of(parent_joint[link], "parent")
    return path[::-1]


def _link_of(joint: ElementTree.Element, end: str) -> str:
    element = joint.find(end)
    if element is None or "link" not in element.attrib or "name" not in joint.attrib:
        raise KinematicsError(f"joint {joint.attrib.get('name', '?')!r}", f"has no name or no <{end} link=...>")
    return element.attrib["link"]


def _numbers(text: str, count: int, subject: str) -> Array:
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError as error:
        raise KinematicsError(subject, f"{text!r} does not hold numbers") from error
    if values.shape != (count,) or not np.isfinite(values).all():
        raise KinematicsError(subject, f"{text!r} must be {count} finite numbers", len(values), count)
    return values


def _origin(joint: ElementTree.Element) -> tuple[Array, Array]:
    element = joint.find("origin")
    if element is None:
        return np.eye(3), np.zeros(3)
    subject = f"joint {joint.attrib['name']!r} origin"
    roll, pitch, yaw = _numbers(element.attrib.get("rpy", "0 0 0"), 3, subject)
    return _rotation_rpy(roll, pitch, yaw), _numbers(element.attrib.get("xyz", "0 0 0"), 3, subject)


def _rotation_rpy(roll: float, pitch: float, yaw: float) -> Array:
    cr, sr, cp, sp, cy, sy = (
        np.cos(roll),
        np.sin(roll),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(yaw),
        np.sin(yaw),
    )
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def _axis(joint: ElementTree.Element, name: str) -> Array:
    element = joint.find("axis")
    axis = _numbers("1 0 0" if element is None else element.attrib.get("xyz", "1 0 0"), 3, f"joint {name!r} axis")
    length = float(np.linalg.norm(axis))
    if length < 1e-6:
        raise KinematicsError(f"joint {name!r} axis", f"has length {length:g}, must be above 1e-6", length, 1e-6)
    return axis / length


def _rotation_from_z(axis: Array) -> Array:
    """A rotation whose third column is ``axis``."""
    helper = np.eye(3)[int(np.argmin(np.abs(axis)))]
    x = np.cross(helper, axis)
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(axis, x), axis])


def _limits(joint: ElementTree.Element, name: str, kind: str) -> tuple[float, float, float]:
    element = joint.find("limit")
    if element is None:
        if kind == "continuous":
            return -np.inf, np.inf, np.inf
        raise KinematicsError(f"joint {name!r}", "has no <limit>")
    subject = f"joint {name!r} limit"
    velocity = float(_numbers(element.attrib.get("velocity", "0"), 1, subject)[0])
    velocity = velocity if velocity > 0 else np.inf  # older descriptions write 0 for "not given"
    if kind == "continuous":
        return -np.inf, np.inf, velocity
    lower = float(_numbers(element.attrib.get("lower", "0"), 1, subject)[0])
    upper = float(_numbers(element.attrib.get("upper", "0"), 1, subject)[0])
    if lower >= upper:
        raise KinematicsError(subject, f"lower {lower:g} must be below upper {upper:g}", lower, upper)
    return lower, upper, velocity
