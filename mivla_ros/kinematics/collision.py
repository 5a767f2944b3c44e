"""Self-collision and collision with fixed boxes, from a robot description's primitive shapes and its SRDF."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics import collision_kernels as kernels
from mivla_ros.kinematics.chain import _axis, _numbers, _origin, _rotation_from_z
from mivla_ros.kinematics.errors import KinematicsError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Obstacle:
    """A box that stands still in the description's root frame: corners in m. allowed: links that may touch it."""

    name: str
    lower: tuple[float, float, float]
    upper: tuple[float, float, float]
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contact:
    """Row of the joint values, the two links (or link and obstacle) and their distance in m (0: they overlap)."""

    row: int
    first: str
    second: str
    distance: float


class CollisionModel:
    """Which joint values let links touch that must not. Boxes, cylinders and spheres; meshes are refused."""

    def __init__(
        self,
        urdf: str,
        srdf: str,
        joint_names: Sequence[str],
        obstacles: Sequence[Obstacle] = (),
        others: Mapping[str, float] | None = None,
    ) -> None:
        """joint_names: the columns of joint values; ``others``: values of joints that are not among them, else 0.

        Links that no joint moves against each other, and pairs that the SRDF switches off, are not checked. Raises
        KinematicsError for shapes that are no primitives.
        """
        robot = ElementTree.fromstring(urdf)
        links = {link.attrib["name"]: link for link in robot.findall("link")}
        joints = {joint.find("child").attrib["link"]: joint for joint in robot.findall("joint")}  # type: ignore[union-attr]
        values = dict(others or {})
        tree: list[tuple[int, Array, Array, int, float, int]] = [(-1, np.eye(3), np.zeros(3), -1, 0.0, 0)]
        frames: dict[str, tuple[int, Array, Array]] = {}  # frame, rotation and translation of the link in it

        def frame_of(link: str) -> tuple[int, Array, Array]:
            if link in frames:
                return frames[link]
            if link not in joints:
                frames[link] = (0, np.eye(3), np.zeros(3))
                return frames[link]
            joint = joints[link]
            parent, rotation, translation = frame_of(joint.find("parent").attrib["link"])  # type: ignore[union-attr]
            origin_rotation, origin = _origin(joint)
            translation, rotation = translation + rotation @ origin, rotation @ origin_rotation
            name, kind = joint.attrib["name"], joint.attrib["type"]
            if kind == "fixed":
                frames[link] = (parent, rotation, translation)
                return frames[link]
            turned = _rotation_from_z(_axis(joint, name))
            mimic = joint.find("mimic")
            value = values.get(name, 0.0)
            if mimic is not None:
                factor, offset = float(mimic.get("multiplier", 1.0)), float(mimic.get("offset", 0.0))
                value = factor * values.get(mimic.attrib["joint"], 0.0) + offset
            column = list(joint_names).index(name) if name in joint_names else -1
            tree.append((parent, rotation @ turned, translation, column, value, int(kind == "prismatic")))
            frames[link] = (len(tree) - 1, turned.T, np.zeros(3))
            return frames[link]

        shapes: list[tuple[str, int, int, Array, Array, Array]] = []
        for name, link in links.items():
            for collision in link.findall("collision"):
                frame, rotation, translation = frame_of(name)
                own_rotation, centre = _origin_of(collision, name)
                kind, size = _shape(collision, name)
                shapes.append((name, frame, kind, size, rotation @ own_rotation, translation + rotation @ centre))
        for obstacle in obstacles:
            lower, upper = np.array(obstacle.lower), np.array(obstacle.upper)
            shapes.append((obstacle.name, 0, kernels.BOX, 0.5 * (upper - lower), np.eye(3), 0.5 * (lower + upper)))

        allowed = {frozenset((o.name, link)) for o in obstacles for link in o.allowed}
        for pair in ElementTree.fromstring(srdf).findall("disable_collisions"):
            allowed.add(frozenset((pair.attrib["link1"], pair.attrib["link2"])))
        moved = [_columns(tree, shape[1]) for shape in shapes]
        pairs, names = [], []
        for a in range(len(shapes)):
            for b in range(a + 1, len(shapes)):
                link_pair = frozenset((shapes[a][0], shapes[b][0]))
                if len(link_pair) == 2 and link_pair not in allowed and moved[a] != moved[b]:
                    pairs.append((a, b))
                    names.append((shapes[a][0], shapes[b][0]))
        self.pair_names = tuple(dict.fromkeys(names))
        order = np.argsort([self.pair_names.index(n) for n in names], kind="stable").astype(np.int64)
        bodies = list(dict.fromkeys(shape[0] for shape in shapes))
        groups, start = [], 0
        for both in self.pair_names:
            groups.append((bodies.index(both[0]), bodies.index(both[1]), start, start + names.count(both)))
            start = groups[-1][3]
        radii = np.array([_radius(shape[2], shape[3]) for shape in shapes])
        centres = np.array([shape[5] for shape in shapes]).reshape(-1, 3)
        members = [[k for k, shape in enumerate(shapes) if shape[0] == body] for body in bodies]
        middles = np.array([0.5 * (centres[m].min(axis=0) + centres[m].max(axis=0)) for m in members]).reshape(-1, 3)
        reaches = [
            float(np.max(np.linalg.norm(centres[m] - middle, axis=1) + radii[m]))
            for m, middle in zip(members, middles, strict=True)
        ]
        self._arrays = (
            np.array([t[0] for t in tree]), np.array([t[1] for t in tree]), np.array([t[2] for t in tree]),
            np.array([t[3] for t in tree]), np.array([t[4] for t in tree]), np.array([t[5] for t in tree]),
            np.array([shape[1] for shape in shapes], dtype=np.int64),
            np.array([shape[2] for shape in shapes], dtype=np.int64),
            np.array([shape[3] for shape in shapes]).reshape(-1, 3),
            np.array([shape[4] for shape in shapes]).reshape(-1, 3, 3), centres, radii,
            np.array([shapes[m[0]][1] for m in members], dtype=np.int64), middles, np.array(reaches),
            np.array([m[0] if len(m) == 1 else -1 for m in members], dtype=np.int64),
            np.array(groups, dtype=np.int64).reshape(-1, 4),
            np.array(pairs, dtype=np.int64).reshape(-1, 2)[order],
        )  # fmt: skip
        self._none_ignored = np.zeros(len(self.pair_names), dtype=np.bool_)

    def touching(self, q: Array, margin: float = 0.0) -> frozenset[tuple[str, str]]:
        """All pairs nearer than ``margin`` m at joint values (n,)."""
        found: set[tuple[str, str]] = set()
        while True:
            contact = self.first_contact(np.atleast_2d(q), frozenset(found), margin)
            if contact is None:
                return frozenset(found)
            found.add((contact.first, contact.second))

    def first_contact(
        self, q: Array, ignored: frozenset[tuple[str, str]] = frozenset(), margin: float = 0.0
    ) -> Contact | None:
        """The first row of joint values (N, n) at which a pair is nearer than ``margin`` m; None where none is."""
        leave = self._none_ignored
        if ignored:
            leave = np.array([name in ignored for name in self.pair_names], dtype=np.bool_)
        rows = np.ascontiguousarray(q, dtype=np.float64)
        row, group, distance = kernels.first_contact(*self._arrays, leave, margin, rows)
        return None if row < 0 else Contact(row, *self.pair_names[group], distance)


