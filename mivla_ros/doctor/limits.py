"""Position limits of a URDF's joints."""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree


@dataclass(frozen=True)
class UrdfLimits:
    """position: lower and upper of every movable joint, rad or m; infinite for continuous ones."""

    position: Mapping[str, tuple[float, float]]


def urdf_limits(urdf: str) -> UrdfLimits:
    """Read them. Raises ValueError where the text is no URDF."""
    try:
        root = ElementTree.fromstring(urdf)
    except ElementTree.ParseError as error:
        raise ValueError(f"robot_description is no XML: {error}") from error
    found: dict[str, tuple[float, float]] = {}
    for joint in root.findall("joint"):
        name, limit = joint.get("name"), joint.find("limit")
        if name and joint.get("type") != "fixed":
            bounded = limit is not None and joint.get("type") != "continuous"
            low, high = (
                (limit.get("lower", "0"), limit.get("upper", "0")) if bounded and limit is not None else ("-inf", "inf")
            )
            found[name] = (float(low), float(high))
    return UrdfLimits(found)
