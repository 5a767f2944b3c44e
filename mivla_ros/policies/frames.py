"""The place of an arm's base in the world, from the robot's description."""

import xml.etree.ElementTree as ElementTree

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.policies.policy import PolicyError


def fixed_transform(urdf: str, base: str, world: str) -> NDArray[np.float64]:
    """Pose (7,) xyz + wxyz of link ``world`` in link ``base``, which fixed joints must lead up to.

    Raises PolicyError where the way up is broken or has a joint that moves.
    """
    parents = {}
    for joint in ElementTree.fromstring(urdf).findall("joint"):
        child, parent = joint.find("child"), joint.find("parent")
        if child is not None and parent is not None:
            parents[child.attrib["link"]] = (parent.attrib["link"], joint)
    rotation, translation, link = Rotation.identity(), np.zeros(3), base
    while link != world:
        if link not in parents:
            raise PolicyError(
                "scripted", f"link {base!r} does not hang below {world!r} in the robot's description", base
            )
        link, joint = parents[link]
        if joint.attrib.get("type") != "fixed":
            raise PolicyError(
                "scripted", f"joint {joint.attrib.get('name')!r} between {world!r} and {base!r} moves", base
            )
        origin = joint.find("origin")
        attributes = {} if origin is None else origin.attrib
        xyz = np.array([float(v) for v in attributes.get("xyz", "0 0 0").split()])
        rpy = [float(v) for v in attributes.get("rpy", "0 0 0").split()]
        turn = Rotation.from_euler("xyz", rpy)
        translation = xyz + turn.apply(translation)
        rotation = turn * rotation
    return inverse_pose(np.concatenate([translation, rotation.as_quat(scalar_first=True)]))


def inverse_pose(a_from_b: NDArray[np.float64]) -> NDArray[np.float64]:
    """b_from_a (7,) of a transform a_from_b (7,), xyz + wxyz."""
    rotation = Rotation.from_quat(a_from_b[3:], scalar_first=True).inv()
    return np.concatenate([rotation.apply(-a_from_b[:3]), rotation.as_quat(scalar_first=True)])
