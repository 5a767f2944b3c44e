"""What package.xml files ask for and an installed ROS does not have."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "environment"))

import missing_packages


def test_only_ros_packages_that_are_nowhere_are_missing(tmp_path: Path) -> None:
    index = tmp_path / "ros/share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "rclpy").touch()
    for name, depends in (
        ("suite", "<depend>rclpy</depend><exec_depend>cv_bridge</exec_depend><exec_depend>messages</exec_depend>"),
        ("messages", "<test_depend>launch_testing</test_depend><exec_depend>python3-numpy</exec_depend>"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "package.xml").write_text(f"<package><name>{name}</name>{depends}</package>")
    folders = [tmp_path / "suite", tmp_path / "messages", tmp_path / "nothing"]
    missing = missing_packages.missing_packages(folders, [tmp_path / "other", tmp_path / "ros"])
    assert missing == ["cv_bridge", "launch_testing"]
