"""Quality of service of every topic of the suite, in one place.

Commands are reliable with depth 1: only the newest counts. Chunks also carry a lifespan, so that the middleware drops
what nobody could execute any more. State that a late joiner needs is transient local. Sensor data follow REP-2003.
"""

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

SENSOR = qos_profile_sensor_data
"""Consumers of images, and of joint states of which only the newest counts: best effort, depth 5."""

JOINT_STATES = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Consumers that interpolate joint states: so deep that a second of a busy executor loses no sample."""

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
