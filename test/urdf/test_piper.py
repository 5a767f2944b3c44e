"""The PiPer's URDF against published poses, and against the rules that physics and ROS set for it."""

import re
from xml.etree import ElementTree

import mujoco
import numpy as np
import pinocchio as pin
import pytest
import xacro
from hypothesis import given, settings
from hypothesis import strategies as st
from piper_arm import Arm, expand
from scipy.spatial.transform import Rotation

# name, q (rad), position of link6 in base_link (m), its quaternion xyzw, position of the finger tips
# (link6 * (0, 0, 0.1358)). Source: FK of agilexrobotics/agx_arm_urdf piper_description.urdf at 1ee5659d
# (2026-03-15, firmware S-V1.6-3 and later).
VENDOR_NEW = (
    (
        "zero_home",
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (0.056135203, 0.0, 0.213178344),
        (-1.7e-08, 0.675590204, 3.6e-08, 0.73727734),
        (0.191418443, 1e-08, 0.225014095),
    ),
    (
        "ready_menagerie_home",
        (0, 1.57, -1.3485, 0, 0, 0),
        (0.379965003, 1.2e-08, 0.38139512),
        (-1.9e-08, 0.752937837, 3.7e-08, 0.658091646),
        (0.514543373, 2.3e-08, 0.363220902),
    ),
    (
        "moveit_demo_pose",
        (0.2, 0.2, -0.2, 0.3, -0.2, 0.5),
        (0.065872763, 0.007927804, 0.285569455),
        (0.198653121, 0.568586671, 0.365103289, 0.709891346),
        (0.195198814, 0.026008415, 0.322845505),
    ),
    (
        "random_1",
        (-1.392, 2.6003, -1.2273, 1.4115, -0.8111, 0.9855),
        (0.003748385, -0.386697775, -0.056273421),
        (0.836300267, -0.338946314, -0.245215778, 0.354381832),
        (-0.084573338, -0.444617735, -0.141632614),
    ),
    (
        "random_2",
        (2.1075, 1.1167, -0.4816, 0.5769, -0.6272, 1.1886),
        (-0.088777404, 0.206110256, 0.281632885),
        (0.038461594, -0.706696611, -0.697837047, 0.110109318),
        (-0.117201377, 0.33890204, 0.281388609),
    ),
    (
        "random_3",
        (1.4424, 1.5499, -1.0766, 0.4484, 0.0309, -0.1665),
        (0.044404079, 0.353751181, 0.295435431),
        (-0.462156255, 0.698194923, 0.418711115, 0.351591308),
        (0.058518943, 0.477283578, 0.240826298),
    ),
)
# Source: DH table of agilexrobotics/piper_sdk at 1dadd600 (v0.6.1), dh_is_offset=1.
SDK_NEW = (
    (
        "zero_home",
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (0.0561275, 0.0, 0.2132663),
        (0.0, 0.6755902, 0.0, 0.7372773),
    ),
    (
        "ready_menagerie_home",
        (0, 1.57, -1.3485, 0, 0, 0),
        (0.3799768, 0.0, 0.3814826),
        (0.0, 0.7529378, 0.0, 0.6580916),
    ),
    (
        "moveit_demo_pose",
        (0.2, 0.2, -0.2, 0.3, -0.2, 0.5),
        (0.0658537, 0.0078979, 0.2856503),
        (0.1986531, 0.5685867, 0.3651033, 0.7098914),
    ),
    (
        "random_1",
        (-1.392, 2.6003, -1.2273, 1.4115, -0.8111, 0.9855),
        (0.0036877, -0.3866998, -0.0562093),
        (0.8363002, -0.3389463, -0.2452158, 0.3543818),
    ),
    (
        "random_2",
        (2.1075, 1.1167, -0.4816, 0.5769, -0.6272, 1.1886),
        (-0.0887372, 0.206119, 0.281711),
        (0.0384616, -0.7066966, -0.6978371, 0.1101093),
    ),
    (
        "random_3",
        (1.4424, 1.5499, -1.0766, 0.4484, 0.0309, -0.1665),
        (0.0444462, 0.3537785, 0.295508),
        (-0.4621562, 0.6981949, 0.4187111, 0.3515913),
    ),
)
# Source: FK of piper_description_old.urdf of agilexrobotics/piper_ros, branch humble (2025, firmware before
# S-V1.6-3).
VENDOR_OLD = (
    (
        "zero_home",
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (0.054962982, -9e-08, 0.203318498),
        (2.363e-06, 0.675594922, -5.047e-06, 0.737273017),
        (0.190246373, -1.489e-06, 0.215152518),
    ),
    (
        "ready_menagerie_home",
        (0, 1.57, -1.3485, 0, 0, 0),
        (0.370104803, -1.633e-06, 0.382559393),
        (2.633e-06, 0.752942049, -5.054e-06, 0.658086827),
        (0.50468294, -3.137e-06, 0.364383452),
    ),
    (
        "moveit_demo_pose",
        (0.2, 0.2, -0.2, 0.3, -0.2, 0.5),
        (0.062827208, 0.007310548, 0.276139246),
        (0.198656502, 0.568590815, 0.365096887, 0.709890374),
        (0.192153898, 0.025389982, 0.313413652),
    ),
    (
        "random_1",
        (-1.392, 2.6003, -1.2273, 1.4115, -0.8111, 0.9855),
        (0.003020189, -0.382688022, -0.04721913),
        (0.836299292, -0.338948006, -0.24522287, 0.354377606),
        (-0.085302853, -0.440606162, -0.132578191),
    ),
    (
        "random_2",
        (2.1075, 1.1167, -0.4816, 0.5769, -0.6272, 1.1886),
        (-0.083983477, 0.198054561, 0.278361433),
        (0.038460532, -0.706700439, -0.697834316, 0.110102427),
        (-0.112406013, 0.330846651, 0.27811571),
    ),
    (
        "random_3",
        (1.4424, 1.5499, -1.0766, 0.4484, 0.0309, -0.1665),
        (0.043140606, 0.3439506, 0.296401385),
        (-0.462155702, 0.69819951, 0.418703814, 0.351591622),
        (0.057256946, 0.467482121, 0.241790652),
    ),
)
# Modified (Craig) DH rows: alpha (deg), a (m), theta offset (deg; new, old), d (m). Source: piper_sdk.
SDK_DH = (
    (0, 0, 0, 0, 0.123),
    (-90, 0, -172.22, -174.22, 0),
    (0, 0.28503, -102.78, -100.78, 0),
    (90, -0.02198, 0, 0, 0.25075),
    (-90, 0, 0, 0, 0),
    (90, 0, 0, 0, 0.091),
)
# Outer box of each vendor mesh in the frame of its link (m). Source: STL files of agx_arm_urdf at 1ee5659d.
MESH_BOXES = {
    "base_link": ((-0.0585, -0.04, 0.0), (0.04, 0.04, 0.086)),
    "link1": ((-0.03588, -0.03675, -0.043), (0.03599, 0.04075, 0.03)),
    "link2": ((-0.03146, -0.06481, -0.0485), (0.31651, 0.03172, 0.0485)),
    "link3": ((-0.05613, -0.21475, -0.04), (0.02992, 0.02997, 0.04075)),
    "link4": ((-0.03287, -0.0285, -0.036), (0.02984, 0.03258, 0.02845)),
    "link5": ((-0.02998, -0.09, -0.03242), (0.02998, 0.02348, 0.0285)),
    "link6": ((-0.01753, -0.01748, -0.004), (0.01741, 0.01749, 0.0)),
    "gripper_base": ((-0.04201, -0.08201, 0.0), (0.03298, 0.08207, 0.067)),
    "gripper_link1": ((-0.028, -0.0765, 0.0), (0.028, 0.0, 0.0265)),
    "gripper_link2": ((-0.028, -0.0765, 0.0), (0.028, 0.0, 0.0265)),
}
# Position limits of piper_sdk v0.6.1 (rad); speeds: lowest of the data sheet and the vendor's URDFs (rad/s).
LIMITS = {
    "joint1": (-2.6179, 2.6179, 3.14),
    "joint2": (0.0, 3.14, 3.4),
    "joint3": (-2.967, 0.0, 3.14),
    "joint4": (-1.745, 1.745, 3.93),
    "joint5": (-1.22, 1.22, 3.93),
    "joint6": (-2.09439, 2.09439, 3.0),
}
# x/z axes of an optical frame in its REP-103 body frame: x right = -y, y down = -z, z forward = x.
BODY_FROM_OPTICAL = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=float)


