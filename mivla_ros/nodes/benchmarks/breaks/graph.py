"""The processes of one robot, each started by itself, so that each may be killed and started again."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import yaml

from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import load_profile

SECONDS = 600.0
NODES = "mivla_ros.nodes"


def swinging_motion(file: Path) -> Path:
    """A motion file in which the end effector swings through 16 cm every 3 s, for ten minutes."""
    start = np.array([0.3, 0.0, 0.2])
    times = np.linspace(0.0, SECONDS, round(SECONDS * 30) + 1)
    angle = 2 * np.pi * times / 3.0
    offsets = np.stack([0.03 * (np.cos(angle) - 1), 0.08 * np.sin(angle), 0.03 * np.sin(2 * angle)], axis=1)
    quaternions = np.tile([0.0, 0.0, 0.0, 1.0], (len(times), 1))
    np.savez(file, time=times, position=start + offsets, quaternion_xyzw=quaternions)
    return file


class Graph:
    """Simulation, retargeting, robot state publisher, policy and injector, in processes that log into a folder."""

    def __init__(self, folder: Path, robot: str = "piper") -> None:
        self._folder = folder
        self._robot = robot
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._description = folder / "description.yaml"
        urdf = robot_description(load_profile(robot))
        parameters = {"/**": {"ros__parameters": {"robot_description": urdf}}}
        self._description.write_text(yaml.safe_dump(parameters), encoding="utf-8")
        self._motion = swinging_motion(folder / "swing.npz")

    def _command(self, name: str) -> list[str]:
        python = [sys.executable, "-m"]
        timed = ["-p", "use_sim_time:=true"]
        robot = ["--ros-args", "-p", f"robot:={self._robot}"]
        if name == "simulation":
            images = [f"{camera.name}/image_raw" for camera in load_profile(self._robot).cameras]
            remaps = [r for topic in ("joint_states", *images) for r in ("-r", f"{topic}:=whole/{topic}")]
            return [*python, f"{NODES}.simulation_node", *robot, "-p", "clock_topic:=/whole/clock", *remaps]
        if name == "injector":
            return [*python, f"{NODES}.benchmarks.breaks.injector", *robot]
        if name == "robot_state_publisher":
            options = ["--params-file", str(self._description), "-r", "/tf:=whole/tf", "-r", "/tf_static:=tf_static"]
            return ["ros2", "run", name, name, "--ros-args", *options, *timed]
        if name == "retargeting":
            options = ["--params-file", str(self._description), *timed]
            return [*python, f"{NODES}.retargeting_node", *robot, *options]
        own_name = ["-r", f"__node:={name.replace(' ', '_')}"]
        playing = ["-p", "policy:=demonstration", "-p", f"demonstration.file:={self._motion}"]
        relayed = ["-r", "mivla/actions:=whole/actions"]
        return [*python, f"{NODES}.policy_node", *robot, *timed, *playing, *relayed, *own_name]

    def start(self, *names: str) -> None:
        """Start processes; those that run already are left alone. Any other name than those above is one more policy
        node.
        """
        for name in names:
            if self.runs(name):
                continue
            with (self._folder / f"{name.replace(' ', '_')}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    self._command(name),
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def runs(self, name: str) -> bool:
        """True where that process lives."""
        return name in self._processes and self._processes[name].poll() is None

    def kill(self, name: str) -> None:
        """End a process as a crash does: at once, without a last word."""
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def interrupt(self, name: str) -> None:
        """End a process as Ctrl-C does."""
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(20)

    def log(self, name: str) -> str:
        """All a process has printed."""
        return (self._folder / f"{name.replace(' ', '_')}.log").read_text("utf-8", errors="replace")

    def close(self) -> None:
        """End every process; those that do not end when interrupted are killed."""
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        deadline = time.monotonic() + 15
        for process in self._processes.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        self._processes.clear()
