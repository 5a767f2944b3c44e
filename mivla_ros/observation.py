"""What a policy sees at one moment: images, joints, end effectors and the instruction, each with its capture time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CameraImage:
    """One colour image: rgb (height, width, 3) uint8, captured at ``stamp_ns`` (ROS clock)."""

    rgb: NDArray[np.uint8]
    stamp_ns: int
    frame_id: str = ""


@dataclass(frozen=True)
class ArmState:
    """One arm as measured: eef (7,) xyz m + wxyz in the arm's base frame; gripper opening 0 closed to 1 open."""

    joints: NDArray[np.float64]
    eef: NDArray[np.float64]
    gripper: float


@dataclass(frozen=True)
class Observation:
    """Everything a policy may rest on, taken as near as possible to ``stamp_ns``.

    stamp_ns: capture time of the newest image, or of the joints where there is no image.
    oldest_ns: capture time of the oldest stream used.
    images: by camera name of the robot profile. arms: by arm name of the robot profile, in its order.
    objects: the simulator's truth, name to (7,) pose xyz + wxyz in ``world_frame``; empty unless the policy's spec
    asks for it and something publishes it.
    """

    stamp_ns: int
    oldest_ns: int
    images: Mapping[str, CameraImage]
    arms: Mapping[str, ArmState]
    instruction: str
    world_frame: str = "world"
    objects: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