def joints(q: tuple[float, ...]) -> dict[str, float]:
    """Names for six joint angles."""
    return {f"joint{i}": value for i, value in enumerate(q, start=1)}


def assert_pose(
    base_from_link: np.ndarray,
    position: tuple[float, ...],
    quaternion: tuple[float, ...],
    metres: float,
    radians: float,
) -> None:
    """Raise unless the pose equals position (m) and quaternion (xyzw) within the tolerances."""
    assert np.linalg.norm(base_from_link[:3, 3] - position) <= metres
    turn = Rotation.from_quat(quaternion).inv() * Rotation.from_matrix(base_from_link[:3, :3])
    assert turn.magnitude() <= radians


def sdk_pose(q: np.ndarray, variant: str) -> np.ndarray:
    """base_from_link6 of the SDK's DH table."""
    pose = np.eye(4)
    for angle, (alpha, a, new, old, d) in zip(q, SDK_DH, strict=True):
        twist = np.eye(4)
        twist[:3, :3] = Rotation.from_euler("x", alpha, degrees=True).as_matrix()
        twist[:3, 3] = (a, 0, 0)
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("z", angle + np.radians(new if variant == "new" else old)).as_matrix()
        turn[:3, 3] = (0, 0, d)
        pose = pose @ twist @ turn
    return pose


