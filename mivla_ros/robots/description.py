"""Robot descriptions: finds the xacro files that come with the package and expands them, with ROS or without."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mivla_ros.robots.profile import RobotProfile

PACKAGE = "mivla_ros"


class DescriptionError(RuntimeError):
    """A robot description that cannot be found or expanded. ``path`` is the file."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"robot description {path}: {message}")
        self.path = path


def description_path(relative: str) -> Path:
    """Path of a file under ``urdf/``: from the checkout, a sourced ROS workspace, or Python's own prefix, in that
    order.

    Raises DescriptionError naming the folders looked in.
    """
    folders = [Path(__file__).resolve().parents[2] / "urdf"]
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p] + [sys.prefix]
    folders += [Path(prefix) / "share" / PACKAGE / "urdf" for prefix in prefixes]
    for folder in folders:
        if (folder / relative).is_file():
            return folder / relative
    raise DescriptionError(relative, f"not found in {', '.join(str(f) for f in folders)}")


def expand_xacro(path: Path, arguments: Mapping[str, str]) -> str:
    """Expand one xacro file with its arguments to XML text. Raises DescriptionError with xacro's own words."""
    import xacro

    try:
        return str(xacro.process_file(str(path), mappings=dict(arguments)).toxml())
    except Exception as error:  # xacro raises many kinds; all mean that the file cannot be used
        raise DescriptionError(str(path), str(error)) from error


def robot_description(profile: RobotProfile, **arguments: str) -> str:
    """URDF text of a robot; ``arguments`` go over those of the profile. Raises DescriptionError."""
    return expand_xacro(description_path(profile.description), {**profile.description_arguments, **arguments})


def robot_semantics(profile: RobotProfile) -> str:
    """SRDF text of a robot. Raises DescriptionError."""
    return expand_xacro(description_path(profile.semantic_description), profile.description_arguments)
