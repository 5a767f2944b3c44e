"""Quality of service of every topic of the suite, in one place.

Commands are reliable with depth 1: only the newest counts. Chunks also carry a lifespan, so that the middleware drops
what nobody could execute any more. State that a late joiner needs is transient local. Sensor data follow REP-2003.
"""

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

SENSOR = qos_profile_sensor_data
"""Consumers of images and joint states: best effort, depth 5."""

IMAGE_PUBLISHER = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=2, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Our own cameras: best effort, so that a slow reader never blocks the simulator."""

STREAM = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Joint states, reports and progress: reliable, a few messages deep."""

COMMAND = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Trajectories and other commands: reliable, only the newest."""

STATE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Status, instruction and robot description: the newest value also reaches who joins later."""


def chunks(horizon_seconds: float) -> QoSProfile:
    """Publisher of action chunks: as COMMAND, dropped once its horizon (s) is over."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        lifespan=Duration(nanoseconds=int(horizon_seconds * 1e9)),
    )