def elements(xml: str, tag: str) -> list[ElementTree.Element]:
    """All elements of that tag with an attribute `name`, of the whole robot."""
    return [element for element in ElementTree.fromstring(xml).iter(tag) if element.get("name")]


def joint(xml: str, name: str) -> ElementTree.Element:
    """The joint of that name."""
    return next(element for element in elements(xml, "joint") if element.get("name") == name)


@pytest.mark.parametrize("vector", VENDOR_NEW, ids=lambda v: v[0])
def test_link6_and_finger_tips_stand_where_the_newest_vendor_file_puts_them(arm: Arm, vector: tuple) -> None:
    _, q, position, quaternion, tips = vector
    assert_pose(arm.pose("link6", joints(q)), position, quaternion, 1e-7, 2e-7)
    assert_pose(arm.pose("tcp", joints(q)), tips, quaternion, 1e-7, 2e-7)


@pytest.mark.parametrize("vector", SDK_NEW, ids=lambda v: v[0])
def test_link6_stands_where_the_sdk_says_within_a_tenth_of_a_millimetre(arm: Arm, vector: tuple) -> None:
    # The vendor's URDF sets joint 6 0.088 mm beside the axis that the SDK's table has.
    _, q, position, quaternion = vector
    assert_pose(arm.pose("link6", joints(q)), position, quaternion, 0.09e-3, 1e-6)


@pytest.mark.parametrize("vector", VENDOR_OLD, ids=lambda v: v[0])
def test_old_zeros_reproduce_the_vendors_file_for_old_firmware(old_arm: Arm, vector: tuple) -> None:
    # That file rounds its angles to 1e-4 rad, which is 0.05 mm at link6 and 0.06 mm at the finger tips.
    _, q, position, quaternion, tips = vector
    assert_pose(old_arm.pose("link6", joints(q)), position, quaternion, 0.06e-3, 1e-4)
    assert_pose(old_arm.pose("tcp", joints(q)), tips, quaternion, 0.07e-3, 1e-4)


@settings(deadline=None, max_examples=100)
@given(
    st.tuples(*(st.floats(lower, upper) for lower, upper, _ in LIMITS.values())),
    st.sampled_from(["new", "old"]),
)
def test_both_variants_follow_the_sdk_table_everywhere(
    arm: Arm, old_arm: Arm, q: tuple[float, ...], variant: str
) -> None:
    found = (arm if variant == "new" else old_arm).pose("link6", joints(q))
    expected = sdk_pose(np.array(q), variant)
    assert np.linalg.norm(found[:3, 3] - expected[:3, 3]) <= 0.09e-3
    np.testing.assert_allclose(found[:3, :3], expected[:3, :3], atol=1e-7)


def test_the_two_variants_differ_by_a_centimetre(arm: Arm, old_arm: Arm) -> None:
    zero = joints((0,) * 6)
    distance = np.linalg.norm(arm.pose("link6", zero)[:3, 3] - old_arm.pose("link6", zero)[:3, 3])
    assert distance == pytest.approx(9.93e-3, abs=1e-4)


def test_joint_limits_are_the_sdks_and_speeds_the_lowest_published(arm: Arm) -> None:
    for name, (lower, upper, velocity) in LIMITS.items():
        limit = joint(arm.xml, name).find("limit")
        assert [float(limit.get(key)) for key in ("lower", "upper", "velocity")] == [lower, upper, velocity]


