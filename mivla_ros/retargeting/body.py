"""The robot's own body where a policy may move it: a pose over the chunk to joint values of the body, and what its
motion means for the arms that it carries.

A body's six joints are x, y, z, yaw, pitch, roll from its stance, in that order (BodyProfile). Those that the robot's
present mode does not command stay at zero, the stance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk
from mivla_ros.kinematics import (
    Chain,
    KinematicsError,
    PathStatus,
    chain_from_urdf,
    compose_poses,
    forward_kinematics,
    pose_errors,
)
from mivla_ros.retargeting.errors import refuse
from mivla_ros.retargeting.limits import JointLimits
from mivla_ros.retargeting.report import Clip
from mivla_ros.retargeting.smoothing import smooth_poses
from mivla_ros.retargeting.tracking import TrackedSteps
from mivla_ros.retargeting.value_ranges import check_positions
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]

BODY = "body"
"""Name of the body's motion beside those of the arms."""

STANCE_TOLERANCE = 0.01, 0.02
"""m, rad that a pose may ask of joints that are not commanded before it is reported: the body leans by about that."""


@dataclass(frozen=True)
class BodyModel:
    """A body some of whose joints are commanded, named as an arm is. chain: all six joints, from the stance.

    joints, limits: of the commanded ones; whole_limits: of all six, zero where not commanded. base_frame: the stance.
    """

    chain: Chain
    joints: tuple[str, ...]
    columns: tuple[int, ...]
    limits: JointLimits
    whole_limits: JointLimits
    frame: str
    base_frame: str
    controller: str
    name: str = BODY
    gripper: None = None

    @property
    def ready(self) -> tuple[float, ...]:
        """Commanded joints at the stance."""
        return (0.0,) * len(self.joints)

    def whole(self, joints: Array) -> Array:
        """All six joints (..., 6) for the commanded ones (..., n)."""
        found = np.zeros((*joints.shape[:-1], self.chain.size))
        found[..., self.columns] = joints
        return found

    def moved_since(self, joints: Array, before: Array) -> Array:
        """What to put in front of transforms to the body (7,): one (K, 7) for commanded joints (K, n) after ``before``
        (n,).
        """
        then = forward_kinematics(self.chain, self.whole(before))
        return np.array([_compose(_inverse(now), then) for now in forward_kinematics(self.chain, self.whole(joints))])


def body_model(profile: RobotProfile, urdf: str) -> BodyModel | None:
    """The body of a robot whose present mode lets policies move it; None for all others.

    Raises KinematicsError where the description's joints are not x, y, z, yaw, pitch, roll from the stance, or an arm
    stands on another link than the body's frame.
    """
    body = profile.body
    if body is None or not body.commanded:
        return None
    chain = chain_from_urdf(urdf, body.stance_frame, body.frame)
    if chain.joint_names != body.joints:
        raise KinematicsError("body", f"the description's joints {list(chain.joint_names)} are not {list(body.joints)}")
    probe = np.array([0.01, -0.02, 0.03, 0.2, -0.1, 0.15])
    if not np.allclose(_joints_of(forward_kinematics(chain, probe)[None])[0], probe, atol=1e-9):
        raise KinematicsError("body", f"{list(body.joints)} are not x, y, z, yaw, pitch and roll in that order")
    for arm in profile.arms:
        if arm.base_frame != body.frame:
            raise KinematicsError(f"arm {arm.name!r}", f"its base {arm.base_frame!r} is not the body's {body.frame!r}")
    columns = tuple(body.joints.index(name) for name in body.commanded)
    free = np.isin(np.arange(chain.size), columns)
    whole = JointLimits(
        np.where(free, chain.lower, 0.0),
        np.where(free, chain.upper, 0.0),
        np.minimum(np.array(body.velocity), chain.velocity),
        np.array(body.acceleration),
        np.array(body.jerk),
    )
    part = list(columns)
    limits = JointLimits(*(getattr(whole, key)[part] for key in ("lower", "upper", "velocity", "acceleration", "jerk")))
    return BodyModel(chain, body.commanded, columns, limits, whole, body.frame, body.stance_frame, body.controller)


