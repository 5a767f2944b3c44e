"""What a file of any kind becomes: hands or an end effector over time, and what to draw beside the robot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mivla_ros import action_space
from mivla_ros.policies.motion_file import EefMotion, HandMotion

Array = NDArray[np.float64]


class Kind(StrEnum):
    """What a file holds, found from its content."""

    VIDEO = "video"
    LANDMARKS = "landmarks"
    EEF = "eef motion"
    HANDS = "hand motion"
    EGODEX = "EgoDex episode"


@dataclass(frozen=True)
class Drawn:
    """Points of one hand in the image: points (N, P, 2) px at times (N,) s of the recording; lines join indices."""

    time: Array
    points: Array
    lines: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Coverage:
    """How much of a recording shows a hand: frames from its first to its last, those with it, longest gap in s."""

    frames: int
    seen: int
    longest_gap: float


@dataclass(frozen=True)
class HandChoice:
    """Which hands to use: at most ``most`` of ``sides``, the first ones first."""

    sides: tuple[str, ...] = action_space.SIDES
    most: int = 2


@dataclass(frozen=True)
class Recording:
    """A motion, in its own world.

    robot_from_human: R^h (3, 3), that world to the robot's (REP-103). video: file to show beside the robot, whose time
    ``video_start`` s is the motion's 0. size: (width, height) px of the image that ``drawn`` points lie in.
    """

    kind: Kind
    path: Path
    motion: HandMotion | EefMotion
    robot_from_human: Array
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    video: Path | None = None
    video_start: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the motion lasts, s."""
        return float(self.motion.time[-1])


def coverage(time: Array, period: float) -> Coverage:
    """Coverage of samples at times (N,) s of a recording with a frame every ``period`` s."""
    gaps = np.diff(time)
    frames = round(float(time[-1] - time[0]) / period) + 1
    longest = float(gaps.max()) if len(gaps) else 0.0
    return Coverage(frames, len(time), longest if longest > 1.5 * period else 0.0)
