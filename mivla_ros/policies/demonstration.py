"""Plays a recorded motion of an end effector or of hands from a file, through the same protocol as every
other policy.

An end effector's motion is by default taken relative to where the robot starts, in the form of MiVLA's Eq. 2
(a hand's motion becomes the robot's by its change, not by its place)::

    position(t) = robot(0) + scale * R (recorded(t) - recorded(0))
    rotation(t) = R recorded(t) recorded(0)^-1 R^-1 robot(0)

Hands are given out as hands (``Space.HAND``); turning them into the robot's motion is the work of
retargeting.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from mivla_ros import action_space
from mivla_ros.action_chunk import ArmActions, GripperKind, Space
from mivla_ros.observation import Observation
from mivla_ros.policies.hand_path import HandPath, interpolator
from mivla_ros.policies.motion_file import POLICY, EefMotion, HandMotion, load_motion
from mivla_ros.policies.policy import Actions, PolicyError, PolicySpec, Progress
from mivla_ros.robots.profile import ArmProfile

Array = NDArray[np.float64]

INTERPOLATIONS = ("linear", "cubic")


@dataclass(frozen=True)
class DemonstrationOptions:
    """Options of the player.

    path: the file. arm: which arm plays an end effector's motion; the first one where empty. frame: frame of
    a hand motion where the file names none. relative: play the change from where the robot starts; else go to
    the recorded poses as they are. speed: times as fast as recorded. position_scale: times as far; only with
    relative. yaw: rad, turns the recorded motion about z before it is added (R above); only with relative.
    full_width: gripper width (m) that counts as fully open; that of the parallel gripper of the teleoperation
    recordings by default. start_hold: s to rest before it begins. approach_speed: m/s and rad/s of the way to
    the first pose where not relative. interpolation: of positions, linear or cubic; rotations go the shortest
    way on SO(3).
    """

    path: str = ""
    arm: str = ""
    frame: str = ""
    relative: bool = True
    speed: float = 1.0
    position_scale: float = 1.0
    yaw: float = 0.0
    full_width: float = 0.08
    start_hold: float = 0.5
    approach_speed: float = 0.15
    interpolation: str = "linear"
    horizon: int = 16
    step_seconds: float = 0.05
    period_seconds: float = 0.2


class DemonstrationPolicy:
    """A recording as a policy. It begins at the first inference after a reset and is finished when the
    recording is.
    """

    def __init__(self, arms: Sequence[ArmProfile], options: DemonstrationOptions) -> None:
        """Reads and checks the file. Raises PolicyError for a file or an option that cannot be used."""
        self.options = options
        _check(options)
        self.motion = load_motion(options.path)
        if isinstance(self.motion, EefMotion):
            self._player: _EefPlayer | _HandPlayer = _EefPlayer(self.motion, _arm_named(arms, options.arm), options)
        else:
            self._player = _HandPlayer(self.motion, arms, options)
        self.spec = PolicySpec(
            name=POLICY,
            revision=hashlib.sha256(Path(options.path).read_bytes()).hexdigest()[:12],
            cameras=(),
            frame_id=self._player.frame_id,
            horizon=options.horizon,
            step_seconds=options.step_seconds,
            period_seconds=options.period_seconds,
        )
        self.reset("", 0)

    def reset(self, instruction: str, seed: int) -> None:
        """Back to the beginning of the recording; words and seed change nothing."""
        self._started_ns: int | None = None

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """The steps of the recording that are due now. Raises PolicyError where the observation lacks the
        arm.
        """
        if self._started_ns is None:
            self._player.start(observation)
            self._started_ns = observation.stamp_ns
        elapsed = (observation.stamp_ns - self._started_ns) / 1e9 - self.options.start_hold
        steps = elapsed + self.options.step_seconds * np.arange(self.options.horizon, dtype=np.float64)
        arms = self._player.sample(steps)
        finished = elapsed > self._player.seconds
        return Actions(arms, first_step_seconds=0.0, step_seconds=self.options.step_seconds, finished=finished)

    def close(self) -> None:
        """Nothing to give back."""


class _EefPlayer:
    """An end effector's motion for one arm, in its base frame."""

    def __init__(self, motion: EefMotion, arm: ArmProfile, options: DemonstrationOptions) -> None:
        self.arm, self.options, self.motion = arm, options, motion
        self.frame_id = arm.base_frame
        self._lead = 0.0
        self._turn = Rotation.from_euler("z", options.yaw)
        rotations = Rotation.from_quat(motion.poses[:, 3:], scalar_first=True)
        self._rotations = Slerp(motion.time, rotations)
        self._positions = interpolator(motion.time, motion.poses[:, :3], options.interpolation)
        self._widths = motion.gripper_width

    @property
    def seconds(self) -> float:
        """How long it plays, s, without the start's hold."""
        return self._lead + float(self.motion.time[-1]) / self.options.speed

    def start(self, observation: Observation) -> None:
        """Begin at where the arm is now."""
        if self.arm.name not in observation.arms:
            raise PolicyError(
                POLICY,
                f"the observation has no arm {self.arm.name!r}, only {list(observation.arms)}",
                self.arm.name,
            )
        eef = observation.arms[self.arm.name].eef
        self._from = (eef[:3].copy(), Rotation.from_quat(eef[3:], scalar_first=True))
        if not self.options.relative:
            distance = float(np.linalg.norm(self.motion.poses[0, :3] - eef[:3]))
            turn = float((self._rotations([0.0])[0] * self._from[1].inv()).magnitude())
            self._lead = 1.875 * max(distance, turn) / self.options.approach_speed
            self._way = Slerp([0.0, 1.0], Rotation.concatenate([self._from[1], self._rotations([0.0])[0]]))

    def sample(self, seconds: Array) -> tuple[ArmActions, ...]:
        """Actions at times (n,) s since the end of the start's hold."""
        played = np.clip((seconds - self._lead) * self.options.speed, 0.0, self.motion.time[-1])
        positions, rotations = self._positions(played), self._rotations(played)
        origin, rotation = self._from
        if self.options.relative:
            first = self.motion.poses[0, :3]
            positions = origin + self.options.position_scale * self._turn.apply(positions - first)
            rotations = self._turn * rotations * self._rotations([0.0])[0].inv() * self._turn.inv() * rotation
        elif self._lead > 0:
            share = np.clip(seconds / self._lead, 0.0, 1.0)
            smooth = share**3 * (10 - 15 * share + 6 * share**2)
            on_way = (share < 1.0)[:, None]
            positions = np.where(on_way, origin + smooth[:, None] * (self.motion.poses[0, :3] - origin), positions)
            quaternions = np.where(on_way, self._way(smooth).as_quat(), rotations.as_quat())
            rotations = Rotation.from_quat(quaternions)
        gripper = None
        if self._widths is not None:
            gripper = np.clip(np.interp(played, self.motion.time, self._widths) / self.options.full_width, 0.0, 1.0)
        quaternion = action_space.canonical_quaternion(rotations.as_quat(scalar_first=True))
        return (
            ArmActions(
                name=self.arm.name,
                space=Space.EEF,
                eef_frame=self.arm.eef_frame,
                eef=np.concatenate([positions, quaternion], axis=1),
                gripper=gripper,
                gripper_kind=GripperKind.CONTINUOUS,
            ),
        )


