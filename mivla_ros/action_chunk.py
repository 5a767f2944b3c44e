"""The action chunk: what a policy wants over a short horizon, with the time contract that says which steps are due.

All times are integer nanoseconds of the ROS clock, as in the messages, so that no comparison loses a nanosecond.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000


class ActionChunkError(ValueError):
    """An action chunk that breaks its contract. ``field`` names what, ``value`` and ``limit`` say by how much."""

    def __init__(self, field_name: str, message: str, value: float = np.nan, limit: float = np.nan) -> None:
        super().__init__(f"action chunk: {field_name}: {message}")
        self.field = field_name
        self.value = value
        self.limit = limit


class Space(IntEnum):
    """What the arm shall follow; values as in mivla_msgs/ArmActions."""

    EEF = 1
    JOINT = 2
    HAND = 3


class GripperKind(IntEnum):
    """How gripper openings may be blended; values as in mivla_msgs/ArmActions."""

    CONTINUOUS = 0
    BINARY = 1


@dataclass(frozen=True)
class HandActions:
    """A human hand over the horizon. Shapes: wrist (H, 7) xyz + wxyz; finger_tips (H, 5, 3) in metres, order
    ``action_space.FINGERS``; thumb_knuckle (H, 7) or None. Frame: the chunk's. Wrist axes: ARKit's, see
    HandPose.msg."""

    wrist: NDArray[np.float64]
    finger_tips: NDArray[np.float64]
    thumb_knuckle: NDArray[np.float64] | None = None
    left: bool = False


@dataclass(frozen=True)
class ArmActions:
    """One arm's part of a chunk of H steps; None where a space is absent.

    eef: (H, 7) xyz in metres + quaternion wxyz, pose of ``eef_frame`` in the chunk's frame.
    gripper: (H,) openings, 0 closed to 1 open. joints: (H, len(joint_names)) rad or m.
    """

    name: str
    space: Space
    eef_frame: str = ""
    eef: NDArray[np.float64] | None = None
    gripper: NDArray[np.float64] | None = None
    gripper_kind: GripperKind = GripperKind.CONTINUOUS
    joint_names: tuple[str, ...] = ()
    joints: NDArray[np.float64] | None = None
    hand: HandActions | None = None


@dataclass(frozen=True)
class BodyActions:
    """The robot's own body over the horizon: poses (H, 7) of ``frame`` in the chunk's frame, velocities (H, 6) linear
    then angular in the base's frame; None where absent."""

    frame: str
    poses: NDArray[np.float64] | None = None
    velocities: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class ActionChunk:
    """H steps for every arm; step k is due at ``first_step_ns + k * step_ns``. Fields as in mivla_msgs/ActionChunk."""

    frame_id: str
    first_step_ns: int
    step_ns: int
    horizon: int
    arms: tuple[ArmActions, ...]
    observation_ns: int = 0
    oldest_observation_ns: int = 0
    inference_start_ns: int = 0
    inference_end_ns: int = 0
    valid_until_ns: int = 0
    session: bytes = bytes(16)
    generation: int = 0
    sequence: int = 0
    executed_sequence: int = 0
    executed_steps: int = 0
    policy: str = ""
    model_revision: str = ""
    instruction: str = ""
    robot: str = ""
    body: BodyActions | None = field(default=None)

    def due_ns(self, step: int) -> int:
        """Due time of a step, in nanoseconds of the ROS clock."""
        return self.first_step_ns + step * self.step_ns

    @property
    def end_ns(self) -> int:
        """Due time of the last step."""
        return self.due_ns(self.horizon - 1)

    def first_due_step(self, now_ns: int) -> int:
        """Index of the first step due at or after ``now_ns``; ``horizon`` when all are past."""
        late_ns = now_ns - self.first_step_ns
        return min(max(-(-late_ns // self.step_ns), 0), self.horizon)

    def steps_due_by(self, now_ns: int) -> int:
        """Number of steps whose due time is at or before ``now_ns``, 0 to ``horizon``."""
        return min(max((now_ns - self.first_step_ns) // self.step_ns + 1, 0), self.horizon)

    def stamped(self, **changes: object) -> "ActionChunk":
        """A copy with other contract fields."""
        return replace(self, **changes)  # type: ignore[arg-type]


def check_chunk(chunk: ActionChunk) -> None:
    """Check everything about a chunk that needs no robot: sizes, finite values, unit quaternions, sane times.

    Raises ActionChunkError naming the field, the step and the limit. Whether a robot may execute it is retargeting's.
    """
    if chunk.horizon < 1:
        raise ActionChunkError("horizon", f"is {chunk.horizon}, must be 1 or more", chunk.horizon, 1)
    if chunk.step_ns < 1:
        raise ActionChunkError("step_duration", f"is {chunk.step_ns} ns, must be above 0", chunk.step_ns, 0)
    if not chunk.arms and chunk.body is None:
        raise ActionChunkError("arms", "is empty and there are no body actions")
    if chunk.valid_until_ns < chunk.first_step_ns:
        raise ActionChunkError(
            "valid_until", "lies before the first step is due", chunk.valid_until_ns / 1e9, chunk.first_step_ns / 1e9
        )
    if not chunk.frame_id and any(arm.space is not Space.JOINT for arm in chunk.arms):
        raise ActionChunkError("header.frame_id", "is empty, poses need a frame")
    names = [arm.name for arm in chunk.arms]
    for name in names:
        if names.count(name) > 1:
            raise ActionChunkError("arms", f"{name!r} appears {names.count(name)} times", names.count(name), 1)
    for arm in chunk.arms:
        _check_arm(arm, chunk.horizon)
    if chunk.body is not None:
        _check_poses("body_poses", chunk.body.poses, chunk.horizon)
        _check_rows("base_velocities", chunk.body.velocities, (chunk.horizon, 6))


def _check_arm(arm: ArmActions, horizon: int) -> None:
    path = f"arm {arm.name!r}"
    followed = {Space.EEF: arm.eef, Space.JOINT: arm.joints, Space.HAND: arm.hand}[arm.space]
    if followed is None:
        raise ActionChunkError(f"{path} {arm.space.name.lower()}", "is empty, though the arm shall follow it")
    _check_poses(f"{path} eef_poses", arm.eef, horizon)
    _check_rows(f"{path} gripper_openings", arm.gripper, (horizon,))
    if arm.gripper is not None and (arm.gripper.min() < -1e-6 or arm.gripper.max() > 1 + 1e-6):
        worst = float(arm.gripper.min() if arm.gripper.min() < 0 else arm.gripper.max())
        raise ActionChunkError(f"{path} gripper_openings", f"{worst:g} is outside 0 (closed) to 1 (open)", worst, 1.0)
    if len(set(arm.joint_names)) != len(arm.joint_names):
        raise ActionChunkError(f"{path} joint_names", f"a name appears twice in {list(arm.joint_names)}")
    _check_rows(f"{path} joint_positions", arm.joints, (horizon, len(arm.joint_names)))
    if arm.hand is not None:
        _check_poses(f"{path} hand wrist", arm.hand.wrist, horizon)
        _check_rows(f"{path} hand finger_tips", arm.hand.finger_tips, (horizon, 5, 3))
        _check_poses(f"{path} hand thumb_knuckle", arm.hand.thumb_knuckle, horizon)


def _check_rows(name: str, values: NDArray[np.float64] | None, shape: tuple[int, ...]) -> None:
    if values is None:
        return
    if values.shape != shape:
        raise ActionChunkError(name, f"has shape {values.shape}, must be {shape}", values.shape[0], shape[0])
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        step = int(np.argmin(finite))
        raise ActionChunkError(name, f"step {step} holds NaN or infinity", step)


def _check_poses(name: str, poses: NDArray[np.float64] | None, horizon: int) -> None:
    _check_rows(name, poses, (horizon, 7))
    if poses is None:
        return
    length = np.linalg.norm(poses[:, 3:], axis=1)
    if (np.abs(length - 1) > 1e-3).any():
        step = int(np.argmax(np.abs(length - 1)))
        raise ActionChunkError(
            name, f"step {step}: quaternion of length {length[step]:.6g}, must be 1", length[step], 1
        )
