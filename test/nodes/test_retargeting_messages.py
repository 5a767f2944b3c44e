"""What the retargeting node says, as messages."""

import numpy as np
import pytest

pytest.importorskip("mivla_msgs", reason="needs the built ROS workspace")

from mivla_msgs.msg import RetargetingStatus
from mivla_ros.action_chunk import NANOSECONDS
from mivla_ros.nodes.conversions import time_ns
from mivla_ros.nodes.retargeting_messages import (
    executed_message,
    path_markers,
    status_message,
    trajectory_message,
)
from mivla_ros.retargeting import Command, Follower, JointTrajectory
from mivla_ros.stop_reasons import Reason, Stop
from test.retargeting.robots import ARM, START_NS, PerfectRobot, eef_chunk, retargeter, swing


def test_a_trajectory_starts_at_its_stamp_and_carries_velocities() -> None:
    positions, velocities = np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2)
    trajectory = JointTrajectory(("a", "b"), 5 * NANOSECONDS + 7, 300_000_000, positions, velocities)
    message = trajectory_message(Command("controller", ("a", "b"), trajectory))
    assert message.joint_names == ["a", "b"]
    assert time_ns(message.header.stamp) == 5 * NANOSECONDS + 7
    assert [time_ns(point.time_from_start) for point in message.points] == [0, 300_000_000, 600_000_000]
    assert np.array_equal([point.positions for point in message.points], positions)
    assert np.array_equal([point.velocities for point in message.points], velocities)


def test_a_short_trajectory_rests_at_its_end_so_that_a_late_controller_does_not_refuse_it() -> None:
    trajectory = JointTrajectory(("a",), 0, 20_000_000, np.array([[1.0], [2.0]]), np.zeros((2, 1)))
    points = trajectory_message(Command("controller", ("a",), trajectory)).points
    assert [time_ns(point.time_from_start) for point in points] == [0, 20_000_000, 500_000_000]
    assert [point.positions[0] for point in points] == [1.0, 2.0, 2.0]
    assert points[-1].velocities[0] == 0.0


def test_a_command_without_trajectory_is_the_empty_message_that_stops() -> None:
    message = trajectory_message(Command("controller", ("a",), None))
    assert not message.points and time_ns(message.header.stamp) == 0


@pytest.fixture
def moving() -> PerfectRobot:
    """A robot a third of a second into its first chunk."""
    robot = PerfectRobot(Follower(retargeter()))
    robot.give(eef_chunk(swing(np.arange(16) / 15), openings=np.ones(16)))
    robot.run(0.34)
    return robot


def test_executed_steps_carry_the_counts_and_the_commanded_joints(moving: PerfectRobot) -> None:
    executed = moving.follower.executed(moving.now_ns)
    assert executed is not None
    names, positions = moving.follower.commanded(executed.due_ns)
    message = executed_message(executed, names, positions, False, moving.now_ns)
    assert bytes(message.session.uuid) == executed.session
    assert (message.first_step, message.executed_steps, message.remaining_steps) == (1, 5, 10)
    assert message.horizon == message.dropped_steps + message.executed_steps + message.remaining_steps
    assert time_ns(message.due_time) == START_NS + 5 * 66_666_667
    assert message.joint_names == [*ARM.joints, "gripper"] and len(message.joint_positions) == 7
    assert not message.holding


def test_the_status_says_what_it_does_and_why(moving: PerfectRobot) -> None:
    message = status_message(moving.follower, "piper", moving.now_ns)
    assert message.state == RetargetingStatus.TRACKING and message.reason.code == 0
    assert (message.sequence, message.accepted_chunks, message.dropped_steps) == (1, 1, 1)
    moving.follower.stop(Stop(Reason.OPERATOR_STOP), moving.now_ns)
    message = status_message(moving.follower, "piper", moving.now_ns)
    assert message.state == RetargetingStatus.STOPPED and message.reason.name == "OPERATOR_STOP"


def test_the_path_is_drawn_in_the_arm_s_base(moving: PerfectRobot) -> None:
    motion = moving.follower.motion(ARM.name)
    assert motion is not None
    poses = retargeter().end_effector_path(motion, ARM.name)
    (marker,) = path_markers({ARM.name: (ARM.base_frame, poses)}, START_NS).markers
    assert marker.header.frame_id == ARM.base_frame
    assert np.allclose([[p.x, p.y, p.z] for p in marker.points], poses[:, :3])
