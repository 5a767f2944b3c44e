"""Stopping, releasing, resetting and doing a task by action, on the live graph with real processes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from mivla_msgs.action import ExecuteTask
from mivla_msgs.msg import ActionChunk, RetargetingStatus, StopReason
from mivla_msgs.srv import Release, ResetSimulation, Stop
from mivla_ros.episodes.recording.bag_metadata import read_custom_data
from test.launch.conftest import Launch
from test.launch.operator import Operator

StartLaunch = Callable[..., Launch]


def test_stop_latches_until_released_and_a_task_is_done_after_it(
    start_launch: StartLaunch, operator_of: Callable[[Launch], Operator], tmp_path: Path
) -> None:
    launch = start_launch("piper.launch.py", "seed:=1", f"record_folder:={tmp_path}")
    operator = operator_of(launch)
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 120, "tracking")
    operator.wait(lambda: operator.speed() > 0.1, 30, "a moving arm")

    assert operator.call(Stop, "mivla/stop", Stop.Request(reason="test")).success
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.STOPPED), 10, "the stop")
    assert operator.newest[RetargetingStatus].reason.code == StopReason.OPERATOR_STOP
    generation = operator.newest[RetargetingStatus].generation
    operator.wait(lambda: operator.speed() < 0.01, 10, "rest")
    before = operator.positions()
    operator.listen(3.0)
    assert np.abs(operator.positions() - before).max() < 1e-3, "it moved while it was stopped"
    assert operator.state(RetargetingStatus, RetargetingStatus.STOPPED)

    released = operator.call(Release, "mivla/release", Release.Request())
    assert released.success
    assert released.generation > generation
    assert operator.call(ResetSimulation, "simulation/reset", ResetSimulation.Request(seed=5)).success
    operator.wait(
        lambda: operator.newest[ActionChunk].generation >= released.generation, 30, "a chunk after the release"
    )

    operator.wait(operator.task.server_is_ready, 20, "the action server")
    goal = ExecuteTask.Goal(instruction="Move the bottle onto the pad.", timeout=60.0, record=True, tags=["rainy"])
    feedback: list[ExecuteTask.Feedback] = []
    sent = operator.task.send_goal_async(goal, feedback_callback=lambda m: feedback.append(m.feedback))
    handle = operator.result(sent, 20, "the goal's answer")
    assert handle.accepted
    outcome = operator.result(handle.get_result_async(), 150, "the goal's result").result
    assert outcome.outcome == ExecuteTask.Result.SUCCEEDED, outcome
    assert outcome.completion >= 0.75
    assert outcome.reason.code == StopReason.NONE
    assert len(feedback) > 3
    assert feedback[-1].executed_steps > 0
    recorded = read_custom_data(tmp_path / outcome.episode)
    assert recorded["instruction"] == goal.instruction
    assert recorded["label"] == "success"
    assert recorded["tags"] == '["rainy"]'
    assert recorded["checkpoint_hash"] == operator.newest[ActionChunk].model_revision
    assert [folder.name for folder in tmp_path.glob("piper_*")] == [outcome.episode], "only the task was recorded"


def test_goal_without_words_is_refused(start_launch: StartLaunch, operator_of: Callable[[Launch], Operator]) -> None:
    launch = start_launch("piper.launch.py")
    operator = operator_of(launch)
    operator.wait(operator.task.server_is_ready, 120, "the action server")
    handle = operator.result(operator.task.send_goal_async(ExecuteTask.Goal(instruction=" ")), 20, "the goal's answer")
    assert not handle.accepted
