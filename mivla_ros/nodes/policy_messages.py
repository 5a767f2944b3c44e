"""What the policy node says: its status, and its chunk as markers."""

from math import isfinite

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from mivla_msgs.msg import PolicyStatus
from mivla_ros.action_chunk import ActionChunk, ArmActions
from mivla_ros.nodes.conversions import Array, duration_message, point_message, stop_reason_message
from mivla_ros.policies.runner import PolicyRunner, RunnerStatus

PATH = ColorRGBA(r=0.2, g=0.5, b=1.0, a=0.9)
OPEN = ColorRGBA(r=0.2, g=0.9, b=0.3, a=0.9)
CLOSED = ColorRGBA(r=1.0, g=0.3, b=0.2, a=0.9)
LINE, DOT = 0.004, 0.012  # m


def status_message(status: RunnerStatus, runner: PolicyRunner, robot: str, stamp: Time) -> PolicyStatus:
    """A runner's status as a message."""
    spec = runner.policy.spec
    message = PolicyStatus(
        state=int(status.state),
        reason=stop_reason_message(status.reason),
        policy=spec.name,
        model_revision=spec.revision,
        robot=robot,
        instruction=status.instruction,
        generation=status.generation,
        sequence=status.sequence,
        inference_seconds=float(status.inference_seconds) if isfinite(status.inference_seconds) else 0.0,
        chunk_rate=float(status.chunk_rate),
        observation_age=float(status.observation_age) if isfinite(status.observation_age) else 0.0,
        refused_observations=status.refused,
    )
    message.header.stamp = stamp
    message.session.uuid = np.frombuffer(runner.session, dtype=np.uint8)
    return message


def chunk_markers(chunk: ActionChunk, stamp: Time) -> MarkerArray:
    """A chunk as seen in its own frame: the way of each end effector with dots for its gripper, finger tips
    of hands.
    """
    markers = []
    for arm in chunk.arms:
        if arm.eef is not None:
            markers.append(_line(arm.eef[:, :3], f"{arm.name}/path"))
            markers.append(_dots(arm.eef[:, :3], _gripper_colours(arm, len(arm.eef)), f"{arm.name}/gripper"))
        if arm.hand is not None:
            markers.append(_line(arm.hand.wrist[:, :3], f"{arm.name}/wrist"))
            tips = arm.hand.finger_tips.reshape(-1, 3)
            markers.append(_dots(tips, [PATH] * len(tips), f"{arm.name}/finger_tips"))
    lifetime = duration_message(chunk.horizon * chunk.step_ns)
    for marker in markers:
        marker.header = Header(frame_id=chunk.frame_id, stamp=stamp)
        marker.lifetime = lifetime
        marker.action = Marker.ADD
        marker.pose.orientation.w = 1.0
        marker.frame_locked = True
    return MarkerArray(markers=markers)


def _gripper_colours(arm: ArmActions, steps: int) -> list[ColorRGBA]:
    if arm.gripper is None:
        return [PATH] * steps
    return [OPEN if opening > 0.5 else CLOSED for opening in arm.gripper]


def _line(points: Array, name: str) -> Marker:
    marker = Marker(ns=name, type=Marker.LINE_STRIP, color=PATH, points=_points(points))
    marker.scale.x = LINE
    return marker


def _dots(points: Array, colours: list[ColorRGBA], name: str) -> Marker:
    marker = Marker(ns=name, type=Marker.SPHERE_LIST, colors=colours, color=PATH, points=_points(points))
    marker.scale.x = marker.scale.y = marker.scale.z = DOT
    return marker


def _points(points: Array) -> list[Point]:
    return [point_message(point) for point in points]
