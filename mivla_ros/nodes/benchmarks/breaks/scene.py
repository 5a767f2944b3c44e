"""A graph, its witness and an operator's hands: what a case needs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.executors import Executor
from std_msgs.msg import String

from mivla_msgs.msg import RetargetingStatus
from mivla_msgs.srv import Release, Stop
from mivla_ros.nodes.benchmarks.breaks.graph import Graph
from mivla_ros.nodes.benchmarks.breaks.measurement import AT_REST
from mivla_ros.nodes.benchmarks.breaks.witness import Said, Witness
from mivla_ros.nodes.executor import make_executor
from mivla_ros.robots.profile import load_profile

PROCESSES = ("simulation", "robot_state_publisher", "injector", "retargeting", "policy")
REST_NS = 200_000_000
FAST = 0.3  # rad/s; a fault comes while some joint is at least that fast
PATIENCE = 60.0  # s of wall time for anything to come
CALLS = 4  # of a service, within that time


class BreakError(AssertionError):
    """Something that had to come did not."""


class Scene:
    """A live graph whose arm swings."""

    def __init__(self, folder: Path, robot: str = "piper") -> None:
        self.profile = load_profile(robot)
        self.graph = Graph(folder, robot)
        self.witness = Witness(self.profile)
        self._executor: Executor = make_executor(self.witness)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="witness")
        self._thread.start()
        self.graph.start(*PROCESSES)

    def _spin(self) -> None:
        while not self._ending.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def restart(self) -> None:
        """End all processes and start them anew."""
        self.graph.close()
        self.witness.clear()
        self.witness.applied = {}
        self.graph.start(*PROCESSES)

    def close(self) -> None:
        """End everything."""
        self.graph.close()
        self._ending.set()
        self._thread.join()
        self._executor.shutdown()
        self.witness.destroy_node()

    # What is waited for

    def wait[T](self, what: str, condition: Callable[[], T | None], seconds: float = PATIENCE) -> T:
        """The first true value of a condition. Raises BreakError where it does not come."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise BreakError(f"{what} did not come within {seconds:g} s; newest: {self._newest_words()}")
            time.sleep(0.005)
        return value

    def _newest_words(self) -> str:
        return "; ".join(
            f"{who} {said.state} {said.message.reason.message or said.reason}"
            for who in ("retargeting", "policy")
            if (said := self.newest(who)) is not None
        )

    def pause(self, seconds: float) -> None:
        """Let so much simulated time pass."""
        end_ns = self.witness.true_ns + round(seconds * 1e9)
        self.wait("time", lambda: self.witness.true_ns >= end_ns, PATIENCE + 20 * seconds)

    def newest(self, who: str) -> Said | None:
        """The newest status of a node since the witness was cleared."""
        with self.witness.lock:
            return next((said for said in reversed(self.witness.records.said) if said.who == who), None)

    def said(self, who: str, state: int, reasons: frozenset[str] | None = None) -> Said | None:
        """The first status of a node with that state and one of the reasons."""
        with self.witness.lock:
            for said in self.witness.records.said:
                if said.who == who and said.state == state and (reasons is None or said.reason in reasons):
                    return said
        return None

    def speed(self) -> float:
        """Largest speed of a joint of the arm now, rad/s; 0 where nothing was measured."""
        with self.witness.lock:
            joints = self.witness.records.joints
            return float(np.abs(joints[-1][2]).max()) if joints else 0.0

    def rests(self) -> bool:
        """No joint of the arm was faster than AT_REST for a while: a swing's turning point is no rest."""
        with self.witness.lock:
            joints = self.witness.records.joints
            recent = [velocities for time, _, velocities in joints[-200:] if time > joints[-1][0] - REST_NS]
            seen = bool(joints) and joints[-1][0] - joints[0][0] > REST_NS
            return seen and float(np.abs(recent).max()) < AT_REST

    def positions(self) -> NDArray[np.float64]:
        """Measured joints of the arm now (n,)."""
        with self.witness.lock:
            return self.witness.records.joints[-1][1]

    def is_tracking(self) -> bool:
        """The newest word of the retargeting node is that it executes a chunk."""
        newest = self.newest("retargeting")
        return newest is not None and newest.state == RetargetingStatus.TRACKING

    # What is done

    def spoil(self, fault: str) -> dict[str, Any]:
        """Switch a fault on ("" ends it); when it began, as the injector says."""
        self.witness.applied = {}
        self.witness.fault.publish(String(data=fault))
        self.wait(
            f"fault {fault!r}",
            lambda: self.witness.applied.get("fault") == fault and self.witness.applied,
        )
        return self.witness.applied

    def stop(self, reason: str) -> bool:
        """Call mivla/stop."""
        return bool(self._call(Stop, "mivla/stop", Stop.Request(reason=reason)).success)

    def release(self) -> int:
        """Call mivla/release; the generation obeyed from then on."""
        return int(self._call(Release, "mivla/release", Release.Request()).generation)

    def _call(self, kind: type, name: str, request: object) -> Any:  # noqa: ANN401 (generated types)
        client = self.witness.create_client(kind, name)
        try:
            self.wait(f"service {name}", client.service_is_ready)
            for _ in range(CALLS):
                # an answer may be lost where the server has not met this new client; these calls may be made twice
                future = client.call_async(request)
                deadline = time.monotonic() + PATIENCE / CALLS
                while not future.done() and time.monotonic() < deadline:
                    time.sleep(0.005)
                if future.done():
                    return future.result()
            raise BreakError(f"{name} was called {CALLS} times and did not answer; newest: {self._newest_words()}")
        finally:
            self.witness.destroy_client(client)

    def make_swing(self) -> None:
        """Make everything whole again, and wait until the arm moves fast."""
        self.graph.start(*PROCESSES)
        if self.witness.applied.get("fault"):
            self.spoil("")
        self.witness.clear()
        self.wait("a status", lambda: self.newest("retargeting"))
        newest = self.newest("retargeting")
        if newest is not None and newest.state == RetargetingStatus.STOPPED:
            self.release()
        self.wait("tracking", self.is_tracking)
        self.wait("a swinging arm", lambda: self.is_tracking() and self.speed() > FAST)
