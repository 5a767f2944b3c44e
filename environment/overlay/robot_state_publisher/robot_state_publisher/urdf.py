"""The part of a URDF that decides frames: links, joints, origins, axes and mimics."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

MOVABLE = ("revolute", "continuous", "prismatic")
UNSUPPORTED = ("floating", "planar")

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]  # xyzw


class UrdfError(ValueError):
    """A robot description that has no valid tree of frames."""


@dataclass(frozen=True)
class Mimic:
    """Position of a joint as multiplier * position of another joint + offset (rad or m)."""

    joint: str
    multiplier: float
    offset: float


@dataclass(frozen=True)
class Joint:
    """One joint: parent_from_child at position zero (m, xyzw) and the unit axis of motion in the child."""

    name: str
    kind: str
    parent: str
    child: str
    translation: Vector
    rotation: Quaternion
    axis: Vector
    mimic: Mimic | None


@dataclass(frozen=True)
class Robot:
    """The tree of joints of a robot, in the order of the file."""

    name: str
    root: str
    joints: tuple[Joint, ...]

    def of_kind(self, *kinds: str) -> tuple[Joint, ...]:
        """Return the joints of the given kinds."""
        return tuple(joint for joint in self.joints if joint.kind in kinds)


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, public_id: str | None, system: str | None) -> None:
        # A document type is what entity expansion attacks need; no URDF has one.
        raise UrdfError("a robot description with a DOCTYPE is refused")


def _numbers(text: str, count: int, what: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split())
    except ValueError:
        raise UrdfError(f"{what} is not made of numbers: '{text}'") from None
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UrdfError(f"{what} needs {count} finite numbers: '{text}'")
    return values


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Return the Hamilton product of two quaternions, xyzw."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def rotate(rotation: Quaternion, vector: Vector) -> Vector:
    """Return a vector turned by a unit quaternion, xyzw."""
    x, y, z, w = rotation
    turned = multiply(multiply(rotation, (*vector, 0.0)), (-x, -y, -z, w))
    return turned[:3]


def about(axis: Vector, angle: float) -> Quaternion:
    """Return the unit quaternion (xyzw) of a turn by an angle (rad) about a unit axis."""
    sine = math.sin(0.5 * angle)
    return (axis[0] * sine, axis[1] * sine, axis[2] * sine, math.cos(0.5 * angle))


def from_rpy(roll: float, pitch: float, yaw: float) -> Quaternion:
    """Return the quaternion (xyzw) of fixed-axis roll, pitch and yaw (rad), as URDF defines them."""
    x, y, z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    return multiply(about(z, yaw), multiply(about(y, pitch), about(x, roll)))


def pose(joint: Joint, position: float) -> tuple[Vector, Quaternion]:
    """Return translation (m) and rotation (xyzw) of parent_from_child at a joint position (rad or m)."""
    if joint.kind == "prismatic":
        shift = rotate(joint.rotation, joint.axis)
        x, y, z = joint.translation
        return (x + shift[0] * position, y + shift[1] * position, z + shift[2] * position), joint.rotation
    if joint.kind in MOVABLE:
        return joint.translation, multiply(joint.rotation, about(joint.axis, position))
    return joint.translation, joint.rotation


def _end(element: ElementTree.Element, tag: str, joint: str) -> str:
    end = element.find(tag)
    link = None if end is None else end.get("link")
    if not link:
        raise UrdfError(f"joint '{joint}' has no {tag} link")
    return link


def _axis(element: ElementTree.Element, joint: str) -> Vector:
    axis = element.find("axis")
    x, y, z = _numbers("1 0 0" if axis is None else axis.get("xyz", "1 0 0"), 3, f"axis of joint '{joint}'")
    length = math.sqrt(x * x + y * y + z * z)
    if length == 0.0:
        raise UrdfError(f"axis of joint '{joint}' has no length")
    return (x / length, y / length, z / length)


def _mimic(element: ElementTree.Element, joint: str) -> Mimic | None:
    mimic = element.find("mimic")
    if mimic is None:
        return None
    source = mimic.get("joint")
    if not source:
        raise UrdfError(f"mimic of joint '{joint}' names no joint")
    (multiplier,) = _numbers(mimic.get("multiplier", "1"), 1, f"mimic multiplier of joint '{joint}'")
    (offset,) = _numbers(mimic.get("offset", "0"), 1, f"mimic offset of joint '{joint}'")
    return Mimic(source, multiplier, offset)


def _joint(element: ElementTree.Element) -> Joint:
    name = element.get("name")
    if not name:
        raise UrdfError("a joint has no name")
    kind = element.get("type", "")
    if kind not in ("fixed", *MOVABLE, *UNSUPPORTED):
        raise UrdfError(f"joint '{name}' has unknown type '{kind}'")
    origin = element.find("origin")
    placed: Mapping[str, str] = {} if origin is None else origin.attrib
    x, y, z = _numbers(placed.get("xyz", "0 0 0"), 3, f"origin xyz of joint '{name}'")
    roll, pitch, yaw = _numbers(placed.get("rpy", "0 0 0"), 3, f"origin rpy of joint '{name}'")
    return Joint(
        name=name,
        kind=kind,
        parent=_end(element, "parent", name),
        child=_end(element, "child", name),
        translation=(x, y, z),
        rotation=from_rpy(roll, pitch, yaw),
        axis=_axis(element, name) if kind in MOVABLE else (1.0, 0.0, 0.0),
        mimic=_mimic(element, name),
    )


def _root(links: list[str], joints: tuple[Joint, ...]) -> str:
    for what, names in (
        ("link", links),
        ("joint", [joint.name for joint in joints]),
        ("child link", [joint.child for joint in joints]),
    ):
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise UrdfError(f"{what} '{twice[0]}' appears more than once")
    known = {joint.name for joint in joints}
    for joint in joints:
        for link in (joint.parent, joint.child):
            if link not in links:
                raise UrdfError(f"joint '{joint.name}' names link '{link}', which is not there")
        if joint.mimic is not None and joint.mimic.joint not in known:
            raise UrdfError(f"joint '{joint.name}' mimics '{joint.mimic.joint}', which is not there")
    parent_of = {joint.child: joint.parent for joint in joints}
    roots = [link for link in links if link not in parent_of]
    if len(roots) != 1:
        found = ", ".join(roots) or "none: its joints form a ring"
        raise UrdfError(f"a robot needs exactly one root link, found {found}")
    # One root and one parent per other link still allow a ring beside the tree.
    reached = {roots[0]}
    for link in links:
        path: list[str] = []
        while link not in reached:
            if link in path:
                raise UrdfError(f"link '{link}' hangs in a ring of joints")
            path.append(link)
            link = parent_of[link]
        reached.update(path)
    return roots[0]


def parse(text: str) -> Robot:
    """Read a robot from URDF text.

    Raises UrdfError, naming the joint or link, where the text is no URDF or its joints are no tree.
    """
    try:
        element = ElementTree.fromstring(text, ElementTree.XMLParser(target=_NoDoctype()))
    except ElementTree.ParseError as error:
        raise UrdfError(f"robot description is not XML: {error}") from None
    except ValueError as error:  # text that declares an encoding other than its own
        raise UrdfError(f"robot description cannot be read: {error}") from None
    if element.tag != "robot":
        raise UrdfError(f"robot description starts with <{element.tag}> instead of <robot>")
    links = [link.get("name", "") for link in element.findall("link")]
    joints = tuple(_joint(joint) for joint in element.findall("joint"))
    if not all(links):
        raise UrdfError("a link has no name")
    return Robot(element.get("name", ""), _root(links, joints), joints)
