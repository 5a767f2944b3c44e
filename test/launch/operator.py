"""A person at the robot, for tests: listens, calls services and gives goals on a launch's ROS domain."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState

from mivla_msgs.action import ExecuteTask
from mivla_msgs.msg import ActionChunk, PolicyStatus, RetargetingStatus, TaskProgress
from mivla_ros.nodes import qos


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

    def wait_for_subtask(self, count: int, seconds: float) -> None:
        """Wait until so many sub-tasks of the simulated task are done."""
        done: list[TaskProgress] = []
        subscription = self.create_subscription(TaskProgress, "simulation/task", done.append, qos.SENSOR)
        self.wait(lambda: bool(done) and sum(done[-1].subtasks_done) >= count, seconds, f"{count} sub-tasks done")
        self.destroy_subscription(subscription)

    def state(self, kind: type, state: int) -> bool:
        """True where the newest status of that kind is in the state."""
        return kind in self.newest and self.newest[kind].state == state

    def positions(self) -> np.ndarray:
        """Measured joints now."""
        self.newest.pop(JointState, None)
        self.wait(lambda: JointState in self.newest, 10, "joint_states")
        return np.array(self.newest[JointState].position)

    def names(self) -> list[str]:
        """Names of the joints of the newest joint states."""
        return list(self.newest[JointState].name)

    def speed(self) -> float:
        """Largest joint speed measured now, rad/s or m/s."""
        self.newest.pop(JointState, None)
        self.wait(lambda: JointState in self.newest, 10, "joint_states")
        return float(np.abs(self.newest[JointState].velocity).max())
