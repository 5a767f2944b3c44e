"""Ends with status 0 when the task is done and with 1 when it cannot be, or time is up: for scripts around a launch."""

import time

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from mivla_msgs.msg import TaskProgress
from mivla_ros.nodes import qos
from mivla_ros.nodes.process import run_node
from mivla_ros.nodes.task_watch_node_parameters import task_watch_node_parameters


class TaskWatchNode(Node):
    """Watches simulation/task. ``status`` is None while the task is open, then the exit status."""

    def __init__(self) -> None:
        super().__init__("task_watch")
        self._settings = task_watch_node_parameters.ParamListener(self).get_params()
        self._started = time.monotonic()
        self._progress: TaskProgress | None = None
        self.status: int | None = None
        self.create_timer(0.2, self._check_time, clock=Clock(clock_type=ClockType.STEADY_TIME))
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

    def start(self) -> None:
        """The time begins to run."""
        self._started = time.monotonic()

    def close(self) -> None:
        """Nothing to give back."""

    def _check_time(self) -> None:
        limit = self._settings.timeout
        if self.status is None and limit and time.monotonic() - self._started > limit:
            done = (
                f"{self._progress.completion:.0%} of the sub-tasks are done"
                if self._progress
                else "nothing was heard of the task"
            )
            self.get_logger().error(f"timeout after {limit:g} s: {done}")
            self.status = 1


def main() -> None:
    """Entry point of the executable."""
    run_node("task_watch", TaskWatchNode)


if __name__ == "__main__":
    main()
