"""The URDF reader of the overlay's robot_state_publisher."""

import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

ANGLE = st.floats(-math.pi, math.pi)
LENGTH = st.floats(-2.0, 2.0)


def robot_of(*joints: str, links: tuple[str, ...] = ("a", "b")) -> str:
    return f"<robot>{''.join(f'<link name="{link}"/>' for link in links)}{''.join(joints)}</robot>"


def joint(parent: str = "a", child: str = "b", *, name: str = "j", kind: str = "fixed", inside: str = "") -> str:
    ends = f'<parent link="{parent}"/><child link="{child}"/>'
    return f'<joint name="{name}" type="{kind}">{ends}{inside}</joint>'


def test_links_joints_and_mimics_are_read(urdf: ModuleType, arm: str) -> None:
    robot = urdf.parse(arm)
    assert (robot.name, robot.root) == ("arm", "base")
    assert [j.name for j in robot.of_kind("prismatic")] == ["push", "pinch"]
    turn, push, weld, pinch = robot.joints
    assert (turn.parent, turn.child, turn.axis) == ("base", "upper", (0.0, 0.0, 1.0))
    assert push.axis == (1.0, 0.0, 0.0)
    assert weld.translation == (0.0, 0.0, 0.0)
    assert pinch.mimic == urdf.Mimic("push", -2.0, 0.25)


@given(
    rpy=st.tuples(ANGLE, ANGLE, ANGLE),
    xyz=st.tuples(LENGTH, LENGTH, LENGTH),
    axis=st.tuples(LENGTH, LENGTH, LENGTH).filter(lambda v: np.linalg.norm(v) > 1e-3),
    position=ANGLE,
    kind=st.sampled_from(["revolute", "continuous", "prismatic"]),
)
def test_a_joint_moves_along_its_axis_in_its_origin(
    urdf: ModuleType,
    rpy: tuple[float, ...],
    xyz: tuple[float, ...],
    axis: tuple[float, ...],
    position: float,
    kind: str,
) -> None:
    words = [" ".join(map(repr, values)) for values in (xyz, rpy, axis)]
    inside = f'<origin xyz="{words[0]}" rpy="{words[1]}"/><axis xyz="{words[2]}"/>'
    (only,) = urdf.parse(robot_of(joint(kind=kind, inside=inside))).joints
    translation, rotation = urdf.pose(only, position)
    origin, unit = Rotation.from_euler("xyz", rpy), np.array(axis) / np.linalg.norm(axis)
    if kind == "prismatic":
        expected_t, expected_r = np.array(xyz) + origin.apply(unit * position), origin
    else:
        expected_t, expected_r = np.array(xyz), origin * Rotation.from_rotvec(unit * position)
    np.testing.assert_allclose(translation, expected_t, atol=1e-9)
    np.testing.assert_allclose(Rotation.from_quat(rotation).as_matrix(), expected_r.as_matrix(), atol=1e-9)


BAD = {
    "not XML": ("<robot", "not XML"),
    "another root": ("<model/>", "<model>"),
    "document type": ('<!DOCTYPE r [<!ENTITY a "b">]><robot><link name="&a;"/></robot>', "DOCTYPE"),
    "no link": ("<robot/>", "one root"),
    "two roots": (robot_of(), "one root link, found a, b"),
    "ring": (robot_of(joint(), joint("b", "a", name="k")), "ring"),
    "ring beside the tree": (
        robot_of(joint("a", "b"), joint("b", "a", name="k"), links=("a", "b", "c")),
        "ring",
    ),
    "two parents": (robot_of(joint(), joint("c", "b", name="k"), links=("a", "b", "c")), "child link 'b'"),
    "link twice": (robot_of(links=("a", "a")), "link 'a' appears"),
    "joint twice": (robot_of(joint(), joint("b", "c"), links=("a", "b", "c")), "joint 'j' appears"),
    "unknown link": (robot_of(joint("a", "z")), "link 'z'"),
    "no parent": (robot_of('<joint name="j" type="fixed"><child link="b"/></joint>'), "no parent"),
    "unknown type": (robot_of(joint(kind="bendy")), "unknown type 'bendy'"),
    "axis without length": (
        robot_of(joint(kind="revolute", inside='<axis xyz="0 0 0"/>')),
        "axis of joint 'j'",
    ),
    "words for numbers": (robot_of(joint(inside='<origin xyz="a b c"/>')), "origin xyz of joint 'j'"),
    "numbers missing": (robot_of(joint(inside='<origin rpy="0 0"/>')), "needs 3 finite"),
    "not finite": (robot_of(joint(inside='<origin xyz="0 0 nan"/>')), "needs 3 finite"),
    "mimic of nothing": (robot_of(joint(kind="prismatic", inside='<mimic joint="z"/>')), "mimics 'z'"),
}


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_what_is_no_tree_of_frames_is_refused_by_name(urdf: ModuleType, text: str, problem: str) -> None:
    with pytest.raises(urdf.UrdfError, match=problem):
        urdf.parse(text)
