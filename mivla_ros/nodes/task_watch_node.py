"""Ends with status 0 when the task is done and with 1 when it cannot be, or time is up: for scripts around a launch."""

import sys
import time

import rclpy
from mivla_msgs.msg import TaskProgress
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from mivla_ros.nodes import qos
from mivla_ros.nodes.task_watch_node_parameters import task_watch_node_parameters


class TaskWatchNode(Node):
    """Watches simulation/task. ``status`` is None while the task is open, then the exit status."""

    def __init__(self) -> None:
        super().__init__("task_watch")
        self._settings = task_watch_node_parameters.ParamListener(self).get_params()
        self._started = time.monotonic()
        self._progress: TaskProgress | None = None
        self.status: int | None = None
        self.create_subscription(TaskProgress, "simulation/task", self._on_progress, qos.STREAM)

    def _on_progress(self, progress: TaskProgress) -> None:
        self._progress = progress
        if self.status is not None or not self._settings.exit_on_success:
            return
        if progress.success:
            self.get_logger().info(f"task {progress.task!r} done after {progress.seconds:.1f} s")
            self.status = 0
        elif progress.failure:
            self.get_logger().error(f"task {progress.task!r} failed: {progress.failure}")
            self.status = 1

    def check_time(self) -> None:
        """Set the status to 1 once the wall time is up."""
        limit = self._settings.timeout
        if self.status is None and limit and time.monotonic() - self._started > limit:
            done = f"{self._progress.completion:.0%} of the sub-tasks are done" if self._progress else "no progress was heard of"
            self.get_logger().error(f"timeout after {limit:g} s: {done}")
            self.status = 1


def main() -> None:
    """Entry point of the executable."""
    rclpy.init()
    node = TaskWatchNode()
    try:
        while node.status is None:
            rclpy.spin_once(node, timeout_sec=0.2)
            node.check_time()
    except (KeyboardInterrupt, ExternalShutdownException):
        node.status = 0 if node.status is None else node.status
    finally:
        status = node.status
        node.destroy_node()
        rclpy.try_shutdown()
    sys.exit(status)
