"""What the retargeting node adds to retargeting itself: from the bytes of a chunk to the bytes of its trajectories.

The node's own functions in the node's order, without transport and executor. Prints Markdown.
"""

import argparse
import time

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message

from mivla_msgs.msg import ActionChunk as ActionChunkMessage
from mivla_ros.nodes.conversions import chunk_from_message, chunk_message
from mivla_ros.nodes.trajectory_bytes import trajectory_bytes
from mivla_ros.retargeting import Follower
from mivla_ros.retargeting.benchmarks.chunks import chunk_of, resting, retargeter_of
from mivla_ros.retargeting.retargeter import IDENTITY

STAGES = ("bytes to message", "message to chunk", "checks and retargeting", "trajectories to bytes")
ROBOTS = ("piper", "piper_bimanual")
HORIZONS = (16, 64)
PERIOD_NS = 200_000_000  # a chunk comes every


def stages(robot: str, horizon: int, rounds: int) -> np.ndarray:
    """Milliseconds (rounds, stages) of processor time, chunk after chunk of one session."""
    retargeter = retargeter_of(robot)
    follower, profile = Follower(retargeter), retargeter.profile
    names: list[str] = []
    positions: list[float] = []
    for arm in profile.arms:
        motion = resting(retargeter)[arm.name]
        for trajectory in (motion.arm, motion.gripper):
            if trajectory is not None:
                names += trajectory.joint_names
                positions += trajectory.positions[0].tolist()
    rows = np.empty((rounds, len(STAGES)))
    for k in range(rounds + 1):
        now_ns = 1_000_000_000 + k * PERIOD_NS
        if k:
            names, positions = (list(values) for values in follower.commanded(now_ns))
        follower.on_joint_states(now_ns, names, positions, [0.0] * len(names))
        chunk = chunk_of(retargeter, horizon, 0.2 * k, now_ns).stamped(sequence=k + 1, session=bytes(16))
        data = serialize_message(chunk_message(chunk))
        times = [time.thread_time()]
        message = deserialize_message(data, ActionChunkMessage)
        times.append(time.thread_time())
        read = chunk_from_message(message)
        times.append(time.thread_time())
        commands = follower.on_chunk(read, now_ns, lambda arm, chunk: IDENTITY)
        times.append(time.thread_time())
        for command in commands:
            trajectory_bytes(command)
        times.append(time.thread_time())
        if len(commands) < len(profile.arms):
            raise RuntimeError(f"chunk {k + 1} of {robot} was refused: {follower.reason}")
        if k:
            rows[k - 1] = 1e3 * np.diff(times)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="chunks of each kind (default %(default)s)")
    rounds = parser.parse_args().rounds
    print(f"| the node, chunk received to trajectories sent | {' | '.join(STAGES)} | all, median ms | rest |")
    print(f"|---|{'--:|' * (len(STAGES) + 2)}")
    for robot in ROBOTS:
        for horizon in HORIZONS:
            rows = stages(robot, horizon, rounds)
            figures = " | ".join(f"{np.median(column):.3f}" for column in rows.T)
            rest = rows.sum(axis=1) - rows[:, 2]
            total = f"{np.median(rows.sum(axis=1)):.3f} | {np.median(rest):.3f}"
            print(f"| {robot}, {horizon} steps | {figures} | {total} |")


if __name__ == "__main__":
    main()
