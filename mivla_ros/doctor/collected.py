"""What was seen of a robot, as plain data: a minute of its graph, and what each joint did when it was asked to move."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TopicSeen:
    """Types and full node names on a topic, as the graph says."""

    types: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    subscribers: tuple[str, ...] = ()


@dataclass(frozen=True)
class JointsSeen:
    """One joint state: our clock when it came and its own stamp, ns of the ROS clock; rad, m, per s."""

    received_ns: int
    stamp_ns: int
    names: tuple[str, ...]
    positions: tuple[float, ...]
    velocities: tuple[float, ...] = ()


@dataclass(frozen=True)
class CameraSeen:
    """One camera. stamps: (N,) own stamps and (N,) our clock, ns; grey: its newest picture (height, width), as it was
    before anything moved; info: the newest camera_info's width, height, fy; None where none came."""

    width: int
    height: int
    frame_id: str
    received_ns: tuple[int, ...]
    stamps_ns: tuple[int, ...]
    grey: NDArray[np.uint8] | None = None
    info: tuple[int, int, float] | None = None


@dataclass(frozen=True)
class Moved:
    """What one small slow motion did. joint: that was commanded, by ``commanded`` (rad, m); measured: change of every
    joint; pictures: mean grey level by which each camera's picture changed."""

    joint: str
    commanded: float
    measured: Mapping[str, float]
    pictures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Collected:
    """Everything. Topics are relative to the robot's namespace. description: URDF text that the graph publishes;
    frames: parent of each frame in TF; moved: empty before torque."""

    topics: Mapping[str, TopicSeen] = field(default_factory=dict)
    joints: tuple[JointsSeen, ...] = ()
    cameras: Mapping[str, CameraSeen] = field(default_factory=dict)
    description: str = ""
    frames: Mapping[str, str] = field(default_factory=dict)
    moved: tuple[Moved, ...] = ()
