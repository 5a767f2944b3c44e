"""The executor of every node: rclpy's event-driven one, which loses far fewer images than the polling ones."""

from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node


def make_executor(node: Node) -> Executor:
    """An executor with the node in it: EventsExecutor where this rclpy has it, else the single-threaded one."""
    try:
        from rclpy.experimental import EventsExecutor

        executor: Executor = EventsExecutor()
    except ImportError:
        executor = SingleThreadedExecutor()
    executor.add_node(node)
    return executor
