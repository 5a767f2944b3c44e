"""Serialised messages of many topics, with the publisher's own count of each, for the recorder.

Messages are taken by polling, not by an executor: only so rclpy hands out what the middleware knows of a message (when
it was published and received, and its number), and a burst costs one wake-up instead of one a message. Between two
polls they wait in the middleware's queues, which are deep. The middleware's "message lost" event is looked at too, for
topics with several publishers; where there is one, its numbers tell more: Fast DDS does not report what overran a
reader's queue.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.event_handler import QoSSubscriptionEventType
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rosidl_runtime_py.utilities import get_message

from mivla_ros.episodes.recording.audit import IMAGE
from mivla_ros.episodes.topics import RecordedTopic

POLL_SECONDS = 0.004
CARE_SECONDS = 1.0  # between two looks at publishers and events
TAKEN_AT_ONCE = 200  # of one topic in one poll, so that no topic holds up the others
IMAGE_DEPTH, DEPTH = 60, 1000  # messages; two seconds of a camera, more of all else

# topic, time received (ns of the wall clock), data, time published (ns), publisher's count
OnMessage = Callable[[str, int, bytes, int, int], None]


@dataclass
class _Input:
    """One subscription. counted: exactly one publisher, whose numbers may be trusted."""

    topic: RecordedTopic
    subscription: Subscription
    message_type: type
    lost_event: Any
    qos_event: Any
    counted: bool = False
    lowered: bool = False


class RecorderInputs:
    """Subscriptions that live as long as one episode."""

    def __init__(
        self,
        node: Node,
        topics: Mapping[str, RecordedTopic],
        on_message: OnMessage,
        on_lost: Callable[[str, int], None],
        on_incompatible: Callable[[str], None],
    ) -> None:
        """node: of its own, in no executor. topics: by full name. on_message is called in this object's thread;
        on_incompatible: a publisher cannot be heard whatever we ask for."""
        self._node = node
        self._on_message, self._on_lost, self._on_incompatible = on_message, on_lost, on_incompatible
        self._inputs = {name: self._subscribe(name, topic, lowered=False) for name, topic in topics.items()}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder inputs")
        self._thread.start()

    def close(self) -> None:
        """Take what has arrived, end the thread and the subscriptions."""
        self._ending.set()
        self._thread.join()
        for entry in self._inputs.values():
            self._node.destroy_subscription(entry.subscription)

    def _subscribe(self, name: str, topic: RecordedTopic, *, lowered: bool) -> _Input:
        offered = [] if lowered else [info.qos_profile for info in self._node.get_publishers_info_by_topic(name)]
        reliable = bool(offered) and all(q.reliability == ReliabilityPolicy.RELIABLE for q in offered)
        latched = all(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in offered) and bool(
            offered or (topic.latched and not lowered)
        )
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=IMAGE_DEPTH if topic.type == IMAGE else DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable or latched else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        kind = get_message(topic.type)
        subscription = self._node.create_subscription(kind, name, lambda _: None, profile, raw=True)
        handle = subscription.handle
        with handle:
            lost = rclpy_implementation.EventHandle(handle, QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST)
            incompatible = rclpy_implementation.EventHandle(
                handle, QoSSubscriptionEventType.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS
            )
        return _Input(topic, subscription, kind, lost, incompatible, lowered=lowered)

    # ---- the thread ----

    def _run(self) -> None:
        cared = 0.0
        while not self._ending.is_set():
            now = time.monotonic()
            if now - cared > CARE_SECONDS:
                cared = now
                for name in list(self._inputs):
                    self._care(name)
            self._poll()
            self._ending.wait(POLL_SECONDS)
        self._poll()

    def _poll(self) -> None:
        taken = []
        for name, entry in self._inputs.items():
            handle = entry.subscription.handle
            with handle:
                for _ in range(TAKEN_AT_ONCE):
                    found = handle.take_message(entry.message_type, True)
                    if found is None:
                        break
                    data, info = found
                    sequence = info["publication_sequence_number"] if entry.counted else 0
                    taken.append((info["received_timestamp"], name, data, info["source_timestamp"], sequence or 0))
        taken.sort(key=lambda message: message[0])
        for received_ns, name, data, published_ns, sequence in taken:
            self._on_message(name, received_ns, data, published_ns, sequence)

    def _care(self, name: str) -> None:
        entry = self._inputs[name]
        entry.counted = entry.subscription.get_publisher_count() == 1
        with entry.lost_event:
            lost = entry.lost_event.take_event()
        if lost.total_count_change > 0 and not entry.counted:
            self._on_lost(name, int(lost.total_count_change))
        with entry.qos_event:
            change = entry.qos_event.take_event().total_count_change
        if change > 0 and entry.lowered:
            self._on_incompatible(name)
        elif change > 0:
            self._inputs[name] = self._subscribe(name, entry.topic, lowered=True)
            self._node.destroy_subscription(entry.subscription)
