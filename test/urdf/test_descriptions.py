"""What every robot's description keeps: valid inertias, primitive shapes, frames, true reasons, safe states."""

from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest

from mivla_ros.robots.profile import load_profile
from test.urdf.described_robot import DescribedRobot

ROBOTS = ("arx_x5", "arx_x5_bimanual", "locoman", "piper_bimanual")
RANDOM_STATES = 1500


@pytest.fixture(scope="module", params=ROBOTS)
def robot(request: pytest.FixtureRequest) -> DescribedRobot:
    """A description with its profile's arguments."""
    made = DescribedRobot(load_profile(request.param))
    made.name = request.param
    return made


def test_every_inertia_belongs_to_a_real_body(robot: DescribedRobot) -> None:
    for link in robot.urdf.findall("link"):
        inertial = link.find("inertial")
        if inertial is None:
            continue
        values = {key: float(value) for key, value in inertial.find("inertia").attrib.items()}
        tensor = np.array([[values[f"i{min(a, b)}{max(a, b)}"] for b in "xyz"] for a in "xyz"])
        moments = np.linalg.eigvalsh(tensor)
        assert float(inertial.find("mass").get("value")) > 0, link.get("name")
        assert moments[0] > 0, link.get("name")
        assert moments[0] + moments[1] >= moments[2] * (1 - 1e-6), f"{link.get('name')}: {moments}"


def test_only_primitive_shapes_are_used(robot: DescribedRobot) -> None:
    kinds = {shape.tag for geometry in robot.urdf.iter("geometry") for shape in geometry}
    assert kinds <= {"box", "cylinder", "sphere"}
    assert robot.urdf.get("name") == robot.srdf.get("name")


def test_mujoco_reads_it(robot: DescribedRobot) -> None:
    root = ElementTree.fromstring(robot.xml)
    assert mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode")).compile().nq > 6


def test_tools_approach_along_z_and_close_along_y(robot: DescribedRobot) -> None:
    profile = load_profile(robot.name)
    for arm in profile.arms:
        ready = dict(zip(arm.joints, arm.ready, strict=True))
        open_, closed = (
            robot.configuration(ready | {arm.gripper.joint: v}) for v in (arm.gripper.open, arm.gripper.closed)
        )
        fingers = [name for name, (other, _) in robot.followers.items() if other == arm.gripper.joint]
        assert len(fingers) == 2
        links = [j.find("child").get("link") for j in robot.urdf.findall("joint") if j.get("name") in fingers]
        for link in links:
            # a point near the finger's end, wherever the finger's own frame lies
            moved = np.array(
                [
                    robot.pose(arm.eef_frame, link, q).act(_tip(robot, arm.eef_frame, link, closed))
                    for q in (open_, closed)
                ]
            )
            step = moved[0] - moved[1]
            assert abs(step[1]) > 0.01, f"{link} does not open along y of {arm.eef_frame}"
            assert abs(step[1]) > 3 * abs(step[0]), link
        assert robot.pose("world", arm.eef_frame, open_).rotation[2, 2] < -0.4, "ready looks down on the table"


def _tip(robot: DescribedRobot, eef: str, link: str, q: np.ndarray) -> np.ndarray:
    """The tool frame's origin in a finger's frame, with closed fingers."""
    return robot.pose(link, eef, q).translation


def test_pairs_called_never_do_not_touch_in_random_states(robot: DescribedRobot) -> None:
    never, generator = robot.off_for("Never"), np.random.default_rng(11)
    assert never
    assert not robot.contacts(never, (robot.random(generator) for _ in range(RANDOM_STATES)))


def test_pairs_called_adjacent_are_joined(robot: DescribedRobot) -> None:
    assert set(robot.off.values()) <= {"Adjacent", "Never", "Default"}
    assert {link for pair in robot.off for link in pair} <= set(robot.links)
    for first, second in map(tuple, robot.off_for("Adjacent")):
        assert robot.joined(first, second), (first, second)
    for pair in robot.off_for("Default"):
        assert all(robot.joint_to[link].find("mimic") is not None for link in pair), pair


def test_ready_is_the_srdfs_inside_the_limits_and_free_of_contact(robot: DescribedRobot) -> None:
    profile = load_profile(robot.name)
    held = {} if profile.body is None else dict(profile.body.held)
    for opening in ("open", "half", "close"):
        joints = dict(held)
        for arm in profile.arms:
            group = arm.name
            named = robot.state("ready", group)
            assert named == dict(zip(arm.joints, arm.ready, strict=True))
            joints |= named | robot.state(opening, group.replace("arm", "gripper"))
        q = robot.configuration(joints)
        assert robot.within_limits(q)
        assert not robot.contacts(robot.checked, iter([q]))


def test_groups_lead_from_base_to_tool(robot: DescribedRobot) -> None:
    groups = {group.get("name"): group for group in robot.srdf.findall("group")}
    effectors = {e.get("parent_group"): e for e in robot.srdf.findall("end_effector")}
    for arm in load_profile(robot.name).arms:
        assert groups[arm.name].find("chain").attrib == {"base_link": arm.base_frame, "tip_link": arm.eef_frame}
        assert effectors[arm.name].get("parent_link") == arm.eef_frame
        assert groups[effectors[arm.name].get("group")].find("joint").get("name") == arm.gripper.joint
