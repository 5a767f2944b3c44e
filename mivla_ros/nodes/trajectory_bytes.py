"""Joint trajectories as the bytes that the middleware sends (CDR, little endian), written in one go from the arrays.

A message of Python objects for each point costs several times what retargeting does. ``are_the_middlewares`` asks
the middleware to read some, so that a node on one with other bytes goes on with messages.
"""

import struct
import sys
from functools import lru_cache

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage

from mivla_ros.nodes.retargeting_messages import SHORTEST_NS, trajectory_message
from mivla_ros.retargeting import Command, JointTrajectory

_CDR_LITTLE_ENDIAN = b"\x00\x01\x00\x00"
_SECOND = 1_000_000_000


def trajectory_bytes(command: Command) -> bytes:
    """What ``trajectory_message`` of a command is as bytes."""
    trajectory = command.trajectory
    if trajectory is None:
        return bytes(serialize_message(trajectory_message(command)))
    start_ns = 0 if command.at_once else trajectory.start_ns  # a stamp of zero begins on arrival
    head = struct.pack("<iI", *divmod(start_ns, _SECOND)) + _text("")
    head += bytes(-len(head) % 4) + struct.pack("<I", len(command.joint_names))
    for name in command.joint_names:
        head += bytes(-len(head) % 4) + _text(name)
    positions, velocities = trajectory.positions, trajectory.velocities
    count, joints = positions.shape
    rests = trajectory.end_ns - trajectory.start_ns < SHORTEST_NS  # see trajectory_message
    rows = np.zeros(count + rests, dtype=_point(joints))
    rows["joints"] = rows["joints_again"] = joints
    rows["positions"][:count], rows["velocities"][:count] = positions, velocities
    since = np.arange(count, dtype=np.int64) * trajectory.period_ns
    rows["seconds"][:count], rows["nanoseconds"][:count] = since // _SECOND, since % _SECOND
    if rests:
        rows["positions"][count], rows["velocities"][count] = positions[-1], velocities[-1]
        rows["seconds"][count], rows["nanoseconds"][count] = divmod(SHORTEST_NS, _SECOND)
    head += bytes(-len(head) % 4) + struct.pack("<I", len(rows))
    points = rows.tobytes()
    # doubles lie at multiples of eight: in front of those of the first point there may be no gap
    body = points[:4] + points[8:] if len(head) % 8 == 4 else points
    return _CDR_LITTLE_ENDIAN + head + body


def _text(text: str) -> bytes:
    data = text.encode() + b"\x00"
    return struct.pack("<I", len(data)) + data


@lru_cache(maxsize=8)
def _point(joints: int) -> np.dtype[np.void]:
    return np.dtype([
        ("joints", "<u4"), ("gap", "<u4"), ("positions", "<f8", (joints,)),
        ("joints_again", "<u4"), ("gap_again", "<u4"), ("velocities", "<f8", (joints,)),
        ("accelerations", "<u4"), ("efforts", "<u4"), ("seconds", "<i4"), ("nanoseconds", "<u4"),
    ])  # fmt: skip


def are_the_middlewares() -> bool:
    """Whether the middleware in use reads the same trajectories from the bytes as from the messages."""
    if sys.byteorder != "little":
        return False
    for count, names in ((1, ("a",)), (3, ("joint1", "joint22")), (40, ("j", "jo", "joi"))):
        rows = np.arange(count * len(names), dtype=np.float64).reshape(count, len(names)) / 7
        command = Command("controller", names, JointTrajectory(names, 1_234_567_890_123, 20_000_000, rows, -rows))
        try:
            read = deserialize_message(trajectory_bytes(command), JointTrajectoryMessage)
        except RuntimeError:  # what rclpy raises for bytes that are none
            return False
        if read != trajectory_message(command):
            return False
    return True
