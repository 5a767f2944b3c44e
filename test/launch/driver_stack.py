"""A stack on a vendor's driver, for live tests: the stand-in's process, blind profiles, doctor and services."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from mivla_bringup.robot_launch import LATENESS
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from mivla_ros.episodes.episode_bag import EpisodeBag
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import duration_message
from mivla_ros.robots.profile import ArmProfile, load_profile
from test.launch.conftest import Launch, ros2
from test.launch.operator import Operator

ROOT = Path(__file__).parents[2]
NO_CAMERAS = {
    "piper": {"head_camera": "false", "wrist_camera": "false"},
    "arx_x5": {"head_camera": "false", "wrist_camera": "false"},
    "locoman": {"head_camera": "false", "wrist_cameras": "false"},
}


def blind(robot: str, folder: Path) -> str:
    """The robot's profile without cameras."""
    return _profile(robot, folder, {"cameras": [], "description_arguments": NO_CAMERAS[robot]})


def seeing(robot: str, folder: Path) -> str:
    """The robot's profile with its cameras, at a rate that a busy machine keeps up."""
    data = yaml.safe_load((ROOT / "mivla_ros" / "robots" / f"{robot}.yaml").read_text("utf-8"))
    return _profile(robot, folder, {"cameras": [camera | {"rate": 5.0} for camera in data["cameras"]]})


def _profile(robot: str, folder: Path, changes: dict[str, Any]) -> str:
    data = yaml.safe_load((ROOT / "mivla_ros" / "robots" / f"{robot}.yaml").read_text("utf-8"))
    data |= changes
    data["joint_state_rate"] = 50.0  # what a busy machine keeps up
    file = folder / f"{robot}_test.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    return str(file)


def patient(robot: str, folder: Path) -> str:
    """A launch argument: the robot's parameters, and nodes that bear a busy machine's pauses."""
    data = yaml.safe_load((ROOT / "mivla_bringup" / "config" / f"{robot}.yaml").read_text("utf-8")) or {}
    data["/**/hardware"] = {"ros__parameters": {"silence": 3.0}}
    data["/**/retargeting"] = {"ros__parameters": {"resumes_after": LATENESS}}
    file = folder / "patient.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    return f"parameters_file:={file}"


def episode_of(robot: str, folder: Path) -> str:
    """Two seconds at rest, for the policy to play; it is stopped before the doctor moves anything."""
    profile = load_profile(robot)
    ready = {name: value for arm in profile.arms for name, value in zip(arm.joints, arm.ready, strict=True)}
    row = [ready.get(name, 0.05) for name in profile.joint_names]
    with EpisodeBag(folder / "episode", profile, "rest") as bag:
        for k in range(41):
            bag.add_commands(10_000_000_000 + k * 50_000_000, profile.joint_names, row)
            bag.add_joints(10_000_000_000 + k * 50_000_000, profile.joint_names, row)
    return str(folder / "episode")


class Drivers:
    """Processes of stand-in drivers."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._running = folder, list[subprocess.Popen[bytes]]()

    def start(self, launch: Launch, *arguments: str) -> subprocess.Popen[bytes]:
        """One more, beside a launch."""
        environment = launch.environment | {"PYTHONPATH": f"{ROOT}:{launch.environment.get('PYTHONPATH', '')}"}
        command = [sys.executable, "-m", "test.hardware.stand_in_driver", *arguments]
        with self.log(arguments[0]).open("ab") as stream:
            self._running.append(
                subprocess.Popen(command, env=environment, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
            )
        return self._running[-1]

    def log(self, kind: str) -> Path:
        """What the drivers of a kind have printed."""
        return self._folder / f"{kind}.log"

    def end(self) -> None:
        """End all of them."""
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._running:
            process.wait(20)


def gone(process: subprocess.Popen[bytes]) -> None:
    """As where the bus is gone: the driver is killed."""
    process.kill()
    process.wait(10)


def doctor(launch: Launch, profile: str, *arguments: str) -> tuple[int, dict[str, Any], set[str]]:
    """Its status, its findings and the names of those that are not ok."""
    command = ("mivla", "doctor", "--robot", profile, "--seconds", "4", "--json", *arguments)
    done = launch.run(*command, seconds=120)
    assert done.returncode in (0, 1, 3), done.stderr
    data = json.loads(done.stdout)
    return done.returncode, data, {f["check"] for f in data["findings"] if f["level"] in ("failure", "warning")}


def stop(launch: Launch) -> None:
    """Latch a stop, so that only the doctor commands."""
    done = launch.run(*ros2("service", "call", "/mivla/stop", "mivla_msgs/srv/Stop", "{reason: the doctor is here}"))
    assert "success=True" in done.stdout, done.stdout + done.stderr


def enable(launch: Launch, on: bool = True) -> str:
    """What the adapter answers."""
    request = f"{{data: {str(on).lower()}}}"
    done = launch.run(*ros2("service", "call", "/driver/enable", "std_srvs/srv/SetBool", request))
    return done.stdout + done.stderr


def enable_at_last(launch: Launch, seconds: float = 90) -> None:
    """Enable until the adapter has heard a driver that was started anew."""
    deadline = time.monotonic() + seconds
    while "asked for torque" not in (answer := enable(launch)):
        assert time.monotonic() < deadline, answer


def move(operator: Operator, arm: ArmProfile, joint: int, by: float) -> None:
    """Send one joint of an arm by so many rad, in a second, and wait until the whole arm is where it was sent."""
    now = dict(zip(operator.names(), operator.positions(), strict=True))
    row = [float(now[name]) for name in arm.joints]
    row[joint] += by
    publisher = operator.create_publisher(JointTrajectory, f"{arm.controller}/joint_trajectory", qos.COMMAND)
    operator.wait(lambda: publisher.get_subscription_count() > 0, 30, "the adapter's controller")
    point = JointTrajectoryPoint(
        positions=row, velocities=[0.0] * len(row), time_from_start=duration_message(1_000_000_000)
    )
    publisher.publish(JointTrajectory(joint_names=arm.joints, points=[point]))

    def there() -> bool:
        now = dict(zip(operator.names(), operator.positions(), strict=True))
        return all(abs(now[name] - value) < 5e-3 for name, value in zip(arm.joints, row, strict=True))

    operator.wait(there, 60, f"{arm.joints[joint]} where it was sent")


def vendor_paths(messages: Path) -> dict[str, str]:
    """The environment with the built packages in front."""
    paths = {"AMENT_PREFIX_PATH": [], "PYTHONPATH": [], "LD_LIBRARY_PATH": []}  # type: dict[str, list[str]]
    for package in ("arx5_arm_msg",):
        prefix = messages / "install" / package
        paths["AMENT_PREFIX_PATH"].append(str(prefix))
        paths["PYTHONPATH"] += [str(path) for path in prefix.glob("lib/python3*/site-packages")]
        paths["LD_LIBRARY_PATH"].append(str(prefix / "lib"))
    return {name: os.pathsep.join([*new, os.environ.get(name, "")]) for name, new in paths.items()}
