"""Action chunks to and from messages as rosbags holds them (no ROS needed)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mivla_ros.action_chunk import (
    NANOSECONDS,
    ActionChunk,
    ArmActions,
    BodyActions,
    GripperKind,
    HandActions,
    Space,
)
from mivla_ros.episodes.episode import Array

Types = Mapping[str, Any]
"""Message classes by name, of a rosbags type store."""


def stamp_ns(stamp: Any) -> int:  # noqa: ANN401
    """A stamp or duration in ns."""
    seconds = getattr(stamp, "sec", None)
    nanoseconds = stamp.nanosec if hasattr(stamp, "nanosec") else stamp.nsec
    return int(seconds or 0) * NANOSECONDS + int(nanoseconds)


def chunk_from_decoded(message: Any) -> ActionChunk:  # noqa: ANN401
    """A decoded mivla_msgs/ActionChunk. Raises ValueError where sizes contradict each other."""
    return ActionChunk(
        frame_id=message.header.frame_id,
        first_step_ns=stamp_ns(message.header.stamp),
        step_ns=stamp_ns(message.step_duration),
        horizon=int(message.horizon),
        arms=tuple(_arm(arm, int(message.horizon)) for arm in message.arms),
        observation_ns=stamp_ns(message.observation_stamp),
        oldest_observation_ns=stamp_ns(message.oldest_observation_stamp),
        inference_start_ns=stamp_ns(message.inference_start),
        inference_end_ns=stamp_ns(message.inference_end),
        valid_until_ns=stamp_ns(message.valid_until),
        session=bytes(message.session.uuid),
        generation=int(message.generation),
        sequence=int(message.sequence),
        executed_sequence=int(message.executed_sequence),
        executed_steps=int(message.executed_steps),
        policy=message.policy,
        model_revision=message.model_revision,
        instruction=message.instruction,
        robot=message.robot,
        body=_body(message),
    )


def _body(message: Any) -> BodyActions | None:  # noqa: ANN401
    if not (message.body_frame or len(message.body_poses) or len(message.base_velocities)):
        return None
    twists = [(t.linear, t.angular) for t in message.base_velocities]
    return BodyActions(
        frame=message.body_frame,
        poses=np.array([pose_row(pose) for pose in message.body_poses]) if len(message.body_poses) else None,
        velocities=np.array([[v.x, v.y, v.z, w.x, w.y, w.z] for v, w in twists]) if twists else None,
    )


def _arm(message: Any, horizon: int) -> ArmActions:  # noqa: ANN401
    names = tuple(message.joint_names)
    positions = np.asarray(message.joint_positions, dtype=np.float64)
    if len(positions) != (horizon * len(names) if len(positions) else 0):
        raise ValueError(f"arm {message.name!r}: {len(positions)} joint positions, must be {horizon} x {len(names)}")
    openings = np.asarray(message.gripper_openings, dtype=np.float64)
    return ArmActions(
        name=message.name,
        space=Space(message.space),
        eef_frame=message.eef_frame,
        eef=np.array([pose_row(pose) for pose in message.eef_poses]) if len(message.eef_poses) else None,
        gripper=openings if len(openings) else None,
        gripper_kind=GripperKind(message.gripper_kind),
        joint_names=names,
        joints=positions.reshape(horizon, len(names)) if len(positions) else None,
        hand=_hand(message),
    )


def _hand(message: Any) -> HandActions | None:  # noqa: ANN401
    if not len(message.hand_poses):
        return None
    knuckles = [pose_row(m.thumb_knuckle[0]) for m in message.hand_poses if len(m.thumb_knuckle)]
    return HandActions(
        wrist=np.array([pose_row(m.wrist) for m in message.hand_poses]),
        finger_tips=np.array([[[tip.x, tip.y, tip.z] for tip in m.finger_tips] for m in message.hand_poses]),
        thumb_knuckle=np.array(knuckles) if len(knuckles) == len(message.hand_poses) else None,
        left=bool(message.left_hand),
    )


def pose_row(pose: Any) -> Array:  # noqa: ANN401
    """A decoded geometry_msgs/Pose (xyzw) as (7,) xyz + wxyz."""
    p, q = pose.position, pose.orientation
    return np.array([p.x, p.y, p.z, q.w, q.x, q.y, q.z])


def chunk_to_decoded(types: Types, chunk: ActionChunk) -> Any:  # noqa: ANN401
    """A chunk as the message mivla_msgs/ActionChunk that rosbags serialises; the way back is ``chunk_from_decoded``."""
    body = chunk.body or BodyActions("")
    return types["mivla_msgs/msg/ActionChunk"](
        header=types["std_msgs/msg/Header"](stamp=_time(types, chunk.first_step_ns), frame_id=chunk.frame_id),
        observation_stamp=_time(types, chunk.observation_ns),
        oldest_observation_stamp=_time(types, chunk.oldest_observation_ns),
        inference_start=_time(types, chunk.inference_start_ns),
        inference_end=_time(types, chunk.inference_end_ns),
        step_duration=_time(types, chunk.step_ns, "Duration"),
        valid_until=_time(types, chunk.valid_until_ns),
        horizon=chunk.horizon,
        session=types["unique_identifier_msgs/msg/UUID"](uuid=np.frombuffer(chunk.session, dtype=np.uint8)),
        generation=chunk.generation,
        sequence=chunk.sequence,
        executed_sequence=chunk.executed_sequence,
        executed_steps=chunk.executed_steps,
        policy=chunk.policy,
        model_revision=chunk.model_revision,
        instruction=chunk.instruction,
        robot=chunk.robot,
        arms=[_decoded_arm(types, arm) for arm in chunk.arms],
        body_frame=body.frame,
        body_poses=_poses(types, body.poses),
        base_velocities=[] if body.velocities is None else [_twist(types, row) for row in body.velocities],
    )


def _decoded_arm(types: Types, arm: ArmActions) -> Any:  # noqa: ANN401
    hand = arm.hand
    return types["mivla_msgs/msg/ArmActions"](
        name=arm.name,
        space=int(arm.space),
        eef_frame=arm.eef_frame,
        eef_poses=_poses(types, arm.eef),
        gripper_kind=int(arm.gripper_kind),
        gripper_openings=np.empty(0) if arm.gripper is None else np.asarray(arm.gripper, dtype=np.float64),
        joint_names=list(arm.joint_names),
        joint_positions=np.empty(0) if arm.joints is None else np.asarray(arm.joints, dtype=np.float64).ravel(),
        left_hand=hand is not None and hand.left,
        hand_poses=[] if hand is None else _hand_poses(types, hand),
    )


def _hand_poses(types: Types, hand: HandActions) -> list[Any]:
    wrists, knuckles = _poses(types, hand.wrist), _poses(types, hand.thumb_knuckle)
    return [
        types["mivla_msgs/msg/HandPose"](
            wrist=wrist,
            finger_tips=[_vector(types, "Point", tip) for tip in hand.finger_tips[k]],
            thumb_knuckle=knuckles[k : k + 1],
        )
        for k, wrist in enumerate(wrists)
    ]


def _poses(types: Types, rows: Array | None) -> list[Any]:
    """(H, 7) xyz + wxyz as poses (xyzw)."""
    made = []
    for row in () if rows is None else rows:
        w, x, y, z = (float(value) for value in row[3:])
        turn = types["geometry_msgs/msg/Quaternion"](x=x, y=y, z=z, w=w)
        made.append(types["geometry_msgs/msg/Pose"](position=_vector(types, "Point", row[:3]), orientation=turn))
    return made


def _twist(types: Types, row: Array) -> Any:  # noqa: ANN401
    linear, angular = _vector(types, "Vector3", row[:3]), _vector(types, "Vector3", row[3:])
    return types["geometry_msgs/msg/Twist"](linear=linear, angular=angular)


def _vector(types: Types, kind: str, xyz: Array) -> Any:  # noqa: ANN401
    x, y, z = (float(value) for value in xyz)
    return types[f"geometry_msgs/msg/{kind}"](x=x, y=y, z=z)


def _time(types: Types, nanoseconds: int, kind: str = "Time") -> Any:  # noqa: ANN401
    seconds, rest = divmod(int(nanoseconds), NANOSECONDS)
    return types[f"builtin_interfaces/msg/{kind}"](sec=seconds, nanosec=rest)
