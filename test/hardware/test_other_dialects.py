"""agx_arm_ros, ARX's controller, arx5-sdk and LocoMan: units, orders, modes and names."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.hardware.agx_arm_ros import AgxArmRos
from mivla_ros.hardware.arx_gripper import ArmEnd, arx_gripper
from mivla_ros.hardware.arx_x5 import ArxMode, ArxX5, ArxX5Options
from mivla_ros.hardware.dialect import Dialect
from mivla_ros.hardware.drivers import controllers_of, make_dialects
from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.locoman import (
    STATE_JOINTS,
    LocoMan,
    LocoManOptions,
    described_angles,
    servo_angles,
)
from mivla_ros.hardware.locoman_modes import LocoManMode, Variant, mode_number, mode_of, way
from mivla_ros.kinematics import chain_from_urdf, forward_kinematics
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile
from test.hardware.vendor_drivers import arx_status, message

PIPER, X5 = load_profile("piper").arms[0], load_profile("arx_x5").arms[0]
LOCOMAN = load_profile("locoman")
URDF = robot_description(LOCOMAN)
UNLOCKED = LocoManOptions(bimanual_unlocked=True)


def some(dialect: Dialect, value: float = 0.04) -> dict[str, float]:
    return dict.fromkeys(dialect.joints, value)


# agx_arm_ros


def test_agx_takes_arm_and_gripper_in_one_message_with_an_effort_it_accepts() -> None:
    dialect = AgxArmRos(PIPER)
    fields = dialect.command(some(dialect))[0].fields
    assert fields["name"] == ["joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "gripper"]
    assert fields["position"] == [0.04] * 7  # exact pi, total opening
    assert 0.5 <= fields["effort"][6] <= 3.0
    enable = dialect.enable(True)[0]
    assert (enable.topic, enable.service, enable.fields) == ("enable_agx_arm", True, {"data": True})


def test_agx_names_two_arms_by_namespace() -> None:
    profile = load_profile("piper_bimanual")
    made = make_dialects("agx_arm_ros", profile, "", {})
    assert [d.listens[0].topic for d, _ in made] == ["left/feedback/joint_states", "right/feedback/joint_states"]
    assert [d.joints[0] for d, _ in made] == ["left_joint1", "right_joint1"]


# ARX


@given(st.floats(0.0, 1.0), st.sampled_from([ArmEnd.X5_2023, ArmEnd.X5_2025]))
def test_arx_gripper_angle_and_opening_are_inverse(share: float, end: ArmEnd) -> None:
    gripper = arx_gripper(end)
    assert gripper.opening(gripper.angle(share * gripper.width)) == pytest.approx(share * gripper.width, abs=1e-12)


def test_arx_grippers_turn_opposite_ways() -> None:
    assert arx_gripper(ArmEnd.X5_2023).angle(0.08) == 5.0
    assert arx_gripper(ArmEnd.X5_2025).angle(0.088) == -3.14
    assert arx_gripper(ArmEnd.X5_2025).angle(0.0) == 0.0
    with pytest.raises(HardwareError, match="handle"):
        arx_gripper(ArmEnd.HANDLE)


def test_arx_commands_joints_in_mode_5_and_reads_the_seventh_as_gripper() -> None:
    dialect = ArxX5(X5)
    fields = dialect.command({**some(dialect, 0.3), "gripper": 0.044})[0].fields
    assert fields["mode"] == ArxMode.JOINTS
    assert fields["joint_pos"] == [0.3] * 6
    assert fields["gripper"] == pytest.approx(-1.57)
    read = dialect.read("arm_status", arx_status([0.3] * 6 + [-1.57]))
    assert read.positions["gripper"] == pytest.approx(0.044)
    assert read.positions["joint6"] == 0.3
    with pytest.raises(HardwareError, match="7"):
        dialect.read("arm_status", arx_status([0.3] * 6))


def test_arx_is_let_go_damped_and_never_dropped() -> None:
    dialect = ArxX5(X5)
    assert dialect.enable(True) == ()  # where it is is not known yet
    dialect.read("arm_status", arx_status([0.1, 0.9, 0.8, 0, 0, 0, -1.0]))
    on, off = dialect.enable(True)[0].fields, dialect.enable(False)[0].fields
    assert on["joint_pos"] == off["joint_pos"] == [0.1, 0.9, 0.8, 0, 0, 0]
    assert (on["mode"], off["mode"]) == (ArxMode.JOINTS, ArxMode.PROTECT)
    assert ArxMode.SOFT not in (on["mode"], off["mode"])


def test_arx_double_arm_numbers_its_topics_left_first() -> None:
    made = make_dialects("arx_x5", load_profile("arx_x5_bimanual"), "", {})
    assert [(d.listens[0].topic, d.speaks[0][0]) for d, _ in made] == [
        ("joint_information", "joint_control"),
        ("joint_information2", "joint_control2"),
    ]
    fields = made[0][0].command(some(made[0][0]))[0].fields
    assert [len(fields[key]) for key in ("joint_pos", "joint_vel", "joint_cur")] == [8, 8, 8]


def test_arx_2023_end_is_an_option() -> None:
    ((dialect, _),) = make_dialects("arx_x5", load_profile("arx_x5"), "", {"end": "0"})
    assert dialect.command({**some(dialect), "gripper": 0.08})[0].fields["gripper"] == 5.0
    assert ArxX5Options().end is ArmEnd.X5_2025


# LocoMan


def state(**parts: object) -> SimpleNamespace:
    values = np.zeros(56)
    values[0:6] = (0.1, 0.2, 0.3, 0.0, -0.9, 0.4)
    values[18:20] = (0.1, 0.5)  # right, left
    values[20:38] = np.arange(18) / 100 + 0.01
    values[38:56] = -np.arange(18) / 100
    return message({"data": values.tolist(), **parts})


def test_locoman_state_has_the_right_side_first() -> None:
    read = LocoMan(LOCOMAN, URDF, UNLOCKED).read("robot_state", state())
    assert read.positions["right_gripper"] == 0.1
    assert read.positions["left_gripper"] == 0.5
    assert read.positions["1_FR_hip_joint"] == pytest.approx(0.01)
    assert read.positions["2_FL_hip_joint"] == pytest.approx(0.07)
    assert read.velocities["4_RL_calf_joint"] == pytest.approx(-0.17)
    assert [read.positions[name] for name in LOCOMAN.body.joints] == pytest.approx([0.0] * 6)  # its stance
    assert set(LOCOMAN.state_names) <= set(read.positions)
    assert STATE_JOINTS[3] == "1_FR_joint_1"


def test_locoman_command_is_where_forward_kinematics_says() -> None:
    dialect = LocoMan(LOCOMAN, URDF, UNLOCKED)
    dialect.read("robot_state", state())
    arms = {arm.side: arm for arm in LOCOMAN.arms}
    command = {**some(dialect), **dict(zip(arms["right"].joints, arms["right"].ready, strict=True))}
    data = np.array(dialect.command(command)[0].fields["data"])
    assert data.shape == (20,)
    assert np.all(data[:6] == 0.0)  # the body stays at its stance
    pose = forward_kinematics(chain_from_urdf(URDF, "trunk", "1_FR_eef"), arms["right"].ready)
    trunk = Rotation.from_euler("xyz", (0.0, -0.9, 0.4))
    assert data[6:9] == pytest.approx(np.add(trunk.apply(pose[:3]), (0.1, 0.2, 0.3)))
    turned = trunk * Rotation.from_quat(pose[3:], scalar_first=True)
    assert (Rotation.from_euler("xyz", data[9:12]) * turned.inv()).magnitude() < 1e-9


def test_locoman_body_goes_where_a_profile_may_command_it() -> None:
    profile = replace(LOCOMAN, body=replace(LOCOMAN.body, commanded=("body_yaw", "body_pitch")))
    ((dialect, arms),) = make_dialects("locoman", profile, URDF, {"bimanual_unlocked": "true"})
    assert controllers_of(arms, profile.body)["body_controller"] == ("body_yaw", "body_pitch")
    dialect.read("robot_state", state())
    data = dialect.command({**some(dialect), "body_yaw": 0.2, "body_pitch": -0.1})[0].fields["data"]
    assert data[:6] == [0.0, 0.0, 0.0, 0.0, -0.1, 0.2]  # x y z roll pitch yaw
    with pytest.raises(HardwareError, match="body_yaw"):
        dialect.command({name: 0.1 for name in dialect.joints if name != "body_yaw"})


def test_locoman_gripper_moves_by_no_more_than_the_robot_allows() -> None:
    dialect = LocoMan(LOCOMAN, URDF, UNLOCKED)
    dialect.read("robot_state", state())
    command = {**some(dialect), "right_gripper": 0.7, "left_gripper": 0.0}
    grippers = [dialect.command(command)[0].fields["data"][18:20] for _ in range(3)]
    assert np.allclose(grippers, [[0.13, 0.47], [0.16, 0.44], [0.19, 0.41]])


def test_locoman_commands_nothing_before_it_knows_the_trunk() -> None:
    dialect = LocoMan(LOCOMAN, URDF, UNLOCKED)
    with pytest.raises(HardwareError, match="robot_state"):
        dialect.command(some(dialect))
    with pytest.raises(HardwareError, match="56"):
        dialect.read("robot_state", message({"data": [0.0] * 20}))


def test_locoman_modes_differ_between_its_two_projects() -> None:
    assert mode_number(LocoManMode.BIMANUAL, Variant.LOCOMAN) == 4
    assert mode_number(LocoManMode.BIMANUAL, Variant.HUMAN2LOCOMAN) == 7
    assert mode_of(1, Variant.LOCOMAN) is LocoManMode.LOCOMOTION
    assert mode_of(1, Variant.HUMAN2LOCOMAN) is LocoManMode.RIGHT_FOOT
    for variant in Variant:
        assert {mode_of(mode_number(m, variant), variant) for m in LocoManMode} == set(LocoManMode)
        with pytest.raises(HardwareError):
            mode_of(8, variant)


def test_locoman_changes_modes_through_stance_and_stays_locked() -> None:
    m = LocoManMode
    assert way(m.RIGHT_EEF, m.LEFT_EEF, False) == (m.STANCE, m.LEFT_EEF)
    assert way(m.STANCE, m.LEFT_EEF, False) == (m.LEFT_EEF,)
    assert way(m.STANCE, m.STANCE, False) == ()
    with pytest.raises(HardwareError, match="locked"):
        way(m.STANCE, m.BIMANUAL, False)
    with pytest.raises(HardwareError, match="bimanual_unlocked"):
        LocoManOptions()


def test_locoman_servo_angles_are_mapped_both_ways() -> None:
    simulated = np.linspace(-1, 1, 8)
    assert described_angles(servo_angles(simulated)) == pytest.approx(simulated)
    assert servo_angles(np.zeros(8))[[0, 4]] == pytest.approx([-np.pi, np.pi])


# By name


@pytest.mark.parametrize(
    ("driver", "robot", "options", "words"),
    [
        ("nonsense", "piper", {}, "must be one of"),
        ("piper_ros", "arx_x5", {}, "not arx_x5"),
        ("piper_ros", "piper", {"sped": "3"}, "no option"),
        ("piper_ros", "piper", {"speed": "fast"}, "cannot be"),
        ("piper_ros", "piper_bimanual", {"naming": "plain"}, "both arms"),
        ("ros2_control", "piper", {}, "nothing by an adapter"),
    ],
)
def test_a_driver_that_cannot_be_made_says_why(driver: str, robot: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(HardwareError, match=words):
        make_dialects(driver, load_profile(robot), "", options)
