"""A checkpoint with random weights drives the simulated arm through the whole live graph, within its limits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from mivla_msgs.msg import ActionChunk, ArmActions, PolicyStatus, RetargetingStatus
from mivla_ros.commands.main import main
from mivla_ros.model.checkpoint_files import read_description
from test.launch.conftest import Launch
from test.launch.operator import Operator


def test_a_new_tiny_checkpoint_runs_live(
    start_launch: Callable[..., Launch], operator_of: Callable[[Launch], Operator], tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    assert main(["checkpoint", "new", "--config", "tiny", "--robot", "piper", str(folder)]) == 0
    launch = start_launch("piper.launch.py", "policy:=mivla", f"checkpoint:={folder}", "policy_options:=threads=1")
    operator = operator_of(launch)
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 180, "tracking")
    chunk = operator.newest[ActionChunk]
    arm = chunk.arms[0]
    assert (chunk.policy, chunk.horizon, arm.space) == ("mivla", 16, ArmActions.SPACE_JOINT)
    assert chunk.model_revision == read_description(folder).manifest.hash[:12]
    first = chunk.sequence
    before = operator.positions()
    operator.wait(lambda: operator.newest[ActionChunk].sequence >= first + 5, 60, "five more chunks")
    operator.wait(lambda: np.abs(operator.positions() - before).max() > 0.05, 30, "motion")
    status = operator.newest[PolicyStatus]
    assert status.policy == "mivla"
    assert 0 < status.inference_seconds < 1.6, "an inference takes longer than its chunk lasts"


@pytest.mark.parametrize(
    ("robot", "arguments", "words"),
    [
        ("arx_x5", (), "not made for robot 'piper': robot: expected arx_x5, found piper"),
        ("piper", ("policy:=h_rdt",), "holds a network of 'mivla', run it with policy 'mivla'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_ends_the_launch_with_its_reason(
    start_launch: Callable[..., Launch], tmp_path: Path, robot: str, arguments: tuple[str, ...], words: str
) -> None:
    assert main(["checkpoint", "new", "--robot", robot, str(tmp_path / "tiny")]) == 0
    launch = start_launch("piper.launch.py", "policy:=mivla", *arguments, f"checkpoint:={tmp_path / 'tiny'}")
    assert launch.wait(180) == 1
    assert words in launch.output()
    assert "Traceback" not in launch.output()
