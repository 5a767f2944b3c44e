"""Messages to arrays and back. The only place where wxyz arrays meet xyzw messages."""

import array

import numpy as np
from builtin_interfaces.msg import Duration as DurationMessage
from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Twist, Vector3
from numpy.typing import NDArray

from mivla_msgs.msg import ActionChunk as ActionChunkMessage
from mivla_msgs.msg import ArmActions as ArmActionsMessage
from mivla_msgs.msg import HandPose
from mivla_msgs.msg import StopReason as StopReasonMessage
from mivla_ros.action_chunk import (
    NANOSECONDS,
    ActionChunk,
    ActionChunkError,
    ArmActions,
    BodyActions,
    GripperKind,
    HandActions,
    Space,
)
from mivla_ros.stop_reasons import Reason, Stop

Array = NDArray[np.float64]


def time_message(nanoseconds: int) -> TimeMessage:
    """Nanoseconds of the ROS clock to a stamp."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return TimeMessage(sec=seconds, nanosec=rest)


def time_ns(message: TimeMessage | DurationMessage) -> int:
    """A stamp or duration to nanoseconds."""
    return int(message.sec) * NANOSECONDS + int(message.nanosec)


def duration_message(nanoseconds: int) -> DurationMessage:
    """Nanoseconds to a duration."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return DurationMessage(sec=seconds, nanosec=rest)


def point_message(xyz: Array) -> Point:
    """(3,) metres to a point."""
    x, y, z = xyz.tolist()
    return Point(x=x, y=y, z=z)


def pose_message(pose: Array) -> Pose:
    """(7,) xyz + wxyz to a pose (xyzw)."""
    x, y, z, qw, qx, qy, qz = pose.tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def pose_array(message: Pose) -> Array:
    """A pose (xyzw) to (7,) xyz + wxyz."""
    p, q = message.position, message.orientation
    return np.array([p.x, p.y, p.z, q.w, q.x, q.y, q.z])


def transform_array(message: Transform) -> Array:
    """A transform (xyzw) to (7,) xyz + wxyz."""
    p, q = message.translation, message.rotation
    return np.array([p.x, p.y, p.z, q.w, q.x, q.y, q.z])


def poses_array(messages: list[Pose]) -> Array | None:
    """Poses to (H, 7) xyz + wxyz; None where there are none."""
    return np.array([pose_array(m) for m in messages]) if len(messages) else None


def stop_reason_message(stop: Stop) -> StopReasonMessage:
    """A reason with its evidence to its message."""
    return StopReasonMessage(
        code=int(stop.reason),
        name=stop.reason.name,
        subject=stop.subject,
        value=float(stop.value),
        limit=float(stop.limit),
        unit=stop.unit,
        message="" if stop.reason is Reason.NONE and not stop.message else str(stop),
    )


def stop_from_message(message: StopReasonMessage) -> Stop:
    """A reason with its evidence from its message; an unknown code keeps its name in the words."""
    try:
        reason = Reason(message.code)
    except ValueError:
        return Stop(
            Reason.OPERATOR_STOP,
            message.subject,
            message=f"{message.name} ({message.code}): {message.message}",
        )
    return Stop(reason, message.subject, message.value, message.limit, message.unit)


def chunk_message(chunk: ActionChunk) -> ActionChunkMessage:
    """A chunk to its message."""
    message = ActionChunkMessage()
    message.header.stamp = time_message(chunk.first_step_ns)
    message.header.frame_id = chunk.frame_id
    message.observation_stamp = time_message(chunk.observation_ns)
    message.oldest_observation_stamp = time_message(chunk.oldest_observation_ns)
    message.inference_start = time_message(chunk.inference_start_ns)
    message.inference_end = time_message(chunk.inference_end_ns)
    message.step_duration = duration_message(chunk.step_ns)
    message.valid_until = time_message(chunk.valid_until_ns)
    message.horizon = chunk.horizon
    message.session.uuid = np.frombuffer(chunk.session, dtype=np.uint8)
    message.generation = chunk.generation
    message.sequence = chunk.sequence
    message.executed_sequence = chunk.executed_sequence
    message.executed_steps = chunk.executed_steps
    message.policy = chunk.policy
    message.model_revision = chunk.model_revision
    message.instruction = chunk.instruction
    message.robot = chunk.robot
    message.arms = [_arm_message(arm) for arm in chunk.arms]
    if chunk.body is not None:
        message.body_frame = chunk.body.frame
        if chunk.body.poses is not None:
            message.body_poses = [pose_message(pose) for pose in chunk.body.poses]
        if chunk.body.velocities is not None:
            message.base_velocities = [_twist_message(row) for row in chunk.body.velocities]
    return message


