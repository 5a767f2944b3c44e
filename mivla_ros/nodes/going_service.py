"""The service ``mivla/go_to_ready``: planning in a thread of its own, everything that touches the follower in the
control path's."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import Empty, SimpleQueue

from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from mivla_ros.action_chunk import NANOSECONDS
from mivla_ros.nodes.moveit_planning import WayFinder
from mivla_ros.retargeting import ArmMotion
from mivla_ros.retargeting.errors import RetargetingError
from mivla_ros.retargeting.going import Going
from mivla_ros.stop_reasons import Stop

NAME = "mivla/go_to_ready"
ANSWER_SECONDS = 5.0  # within which the control path must take a step; it looks at every tick

Step = Callable[[], object]


class GoingService:
    """Answers one wish at a time. ``begin``, ``go`` and ``give_up`` are called in the control path only, by
    ``take_steps``, and raise RetargetingError where they refuse.
    """

    def __init__(
        self, node: Node, begin: Callable[[], Going], go: Callable[[Going, dict[str, ArmMotion]], int],
        give_up: Callable[[Going, Stop], None],
    ) -> None:  # fmt: skip
        self._begin, self._go, self._give_up = begin, go, give_up
        self._steps: SimpleQueue[tuple[Step, Future[object]]] = SimpleQueue()
        self._log = node.get_logger()
        self._find = WayFinder(node.get_logger())
        # its own node, so that its executor spins in another thread than the control path's
        self._node = Node(
            f"{node.get_name()}_going",
            context=node.context,
            namespace=node.get_namespace(),
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._node.create_service(Trigger, node.resolve_service_name(NAME), self._on_wish)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="going to ready", daemon=True)
        self._thread.start()

    def take_steps(self) -> None:
        """Do what planning waits for; to be called at every tick of the control path."""
        while True:
            try:
                step, done = self._steps.get_nowait()
            except Empty:
                return
            if not done.set_running_or_notify_cancel():
                continue
            try:
                done.set_result(step())
            except RetargetingError as error:
                done.set_exception(error)

    def close(self) -> None:
        """No more wishes; what is being planned goes nowhere."""
        self._executor.shutdown(timeout_sec=0)
        while True:
            try:
                self._steps.get_nowait()[1].cancel()
            except Empty:
                break
        self._thread.join(timeout=2.0)
        if not self._thread.is_alive():
            self._node.destroy_node()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except (ExternalShutdownException, ShutdownException):
            return

    def _on_wish(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            going = self._in_control(self._begin)
            assert isinstance(going, Going)
            response.message = self._plan_and_go(going)
            response.success = True
        except (FutureTimeoutError, TimeoutError):
            response.message = f"the node did not look at it within {ANSWER_SECONDS:g} s: does its clock run?"
        except RetargetingError as error:
            response.message = str(error)
        self._log.info(f"go to ready: {response.message}")
        return response

    def _plan_and_go(self, going: Going) -> str:
        try:
            motions, finder = self._find(going)
        except RetargetingError as error:
            stop = error.stop
            self._in_control(lambda: self._give_up(going, stop))
            raise
        left_ns = self._in_control(lambda: self._go(going, motions))
        assert isinstance(left_ns, int)
        return f"going to ready, there in {left_ns / NANOSECONDS:.1f} s, planned by {finder}"

    def _in_control(self, step: Step) -> object:
        done: Future[object] = Future()
        self._steps.put((step, done))
        try:
            return done.result(ANSWER_SECONDS)
        except (FutureTimeoutError, TimeoutError):
            done.cancel()
            raise
