"""Robot profiles: one YAML holds what differs between robots, and faults in it are named."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import ProfileError, load_profile, profile_names

PIPER = Path(__file__).parents[2] / "mivla_ros" / "robots" / "piper.yaml"


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_fits_its_description(name: str) -> None:
    from xml.etree import ElementTree

    profile = load_profile(name)
    urdf = ElementTree.fromstring(robot_description(profile))
    links = {link.get("name") for link in urdf.findall("link")}
    joints = {joint.get("name"): joint for joint in urdf.findall("joint")}
    for arm in profile.arms:
        assert {arm.base_frame, arm.eef_frame} <= links
        for joint_name, velocity, ready in zip(arm.joints, arm.velocity, arm.ready, strict=True):
            limit = joints[joint_name].find("limit")
            assert limit is not None
            assert velocity <= float(limit.get("velocity", "nan"))
            assert float(limit.get("lower", "nan")) < ready < float(limit.get("upper", "nan"))
        if arm.gripper:
            limit = joints[arm.gripper.joint].find("limit")
            assert limit is not None
            assert float(limit.get("lower", "nan")) <= min(arm.gripper.closed, arm.gripper.open)
            assert max(arm.gripper.closed, arm.gripper.open) <= float(limit.get("upper", "nan")) + 1e-9
    for camera in profile.cameras:
        assert camera.frame in links


def test_gripper_opening_and_joint_value_are_inverse() -> None:
    gripper = load_profile("piper").arms[0].gripper
    assert gripper is not None
    openings = np.linspace(0, 1, 11)
    assert np.allclose(gripper.opening(gripper.position(openings)), openings)
    assert gripper.opening(gripper.open + 1.0) == 1.0


def _write(folder: Path, **changes: object) -> str:
    data = yaml.safe_load(PIPER.read_text("utf-8"))
    for path, value in changes.items():
        target = data
        *parents, last = path.split("__")
        for parent in parents:
            target = target[int(parent) if parent.isdigit() else parent]
        if value is None:
            del target[last]
        else:
            target[last] = value
    file = folder / "robot.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms__0__joints": None}, r"arms\[0\].joints: is missing"),
        ({"arms__0__ready": [0.0, 1.0]}, r"arms\[0\].ready: .*must be 6 finite numbers"),
        ({"arms__0__velocity": [1, 1, 1, 1, 1, -1]}, "velocity.*above 0"),
        ({"arms__0__side": "middle"}, "side.*left or right"),
        ({"arms__0__gripper__open": 0.0}, r"gripper.open: equals closed"),
        ({"arms__0__workspace__lower": [1.0, 0.0, 0.0]}, "workspace"),
        ({"cameras__0__rate": 0}, r"cameras\[0\].rate: is 0.0, must be above 0"),
        ({"colour": "white"}, "colour: is not a known key"),
        ({"name": 3}, "name: is 3, must be of type str"),
    ],
)
def test_fault_is_named_by_file_and_key(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ProfileError, match=words):
        load_profile(_write(tmp_path, **changes))


def test_unknown_robot_lists_the_known() -> None:
    with pytest.raises(ProfileError, match=r"unknown robot 'r2d2', there are .*piper"):
        load_profile("r2d2")


def test_hash_follows_the_file(tmp_path: Path) -> None:
    assert load_profile(_write(tmp_path)).hash != load_profile(_write(tmp_path, task="other")).hash
