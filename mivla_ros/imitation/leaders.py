"""What an arm follows: a hand or an end effector in its recording, as chunks for the robot and as the poses it means.

Both move the arm by MiVLA's Eq. 2, from where the arm is when the imitation begins. A hand goes to the robot as a hand,
and the robot's retargeting aligns it; the same equation gives the poses that the report compares the arm with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros import action_space
from mivla_ros.action_chunk import ArmActions, Space
from mivla_ros.alignment import (
    AlignmentOptions,
    InitialPair,
    Reference,
    eef_from_hand,
    eef_from_reference,
    hand_reference,
)
from mivla_ros.imitation.errors import ImitationError
from mivla_ros.imitation.recording import Recording
from mivla_ros.policies.hand_path import HandPath
from mivla_ros.policies.motion_file import HandMotion
from mivla_ros.robots.profile import ArmProfile, RobotProfile

Array = NDArray[np.float64]

HUMAN_FRAME = "human"
"""Frame of chunks with hands; where it lies does not matter, how it is turned is R^h."""


@dataclass(frozen=True)
class LeaderOptions:
    """reference, scale: Eq. 2's. speed: times as fast as recorded. turn: rad about the robot's z, of the whole motion.
    full_width: gripper width (m) of an end effector's motion that counts as open. arm: which arm follows a single
    leader; empty: the one of its side, else the first.
    """

    reference: Reference = Reference.THUMB_KNUCKLE
    scale: float = 1.0
    speed: float = 1.0
    turn: float = 0.0
    full_width: float = 0.08
    arm: str = ""


class Leader(Protocol):
    """A motion that one arm follows; times in s from the motion's beginning, clipped to it."""

    @property
    def name(self) -> str:
        """What it is, for people."""
        ...

    def actions(self, arm: ArmProfile, seconds: Array, initial_eef: Array) -> ArmActions:
        """The arm's part of a chunk with steps at times (n,), for an arm that began at pose (7,) in its base."""
        ...

    def targets(self, seconds: Array, initial_eef: Array) -> tuple[Array, Array | None]:
        """Poses (n, 7) in the arm's base and gripper openings (n,) that are meant."""
        ...


class HandLeader:
    """A person's hand."""

    def __init__(self, path: HandPath, alignment: AlignmentOptions, speed: float) -> None:
        self.name = f"{path.side} hand"
        self._path, self._alignment, self._speed = path, alignment, speed
        self._first: Array = hand_reference(path.at(np.zeros(1)), alignment)[0]

    def actions(self, arm: ArmProfile, seconds: Array, initial_eef: Array) -> ArmActions:
        """Hands as they are."""
        return ArmActions(name=arm.name, space=Space.HAND, hand=self._path.at(self._clipped(seconds)))

    def targets(self, seconds: Array, initial_eef: Array) -> tuple[Array, Array | None]:
        """Eq. 2 from the first hand."""
        hand = self._path.at(self._clipped(seconds))
        return eef_from_hand(hand, self._first, initial_eef, self._alignment)

    def _clipped(self, seconds: Array) -> Array:
        return np.clip(seconds * self._speed, 0.0, self._path.seconds)


class EefLeader:
    """An end effector's motion, poses (N, 7), whose change the arm follows."""

    name = "end effector"

    def __init__(
        self, time: Array, poses: Array, openings: Array | None, alignment: AlignmentOptions, speed: float
    ) -> None:
        self._time, self._poses, self._openings = time, poses, openings
        self._alignment, self._speed = alignment, speed

    def actions(self, arm: ArmProfile, seconds: Array, initial_eef: Array) -> ArmActions:
        """The poses that are meant."""
        poses, openings = self.targets(seconds, initial_eef)
        quaternions = action_space.canonical_quaternion(poses[:, 3:])
        eef = np.concatenate([poses[:, :3], quaternions], axis=1)
        return ArmActions(
            name=arm.name,
            space=Space.EEF,
            eef_frame=arm.eef_frame,
            eef=eef,
            gripper=openings if arm.gripper is not None else None,
        )

    def targets(self, seconds: Array, initial_eef: Array) -> tuple[Array, Array | None]:
        """Eq. 2's form with an end effector in the place of the hand."""
        at = np.clip(seconds * self._speed, 0.0, self._time[-1])
        positions = np.stack([np.interp(at, self._time, column) for column in self._poses[:, :3].T], axis=1)
        after = np.clip(np.searchsorted(self._time, at, side="right"), 1, len(self._time) - 1)
        share = (at - self._time[after - 1]) / (self._time[after] - self._time[after - 1])
        first = Rotation.from_quat(self._poses[after - 1, 3:], scalar_first=True)
        second = Rotation.from_quat(self._poses[after, 3:], scalar_first=True)
        turned = Rotation.from_rotvec(share[:, None] * (first.inv() * second).as_rotvec())
        poses = np.concatenate([positions, (first * turned).as_quat(scalar_first=True)], axis=1)
        pair = InitialPair(self._poses[0], initial_eef)
        openings = None if self._openings is None else np.interp(at, self._time, self._openings)
        return eef_from_reference(poses, pair, self._alignment), openings


def leaders(
    recording: Recording, profile: RobotProfile, base_from_world: Mapping[str, Array], options: LeaderOptions
) -> dict[str, Leader]:
    """Who follows what, by arm name. base_from_world: rotations (3, 3) by arm name.

    Hands go to the arms of their sides; a single hand, or an end effector, to any arm. Raises ImitationError.
    """
    turn = Rotation.from_euler("z", options.turn).as_matrix()
    names = [arm.name for arm in profile.arms]
    if options.arm and options.arm not in names:
        raise ImitationError(recording.path, f"option arm is {options.arm!r}, robot has {', '.join(names)}")

    def alignment(arm: str) -> AlignmentOptions:
        robot_from_human = base_from_world[arm] @ turn @ recording.robot_from_human
        return AlignmentOptions(options.reference, robot_from_human, scale=options.scale)

    motion = recording.motion
    if not isinstance(motion, HandMotion):
        arm = options.arm or names[0]
        widths = motion.gripper_width
        openings = None if widths is None else np.clip(widths / options.full_width, 0.0, 1.0)
        return {arm: EefLeader(motion.time, motion.poses, openings, alignment(arm), options.speed)}
    found: dict[str, Leader] = {}
    for side, arm in _arms_of(tuple(motion.hands), profile, options.arm).items():
        path = HandPath(motion.time, motion.hands[side], side, motion.thumb_knuckles.get(side))
        found[arm] = HandLeader(path, alignment(arm), options.speed)
    return found


def _arms_of(sides: tuple[str, ...], profile: RobotProfile, arm: str) -> dict[str, str]:
    """Arm by hand's side."""
    if len(sides) == 1:
        fitting = [a.name for a in profile.arms if a.side == sides[0]]
        return {sides[0]: arm or (fitting or [profile.arms[0].name])[0]}
    if arm:
        own = profile.arm(arm).side
        return {own if own in sides else sides[0]: arm}
    by_side = {a.side: a.name for a in reversed(profile.arms)}
    return {side: by_side[side] for side in sides if side in by_side}
