"""Going to ready on the live graph: from the middle of a task, by a way planned while everything else goes on."""

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

from std_srvs.srv import Trigger

from mivla_msgs.msg import ActionChunk, RetargetingStatus
from mivla_msgs.srv import Release, Stop
from mivla_ros.robots.profile import load_profile
from test.launch.conftest import Launch
from test.launch.operator import Operator

READY = np.array(load_profile("piper").arms[0].ready)


def test_an_arm_goes_to_ready_from_its_task_and_goes_on_with_it(
    start_launch: Callable[..., Launch], operator_of: Callable[[Launch], Operator]
) -> None:
    operator = operator_of(start_launch("piper.launch.py", "seed:=1"))
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 120, "tracking")
    operator.wait(lambda: away_from_ready(operator) > 0.3, 60, "an arm away from ready")
    generation = operator.newest[RetargetingStatus].generation
    answer = operator.call(Trigger, "mivla/go_to_ready", Trigger.Request())
    assert answer.success, answer.message
    assert "our own planner" in answer.message or "moveit_py" in answer.message
    operator.wait(lambda: away_from_ready(operator) < 0.02, 30, "ready")
    assert operator.newest[RetargetingStatus].generation > generation
    # the policy hears of the new generation and takes its task up again
    operator.wait(lambda: operator.newest[ActionChunk].generation > generation, 30, "a chunk of the new generation")
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.TRACKING), 30, "tracking again")

    # a stop does not wait for a plan, nor a plan for a stop
    wish = operator.create_client(Trigger, "mivla/go_to_ready").call_async(Trigger.Request())
    assert operator.call(Stop, "mivla/stop", Stop.Request(reason="test")).success
    operator.wait(lambda: operator.state(RetargetingStatus, RetargetingStatus.STOPPED), 10, "the stop")
    operator.result(wish, 20, "the answer to the wish")
    operator.wait(lambda: operator.speed() < 0.01, 10, "rest")
    refused = operator.call(Trigger, "mivla/go_to_ready", Trigger.Request())
    assert not refused.success
    assert "operator stop" in refused.message
    assert operator.call(Release, "mivla/release", Release.Request()).success


def away_from_ready(operator: Operator) -> float:
    """rad, of the joint that is farthest."""
    positions = dict(zip(operator.names(), operator.positions(), strict=True)) if known(operator) else {}
    return max((abs(positions[f"joint{k + 1}"] - ready) for k, ready in enumerate(READY)), default=0.0)


def known(operator: Operator) -> bool:
    """Whether joint states have been heard; waits for them."""
    return len(operator.positions()) > 0
