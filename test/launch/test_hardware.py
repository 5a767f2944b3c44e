"""The stack on a vendor's driver: a stand-in process on its topics, the adapter, the doctor; the arm is not there."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from sensor_msgs.msg import JointState

from mivla_ros.robots.profile import load_profile
from test.launch.conftest import MARK, Launch, ros2
from test.launch.driver_stack import (
    ROOT,
    Drivers,
    blind,
    doctor,
    enable,
    enable_at_last,
    episode_of,
    gone,
    move,
    patient,
    seeing,
    stop,
    vendor_paths,
)
from test.launch.operator import Operator

StartLaunch = Callable[..., Launch]
StartDriver = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def profile(tmp_path: Path) -> str:
    return seeing("piper", tmp_path)


@pytest.fixture
def start_driver(tmp_path: Path) -> Iterator[StartDriver]:
    drivers = Drivers(tmp_path)
    yield drivers.start
    drivers.end()


def test_a_stack_on_piper_ros_is_well_and_moves_and_says_why_it_stops(
    start_launch: StartLaunch, start_driver: StartDriver, profile: str
) -> None:
    arguments = (f"profile:={profile}", "simulated:=false", "driver:=piper_ros", "policy:=replay")
    arguments += (patient("piper", Path(profile).parent),)
    episode = episode_of("piper", Path(profile).parent)
    launch = start_launch("piper.launch.py", *arguments, f"episode:={episode}")
    launch.wait_for("waiting for joint_states_single", 90)
    assert "nothing has come yet" in enable(launch)

    driver = start_driver(launch, "piper_ros", "--latency", "0.03", "--drop", "7")
    cameras = start_driver(launch, "cameras", "--robot", profile)
    launch.run(*ros2("topic", "echo", "--once", "--no-daemon", "/joint_states"), seconds=60)
    _, _, found = doctor(launch, profile, "--driver", "piper_ros")
    stop(launch)
    assert not found & {"topic_missing", "topic_type", "joint_rate", "joint_names", "clock_skew", "tf_missing"}
    assert "asked for torque" in enable(launch)
    _, data, found = doctor(launch, profile, "--driver", "piper_ros", "--move", "--episode", episode)
    checks = {f["check"]: f for f in data["findings"]}
    assert checks["gripper_motion"]["level"] == "ok"
    assert [f["level"] for f in data["findings"] if f["check"] == "joint_motion"] == ["ok"] * 6
    assert [f["subject"] for f in data["findings"] if f["check"] == "camera"] == ["head_camera", "wrist_camera"]
    assert checks["camera_order"]["level"] == checks["replay"]["level"] == "ok"

    gone(driver)
    launch.wait_for("driver silent: joint_states_single", 30)

    gone(cameras)
    start_driver(launch, "cameras", "--robot", profile, "--blur", "head_camera")
    for misbehaviour, check in ((("--degrees",), "joint_unit"), (("--negate", "2"), "joint_range")):
        bad = start_driver(launch, "piper_ros", *misbehaviour)
        launch.run(*ros2("topic", "echo", "--once", "--no-daemon", "/joint_states"), seconds=60)
        status, _, found = doctor(launch, profile)
        assert status == 1
        assert {check, "camera_focus"} <= found
        gone(bad)
    assert MARK in launch.environment


def test_the_enable_that_agx_arm_ros_refuses_is_named(
    start_launch: StartLaunch, start_driver: StartDriver, profile: str
) -> None:
    arguments = (f"profile:={profile}", "simulated:=false", "driver:=agx_arm_ros", "policy:=replay")
    arguments += (patient("piper", Path(profile).parent),)
    launch = start_launch("piper.launch.py", *arguments, f"episode:={episode_of('piper', Path(profile).parent)}")
    start_driver(launch, "agx_arm_ros", "--refuse-enable")
    launch.echo("/joint_states", seconds=90)
    enable(launch)
    launch.wait_for("driver refused: agx_arm_ros", 30)
    launch.wait_for("100017", 5)


def test_arx_runs_on_its_own_messages_and_its_gripper_turns_the_right_way(
    start_launch: StartLaunch, start_driver: StartDriver, tmp_path: Path
) -> None:
    messages = ROOT / ".environment" / "vendor_messages"
    make = [ROOT / "environment" / "vendor_messages.bash", "arx5_arm_msg"]
    made = subprocess.run(make, capture_output=True, text=True, check=False)  # 20 s the first time
    if made.returncode != 0:
        pytest.skip(f"the stand-ins of ARX's messages cannot be built: {made.stderr[-500:]}")
    file = seeing("arx_x5", tmp_path)
    variables = vendor_paths(messages)
    launch = start_launch(
        "arx.launch.py", f"profile:={file}", "simulated:=false", "driver:=arx_x5", "policy:=replay",
        patient("arx_x5", tmp_path), f"episode:={episode_of('arx_x5', tmp_path)}", **variables,
    )  # fmt: skip
    launch.wait_for("waiting for arm_status", 90)
    driver = start_driver(launch, "arx_x5")
    start_driver(launch, "cameras", "--robot", file, "--swap")
    launch.echo("/joint_states", seconds=60)
    stop(launch)
    assert "asked for torque" in enable(launch)
    _, data, found = doctor(launch, file, "--driver", "arx_x5", "--move")
    levels = [f["level"] for f in data["findings"] if f["check"] in ("joint_motion", "gripper_motion")]
    assert levels == ["ok"] * 7
    assert "camera_order" in found  # the wrist's picture hardly changes, the head's does
    gone(driver)
    launch.wait_for("driver silent: arm_status", 30)


def test_locoman_is_led_into_its_mode_and_follows_there(
    start_launch: StartLaunch,
    start_driver: StartDriver,
    operator_of: Callable[[Launch], Operator],
    tmp_path: Path,
) -> None:
    file = blind("locoman", tmp_path)
    launch = start_launch(
        "locoman.launch.py", f"profile:={file}", "simulated:=false", "driver:=locoman", "policy:=replay",
        "driver_options:=variant=human2locoman bimanual_unlocked=true", patient("locoman", tmp_path),
        f"episode:={episode_of('locoman', tmp_path)}",
    )  # fmt: skip
    launch.wait_for("waiting for robot_state", 90)
    driver = start_driver(launch, "locoman", "--latency", "0.03", "--drop", "7")
    operator = operator_of(launch)
    operator.wait(lambda: JointState in operator.newest, 60, "joint_states")
    stop(launch)
    assert "mode unknown, then stance, then bimanual" in enable(launch)
    launch.wait_for("locoman: on its way, stance", 30)
    launch.wait_for("locoman: takes commands", 60)

    move(operator, next(arm for arm in load_profile("locoman").arms if arm.side == "right"), 1, 0.2)
    _, data, _ = doctor(launch, file, "--driver", "locoman")
    assert [f for f in data["findings"] if f["level"] == "failure"] == []
    gone(driver)
    launch.wait_for("driver silent: robot_state", 30)
    start_driver(launch, "locoman", "--refuse-enable")
    enable_at_last(launch)
    launch.wait_for("no joint moved when bimanual was asked for", 60)
    assert "Traceback" not in launch.output()


def test_arx_runs_on_arx5_sdk_in_the_adapters_own_process(
    start_launch: StartLaunch, operator_of: Callable[[Launch], Operator], tmp_path: Path
) -> None:
    trip = tmp_path / "over_current"
    module = ROOT / "test" / "hardware" / "stand_in_arx5"
    launch = start_launch(
        "arx.launch.py", f"profile:={blind('arx_x5', tmp_path)}", "simulated:=false", "driver:=arx5_sdk",
        "policy:=replay", patient("arx_x5", tmp_path), f"episode:={episode_of('arx_x5', tmp_path)}",
        PYTHONPATH=f"{module}:{os.environ['PYTHONPATH']}", STAND_IN_ARX5_TRIP=str(trip),
    )  # fmt: skip
    launch.wait_for("waiting for arx5_sdk can0", 90)
    operator = operator_of(launch)
    operator.wait(lambda: JointState in operator.newest, 60, "joint_states")
    stop(launch)
    assert "asked for torque" in enable(launch)
    move(operator, load_profile("arx_x5").arms[0], 1, 0.2)
    trip.touch()
    launch.wait_for("arx5-sdk went to damping by itself", 30)
    assert "Traceback" not in launch.output()


def test_ros2_controls_joint_trajectory_controller_takes_all_that_the_stack_sends(
    start_launch: StartLaunch, start_driver: StartDriver, operator_of: Callable[[Launch], Operator], tmp_path: Path
) -> None:
    arm, log = load_profile("piper").arms[0], tmp_path / "ros2_control.log"
    launch = start_launch(
        "piper.launch.py", f"profile:={blind('piper', tmp_path)}", "simulated:=false", "driver:=ros2_control",
        "policy:=replay", patient("piper", tmp_path), f"episode:={episode_of('piper', tmp_path)}",
    )  # fmt: skip
    start_driver(launch, "ros2_control", "--robot", "piper")
    operator = operator_of(launch)

    def ready() -> bool:
        now = dict(zip(operator.names(), operator.positions(), strict=True))
        return all(abs(now[name] - value) < 5e-3 for name, value in zip(arm.joints, arm.ready, strict=True))

    operator.wait(lambda: JointState in operator.newest, 90, "joint_states")
    assert not ready()  # 0.1 rad from where the episode rests
    operator.wait(ready, 90, "the arm where the episode rests")
    assert "the first trajectory was taken" in log.read_text("utf-8")
    assert "refused" not in log.read_text("utf-8")
