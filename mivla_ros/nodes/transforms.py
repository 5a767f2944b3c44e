"""Frames from tf and tf_static, at the right time, and no work for moving frames that nobody asks for."""

from collections import deque

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.time import Time
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformException

from mivla_ros.nodes.conversions import Array, transform_array
from mivla_ros.retargeting.errors import refuse
from mivla_ros.stop_reasons import Reason

_HISTORY = 10  # seconds
_MESSAGES = 60  # to decode at once: 0.3 ms each, so about a control period; 1.2 s of one publisher at 50 Hz

_STATIC = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_MOVING = QoSProfile(depth=100)


class Transforms:
    """What connects two frames. Topics are relative, so that a robot in a namespace sees its own frames only.

    Most chunks come in a frame that stands still to the arm's base. Messages of tf stay undecoded until a
    question cannot be answered from tf_static alone; from then on they are decoded as they come.
    """

    def __init__(self, node: Node) -> None:
        self._buffer = Buffer(cache_time=Duration(seconds=_HISTORY), node=None)
        self._waiting: deque[bytes] = deque(maxlen=_MESSAGES)
        self._decode = False
        node.create_subscription(TFMessage, "tf_static", self._on_static, _STATIC)
        node.create_subscription(TFMessage, "tf", self._on_moving, _MOVING, raw=True)

    def _on_static(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self._buffer.set_transform_static(transform, "tf_static")

    def _on_moving(self, data: bytes) -> None:
        self._waiting.append(data)
        if self._decode:
            self._decode_waiting()

    def _decode_waiting(self) -> None:
        while self._waiting:
            for transform in deserialize_message(self._waiting.popleft(), TFMessage).transforms:
                self._buffer.set_transform(transform, "tf")

    def forget(self) -> None:
        """Forget moving frames, as after a jump of the clock."""
        self._waiting.clear()
        self._buffer.clear()

    def lookup(self, target: str, source: str, source_ns: int, fixed: str) -> Array:
        """Transform (7,) from ``source`` as it was at source_ns to ``target`` as it is now, with ``fixed``
        standing still.

        Raises RetargetingError: TRANSFORM_MISSING where the frames are not connected, TRANSFORM_STALE where
        only at other times.
        """
        if not self._decode:
            try:
                return self._lookup(target, source, source_ns, fixed)
            except TransformException:
                self._decode = True
                self._decode_waiting()
        try:
            return self._lookup(target, source, source_ns, fixed)
        except TransformException as error:
            stale = type(error).__name__ == "ExtrapolationException"
            reason = Reason.TRANSFORM_STALE if stale else Reason.TRANSFORM_MISSING
            raise refuse(reason, f"{source} to {target}", str(error).splitlines()[0]) from error

    def _lookup(self, target: str, source: str, source_ns: int, fixed: str) -> Array:
        time = Time(nanoseconds=source_ns)
        try:
            found = self._buffer.lookup_transform_full_core(target, Time(), source, time, fixed)
        except TransformException:
            # no such fixed frame: both at the time of the source
            found = self._buffer.lookup_transform_core(target, source, time)
        return transform_array(found.transform)