def _columns(tree: list[tuple[int, Array, Array, int, float, int]], frame: int) -> tuple[int, ...]:
    """Columns of the joint values that move a frame."""
    columns: list[int] = []
    while frame >= 0:
        if tree[frame][3] >= 0:
            columns.append(tree[frame][3])
        frame = tree[frame][0]
    return tuple(columns)


def _origin_of(collision: ElementTree.Element, link: str) -> tuple[Array, Array]:
    collision.attrib.setdefault("name", f"collision of {link}")
    return _origin(collision)


def _shape(collision: ElementTree.Element, link: str) -> tuple[int, Array]:
    subject = f"link {link!r} collision shape"
    geometry = collision.find("geometry")
    shape = next(iter(geometry)) if geometry is not None and len(geometry) else None
    if shape is not None and shape.tag == "box":
        return kernels.BOX, 0.5 * _numbers(shape.attrib["size"], 3, subject)
    if shape is not None and shape.tag == "cylinder":
        return kernels.CYLINDER, np.array([float(shape.attrib["radius"]), 0.0, 0.5 * float(shape.attrib["length"])])
    if shape is not None and shape.tag == "sphere":
        return kernels.SPHERE, np.array([float(shape.attrib["radius"]), 0.0, 0.0])
    tag = "missing" if shape is None else f"a {shape.tag}"
    raise KinematicsError(subject, f"is {tag}, must be a box, a cylinder or a sphere")


def _radius(kind: int, size: Array) -> float:
    return float(size[0] if kind == kernels.SPHERE else np.linalg.norm(size))
