"""Prints, one a line, the ROS packages that package.xml files ask for and AMENT_PREFIX_PATH does not hold.

Usage: python missing_packages.py FOLDER...
A FOLDER holds a package.xml. rosdep keys of plain Python packages are not looked for: the environment carries
those.
"""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from pathlib import Path

DEPENDENCY_TAGS = frozenset(
    {"depend", "build_depend", "build_export_depend", "buildtool_depend", "exec_depend", "test_depend"}
)


def dependencies(package_xml: Path) -> set[str]:
    """Every dependency a package.xml names."""
    root = ElementTree.parse(package_xml).getroot()
    return {(node.text or "").strip() for node in root if node.tag in DEPENDENCY_TAGS}


def is_ros_name(key: str) -> bool:
    """Whether a rosdep key can be a ROS package (those of system and Python packages have dashes)."""
    return "-" not in key and key != "python3"


def missing_packages(folders: Iterable[Path], prefixes: Sequence[Path]) -> list[str]:
    """ROS packages the packages in the folders need, less themselves and what is installed."""
    files = [folder / "package.xml" for folder in folders if (folder / "package.xml").is_file()]
    own = {ElementTree.parse(file).getroot().findtext("name", "").strip() for file in files}
    needed = {key for file in files for key in dependencies(file) if is_ros_name(key)}
    index = "share/ament_index/resource_index/packages"
    return sorted(name for name in needed - own if not any((prefix / index / name).exists() for prefix in prefixes))


if __name__ == "__main__":
    installed = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if prefix]
    print("\n".join(missing_packages([Path(folder) for folder in sys.argv[1:]], installed)))