def test_every_inertia_is_one_a_body_can_have(pair: Arm) -> None:
    seen = 0
    for inertial in ElementTree.fromstring(pair.xml).iter("inertial"):
        values = {key: float(value) for key, value in inertial.find("inertia").attrib.items()}
        tensor = np.array(
            [[values["ixx"], values["ixy"], values["ixz"]],
             [values["ixy"], values["iyy"], values["iyz"]],
             [values["ixz"], values["iyz"], values["izz"]]]
        )  # fmt: skip
        a, b, c = np.linalg.eigvalsh(tensor)
        assert float(inertial.find("mass").get("value")) > 0
        assert a > 0
        assert a + b >= c
        seen += 1
    assert seen == 2 * 13 + 1


def test_every_part_turns_as_a_body_of_its_size(arm: Arm) -> None:
    # Published tensors fail this: link6's radius of gyration is 0.47 m, those of links 2 and 5 are about
    # the link's origin.
    links = {element.get("name"): element for element in elements(arm.xml, "link")}
    for name, (lower, upper) in MESH_BOXES.items():
        inertial = links[name].find("inertial")
        mass = float(inertial.find("mass").get("value"))
        for axis, key in enumerate(("ixx", "iyy", "izz")):
            across = np.delete(np.subtract(upper, lower), axis)
            # no body inside a box has more inertia than one with all its mass in the edges along the axis
            assert float(inertial.find("inertia").get(key)) / mass <= (across**2).sum() / 4, (name, key)
        centre = np.array([float(value) for value in inertial.find("origin").get("xyz").split()])
        assert (centre >= lower).all(), name
        assert (centre <= upper).all(), name


def test_the_arm_with_gripper_weighs_what_the_vendor_says() -> None:
    bare = Arm(expand("piper.urdf.xacro", wrist_camera="false", head_camera="false").toxml())
    assert sum(inertia.mass for inertia in bare.model.inertias) == pytest.approx(4.67, abs=0.002)


def test_the_joints_can_carry_the_arm_itself_everywhere(arm: Arm) -> None:
    generator = np.random.default_rng(0)
    effort = np.array([float(joint(arm.xml, name).find("limit").get("effort")) for name in LIMITS])
    index = [arm.model.idx_vs[arm.model.getJointId(name)] for name in LIMITS]
    torques = [pin.computeGeneralizedGravity(arm.model, arm.data, arm.random(generator))[index] for _ in range(500)]
    assert (np.abs(torques).max(axis=0) < effort).all()


@given(st.floats(0, 0.1))
def test_the_gripper_value_is_the_distance_between_the_pads(arm: Arm, opening: float) -> None:
    pose = {"gripper": opening, "joint5": 0.4, "joint6": -0.7}
    tcp_from_one = np.linalg.inv(arm.pose("tcp", pose)) @ arm.pose("gripper_link1", pose)
    tcp_from_two = np.linalg.inv(arm.pose("tcp", pose)) @ arm.pose("gripper_link2", pose)
    np.testing.assert_allclose(tcp_from_one[:3, 3], (0, -opening / 2, 0), atol=1e-9)
    np.testing.assert_allclose(tcp_from_two[:3, 3], (0, opening / 2, 0), atol=1e-9)


@pytest.mark.parametrize("travel", ["0.07", "0.1"])
def test_fingers_mimic_the_gripper_over_its_whole_travel(travel: str) -> None:
    xml = expand("piper.urdf.xacro", gripper_travel=travel, prefix="a_").toxml()
    assert float(joint(xml, "a_gripper").find("limit").get("upper")) == float(travel)
    for name, factor in (("a_gripper_joint1", 0.5), ("a_gripper_joint2", -0.5)):
        mimic = joint(xml, name).find("mimic")
        limit = joint(xml, name).find("limit")
        assert mimic.get("joint") == "a_gripper"
        assert float(mimic.get("multiplier")) == factor
        ends = sorted((0.0, factor * float(travel)))
        assert [float(limit.get("lower")), float(limit.get("upper"))] == pytest.approx(ends)


def test_shapes_stay_within_the_vendors_meshes_and_fill_them(arm: Arm) -> None:
    for name, (lower, upper) in MESH_BOXES.items():
        boxes = [
            shape_box(element)
            for element in next(e for e in elements(arm.xml, "link") if e.get("name") == name).findall("collision")
        ]
        low = np.min([box[0] for box in boxes], axis=0)
        high = np.max([box[1] for box in boxes], axis=0)
        assert (low >= np.array(lower) - 0.002).all(), name
        assert (high <= np.array(upper) + 0.002).all(), name
        assert (low <= np.array(lower) + 0.01).all(), name
        assert (high >= np.array(upper) - 0.01).all(), name


