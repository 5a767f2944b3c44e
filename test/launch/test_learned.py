"""A network with random weights on the live graph: what it does is noise; it does it on time and within limits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from mivla_msgs.msg import ActionChunk, RetargetingStatus
from mivla_ros.commands.main import main as mivla
from mivla_ros.robots.profile import load_profile
from test.launch.conftest import Launch
from test.launch.operator import Operator

COUNT = 12


def test_a_tiny_network_drives_the_arm_at_its_rate(
    start_launch: Callable[..., Launch], operator_of: Callable[[Launch], Operator], tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    assert mivla(["checkpoint", "new", str(folder), "--seed", "1"]) == 0
    assert mivla(["checkpoint", "export-onnx", str(folder), "--precision", "float32"]) == 0
    words = "instruction:=put the bottle on the pad"
    launch = start_launch("piper.launch.py", "policy:=mivla", f"checkpoint:={folder}", words)
    operator = operator_of(launch)
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 180, "tracking")
    assert operator.newest[ActionChunk].policy == "mivla"
    first = operator.newest[ActionChunk]
    ready, positions = np.array(load_profile("piper").arms[0].ready), []
    while operator.newest[ActionChunk].sequence < first.sequence + COUNT:
        positions.append(operator.positions()[:6])
        operator.wait(lambda: True, 1, "")
    newest, status = operator.newest[ActionChunk], operator.newest[RetargetingStatus]
    assert newest.generation == first.generation, "nothing stopped it"
    assert status.state == RetargetingStatus.TRACKING
    assert status.refused_chunks == 0
    assert newest.executed_sequence > first.sequence
    # its noise stays near ready, and it moves
    assert np.abs(np.array(positions) - ready).max() < 0.5
    assert np.ptp(np.array(positions), axis=0).max() > 0.005


def test_the_suites_own_checkpoint_picks_the_bottle_up_from_pixels(
    start_launch: Callable[..., Launch], operator_of: Callable[[Launch], Operator]
) -> None:
    launch = start_launch("piper.launch.py", "policy:=mivla", "seed:=1")
    operator = operator_of(launch)
    operator.wait_for_subtask(1, 240)
    assert operator.newest[ActionChunk].policy == "mivla"
    assert operator.newest[RetargetingStatus].refused_chunks == 0
