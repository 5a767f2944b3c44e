"""Checkpoints and episodes that fit the robot pass; those of another are named."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mivla_ros.commands import main as commands
from mivla_ros.doctor.agreement import check_checkpoint
from mivla_ros.doctor.finding import Level
from mivla_ros.doctor.replay import check_replay
from mivla_ros.robots.profile import load_profile
from test.policies.test_replay import record

PIPER = load_profile("piper")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    assert commands.main(["checkpoint", "new", "--config", "tiny", "--robot", "piper", str(folder)]) == 0
    return folder


def test_a_checkpoint_of_this_robot_passes(checkpoint: Path) -> None:
    (finding,) = check_checkpoint(PIPER, checkpoint)
    assert finding.level is Level.OK


def test_a_checkpoint_of_another_robot_is_named_key_by_key(checkpoint: Path) -> None:
    findings = check_checkpoint(load_profile("arx_x5"), checkpoint)
    assert {f.check for f in findings} == {"checkpoint_robot"}
    assert any("robot" in f.subject for f in findings)


def test_an_edited_profile_is_a_warning(checkpoint: Path) -> None:
    (finding,) = check_checkpoint(replace(PIPER, hash="other"), checkpoint)
    assert (finding.check, finding.level) == ("checkpoint_profile", Level.WARNING)


def test_an_episode_goes_through_the_whole_policy_path(tmp_path: Path) -> None:
    (finding,) = check_replay(PIPER, "piper", Path(record(tmp_path)), limit=8.0)
    assert finding.level in (Level.OK, Level.WARNING), finding
    assert finding.check in ("replay", "replay_clipped")


def test_without_ros_it_is_one_line_and_status_2() -> None:
    program = (
        "import sys; sys.modules['rclpy'] = None\n"
        "from mivla_ros.commands.main import main; sys.exit(main(['doctor', '--robot', 'piper']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "ROS is not here" in done.stderr