class _HandPlayer:
    """Hands for the arms of their sides, in the file's frame."""

    def __init__(self, motion: HandMotion, arms: Sequence[ArmProfile], options: DemonstrationOptions) -> None:
        self.motion, self.options = motion, options
        self.frame_id = options.frame or motion.frame
        if not self.frame_id:
            raise PolicyError(POLICY, f"{options.path}: frame: is missing, and option frame is empty", "frame")
        self._arms = [arm for arm in arms if arm.side in motion.hands and options.arm in ("", arm.name)]
        if not self._arms:
            sides = {arm.name: arm.side for arm in arms}
            raise PolicyError(POLICY, f"{options.path}: hand: holds {list(motion.hands)}, the arms are {sides}", "hand")
        self._paths = {
            side: HandPath(motion.time, hand, side, motion.thumb_knuckles.get(side), options.interpolation)
            for side, hand in motion.hands.items()
        }

    @property
    def seconds(self) -> float:
        """How long it plays, s, without the start's hold."""
        return float(self.motion.time[-1]) / self.options.speed

    def start(self, observation: Observation) -> None:
        """Nothing depends on the robot here: retargeting knows where the arm began."""

    def sample(self, seconds: Array) -> tuple[ArmActions, ...]:
        """Actions at times (n,) s since the end of the start's hold."""
        played = np.clip(seconds * self.options.speed, 0.0, self.motion.time[-1])
        return tuple(
            ArmActions(name=arm.name, space=Space.HAND, hand=self._paths[arm.side].at(played)) for arm in self._arms
        )


def _arm_named(arms: Sequence[ArmProfile], name: str) -> ArmProfile:
    for arm in arms:
        if name in ("", arm.name):
            return arm
    raise PolicyError(POLICY, f"option arm is {name!r}, the robot has {', '.join(arm.name for arm in arms)}", "arm")


def _check(options: DemonstrationOptions) -> None:
    """Raises PolicyError for options out of range."""
    if not options.path:
        raise PolicyError(POLICY, "option path is empty, it must name a motion file (.npz)", "path")
    for name in (
        "speed",
        "position_scale",
        "approach_speed",
        "full_width",
        "step_seconds",
        "period_seconds",
        "horizon",
    ):
        value = getattr(options, name)
        if not 0 < value < np.inf:
            raise PolicyError(POLICY, f"option {name} is {value:g}, must be above 0", name)
    if not 0 <= options.start_hold < np.inf:
        raise PolicyError(POLICY, f"option start_hold is {options.start_hold:g}, must be 0 or more", "start_hold")
    if options.interpolation not in INTERPOLATIONS:
        raise PolicyError(
            POLICY,
            f"option interpolation is {options.interpolation!r}, must be one of {INTERPOLATIONS}",
            "interpolation",
        )
