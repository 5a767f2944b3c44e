"""The PiPer's SRDF: every pair that is off is off for a true reason, and the named states are safe."""

import itertools
from xml.etree import ElementTree

import numpy as np
import pinocchio as pin
import pytest
from piper_arm import Arm, expand

# Its pose is an argument, so its contacts are always checked and none is expected where it stands by default.
HEAD_CAMERA = "head_camera_link"
VARIANTS = [{}, {"flange": "true"}, {"gripper_travel": "0.07", "wrist_camera": "false"}]


def srdf(**arguments: str) -> ElementTree.Element:
    """The SRDF of one arm."""
    return ElementTree.fromstring(expand("piper.srdf.xacro", **arguments).toxml())


def disabled(robot: ElementTree.Element) -> dict[frozenset[str], str]:
    """Reason for each pair of links that is not checked."""
    return {
        frozenset((pair.get("link1"), pair.get("link2"))): pair.get("reason")
        for pair in robot.iter("disable_collisions")
    }


def with_reason(robot: ElementTree.Element, reason: str) -> set[frozenset[str]]:
    """The pairs that are off for that reason."""
    return {pair for pair, given in disabled(robot).items() if given == reason}


def enabled(described: Arm, robot: ElementTree.Element) -> set[frozenset[str]]:
    """The pairs of links with shapes that are checked."""
    pairs = {frozenset(pair) for pair in itertools.combinations(described.links_with_shapes(), 2)}
    return pairs - set(disabled(robot))


def joint_to(described: Arm, link: str) -> ElementTree.Element:
    """The joint whose child is the link."""
    joints = ElementTree.fromstring(described.xml).findall("joint")
    return next(joint for joint in joints if joint.find("child").get("link") == link)


def rigid_part(described: Arm, link: str) -> str:
    """The first link of those that are fixed to the link, going towards the base."""
    while link != "base_link" and joint_to(described, link).get("type") == "fixed":
        link = joint_to(described, link).find("parent").get("link")
    return link


def parent_part(described: Arm, link: str) -> str:
    """The rigid part that the link's part moves on."""
    if link == "base_link":
        return "world"
    return rigid_part(described, joint_to(described, link).find("parent").get("link"))


def state(robot: ElementTree.Element, name: str) -> dict[str, float]:
    """Joint values of a named state."""
    found = next(group for group in robot.iter("group_state") if group.get("name") == name)
    return {joint.get("name"): float(joint.get("value")) for joint in found.iter("joint")}


@pytest.fixture(scope="module", params=VARIANTS, ids=["default", "flange", "v1_gripper_no_camera"])
def case(request: pytest.FixtureRequest) -> tuple[Arm, ElementTree.Element]:
    """A description and its SRDF, from the same arguments."""
    return Arm(expand("piper.urdf.xacro", **request.param).toxml()), srdf(**request.param)


def test_pairs_that_are_off_name_links_with_shapes_once_and_a_known_reason(
    case: tuple[Arm, ElementTree.Element],
) -> None:
    described, robot = case
    assert {link for pair in disabled(robot) for link in pair} <= set(described.links_with_shapes())
    assert len(list(robot.iter("disable_collisions"))) == len(disabled(robot))
    assert set(disabled(robot).values()) == {"Adjacent", "Never", "Default"}


def test_pairs_called_never_do_not_touch_in_3000_random_states_or_at_the_limits(
    case: tuple[Arm, ElementTree.Element],
) -> None:
    described, robot = case
    never = with_reason(robot, "Never")
    assert never
    generator = np.random.default_rng(11)
    lower, upper = described.model.lowerPositionLimit, described.model.upperPositionLimit
    names = [f"joint{i}" for i in range(1, 7)] + ["gripper"]
    ends = [
        [(name, bound[described.model.idx_qs[described.model.getJointId(name)]]) for bound in (lower, upper)]
        for name in names
    ]
    corners = (described.configuration(dict(corner)) for corner in itertools.product(*ends))
    for q in itertools.chain((described.random(generator) for _ in range(3000)), corners):
        assert not described.contacts(q, never), q


def test_pairs_called_adjacent_are_joined_by_a_joint_or_rigidly(
    case: tuple[Arm, ElementTree.Element],
) -> None:
    described, robot = case
    for first, second in map(tuple, with_reason(robot, "Adjacent")):
        one, two = rigid_part(described, first), rigid_part(described, second)
        assert one == two or parent_part(described, one) == two or parent_part(described, two) == one, (
            first,
            second,
        )


def test_the_only_pair_off_by_design_is_the_fingers_which_touch_when_closed(
    case: tuple[Arm, ElementTree.Element],
) -> None:
    described, robot = case
    fingers = {frozenset(("gripper_link1", "gripper_link2"))}
    assert with_reason(robot, "Default") == fingers
    assert described.contacts(described.configuration({"gripper": 0.0}), fingers) == fingers
    assert not described.contacts(described.configuration({"gripper": 0.001}), fingers)