def chunk_from_message(message: ActionChunkMessage) -> ActionChunk:
    """A message to a chunk. Sizes that contradict each other raise ActionChunkError; values are checked by
    check_chunk."""
    body = None
    if message.body_frame or message.body_poses or message.base_velocities:
        velocities = [_twist_array(twist) for twist in message.base_velocities]
        body = BodyActions(
            frame=message.body_frame,
            poses=poses_array(message.body_poses),
            velocities=np.array(velocities) if velocities else None,
        )
    return ActionChunk(
        frame_id=message.header.frame_id,
        first_step_ns=time_ns(message.header.stamp),
        step_ns=time_ns(message.step_duration),
        horizon=message.horizon,
        arms=tuple(_arm_from_message(arm, message.horizon) for arm in message.arms),
        observation_ns=time_ns(message.observation_stamp),
        oldest_observation_ns=time_ns(message.oldest_observation_stamp),
        inference_start_ns=time_ns(message.inference_start),
        inference_end_ns=time_ns(message.inference_end),
        valid_until_ns=time_ns(message.valid_until),
        session=bytes(message.session.uuid),
        generation=message.generation,
        sequence=message.sequence,
        executed_sequence=message.executed_sequence,
        executed_steps=message.executed_steps,
        policy=message.policy,
        model_revision=message.model_revision,
        instruction=message.instruction,
        robot=message.robot,
        body=body,
    )


def _arm_message(arm: ArmActions) -> ArmActionsMessage:
    message = ArmActionsMessage(
        name=arm.name,
        space=int(arm.space),
        eef_frame=arm.eef_frame,
        gripper_kind=int(arm.gripper_kind),
        joint_names=list(arm.joint_names),
    )
    if arm.eef is not None:
        message.eef_poses = [pose_message(pose) for pose in arm.eef]
    if arm.gripper is not None:
        message.gripper_openings = array.array("d", arm.gripper.tolist())
    if arm.joints is not None:
        message.joint_positions = array.array("d", arm.joints.ravel().tolist())
    if arm.hand is not None:
        hand = arm.hand
        message.left_hand = hand.left
        message.hand_poses = [
            HandPose(
                wrist=pose_message(hand.wrist[k]),
                finger_tips=[point_message(tip) for tip in hand.finger_tips[k]],
                thumb_knuckle=[] if hand.thumb_knuckle is None else [pose_message(hand.thumb_knuckle[k])],
            )
            for k in range(len(hand.wrist))
        ]
    return message


def _arm_from_message(message: ArmActionsMessage, horizon: int) -> ArmActions:
    names = tuple(message.joint_names)
    joints = None
    if len(message.joint_positions):
        if len(message.joint_positions) != horizon * len(names):
            raise ActionChunkError(
                f"arm {message.name!r} joint_positions",
                f"holds {len(message.joint_positions)} values, must be horizon {horizon} x {len(names)} joints",
                len(message.joint_positions),
                horizon * len(names),
            )
        joints = np.array(message.joint_positions, dtype=np.float64).reshape(horizon, len(names))
    try:
        space, gripper_kind = Space(message.space), GripperKind(message.gripper_kind)
    except ValueError as error:
        raise ActionChunkError(f"arm {message.name!r} space or gripper_kind", str(error)) from error
    return ArmActions(
        name=message.name,
        space=space,
        eef_frame=message.eef_frame,
        eef=poses_array(message.eef_poses),
        gripper=np.array(message.gripper_openings, dtype=np.float64) if len(message.gripper_openings) else None,
        gripper_kind=gripper_kind,
        joint_names=names,
        joints=joints,
        hand=_hand_from_messages(message.name, message.hand_poses, message.left_hand),
    )


def _hand_from_messages(arm: str, messages: list[HandPose], left: bool) -> HandActions | None:
    if not len(messages):
        return None
    knuckles = [pose_array(m.thumb_knuckle[0]) for m in messages if len(m.thumb_knuckle)]
    if knuckles and len(knuckles) != len(messages):
        raise ActionChunkError(
            f"arm {arm!r} hand thumb_knuckle",
            f"is given for {len(knuckles)} of {len(messages)} steps, must be all or none",
            len(knuckles),
            len(messages),
        )
    return HandActions(
        wrist=np.array([pose_array(m.wrist) for m in messages]),
        finger_tips=np.array([[[tip.x, tip.y, tip.z] for tip in m.finger_tips] for m in messages]),
        thumb_knuckle=np.array(knuckles) if knuckles else None,
        left=left,
    )


def _twist_message(row: Array) -> Twist:
    vx, vy, vz, wx, wy, wz = row.tolist()
    return Twist(linear=Vector3(x=vx, y=vy, z=vz), angular=Vector3(x=wx, y=wy, z=wz))


def _twist_array(message: Twist) -> Array:
    v, w = message.linear, message.angular
    return np.array([v.x, v.y, v.z, w.x, w.y, w.z])
