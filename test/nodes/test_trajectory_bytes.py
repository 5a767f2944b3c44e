"""Trajectories as bytes are read as the messages they stand for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage

from mivla_ros.nodes.retargeting_messages import trajectory_message
from mivla_ros.nodes.trajectory_bytes import are_the_middlewares, trajectory_bytes
from mivla_ros.retargeting import Command, JointTrajectory

NAMES = st.lists(st.text("abcdefghij_0123", min_size=1, max_size=9), min_size=1, max_size=7, unique=True)


@given(
    names=NAMES,
    count=st.integers(1, 120),
    start_ns=st.integers(0, 2**31 * 10**9 - 1),
    seed=st.integers(0, 1000),
    at_once=st.booleans(),
)
@settings(deadline=None)
def test_the_bytes_are_read_as_the_message(
    names: list[str], count: int, start_ns: int, seed: int, at_once: bool
) -> None:
    rng = np.random.default_rng(seed)
    positions, velocities = rng.normal(size=(2, count, len(names)))
    period_ns = int(rng.integers(1_000_000, 100_000_000))
    trajectory = JointTrajectory(tuple(names), start_ns, period_ns, positions, velocities)
    command = Command("c", tuple(names), trajectory, at_once=at_once)
    read = deserialize_message(trajectory_bytes(command), JointTrajectoryMessage)
    assert read == trajectory_message(command)


def test_to_hold_where_the_joints_are_is_an_empty_trajectory() -> None:
    message = deserialize_message(trajectory_bytes(Command("c", ("a", "b"), None)), JointTrajectoryMessage)
    assert message.joint_names == ["a", "b"] and not message.points


def test_this_middleware_s_bytes_are_known() -> None:
    assert are_the_middlewares()
