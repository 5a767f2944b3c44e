"""MoveIt's files name what the descriptions have, as far as can be told without MoveIt (docs/robots.md)."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from mivla_ros.robots.description import robot_description, robot_semantics
from mivla_ros.robots.profile import load_profile

CONFIG = Path(__file__).parents[2] / "mivla_bringup" / "config" / "moveit"
ROBOTS = ("piper", "piper_bimanual", "arx_x5", "arx_x5_bimanual", "locoman")


def load(robot: str, file: str) -> dict:
    return yaml.safe_load((CONFIG / robot / f"{file}.yaml").read_text("utf-8"))


@pytest.mark.parametrize("robot", ROBOTS)
def test_groups_joints_and_controllers_exist(robot: str) -> None:
    profile = load_profile(robot)
    srdf = ElementTree.fromstring(robot_semantics(profile))
    urdf = ElementTree.fromstring(robot_description(profile))
    groups = {group.get("name") for group in srdf.findall("group")}
    limits = {joint.get("name"): joint.find("limit") for joint in urdf.findall("joint")}
    arms = {arm.name for arm in profile.arms}
    kinematics = load(robot, "kinematics")
    assert set(kinematics) == arms <= groups
    solvers = {solver["kinematics_solver"] for solver in kinematics.values()}
    assert solvers == {"kdl_kinematics_plugin/KDLKinematicsPlugin"}
    ompl = load(robot, "ompl_planning")
    planners = set(ompl["planner_configs"])
    for group in arms | ({"arms"} if len(arms) > 1 else set()):
        assert group in groups
        assert set(ompl[group]["planner_configs"]) <= planners
    joints = load(robot, "joint_limits")["joint_limits"]
    assert set(joints) == set(profile.joint_names)
    for name, values in joints.items():
        assert 0 < values["max_velocity"] <= float(limits[name].get("velocity")), name
        assert values["max_acceleration"] > 0
    controllers = load(robot, "moveit_controllers")["moveit_simple_controller_manager"]
    for arm in profile.arms:
        assert tuple(controllers[arm.controller]["joints"]) == arm.joints
        assert controllers[arm.gripper.controller]["joints"] == [arm.gripper.joint]
    assert set(controllers["controller_names"]) == set(controllers) - {"controller_names"}


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_srdf_keeps_moveits_rules(robot: str) -> None:
    profile = load_profile(robot)
    srdf = ElementTree.fromstring(robot_semantics(profile))
    urdf = ElementTree.fromstring(robot_description(profile))
    links = {link.get("name") for link in urdf.findall("link")}
    joints = {joint.get("name") for joint in urdf.findall("joint")}
    groups = {group.get("name"): group for group in srdf.findall("group")}
    assert srdf.get("name") == urdf.get("name"), "MoveIt refuses an SRDF of another robot"
    for group in groups.values():
        for chain in group.findall("chain"):
            assert {chain.get("base_link"), chain.get("tip_link")} <= links
        assert {joint.get("name") for joint in group.findall("joint")} <= joints
        assert {part.get("name") for part in group.findall("group")} <= set(groups)
    for state in srdf.findall("group_state"):
        assert state.get("group") in groups
        assert {joint.get("name") for joint in state.findall("joint")} <= joints
    for effector in srdf.findall("end_effector"):
        assert effector.get("parent_link") in links
        assert {effector.get("group"), effector.get("parent_group")} <= set(groups)
        inside = {joint.get("name") for joint in groups[effector.get("group")].findall("joint")}
        assert inside, "an end effector's group has joints of its own"
    for pair in srdf.findall("disable_collisions"):
        assert {pair.get("link1"), pair.get("link2")} <= links
        assert pair.get("reason")
    for joint in srdf.findall("passive_joint"):
        assert joint.get("name") in joints
