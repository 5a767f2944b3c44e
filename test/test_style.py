"""The whole tree is clean for ruff and mypy, as pyproject.toml asks; and only nodes/ knows ROS."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROS = ("rclpy", "cv_bridge", "tf2_ros", "launch", "launch_ros", "ament_index_python", "diagnostic_updater")


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_tool_has_nothing_to_say(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def _imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


# `mivla doctor` looks at a live graph: it imports its node when it runs, and says so where there is no ROS
NEEDS_ROS = {"commands/doctor.py": {"mivla_ros.nodes.doctor_node"}}


@pytest.mark.parametrize(
    "file", [f for f in sorted((ROOT / "mivla_ros").rglob("*.py")) if "nodes" not in f.parts], ids=lambda f: f.name
)
def test_the_core_imports_no_ros_and_nothing_of_nodes(file: Path) -> None:
    for name in _imports(file) - NEEDS_ROS.get(file.relative_to(ROOT / "mivla_ros").as_posix(), set()):
        first = name.split(".")[0]
        assert first not in ROS and not first.endswith("_msgs"), f"{file} imports {name}"
        assert not name.startswith("mivla_ros.nodes"), f"{file} imports {name}"
