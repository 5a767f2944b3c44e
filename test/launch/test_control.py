"""Stopping, releasing, resetting and doing a task by action, on the live graph with real processes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mivla_bringup", reason="needs the built ROS workspace")

import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState

from mivla_msgs.action import ExecuteTask
from mivla_msgs.msg import ActionChunk, PolicyStatus, RetargetingStatus, StopReason
from mivla_msgs.srv import Release, ResetSimulation, Stop
from mivla_ros.nodes import qos
from test.launch.conftest import Launch

StartLaunch = Callable[..., Launch]


class Operator(Node):
    """What a person at the robot sees and does."""

    def __init__(self, context: rclpy.Context) -> None:
        super().__init__("operator", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self.newest: dict[type, Any] = {}
        for kind, topic, profile in (
            (JointState, "joint_states", qos.SENSOR),
            (ActionChunk, "mivla/actions", qos.COMMAND),
            (PolicyStatus, "mivla/policy_status", qos.STATE),
            (RetargetingStatus, "mivla/retargeting_status", qos.STATE),
        ):
            self.create_subscription(kind, topic, lambda m: self.newest.__setitem__(type(m), m), profile)
        self.task = ActionClient(self, ExecuteTask, "mivla/execute_task")

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Listen until the condition holds; fail the test if it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come within {seconds} s; newest: {self.newest}")
            self._executor.spin_once(timeout_sec=0.1)

    def listen(self, seconds: float) -> None:
        """Take in messages for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.1)

    def call(self, kind: type, name: str, request: object, seconds: float = 20) -> Any:
        """The answer of a service."""
        client = self.create_client(kind, name)
        self.wait(client.service_is_ready, seconds, f"service {name}")
        return self.result(client.call_async(request), seconds, name)

    def result(self, future: Any, seconds: float, what: str) -> Any:
        """What a future becomes."""
        self.wait(future.done, seconds, what)
        return future.result()

    def state(self, kind: type, state: int) -> bool:
        """True where the newest status of that kind is in the state."""
        return kind in self.newest and self.newest[kind].state == state

    def positions(self) -> np.ndarray:
        """Measured joints now."""
        self.newest.pop(JointState, None)
        self.wait(lambda: JointState in self.newest, 10, "joint_states")
        return np.array(self.newest[JointState].position)

    def speed(self) -> float:
        """Largest joint speed measured now, rad/s or m/s."""
        self.newest.pop(JointState, None)
        self.wait(lambda: JointState in self.newest, 10, "joint_states")
        return float(np.abs(self.newest[JointState].velocity).max())


@pytest.fixture
def operator_of() -> Iterator[Callable[[Launch], Operator]]:
    """Make an operator on a launch's ROS domain."""
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


def test_stop_latches_until_released_and_a_task_is_done_after_it(
    start_launch: StartLaunch, operator_of: Callable[[Launch], Operator]
) -> None:
    launch = start_launch("piper.launch.py", "seed:=1")
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
    goal = ExecuteTask.Goal(instruction="Move the bottle onto the pad.", timeout=60.0)
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


def test_goal_without_words_is_refused(start_launch: StartLaunch, operator_of: Callable[[Launch], Operator]) -> None:
    launch = start_launch("piper.launch.py")
    operator = operator_of(launch)
    operator.wait(operator.task.server_is_ready, 120, "the action server")
    handle = operator.result(operator.task.send_goal_async(ExecuteTask.Goal(instruction=" ")), 20, "the goal's answer")
    assert not handle.accepted