def shape_box(element: ElementTree.Element) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner, in the link's frame, of the box around a collision element."""
    origin = element.find("origin")
    centre = np.array([float(value) for value in origin.get("xyz").split()])
    turn = Rotation.from_euler("xyz", [float(value) for value in origin.get("rpy", "0 0 0").split()]).as_matrix()
    shape = element.find("geometry")[0]
    if shape.tag == "box":
        half = np.abs(turn) @ (np.array([float(value) for value in shape.get("size").split()]) / 2)
    else:
        axis = turn[:, 2]
        half = np.abs(axis) * float(shape.get("length")) / 2 + float(shape.get("radius")) * np.sqrt(1 - axis**2)
    return centre - half, centre + half


def test_shapes_are_primitives_only(pair: Arm) -> None:
    shapes = {shape.tag for geometry in ElementTree.fromstring(pair.xml).iter("geometry") for shape in geometry}
    assert shapes == {"box", "cylinder"}


@pytest.mark.parametrize(
    ("arguments", "height"),
    [({}, 0.1358), ({"flange": "true"}, 0.1425), ({"tcp_offset": "0.12"}, 0.12), ({"tcp_offset": "0"}, 0.0)],
)
def test_the_tool_frame_lies_at_the_finger_tips_or_where_asked(arguments: dict[str, str], height: float) -> None:
    pose = {"joint2": 1.0, "joint3": -1.0, "joint5": 0.5}
    described = Arm(expand("piper.urdf.xacro", **arguments).toxml())
    link6_from_tcp = np.linalg.inv(described.pose("link6", pose)) @ described.pose("tcp", pose)
    np.testing.assert_allclose(link6_from_tcp[:3, 3], (0, 0, height), atol=1e-9)
    np.testing.assert_allclose(link6_from_tcp[:3, :3], np.eye(3), atol=1e-9)


def test_the_finger_tips_move_out_with_the_flange() -> None:
    described = Arm(expand("piper.urdf.xacro", flange="true").toxml())
    link6_from_tip = np.linalg.inv(described.pose("link6", {})) @ described.pose("gripper_link1", {})
    np.testing.assert_allclose(link6_from_tip[:3, 3], (0, 0, 0.1425), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"dh_variant": "newest"}, "dh_variant is 'newest'"),
        ({"gripper_travel": "0.08"}, "gripper_travel is '0.08'"),
    ],
)
@pytest.mark.parametrize("description", ["piper.urdf.xacro", "piper_bimanual.urdf.xacro"])
def test_a_wrong_argument_is_refused_with_its_value(description: str, arguments: dict[str, str], named: str) -> None:
    with pytest.raises(xacro.XacroException, match=re.escape(named)):
        expand(description, **arguments)


def test_prefix_and_base_pose_are_honoured() -> None:
    xml = expand("piper.urdf.xacro", prefix="a_", base_xyz="0.1 -0.2 0.3", base_rpy="0 0 1.5").toxml()
    described = Arm(xml)
    world_from_base = described.pose("a_base_link", {}, base="world")
    np.testing.assert_allclose(world_from_base[:3, 3], (0.1, -0.2, 0.3))
    np.testing.assert_allclose(world_from_base[:3, :3], Rotation.from_euler("z", 1.5).as_matrix(), atol=1e-12)
    unprefixed = {
        name for tag in ("link", "joint") for e in elements(xml, tag) if not (name := e.get("name")).startswith("a_")
    }
    assert unprefixed == {
        "world",
        "head_camera_link",
        "head_camera_joint",
        "head_camera_optical_frame",
        "head_camera_optical_joint",
    }


def test_two_arms_stand_side_by_side_and_do_not_share_a_name(pair: Arm) -> None:
    np.testing.assert_allclose(pair.pose("left_base_link", {}, base="world")[:3, 3], (0, 0.3, 0))
    np.testing.assert_allclose(pair.pose("right_base_link", {}, base="world")[:3, 3], (0, -0.3, 0))
    for tag in ("link", "joint"):
        names = [element.get("name") for element in ElementTree.fromstring(pair.xml).findall(tag)]
        assert len(names) == len(set(names))