def test_every_pair_that_is_checked_touches_somewhere(arm: Arm) -> None:
    missing = {pair for pair in enabled(arm, srdf()) if HEAD_CAMERA not in pair}
    generator = np.random.default_rng(5)
    for _ in range(30000):
        missing -= arm.contacts(arm.random(generator), missing)
        if not missing:
            break
    assert not missing


@pytest.mark.parametrize("pose", ["zero", "ready"])
@pytest.mark.parametrize("fingers", ["open", "half", "close"])
def test_named_states_are_inside_the_limits_and_free_of_contact(
    case: tuple[Arm, ElementTree.Element], pose: str, fingers: str
) -> None:
    described, robot = case
    joints = state(robot, pose) | state(robot, fingers)
    assert set(joints) == {f"joint{i}" for i in range(1, 7)} | {"gripper"}
    q = described.configuration(joints)
    assert (q >= described.model.lowerPositionLimit - 1e-12).all()
    assert (q <= described.model.upperPositionLimit + 1e-12).all()
    assert not described.contacts(q, enabled(described, robot))


def test_ready_holds_the_tool_over_the_table_away_from_limits_and_singularities(arm: Arm) -> None:
    ready = state(srdf(), "ready")
    base_from_tcp = arm.pose("tcp", ready)
    assert base_from_tcp[:3, 3] == pytest.approx((0.333, 0, 0.194), abs=1e-3)
    assert base_from_tcp[:3, 2] == pytest.approx((0.530, 0, -0.848), abs=1e-3)
    for name, value in ready.items():
        index = arm.model.idx_qs[arm.model.getJointId(name)]
        room = min(value - arm.model.lowerPositionLimit[index], arm.model.upperPositionLimit[index] - value)
        assert room > (0.35 if name == "joint5" else 1.0), name
    jacobian = pin.computeFrameJacobian(
        arm.model, arm.data, arm.configuration(ready), arm.frame("tcp"), pin.LOCAL_WORLD_ALIGNED
    )[:, [arm.model.idx_vs[arm.model.getJointId(f"joint{i}")] for i in range(1, 7)]]
    assert np.linalg.svd(jacobian, compute_uv=False)[-1] > 0.1


def test_groups_cover_the_arm_from_base_to_tool_and_the_gripper() -> None:
    robot = srdf(prefix="a_")
    groups = {group.get("name"): group for group in robot.findall("group")}
    assert set(groups) == {"a_arm", "a_gripper"}
    assert groups["a_arm"].find("chain").attrib == {"base_link": "a_base_link", "tip_link": "a_tcp"}
    assert groups["a_gripper"].find("joint").get("name") == "a_gripper"
    assert robot.find("end_effector").attrib == {
        "name": "a_gripper", "parent_link": "a_tcp", "group": "a_gripper", "parent_group": "a_arm",
    }  # fmt: skip


def test_robot_names_agree_with_the_descriptions() -> None:
    for name in ("piper", "piper_bimanual"):
        documents = [expand(f"{name}.{kind}.xacro").documentElement for kind in ("urdf", "srdf")]
        assert [document.getAttribute("name") for document in documents] == [name, name]


def test_two_arms_keep_contacts_between_them_and_stand_free_in_their_named_states(pair: Arm) -> None:
    robot = ElementTree.fromstring(expand("piper_bimanual.srdf.xacro").toxml())
    assert all(len({link.split("_")[0] for link in links}) == 1 for links in disabled(robot))
    left = {link for link in pair.links_with_shapes() if link.startswith("left_")}
    assert len(disabled(robot)) == 2 * len(disabled(srdf()))
    for name in ("zero", "ready"):
        joints: dict[str, float] = {}
        for group in robot.iter("group_state"):
            if group.get("name") in (name, "open"):
                joints |= {joint.get("name"): float(joint.get("value")) for joint in group.iter("joint")}
        assert len(joints) == 14
        assert not pair.contacts(pair.configuration(joints), enabled(pair, robot))
    across = {links for links in enabled(pair, robot) if len(links & left) == 1 and HEAD_CAMERA not in links}
    inwards = {"left_joint1": -1.2, "right_joint1": 1.2}
    for side in ("left", "right"):
        inwards |= {f"{side}_joint2": 1.6, f"{side}_joint3": -1.2, f"{side}_gripper": 0.1}
    assert pair.contacts(pair.configuration(inwards), across)


def test_pinocchio_applies_the_same_list(arm: Arm) -> None:
    shapes = arm.shapes.copy()
    shapes.addAllCollisionPairs()
    before = len(shapes.collisionPairs)
    pin.removeCollisionPairsFromXML(arm.model, shapes, expand("piper.srdf.xacro").toxml())
    assert 0 < len(shapes.collisionPairs) < before
