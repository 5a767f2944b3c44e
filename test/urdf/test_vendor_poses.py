"""ARX X5 and LocoMan against poses of the vendors' own files (test/urdf/vectors)."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mivla_ros.robots.description import DescriptionError, description_path, expand_xacro
from mivla_ros.robots.profile import load_profile
from test.urdf.described_robot import DescribedRobot

VECTORS = Path(__file__).parent / "vectors"
X5 = json.loads((VECTORS / "arx_x5.json").read_text("utf-8"))
LOCOMAN = json.loads((VECTORS / "locoman.json").read_text("utf-8"))
# Most of ARX's files turn by 3.1416 where half a turn is meant, and are off by as much.
ROUNDED_PI = 1e-5


def assert_near(pose: object, expected: dict, metres: float, radians: float) -> None:
    """Raise unless an SE3 equals the expected position and, where given, quaternion xyzw."""
    assert np.abs(pose.translation - expected["position"]).max() < metres
    if "quaternion_xyzw" in expected:
        turn = Rotation.from_quat(expected["quaternion_xyzw"]).inv() * Rotation.from_matrix(pose.rotation)
        assert turn.magnitude() < radians


@pytest.mark.parametrize("name", list(X5["variants"]))
def test_every_published_x5_and_r5_is_met(name: str) -> None:
    case = X5["variants"][name]
    offset = {"tcp_offset": str(case["tcp_offset"])} if "tcp_offset" in case else {}
    robot = DescribedRobot(load_profile("arx_x5"), variant=case["variant"], **offset)
    exact = name == "x5_2025"
    metres, radians = (1e-8, 1e-8) if exact else (ROUNDED_PI, 2 * ROUNDED_PI)
    assert len(case["vectors"]) >= 6
    for vector in case["vectors"]:
        q = robot.configuration({f"joint{i}": value for i, value in enumerate(vector["q"], start=1)})
        link6, tcp = robot.pose("base_link", "link6", q), robot.pose("base_link", "tcp", q)
        if case["tip"] == "link6":
            assert_near(link6, vector, metres, radians)
        else:  # the kit's own tool frame has the axes of link6
            assert np.abs(tcp.translation - vector["position"]).max() < metres
            assert_near(
                link6, {"position": link6.translation, **{"quaternion_xyzw": vector["quaternion_xyzw"]}}, 1, radians
            )
        if "tcp_position" in vector:
            assert np.abs(tcp.translation - vector["tcp_position"]).max() < metres


@pytest.mark.parametrize("side", ["left", "right"])
def test_ac_ones_arms_stand_where_the_vendor_puts_them(side: str) -> None:
    robot = DescribedRobot(load_profile("arx_x5_bimanual"))
    for vector in X5["ac_one"][side]:
        q = robot.configuration({f"{side}_joint{i}": value for i, value in enumerate(vector["q"], start=1)})
        assert_near(robot.pose("base_link", f"{side}_link6", q), vector, 1e-8, 1e-8)
        tcp = robot.pose("base_link", f"{side}_tcp", q).translation
        assert np.abs(tcp - vector["tcp_position"]).max() < 1e-8


def test_x5_variants_that_do_not_exist_are_refused_by_name() -> None:
    with pytest.raises(DescriptionError, match=r"x9.*x5_2025"):
        expand_xacro(description_path("arx_x5/arx_x5.urdf.xacro"), {"variant": "x9"})


@pytest.mark.parametrize("vector", LOCOMAN["vectors"], ids=lambda vector: vector["name"])
def test_locomans_hands_and_feet_are_where_its_own_file_puts_them(vector: dict) -> None:
    robot = DescribedRobot(load_profile("locoman"))
    q = robot.configuration(dict(zip(LOCOMAN["joint_order"], vector["q"], strict=True)))
    parts = [key for key in vector if key.endswith(("eef", "foot"))]
    assert len(parts) == 6
    for part in parts:
        assert_near(robot.pose("trunk", part, q), vector[part], 1e-8, 1e-8)
    for name, prefix in (("right", "1_FR"), ("left", "2_FL")):
        tcp = robot.pose("trunk", f"{name}_tcp", q)
        assert np.abs(tcp.translation - vector[f"{prefix}_eef"]["position"]).max() < 1e-8


def test_locoman_weighs_what_its_own_file_says() -> None:
    robot = DescribedRobot(load_profile("locoman"), head_camera="false")
    assert sum(inertia.mass for inertia in robot.model.inertias) == pytest.approx(13.277928, abs=0.01)


def test_locomans_body_joints_move_the_trunk_from_its_stance() -> None:
    robot = DescribedRobot(load_profile("locoman"))
    values = {"body_x": 0.03, "body_y": -0.02, "body_z": 0.1, "body_yaw": 0.3, "body_pitch": -0.2, "body_roll": 0.1}
    stance_from_trunk = robot.pose("stance", "trunk", robot.configuration(values))
    assert stance_from_trunk.translation == pytest.approx([0.03, -0.02, 0.1])
    expected = Rotation.from_euler("ZYX", [0.3, -0.2, 0.1]).as_matrix()
    assert np.abs(stance_from_trunk.rotation - expected).max() < 1e-12
