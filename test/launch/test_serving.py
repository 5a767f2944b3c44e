"""The robot asks a policy server in another process; the server comes late, dies and comes back."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from mivla_msgs.msg import ActionChunk, PolicyStatus, RetargetingStatus, StopReason
from test.launch.conftest import Launch
from test.launch.operator import Operator

ROOT = Path(__file__).parents[2]
TIME = np.linspace(0.0, 60.0, 601)


def swaying(file: Path) -> Path:
    """Six centimetres from side to side, for a minute, as often as it takes."""
    sway = 0.03 * np.sin(TIME)
    position = np.stack([0.3 + 0 * sway, sway, 0.2 + 0 * sway], axis=1)
    np.savez(file, time=TIME, position=position, quaternion_xyzw=np.tile([0.0, 0.0, 0.0, 1.0], (len(TIME), 1)))
    return file


StartServer = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """`mivla serve` of a motion in a process of its own; the process and its address."""
    servers: list[subprocess.Popen[str]] = []
    motion = swaying(tmp_path / "motion.npz")
    key = tmp_path / "key"
    key.write_text("s3cret-key\n")

    def start(port: int = 0) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "mivla_ros.commands.main", "serve", "--policy", "demonstration"]
        command += ["--option", f"path={motion}", "--port", str(port), "--api-key-file", str(key)]
        servers.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
        )
        stream = servers[-1].stdout
        assert stream is not None
        return servers[-1], stream.readline().split()[-1]

    yield start
    for server in servers:
        server.kill()
        server.wait(10)
        if server.stdout is not None:
            server.stdout.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_arm_holds_while_the_server_is_dead_and_goes_on_when_it_is_back(
    start_server: StartServer,
    start_launch: Callable[..., Launch],
    operator_of: Callable[[Launch], Operator],
    tmp_path: Path,
) -> None:
    port = free_port()
    address = f"ws://127.0.0.1:{port}"
    launch = start_launch(
        "piper.launch.py", "policy:=openpi", f"policy_url:={address}", f"policy_api_key_file:={tmp_path / 'key'}"
    )
    operator = operator_of(launch)
    operator.wait(lambda: operator.state(PolicyStatus, PolicyStatus.WAITING), 120, "a policy node that waits")
    reason = operator.newest[PolicyStatus].reason
    assert (reason.code, reason.subject) == (StopReason.POLICY_UNREACHABLE, address)
    server, said = start_server(port)
    assert said == address
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 120, "tracking")
    operator.wait(lambda: operator.speed() > 0.02, 60, "a moving arm")
    assert operator.newest[ActionChunk].policy == "openpi"
    assert operator.newest[ActionChunk].model_revision.startswith("demonstration ")
    before = operator.newest[ActionChunk]

    server.send_signal(signal.SIGKILL)
    operator.wait(
        lambda: operator.newest[PolicyStatus].reason.code == StopReason.POLICY_UNREACHABLE, 60, "the named reason"
    )
    status = operator.newest[PolicyStatus]
    assert (status.state, status.reason.subject) == (PolicyStatus.WAITING, address)
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.HOLDING), 60, "holding")
    assert operator.newest[RetargetingStatus].reason.code in (StopReason.CHUNK_EXHAUSTED, StopReason.CHUNK_EXPIRED)
    operator.wait(lambda: operator.speed() < 0.01, 60, "rest")
    held = operator.positions()
    operator.listen(2.0)
    assert np.abs(operator.positions() - held).max() < 1e-3, "it moved without a policy"

    start_server(port)
    operator.wait(lambda: operator.state(PolicyStatus, PolicyStatus.RUNNING), 60, "running again")
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 60, "tracking again")
    operator.wait(lambda: operator.speed() > 0.02, 60, "a moving arm again")
    after = operator.newest[ActionChunk]
    assert bytes(after.session.uuid) == bytes(before.session.uuid)
    assert after.generation == before.generation
    assert after.sequence > before.sequence


def test_a_server_that_is_not_there_ends_the_launch_with_one_line(start_launch: Callable[..., Launch]) -> None:
    launch = start_launch(
        "piper.launch.py",
        "policy:=openpi",
        "policy_url:=ws://127.0.0.1:9",
        "policy_options:=connect_timeout=1",
    )
    assert launch.wait(120) == 1
    lines = [line for line in launch.output().splitlines() if "policy not loaded" in line]
    assert len(lines) == 1
    assert "ws://127.0.0.1:9" in lines[0] and "refused" in lines[0].lower()
