"""piper_ros's traps: every command arrives where it was meant, and what would be misread is not sent."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.naming import Naming
from mivla_ros.hardware.piper_ros import PiperRos, PiperRosOptions
from mivla_ros.hardware.piper_units import check_dh, read_firmware
from mivla_ros.robots.profile import load_profile
from mivla_ros.stop_reasons import Reason
from test.hardware.vendor_drivers import PiperRosDriver, message

ARM = load_profile("piper").arms[0]
JOINTS = (*ARM.joints, "gripper")
ONE_MILLIDEGREE = 1.8e-5  # rad


def target(*values: float, gripper: float = 0.05) -> dict[str, float]:
    return dict(zip(JOINTS, (*values, gripper), strict=True))


@given(st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6), st.floats(0.0, 0.08), st.sampled_from([0.5, 1.0, 2.0]))
def test_the_motors_go_where_they_were_sent_in_spite_of_pi_as_3_14(
    values: list[float], opening: float, multiple: float
) -> None:
    dialect, driver = PiperRos(ARM, PiperRosOptions(gripper_multiple=multiple)), PiperRosDriver(multiple)
    driver.take(dialect.command(target(*values, gripper=opening))[0])
    assert driver.true_radians() == pytest.approx(values, abs=ONE_MILLIDEGREE)
    assert driver.opening == pytest.approx(opening)
    read = dialect.read("joint_states_single", driver.feedback()).positions
    assert [read[name] for name in ARM.joints] == pytest.approx(driver.true_radians(), abs=1e-9)
    assert read["gripper"] == pytest.approx(opening)


def test_without_the_correction_it_would_be_off_by_more_than_a_milliradian() -> None:
    driver = PiperRosDriver()
    driver.take(PiperRos(ARM, PiperRosOptions(exact_pi=True)).command(target(2.6, 0, 0, 0, 0, 0))[0])
    assert driver.true_radians()[0] - 2.6 > 1.2e-3


@pytest.mark.parametrize("lacking", JOINTS)
def test_a_command_that_lacks_a_joint_is_not_sent(lacking: str) -> None:
    command = target(0.5, 1.3, -1.0, 0.2, 0.8, 0.1)
    del command[lacking]
    with pytest.raises(HardwareError, match=lacking):
        PiperRos(ARM).command(command)


def test_a_value_that_the_driver_drops_without_a_word_is_refused_aloud() -> None:
    with pytest.raises(HardwareError, match=r"3\.5"):
        PiperRos(ARM).command(target(3.51, 0, 0, 0, 0, 0))
    with pytest.raises(HardwareError, match="finite"):
        PiperRos(ARM).command(target(float("nan"), 0, 0, 0, 0, 0))


def test_seven_velocities_go_so_that_the_speed_counts() -> None:
    driver = PiperRosDriver()
    driver.take(PiperRos(ARM, PiperRosOptions(speed=17)).command(target(0, 1, -1, 0, 0, 0))[0])
    assert driver.speed == 17


def test_feedback_in_another_order_is_read_by_name() -> None:
    driver = PiperRosDriver()
    driver.millidegrees = [1000, 2000, 3000, 4000, 5000, 6000]
    feedback = driver.feedback()
    feedback.name, feedback.position = feedback.name[::-1], feedback.position[::-1]
    read = PiperRos(ARM).read("joint_states_single", feedback).positions
    assert read["joint6"] == pytest.approx(6 * 3.14159265 / 180, abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ["joint1"], "position": [0.0]}, "joint2"),
        ({"name": [f"joint{i}" for i in range(1, 7)] + ["gripper"], "position": [0.0] * 6}, "7 names and 6"),
        ({"name": [f"joint{i}" for i in range(1, 7)] + ["gripper"], "position": [0.0] * 6 + [0.2]}, r"0\.15"),
        ({"name": [f"joint{i}" for i in range(1, 7)] + ["gripper"], "position": [float("nan")] + [0.0] * 6}, "finite"),
    ],
)
def test_feedback_that_cannot_be_used_says_why(fields: dict[str, list[float]], words: str) -> None:
    with pytest.raises(HardwareError, match=words):
        PiperRos(ARM).read("joint_states_single", message({"velocity": [], "effort": [], **fields}))


@pytest.mark.parametrize(
    ("naming", "feedback", "command"),
    [
        (Naming.PLAIN, "joint_states_single", "joint_ctrl_single"),
        (Naming.SUFFIX, "joint_states_single_left", "joint_ctrl_single_left"),
        (Naming.SHORT_SUFFIX, "joint_states_single_l", "joint_ctrl_single_l"),
        (Naming.NAMESPACE, "left/joint_states_single", "left/joint_ctrl_single"),
        (Naming.ALOHA, "puppet/joint_left", "master/joint_left"),
    ],
)
def test_two_arms_are_named_as_each_vendor_does(naming: Naming, feedback: str, command: str) -> None:
    arm = load_profile("piper_bimanual").arms[0]
    assert arm.side == "left"
    dialect = PiperRos(arm, PiperRosOptions(naming=naming))
    assert dialect.listens[0].topic == feedback
    assert dialect.speaks[0][0] == command
    names = dialect.command(dict.fromkeys(dialect.joints, 0.01))[0].fields["name"]
    assert names[0] == ("joint0" if naming is Naming.ALOHA else "joint1")
    assert len(names) == 7


def test_the_command_never_goes_to_joint_states() -> None:
    for newer in (False, True):
        dialect = PiperRos(ARM, PiperRosOptions(newer=newer))
        assert "joint_states" not in [topic for topic, _ in dialect.speaks]


def status(**changes: object) -> SimpleNamespace:
    flags = {f"joint_{i}_angle_limit": False for i in range(1, 7)}
    lost = {f"communication_status_joint_{i}": False for i in range(1, 7)}
    return message({"err_code": 0, "teach_status": 0, **flags, **lost, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"communication_status_joint_3": True}, "do not answer"),
        ({"joint_2_angle_limit": True}, "angle limit"),
        ({"err_code": 8}, "error code 8"),
        ({"teach_status": 1}, "teach mode"),
    ],
)
def test_the_status_becomes_a_named_fault(changes: dict[str, object], words: str) -> None:
    dialect = PiperRos(ARM)
    assert dialect.read("arm_status", status()).fault is None
    fault = dialect.read("arm_status", status(**changes)).fault
    assert fault is not None
    assert fault.reason is Reason.DRIVER_FAULT
    assert words in str(fault)


@pytest.mark.parametrize("option", [{"speed": 0}, {"gripper_multiple": 0.0}, {"rate": 500.0}, {"effort": 3.5}])
def test_options_out_of_range_are_refused(option: dict[str, float]) -> None:
    with pytest.raises(HardwareError, match=next(iter(option))):
        replace(PiperRosOptions(), **option)


@pytest.mark.parametrize(
    ("text", "dh"),
    [("S-V1.6-2", "old"), ("S-V1.5-9", "old"), ("S-V1.6-3", "new"), ("S-V1.8-2", "new"), ("xxS-V2.0-0\x00", "new")],
)
def test_the_firmware_decides_the_kinematics(text: str, dh: str) -> None:
    firmware = read_firmware(text)
    assert firmware.dh == dh
    check_dh(firmware, dh)
    with pytest.raises(HardwareError, match="dh_variant"):
        check_dh(firmware, "old" if dh == "new" else "new")


def test_a_firmware_that_is_none_is_refused() -> None:
    with pytest.raises(HardwareError, match="S-V1"):
        read_firmware("1.6.3")
