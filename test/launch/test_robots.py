"""ARX and LocoMan by the same launch as PiPer, and two different robots side by side: live graphs, real processes."""

import time
from collections.abc import Callable

import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from mivla_msgs.msg import ActionChunk, RetargetingStatus
from test.launch.conftest import Launch
from test.launch.operator import Operator

StartLaunch = Callable[..., Launch]
SECONDS = 120


@pytest.mark.parametrize(
    ("file", "robot", "arms"), [("arx.launch.py", "arx_x5", 1), ("locoman.launch.py", "locoman", 2)]
)
def test_robot_begins_its_task(
    start_launch: StartLaunch, operator_of: Callable[[Launch], Operator], file: str, robot: str, arms: int
) -> None:
    launch = start_launch(file, "seed:=1")
    operator = operator_of(launch)
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), SECONDS, "tracking")
    operator.wait(lambda: operator.speed() > 0.1, 30, "a moving arm")
    chunk = operator.newest[ActionChunk]
    assert chunk.robot == robot
    assert len(chunk.arms) == arms
    # the first sub-task is done: something has been grasped and lifted
    operator.wait_for_subtask(1, 60)
    assert "Traceback" not in launch.output()


def test_a_mixed_pair_runs_in_two_namespaces(start_launch: StartLaunch) -> None:
    first = start_launch("piper.launch.py", "namespace:=left")
    second = start_launch("locoman.launch.py", "namespace:=right")
    assert "piper" in first.echo("/left/mivla/actions", "--field", "robot", seconds=SECONDS)
    assert "locoman" in second.echo("/right/mivla/actions", "--field", "robot", seconds=SECONDS)
    for launch, topic in ((first, "/left/mivla/executed"), (second, "/right/mivla/executed")):
        deadline = time.monotonic() + SECONDS
        while int(launch.echo(topic, "--field", "total_executed_steps", seconds=SECONDS).split()[0]) == 0:
            assert time.monotonic() < deadline, f"no step was executed: {topic} stays at 0"