def test_two_arms_stand_where_asked() -> None:
    wide = Arm(expand("piper_bimanual.urdf.xacro", spacing="0.8").toxml())
    assert wide.pose("left_base_link", {}, base="right_base_link")[1, 3] == pytest.approx(0.8)
    facing = Arm(expand("piper_bimanual.urdf.xacro", right_base_xyz="0.9 0 0", right_base_rpy="0 0 3.14159265").toxml())
    np.testing.assert_allclose(facing.pose("right_base_link", {}, base="world")[:3, 3], (0.9, 0, 0), atol=1e-9)
    assert facing.pose("right_base_link", {}, base="world")[0, 0] == pytest.approx(-1)


@pytest.mark.parametrize("camera", ["head_camera", "wrist_camera"])
def test_optical_frames_look_along_their_z_axis(arm: Arm, camera: str) -> None:
    body_from_optical = arm.pose(f"{camera}_optical_frame", {}, base=f"{camera}_link")
    np.testing.assert_allclose(body_from_optical[:3, :3], BODY_FROM_OPTICAL, atol=1e-9)
    np.testing.assert_allclose(body_from_optical[:3, 3], 0, atol=1e-12)


def test_the_wrist_camera_sits_where_the_vendor_mounts_it_and_sees_the_finger_tips(arm: Arm) -> None:
    pose = {"joint2": 1.3, "joint3": -1.05, "joint5": 0.85}
    link6_from_camera = np.linalg.inv(arm.pose("link6", pose)) @ arm.pose("wrist_camera_link", pose)
    np.testing.assert_allclose(link6_from_camera[:3, 3], (-0.073096, -0.0115, 0.03625), atol=1e-9)
    optical_from_tcp = arm.pose("tcp", pose, base="wrist_camera_optical_frame")
    across, down, ahead = optical_from_tcp[:3, 3]
    assert ahead > 0.1
    assert down > 0, "the fingers belong in the lower half of the image"
    assert abs(down / ahead) < np.tan(np.radians(58 / 2))
    assert abs(across / ahead) < np.tan(np.radians(58 / 2))


def test_the_head_camera_sees_the_whole_table_at_50_degrees(arm: Arm) -> None:
    optical_from_base = arm.pose("base_link", {}, base="head_camera_optical_frame")
    half_height = np.tan(np.radians(50 / 2))
    for x in (0.15, 0.55):
        for y in (-0.3, 0.3):
            for z in (0.0, 0.3):
                across, down, ahead, _ = optical_from_base @ (x, y, z, 1)
                assert ahead > 0
                assert abs(down / ahead) < half_height
                assert abs(across / ahead) < half_height * 4 / 3


def test_cameras_can_be_left_out_and_the_head_camera_moved() -> None:
    bare = expand("piper.urdf.xacro", wrist_camera="false", head_camera="false").toxml()
    assert "camera" not in bare
    moved = Arm(expand("piper.urdf.xacro", head_camera_xyz="-0.2 0.1 0.9", head_camera_rpy="0 1 0").toxml())
    np.testing.assert_allclose(moved.pose("head_camera_link", {})[:3, 3], (-0.2, 0.1, 0.9))


@pytest.mark.parametrize("description", ["piper.urdf.xacro", "piper_bimanual.urdf.xacro"])
def test_mujoco_reads_the_description_and_agrees_about_every_link(description: str) -> None:
    described = Arm(expand(description).toxml())
    keep = '<mujoco><compiler fusestatic="false"/></mujoco></robot>'
    model = mujoco.MjModel.from_xml_string(described.xml.replace("</robot>", keep))
    data = mujoco.MjData(model)
    arms = 2 if "bimanual" in description else 1
    assert model.neq == 2 * arms, "one equality for each mimic finger"
    assert model.body_mass.sum() == pytest.approx(sum(inertia.mass for inertia in described.model.inertias))
    q = described.configuration({})
    generator = np.random.default_rng(3)
    for prefix in ("left_", "right_") if arms == 2 else ("",):
        q += described.random(generator, prefix)
    for name in list(described.model.names)[1:]:
        data.qpos[model.joint(name).qposadr[0]] = q[described.model.idx_qs[described.model.getJointId(name)]]
    mujoco.mj_kinematics(model, data)
    pin.framesForwardKinematics(described.model, described.data, q)
    for link in (element.get("name") for element in ElementTree.fromstring(described.xml).findall("link")):
        np.testing.assert_allclose(
            data.body(link).xpos, described.data.oMf[described.frame(link)].translation, atol=1e-9
        )
