"""What the simulation shows of itself: plain frozen data, free of MuJoCo's types."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class JointStates:
    """Joints of arms and grippers in the profile's order, as joint_state_broadcaster shows them.

    positions rad or m, velocities rad/s or m/s, efforts N m or N; each (len(names),). A gripper is one
    entry: its total opening in the joint's own unit; the fingers that mimic it do not appear.
    """

    time_ns: int
    names: tuple[str, ...]
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    efforts: NDArray[np.float64]


@dataclass(frozen=True)
class SceneState:
    """All that a task may judge, in the world frame (z up, 0 at the table top).

    objects: name to pose (7,) xyz m + wxyz; for free bodies the pose of the body's own frame (a bottle's:
    centre of its base). velocities: name to (6,) linear m/s then angular rad/s of free bodies. touching:
    what is in contact with each object: "robot", "table" or another object's name. eef: arm name to pose
    (7,) of its end effector frame. joints: arm name to (joints,) rad. joint_velocities likewise, rad/s.
    openings: arm name to 0 closed .. 1 open.
    """

    time_ns: int
    objects: Mapping[str, NDArray[np.float64]]
    velocities: Mapping[str, NDArray[np.float64]]
    touching: Mapping[str, frozenset[str]]
    eef: Mapping[str, NDArray[np.float64]]
    joints: Mapping[str, NDArray[np.float64]]
    joint_velocities: Mapping[str, NDArray[np.float64]]
    openings: Mapping[str, float]


@dataclass(frozen=True)
class TaskProgress:
    """How far a task is; fields as in mivla_msgs/TaskProgress. seconds: since the reset, or until success."""

    task: str
    success: bool
    completion: float
    seconds: float
    subtasks: tuple[str, ...]
    subtasks_done: tuple[bool, ...]
    failure: str = ""


@dataclass(frozen=True)
class CameraIntrinsics:
    """A pinhole camera without distortion; focal lengths and principal point in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True)
class Snapshot:
    """The state a picture needs, copied so that physics can go on while it is drawn."""

    time_ns: int
    qpos: NDArray[np.float64]
    mocap_pos: NDArray[np.float64]
    mocap_quat: NDArray[np.float64]
