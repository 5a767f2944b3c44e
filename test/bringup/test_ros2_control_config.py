"""The controllers we write down for ros2_control have the profile's names and joints, all of them and no others."""

from pathlib import Path

import pytest
import yaml

from mivla_ros.hardware.drivers import controllers_of
from mivla_ros.robots.profile import load_profile

FOLDER = Path(__file__).parents[2] / "mivla_bringup" / "config" / "ros2_control"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_controllers_are_the_profiles(file: Path) -> None:
    data = yaml.safe_load(file.read_text("utf-8"))
    manager = data.pop("controller_manager")["ros__parameters"]
    wanted = controllers_of(load_profile(file.stem).arms)
    assert {name: tuple(entry["ros__parameters"]["joints"]) for name, entry in data.items()} == wanted
    types = {name: entry["type"] for name, entry in manager.items() if isinstance(entry, dict)}
    assert types.pop("joint_state_broadcaster") == "joint_state_broadcaster/JointStateBroadcaster"
    assert types == dict.fromkeys(wanted, "joint_trajectory_controller/JointTrajectoryController")


def test_every_arm_that_may_have_ros2_control_has_a_file() -> None:
    robots = {file.stem for file in FOLDER.glob("*.yaml")}
    assert robots == {"piper", "piper_bimanual", "arx_x5", "arx_x5_bimanual"}
