"""The stack on a vendor's driver: a stand-in process on its topics, the adapter, the doctor; the arm is not there."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from test.launch.conftest import MARK, Launch, ros2

StartLaunch = Callable[..., Launch]
ROOT = Path(__file__).parents[2]
PROFILE_EDITS = {"head_camera": "false", "wrist_camera": "false"}


@pytest.fixture
def profile(tmp_path: Path) -> str:
    """A PiPer without cameras: none are here."""
    import yaml

    data = yaml.safe_load((ROOT / "mivla_ros" / "robots" / "piper.yaml").read_text("utf-8"))
    data["cameras"], data["description_arguments"] = [], PROFILE_EDITS
    data["joint_state_rate"] = 50.0  # what a busy machine keeps up
    file = tmp_path / "piper_blind.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    return str(file)


def episode_of(robot: str, folder: Path) -> str:
    """Two seconds at rest, for the policy to play; it is stopped before the doctor moves anything."""
    from mivla_ros.episodes.episode_bag import EpisodeBag
    from mivla_ros.robots.profile import load_profile

    profile = load_profile(robot)
    row = [*profile.arms[0].ready, 0.05]
    with EpisodeBag(folder / "episode", profile, "rest") as bag:
        for k in range(41):
            bag.add_commands(10_000_000_000 + k * 50_000_000, profile.joint_names, row)
            bag.add_joints(10_000_000_000 + k * 50_000_000, profile.joint_names, row)
    return str(folder / "episode")


@pytest.fixture
def start_driver() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(launch: Launch, *arguments: str) -> subprocess.Popen[bytes]:
        environment = launch.environment | {"PYTHONPATH": f"{ROOT}:{launch.environment.get('PYTHONPATH', '')}"}
        command = [sys.executable, "-m", "test.hardware.stand_in_driver", *arguments]
        running.append(subprocess.Popen(command, env=environment, cwd=ROOT))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(20)


def doctor(launch: Launch, profile: str, *arguments: str) -> tuple[int, dict[str, Any], set[str]]:
    command = ("mivla", "doctor", "--robot", profile, "--seconds", "4", "--json", *arguments)
    done = launch.run(*command, seconds=120)
    assert done.returncode in (0, 1, 3), done.stderr
    data = json.loads(done.stdout)
    return done.returncode, data, {f["check"] for f in data["findings"] if f["level"] in ("failure", "warning")}


def stop(launch: Launch) -> None:
    """Latch a stop, so that only the doctor commands."""
    done = launch.run(*ros2("service", "call", "/mivla/stop", "mivla_msgs/srv/Stop", "{reason: the doctor is here}"))
    assert "success=True" in done.stdout, done.stdout + done.stderr


def enable(launch: Launch) -> str:
    done = launch.run(*ros2("service", "call", "/driver/enable", "std_srvs/srv/SetBool", "{data: true}"))
    return done.stdout + done.stderr


def test_a_stack_on_piper_ros_is_well_and_moves_and_says_why_it_stops(
    start_launch: StartLaunch, start_driver: Callable[..., subprocess.Popen[bytes]], profile: str
) -> None:
    arguments = (f"profile:={profile}", "simulated:=false", "driver:=piper_ros", "policy:=replay")
    launch = start_launch("piper.launch.py", *arguments, f"episode:={episode_of('piper', Path(profile).parent)}")
    launch.wait_for("waiting for joint_states_single", 90)
    assert "nothing has come yet" in enable(launch)

    driver = start_driver(launch, "piper_ros", "--latency", "0.03", "--drop", "7")
    launch.run(*ros2("topic", "echo", "--once", "--no-daemon", "/joint_states"), seconds=60)
    _, _, found = doctor(launch, profile, "--driver", "piper_ros")
    stop(launch)
    assert not found & {"topic_missing", "topic_type", "joint_rate", "joint_names", "clock_skew", "tf_missing"}
    assert "asked for torque" in enable(launch)
    _, data, found = doctor(launch, profile, "--driver", "piper_ros", "--move")
    checks = {f["check"]: f for f in data["findings"]}
    assert checks["gripper_motion"]["level"] == "ok"
    assert [f["level"] for f in data["findings"] if f["check"] == "joint_motion"] == ["ok"] * 6

    driver.kill()  # the bus is gone
    driver.wait(10)
    launch.wait_for("driver silent: joint_states_single", 30)

    for misbehaviour, check in ((("--degrees",), "joint_unit"), (("--negate", "2"), "joint_range")):
        bad = start_driver(launch, "piper_ros", *misbehaviour)
        launch.run(*ros2("topic", "echo", "--once", "--no-daemon", "/joint_states"), seconds=60)
        status, _, found = doctor(launch, profile)
        assert status == 1
        assert check in found
        bad.kill()
        bad.wait(10)
    assert MARK in launch.environment


def test_the_enable_that_agx_arm_ros_refuses_is_named(
    start_launch: StartLaunch, start_driver: Callable[..., subprocess.Popen[bytes]], profile: str
) -> None:
    arguments = (f"profile:={profile}", "simulated:=false", "driver:=agx_arm_ros", "policy:=replay")
    launch = start_launch("piper.launch.py", *arguments, f"episode:={episode_of('piper', Path(profile).parent)}")
    start_driver(launch, "agx_arm_ros", "--refuse-enable")
    launch.echo("/joint_states", seconds=90)
    enable(launch)
    launch.wait_for("driver refused: agx_arm_ros", 30)
    launch.wait_for("100017", 5)


def test_arx_runs_on_its_own_messages_and_its_gripper_turns_the_right_way(
    start_launch: StartLaunch, start_driver: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    import yaml

    messages = ROOT / ".environment" / "vendor_messages"
    if not (messages / "made").is_file():
        pytest.skip("the stand-ins of ARX's messages are not built: ./run --no-build environment/vendor_messages.bash")
    data = yaml.safe_load((ROOT / "mivla_ros" / "robots" / "arx_x5.yaml").read_text("utf-8"))
    data["cameras"], data["description_arguments"] = [], PROFILE_EDITS
    data["joint_state_rate"] = 50.0  # what a busy machine keeps up
    file = tmp_path / "arx_blind.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    variables = vendor_paths(messages)
    launch = start_launch(
        "arx.launch.py", f"profile:={file}", "simulated:=false", "driver:=arx_x5", "policy:=replay",
        f"episode:={episode_of('arx_x5', tmp_path)}", **variables,
    )  # fmt: skip
    launch.wait_for("waiting for arm_status", 90)
    driver = start_driver(launch, "arx_x5")
    launch.echo("/joint_states", seconds=60)
    stop(launch)
    assert "asked for torque" in enable(launch)
    _, data, _ = doctor(launch, str(file), "--driver", "arx_x5", "--move")
    levels = [f["level"] for f in data["findings"] if f["check"] in ("joint_motion", "gripper_motion")]
    assert levels == ["ok"] * 7
    driver.kill()
    driver.wait(10)
    launch.wait_for("driver silent: arm_status", 30)


def vendor_paths(messages: Path) -> dict[str, str]:
    """The environment with the built packages in front."""
    paths = {"AMENT_PREFIX_PATH": [], "PYTHONPATH": [], "LD_LIBRARY_PATH": []}  # type: dict[str, list[str]]
    for package in ("piper_msgs", "arm_control", "arx5_arm_msg"):
        prefix = messages / "install" / package
        paths["AMENT_PREFIX_PATH"].append(str(prefix))
        paths["PYTHONPATH"] += [str(path) for path in prefix.glob("lib/python3*/site-packages")]
        paths["LD_LIBRARY_PATH"].append(str(prefix / "lib"))
    return {name: os.pathsep.join([*new, os.environ.get(name, "")]) for name, new in paths.items()}
