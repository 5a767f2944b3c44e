"""What the retargeting node says, as messages: trajectories, executed steps, status, markers."""

import array
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

from mivla_msgs.msg import ExecutedSteps as ExecutedStepsMessage
from mivla_msgs.msg import PolicyStatus, RetargetingStatus
from mivla_ros.nodes.conversions import (
    Array,
    duration_message,
    stop_from_message,
    stop_reason_message,
    time_message,
)
from mivla_ros.retargeting import Command, Follower, Mode
from mivla_ros.retargeting.faults import PolicyReport
from mivla_ros.retargeting.progress import ExecutedSteps

STATES = {
    Mode.HOLDING: RetargetingStatus.HOLDING,
    Mode.TRACKING: RetargetingStatus.TRACKING,
    Mode.STOPPED: RetargetingStatus.STOPPED,
}
_PATH_WIDTH = 0.004  # m
_PATH_COLOUR = (0.1, 0.8, 0.3, 0.9)

SHORTEST_NS = 500_000_000  # of a trajectory as it is sent


def trajectory_message(command: Command) -> JointTrajectoryMessage:
    """A command to the message a joint_trajectory_controller takes; an empty one where it shall hold where
    the joints are.
    """
    message = JointTrajectoryMessage(joint_names=list(command.joint_names))
    trajectory = command.trajectory
    if trajectory is None:
        return message
    if not command.at_once:  # a stamp of zero begins on arrival
        message.header.stamp = time_message(trajectory.start_ns)
    rows = zip(trajectory.positions.tolist(), trajectory.velocities.tolist(), strict=True)
    message.points = [
        JointTrajectoryPoint(
            positions=array.array("d", positions),
            velocities=array.array("d", velocities),
            time_from_start=duration_message(k * trajectory.period_ns),
        )
        for k, (positions, velocities) in enumerate(rows)
    ]
    if trajectory.end_ns - trajectory.start_ns < SHORTEST_NS:
        # a controller refuses a trajectory that has ended by the time it arrives, so a short one rests for a while
        last = message.points[-1]
        message.points.append(
            JointTrajectoryPoint(
                positions=last.positions, velocities=last.velocities, time_from_start=duration_message(SHORTEST_NS)
            )
        )
    return message


def executed_message(
    executed: ExecutedSteps, names: Sequence[str], positions: Array, holding: bool, now_ns: int
) -> ExecutedStepsMessage:
    """Executed steps with the commanded joint values at the newest executed step."""
    message = ExecutedStepsMessage(
        generation=executed.generation,
        sequence=executed.sequence,
        horizon=executed.horizon,
        first_step=executed.first_step,
        dropped_steps=executed.dropped,
        executed_steps=executed.executed,
        remaining_steps=executed.remaining,
        total_executed_steps=executed.total,
        due_time=time_message(executed.due_ns),
        joint_names=list(names),
        joint_positions=array.array("d", positions.tolist()),
        holding=holding,
    )
    message.header.stamp = time_message(now_ns)
    message.session.uuid = np.frombuffer(executed.session, dtype=np.uint8)
    return message


def status_message(follower: Follower, robot: str, now_ns: int) -> RetargetingStatus:
    """The status of a node that is active and has its robot description."""
    counts = follower.counts
    message = RetargetingStatus(
        state=STATES[follower.mode],
        reason=stop_reason_message(follower.reason),
        robot=robot,
        generation=follower.generation,
        sequence=counts.sequence,
        accepted_chunks=counts.accepted_chunks,
        refused_chunks=counts.refused_chunks,
        dropped_steps=counts.dropped_steps,
        clipped_steps=counts.clipped_steps,
        chunk_age=counts.chunk_age,
        retargeting_seconds=counts.retargeting_seconds,
    )
    message.header.stamp = time_message(now_ns)
    return message


def policy_report(message: PolicyStatus) -> PolicyReport:
    """What a policy node says about itself, as the core sees it."""
    return PolicyReport(
        session=bytes(message.session.uuid),
        generation=message.generation,
        sequence=message.sequence,
        reason=stop_from_message(message.reason),
        idle=message.state in (PolicyStatus.UNCONFIGURED, PolicyStatus.INACTIVE),
    )


def path_markers(paths: dict[str, tuple[str, Array]], now_ns: int) -> MarkerArray:
    """Lines along the end effectors' paths: arm name to base frame and poses (N, 7) in it."""
    markers = []
    for index, (arm, (frame, poses)) in enumerate(paths.items()):
        marker = Marker(ns=f"path {arm}", id=index, type=Marker.LINE_STRIP, action=Marker.ADD)
        marker.header.frame_id = frame
        marker.header.stamp = time_message(now_ns)
        marker.pose.orientation.w = 1.0
        marker.scale.x = _PATH_WIDTH
        r, g, b, a = _PATH_COLOUR
        marker.color = ColorRGBA(r=r, g=g, b=b, a=a)
        marker.points = [Point(x=x, y=y, z=z) for x, y, z in poses[:, :3].tolist()]
        markers.append(marker)
    return MarkerArray(markers=markers)