def check_body(chunk: ActionChunk, profile: RobotProfile) -> None:
    """Raise RetargetingError (CHUNK_INVALID) where a chunk moves a body that this robot does not have, or that its
    present mode lets no policy move.
    """
    if chunk.body is None:
        return
    if chunk.body.velocities is not None:
        raise refuse(Reason.CHUNK_INVALID, "base_velocities", f"robot {profile.name!r} has no base that drives")
    if profile.body is None:
        raise refuse(Reason.CHUNK_INVALID, "body_poses", f"robot {profile.name!r} has no body that moves")
    if not profile.body.commanded:
        words = f"the present mode of robot {profile.name!r} lets no policy move its body (profile: body.commanded)"
        raise refuse(Reason.CHUNK_INVALID, "body_poses", words)
    if chunk.body.frame != profile.body.frame:
        words = f"is {chunk.body.frame!r}, the body's frame is {profile.body.frame!r}"
        raise refuse(Reason.CHUNK_INVALID, "body_frame", words)
    if chunk.body.poses is None:
        raise refuse(Reason.CHUNK_INVALID, "body_poses", "is empty, though there is a body_frame")


def track_body(
    body: BodyModel, chunk: ActionChunk, stance_from_frame: Array, steps: slice, cutoff: float
) -> TrackedSteps:
    """All six joints (K, 6) over ``steps`` of the chunk's body poses, smoothed as an arm's; within position limits.

    What the poses ask of joints that are not commanded is left out, and clipped (LIMIT_POSITION) beyond
    STANCE_TOLERANCE. Raises RetargetingError (CHUNK_OUT_OF_RANGE).
    """
    assert chunk.body is not None and chunk.body.poses is not None  # check_body has seen to it
    check_positions(BODY, body.chain, compose_poses(stance_from_frame, chunk.body.poses[steps]))
    smooth = smooth_poses(chunk.body.poses, chunk.step_ns / NANOSECONDS, cutoff)[steps]
    poses = compose_poses(stance_from_frame, smooth)
    asked = _joints_of(poses)
    joints = np.clip(asked, body.whole_limits.lower, body.whole_limits.upper)
    metres, radians = STANCE_TOLERANCE
    free = np.isin(np.arange(body.chain.size), body.columns)
    allowed = np.where(free, 1e-9, np.where(body.chain.prismatic, metres, radians))
    clips = tuple(
        Clip(
            steps.start + int(k), body.chain.joint_names[j], Reason.LIMIT_POSITION, float(asked[k, j]),
            float(joints[k, j]), "m" if body.chain.prismatic[j] else "rad",
        )
        for k, j in np.argwhere(np.abs(joints - asked) > allowed)
    )  # fmt: skip
    errors = pose_errors(poses, forward_kinematics(body.chain, joints))
    position, rotation = np.linalg.norm(errors[:, :3], axis=1), np.linalg.norm(errors[:, 3:], axis=1)
    status = np.full(len(joints), int(PathStatus.REACHED), dtype=np.int64)
    return TrackedSteps(joints, status, position, rotation, clips, body.chain, poses)


def _joints_of(poses: Array) -> Array:
    """x, y, z, yaw, pitch, roll (K, 6) of poses (K, 7) in the stance."""
    turns = Rotation.from_quat(poses[:, 3:], scalar_first=True).as_euler("ZYX")
    return np.concatenate([poses[:, :3], turns], axis=1)


def _compose(a_from_b: Array, b_from_c: Array) -> Array:
    pose: Array = compose_poses(a_from_b, b_from_c[None])[0]
    return pose


def _inverse(a_from_b: Array) -> Array:
    turn = Rotation.from_quat(a_from_b[3:], scalar_first=True).inv()
    return np.concatenate([-turn.apply(a_from_b[:3]), turn.as_quat(scalar_first=True)])
