"""Life of a node's process: one clear line if it cannot start, a clean end on SIGINT and SIGTERM, nothing left
behind."""

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, Protocol

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.signals import SignalHandlerOptions

from mivla_ros.nodes.executor import make_executor


class ProcessNode(Protocol):
    """What ``run_node`` needs of a node beside being one. ``status``: None while it runs, else the exit status to end
    with."""

    status: int | None

    def start(self) -> None:
        """Called once before the first callback; may set ``status``."""
        ...

    def close(self) -> None:
        """Called once after the last callback, while publishing still works."""
        ...

    def destroy_node(self) -> None:
        """Rclpy's own."""
        ...


class _EndedAtStartError(BaseException):
    """A signal came before the node was running; nothing that catches errors may catch it."""


def run_node(name: str, make_node: Callable[[], ProcessNode], *errors: type[Exception]) -> NoReturn:
    """Make the node, run it until its status is set or a signal comes, end the process.

    ``errors`` (and bad parameters) while it is made or started are the user's to mend: one line, exit status 1. A
    signal ends a start at once with status 0; afterwards the node is closed first, so that its last words still go out.
    """
    try:
        status = _run(name, make_node, errors)
    except _EndedAtStartError:
        rclpy.try_shutdown()
        status = 0
    gc.collect()  # the node's DDS participant goes with the last reference; else others believe in it for 20 s more
    _end(status)


def _run(name: str, make_node: Callable[[], ProcessNode], errors: tuple[type[Exception], ...]) -> int:
    """The status to end with, once the node is closed and destroyed."""
    ending, running = threading.Event(), threading.Event()

    def on_signal(*_: object) -> None:
        is_first = not ending.is_set()  # a launch sends a second one
        ending.set()
        if is_first and not running.is_set():
            raise _EndedAtStartError

    # our own handlers: rclpy's would close the context before the node has said its last words
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, on_signal)
    try:
        node = make_node()
        node.start()
    except (ParameterException, *errors) as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        rclpy.try_shutdown()
        return 1
    running.set()
    executor = make_executor(node)
    while node.status is None and not ending.is_set():
        executor.spin_once(timeout_sec=0.2)
    node.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    return node.status or 0


def _end(status: int) -> NoReturn:
    """End the process now. Everything is closed; only Python's own end is left out, in which big libraries (PyTorch,
    numba) take seconds to free what the system takes back anyway.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)
