"""Does the policy keep its rate? Deadlines met and missed on a running launch.

    ros2 run mivla_ros benchmark_deadlines --period 0.4   (while the launch runs with deadline:=0.4)

Every period after the first chunk wants a chunk. One is late when its inference took longer than a period (the node's
own wall time), or when it never came: the next one then begins two periods after the one before. Periods are counted on
the clock of the graph, which is the simulation's where there is one.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import rclpy
from rclpy.node import Node

from mivla_msgs.msg import ActionChunk, PolicyStatus, RetargetingStatus, StopReason
from mivla_ros.nodes import qos
from mivla_ros.nodes.conversions import time_ns
from mivla_ros.nodes.executor import make_executor

WAIT = 180.0  # s for the first chunk


@dataclass
class Deadlines:
    """What came: beginnings of inferences (ns of the graph's clock) by sequence, and how long each took (s)."""

    period: float
    begun: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    dropped: int = 0

    @property
    def wanted(self) -> int:
        """Periods between the first and the newest chunk, and the one of the first."""
        if not self.begun:
            return 0
        times = sorted(self.begun.values())
        return round((times[-1] - times[0]) / (1e9 * self.period)) + 1

    @property
    def missed(self) -> int:
        """Periods without a chunk, and chunks that took longer than one."""
        absent = max(self.wanted - len(self.begun), self.dropped)
        return absent + sum(seconds > self.period for seconds in self.seconds.values())


class DeadlineListener(Node):
    """Listens to the graph and counts."""

    def __init__(self, period: float) -> None:
        super().__init__("benchmark_deadlines")
        self.found = Deadlines(period)
        self.refused, self.listening, self._late = 0, False, False
        self.create_subscription(ActionChunk, "mivla/actions", self._on_chunk, qos.COMMAND)
        self.create_subscription(PolicyStatus, "mivla/policy_status", self._on_policy, qos.STATE)
        self.create_subscription(RetargetingStatus, "mivla/retargeting_status", self._on_retargeting, qos.STATE)

    def _on_chunk(self, message: ActionChunk) -> None:
        self.found.begun[message.sequence] = time_ns(message.inference_start)

    def _on_policy(self, message: PolicyStatus) -> None:
        if message.state == PolicyStatus.RUNNING and message.sequence in self.found.begun:
            self.found.seconds[message.sequence] = message.inference_seconds
        late = message.reason.code == StopReason.POLICY_DEADLINE
        self.found.dropped += late and not self._late  # the status repeats itself
        self._late = late

    def _on_retargeting(self, message: RetargetingStatus) -> None:
        self.refused = message.refused_chunks


def main() -> None:
    """Entry point of the command; status 1 where a deadline was missed."""
    parser = argparse.ArgumentParser(description="Deadlines met and missed by the policy of a running launch.")
    parser.add_argument("--period", type=float, default=0.4, help="s between two inferences (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to listen from the first chunk on, s")
    arguments = parser.parse_args()
    rclpy.init()
    node = DeadlineListener(arguments.period)
    executor = make_executor(node)
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.2)
        if node.found.begun and not node.listening:
            node.listening, end = True, time.monotonic() + arguments.seconds
    found, milliseconds = node.found, 1e3 * np.array(list(node.found.seconds.values()) or [np.nan])
    print("| deadlines | missed | chunks refused | inference ms: median / 99 % / longest |")
    print("|--:|--:|--:|--:|")
    print(
        f"| {found.wanted} | {found.missed} | {node.refused} | {np.median(milliseconds):.1f} "
        f"/ {np.percentile(milliseconds, 99):.1f} / {milliseconds.max():.1f} |"
    )
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    sys.exit(1 if found.missed or not found.wanted else 0)


if __name__ == "__main__":
    main()
