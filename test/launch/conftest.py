"""Starts real launches in processes of their own, and proves that none of their processes stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from test.domain import free_domain

if TYPE_CHECKING:
    from test.launch.operator import Operator

MARK = "MIVLA_TEST_LAUNCH"


def ros2(*arguments: str) -> list[str]:
    """Command line of a `ros2` call with this Python's environment."""
    return ["ros2", *arguments]


def marked_processes(mark: str) -> list[psutil.Process]:
    """All living processes that were started, directly or not, by the launch with this mark."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@dataclass
class Launch:
    """One running `ros2 launch`. ``log`` is the file with all it printed."""

    process: subprocess.Popen[bytes]
    log: Path
    environment: dict[str, str]
    mark: str

    def output(self) -> str:
        """All it has printed so far."""
        return self.log.read_text("utf-8", errors="replace")

    def wait(self, seconds: float) -> int:
        """Its exit status; fails the test with its output if it does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the launch did not end within {seconds} s:\n{self.output()[-6000:]}")

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until it has printed a text; fails the test if it ends or the time is up before."""
        deadline = time.monotonic() + seconds
        while text not in self.output():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{text!r} was not printed:\n{self.output()[-6000:]}")
            time.sleep(0.2)

    def interrupt(self) -> None:
        """What Ctrl-C does in a terminal: SIGINT to the launch and all its nodes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def run(self, *command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run another program on the same ROS domain to its end."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False
        )

    def echo(self, topic: str, *options: str, seconds: float = 120) -> str:
        """The next message on a topic, as `ros2 topic echo --once` prints it in a second process, once it is
        published."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            command = ros2("topic", "echo", "--once", "--no-daemon", topic, *options)
            try:
                result = self.run(*command, seconds=max(left, 1))
            except subprocess.TimeoutExpired:
                pytest.fail(f"nothing came on {topic} within {seconds} s:\n{self.output()[-6000:]}")
            if result.returncode == 0 and result.stdout.strip():
                return result.stdout
            if left < 0 or self.process.poll() is not None:
                pytest.fail(f"{topic} cannot be read: {result.stderr}\n{self.output()[-6000:]}")
            time.sleep(0.5)

    def end(self) -> list[psutil.Process]:
        """Interrupt it if it still runs; the processes that stayed behind, which are then killed by their ids."""
        if self.process.poll() is None:
            self.interrupt()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        deadline = time.monotonic() + 5
        while (left := marked_processes(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        return left


@pytest.fixture
def start_launch(tmp_path: Path) -> Iterator[Callable[..., Launch]]:
    """Start `ros2 launch mivla_bringup FILE ARGUMENTS...`; at the end of the test nothing of it may be left.

    Where no policy is asked for it is the scripted expert, which does every scene whatever the machine is busy with.
    """
    launches: list[Launch] = []
    domain = str(free_domain())

    def start(file: str, *arguments: str, **variables: str) -> Launch:
        if not any(argument.startswith("policy:=") for argument in arguments):
            arguments = ("policy:=scripted", *arguments)
        mark = f"{os.getpid()}-{len(launches)}-{time.monotonic_ns()}"
        environment = os.environ | {"ROS_DOMAIN_ID": domain, MARK: mark, "PYTHONUNBUFFERED": "1"} | variables
        log = tmp_path / f"launch{len(launches)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ros2("launch", "mivla_bringup", file, *arguments),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        launches.append(Launch(process, log, environment, mark))
        return launches[-1]

    yield start
    left = [f"{p.pid}" for launch in launches for p in launch.end()]
    for launch in launches:
        sys.stdout.write(launch.output()[-4000:])
    assert not left, f"processes stayed behind: {left}"


@pytest.fixture
def operator_of() -> Iterator[Callable[[Launch], "Operator"]]:
    """Make an operator on a launch's ROS domain."""
    import rclpy

    from test.launch.operator import Operator

    made: list[tuple[rclpy.Context, Operator]] = []

    def make(launch: Launch) -> Operator:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=int(launch.environment["ROS_DOMAIN_ID"]))
        made.append((context, Operator(context)))
        return made[-1][1]

    yield make
    for context, operator in made:
        operator.destroy_node()
        rclpy.try_shutdown(context=context)
