"""When the robot moves, holds and stops: chunks, joint states, the clock and people's wishes in, commands
out.

Time is what the caller says it is, integer nanoseconds of the ROS clock. Nothing here knows ROS.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, Space
from mivla_ros.retargeting.acceptance import Acceptance, AcceptanceOptions
from mivla_ros.retargeting.errors import RetargetingError, refuse
from mivla_ros.retargeting.hands import HandOptions, Imitation, follow_hands
from mivla_ros.retargeting.joint_watch import JointWatch
from mivla_ros.retargeting.limits import stop_points
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory
from mivla_ros.retargeting.progress import ExecutedSteps, Progress
from mivla_ros.retargeting.report import RetargetingReport
from mivla_ros.retargeting.retargeter import Retargeted, Retargeter
from mivla_ros.robots.profile import ArmProfile
from mivla_ros.stop_reasons import Reason, Stop

Array = NDArray[np.float64]
BaseFromFrame = Callable[[ArmProfile, ActionChunk], Array]
"""Transform (7,) from a chunk's frame to an arm's base; raises RetargetingError (TRANSFORM_MISSING,
TRANSFORM_STALE)."""

log = logging.getLogger(__name__)

HOLDS_AT_ONCE = frozenset(
    {
        Reason.CHUNK_INVALID,
        Reason.CHUNK_OUT_OF_RANGE,
        Reason.JOINTS_MISSING,
        Reason.JOINTS_STALE,
        Reason.TRANSFORM_MISSING,
        Reason.TRANSFORM_STALE,
    }
)
"""Refusals after which the chunk before is not executed to its end either: something is wrong here and now.
"""


class Mode(StrEnum):
    """What the follower does."""

    HOLDING = "holding"
    TRACKING = "tracking"
    STOPPED = "stopped"


@dataclass(frozen=True)
class FollowerOptions:
    """Times in nanoseconds, joint differences in rad (m for sliding joints).

    lead: from now to the first point of a command, for what computing and sending take. joints_stale:
    greatest age of joint states. clock_jump: greatest step of the clock between two ticks. tracking_error:
    greatest distance of a measured joint from its command. rest_error: the same once the arm has rested for
    rest_time; more than that means somebody else has moved it, and the next chunk starts from where it is.
    tracking_error_latches: a tracking error needs a release.
    """

    lead_ns: int = 20_000_000
    joints_stale_ns: int = 200_000_000
    clock_jump_ns: int = 1_000_000_000
    tracking_error: float = 0.4
    tracking_error_latches: bool = False
    rest_error: float = 0.05
    rest_time_ns: int = 500_000_000
    acceptance: AcceptanceOptions = field(default_factory=AcceptanceOptions)
    hands: HandOptions = field(default_factory=HandOptions)


@dataclass(frozen=True)
class Command:
    """What a controller shall do from now on; trajectory is None: hold wherever the joints are."""

    controller: str
    joint_names: tuple[str, ...]
    trajectory: JointTrajectory | None


@dataclass(frozen=True)
class Counts:
    """Totals since the start, and figures of the newest accepted chunk: age of its observation at its first
    command and time taken to retarget it, seconds.
    """

    accepted_chunks: int = 0
    refused_chunks: int = 0
    dropped_steps: int = 0
    clipped_steps: int = 0
    sequence: int = 0
    chunk_age: float = 0.0
    retargeting_seconds: float = 0.0


class Follower:
    """Follows the chunks of one policy node with one robot."""

    def __init__(self, retargeter: Retargeter, options: FollowerOptions | None = None) -> None:
        self._retargeter = retargeter
        self._options = options or FollowerOptions()
        profile = retargeter.profile
        self._joints = JointWatch(profile.joint_names, self._options.joints_stale_ns)
        self._acceptance = Acceptance(profile.name, self._options.acceptance)
        self._progress = Progress()
        self._running: dict[str, ArmMotion] = {}
        self._imitation = Imitation()
        self._tracking = False
        self._reason = Stop(Reason.CHUNK_MISSING)
        self._latched: Stop | None = None
        self._joints_fault: Stop | None = None
        self._now_ns: int | None = None
        self.counts = Counts()
        self.report: RetargetingReport | None = None

    # What comes in

    def on_joint_states(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]
    ) -> None:
        """Take measured positions and velocities."""
        self._joints.update(stamp_ns, names, positions, velocities)

    def on_chunk(self, chunk: ActionChunk, now_ns: int, base_from_frame: BaseFromFrame) -> list[Command]:
        """Take a chunk; the commands that follow from it, none where it is refused (the reason is in
        ``reason``).
        """
        began = time.perf_counter()
        start_ns = now_ns + self._options.lead_ns
        try:
            if self._latched is not None:
                raise RetargetingError(self._latched)
            self._acceptance.check(chunk, now_ns)
            self._joints.check(now_ns)
            self._anchor(now_ns)
            transforms = self._transforms(chunk, base_from_frame)
            poses, imitation = self._follow_hands(chunk, transforms, start_ns)
            retargeted = self._retargeter.retarget(poses, self._running, start_ns, transforms)
        except RetargetingError as error:
            return self._refused(error.stop, now_ns)
        self._imitation = imitation
        self._acceptance.accept(chunk, now_ns)
        self._progress.begin(chunk, retargeted.report, start_ns)
        self._take(retargeted)
        self._reason = retargeted.report.remark
        self.counts = Counts(
            accepted_chunks=self.counts.accepted_chunks + 1,
            refused_chunks=self.counts.refused_chunks,
            dropped_steps=self.counts.dropped_steps + retargeted.report.late_steps,
            clipped_steps=self.counts.clipped_steps + retargeted.report.changed_steps,
            sequence=chunk.sequence,
            chunk_age=(start_ns - chunk.observation_ns) / NANOSECONDS if chunk.observation_ns else 0.0,
            retargeting_seconds=time.perf_counter() - began,
        )
        return self._commands(retargeted.motions)

    def on_unreadable_chunk(self, stop: Stop, now_ns: int) -> list[Command]:
        """A chunk whose sizes contradict each other, so that it could not even be read."""
        return self._refused(stop, now_ns)

    def tick(self, now_ns: int) -> list[Command]:
        """Look at the clock, the joints and what is left to do; to be called at the command rate."""
        before_ns, self._now_ns = self._now_ns, now_ns
        if before_ns is not None and not 0 <= now_ns - before_ns <= self._options.clock_jump_ns:
            return self._clock_jumped(before_ns, now_ns)
        if self._tracking and not self._moving(now_ns):
            self._tracking = False
            self._reason = self._exhausted()
        self._joints_fault = None
        try:
            self._joints.check(now_ns)
            if self._moving(now_ns):
                self._check_tracking()
        except RetargetingError as error:
            if error.stop.reason is Reason.TRACKING_ERROR:
                return self._give_way(error.stop, now_ns)
            self._joints_fault = error.stop
            return self.hold(error.stop, now_ns) if self._tracking else []
        return []

    def stop(self, stop: Stop, now_ns: int) -> list[Command]:
        """Brake at once and move no more before ``release``."""
        if self._latched is None:
            self._latched = stop
        return self.hold(self._latched, now_ns)

    def release(self) -> int:
        """Obey chunks again, those of a new generation only; returns it."""
        self._latched = None
        self._reason = Stop(Reason.CHUNK_MISSING, message="released, waiting for a chunk of the new generation")
        return self._acceptance.raise_generation()

    def hold(self, stop: Stop, now_ns: int) -> list[Command]:
        """Brake at once and hold until the next chunk."""
        start_ns = now_ns + self._options.lead_ns
        motions = self._retargeter.stop(self._running, start_ns)
        for name, motion in motions.items():
            self._running[name] = ArmMotion(motion.arm, motion.gripper or self._running[name].gripper)
        self._tracking = False
        self._reason = stop
        self._progress.end(start_ns)
        return self._commands(motions)

    # What is so

    @property
    def mode(self) -> Mode:
        """What it does now."""
        if self._latched is not None:
            return Mode.STOPPED
        return Mode.TRACKING if self._tracking else Mode.HOLDING

    @property
    def reason(self) -> Stop:
        """Why it holds or has stopped, or a remark on what it tracks."""
        return self._latched or (None if self._tracking else self._joints_fault) or self._reason

    @property
    def generation(self) -> int:
        """The generation obeyed."""
        return self._acceptance.generation

    def executed(self, now_ns: int) -> ExecutedSteps | None:
        """Executed steps at a time; None before the first chunk."""
        return self._progress.at(now_ns)

    def commanded(self, time_ns: int) -> tuple[tuple[str, ...], Array]:
        """Joints of all commanded arms and grippers and their commanded positions at a time; empty before the
        first chunk.
        """
        names: list[str] = []
        positions: list[float] = []
        for motion in self._running.values():
            for trajectory in (motion.arm, motion.gripper):
                if trajectory is not None:
                    names.extend(trajectory.joint_names)
                    positions.extend(trajectory.state(time_ns)[0].tolist())
        return tuple(names), np.array(positions)

    def motion(self, arm: str) -> ArmMotion | None:
        """What was sent to an arm; None before the first chunk."""
        return self._running.get(arm)

    # How

    def _moving(self, now_ns: int) -> bool:
        progress = self._progress.at(now_ns)
        waiting = self._tracking and progress is not None and progress.remaining > 0
        return waiting or any(motion.end_ns > now_ns for motion in self._running.values())

    def _exhausted(self) -> Stop:
        report = self.report
        if report is not None and report.expired_steps:
            return Stop(Reason.CHUNK_EXPIRED, "steps due after valid_until", report.expired_steps, 0)
        return Stop(Reason.CHUNK_EXHAUSTED, message="every step has been executed and no newer chunk is there")

    def _transforms(self, chunk: ActionChunk, base_from_frame: BaseFromFrame) -> dict[str, Array]:
        profiles = {arm.name: arm for arm in self._retargeter.profile.arms}
        return {
            actions.name: base_from_frame(profiles[actions.name], chunk)
            for actions in chunk.arms
            if actions.space is not Space.JOINT and actions.name in profiles
        }

    def _follow_hands(
        self, chunk: ActionChunk, transforms: Mapping[str, Array], start_ns: int
    ) -> tuple[ActionChunk, Imitation]:
        eef_now = {
            arm.name: self._retargeter.end_effector(arm.name, self._running[arm.name].arm.state(start_ns)[0])
            for arm in chunk.arms
            if arm.space is Space.HAND and arm.name in self._running
        }
        first = chunk.first_due_step(start_ns)
        return follow_hands(chunk, self._imitation, transforms, eef_now, first, self._options.hands)

    def _anchor(self, now_ns: int) -> None:
        """Start from the measured joints what was never commanded, or was moved by somebody else while it
        rested.
        """
        for arm in self._retargeter.profile.arms:
            motion = self._running.get(arm.name)
            if motion is not None:
                rested = now_ns - motion.end_ns >= self._options.rest_time_ns
                _, measured, _ = self._joints.state(arm.joints)
                away = float(np.max(np.abs(measured - motion.arm.positions[-1])))
                if not rested or away <= self._options.rest_error:
                    continue
                log.info("arm %r rests %.3g away from its last command and starts from where it is", arm.name, away)
            self._running[arm.name] = self._measured_motion(arm, now_ns, moving=motion is None)

    def _measured_motion(self, arm: ArmProfile, now_ns: int, moving: bool) -> ArmMotion:
        """The measured state as a motion that ends in it; ``moving``: its velocity goes on for the lead."""
        stamp_ns, positions, velocities = self._joints.state(arm.joints)
        model, period_ns = self._retargeter.arms[arm.name], self._retargeter.period_ns
        trajectory = JointTrajectory.resting(arm.joints, positions, now_ns, period_ns)
        if moving and float(np.max(np.abs(velocities))) > 0.05:
            # restarted in the middle of a motion: go on as fast as it is, and brake from there
            speed = np.clip(velocities, -model.limits.velocity, model.limits.velocity)
            lead_ns = now_ns - stamp_ns + self._options.lead_ns
            ahead = np.clip(positions + speed * lead_ns / NANOSECONDS, model.limits.lower, model.limits.upper)
            still = np.zeros_like(speed)
            points = stop_points(ahead, speed, still, model.limits, period_ns / NANOSECONDS)
            trajectory = JointTrajectory(arm.joints, now_ns + self._options.lead_ns, period_ns, *points)
        gripper = None
        if arm.gripper is not None:
            _, opening, _ = self._joints.state([arm.gripper.joint])
            low, high = sorted((arm.gripper.closed, arm.gripper.open))
            limited = np.clip(opening, low, high)
            gripper = self._retargeter.resting_gripper(arm, float(limited[0]), now_ns)
        return ArmMotion(trajectory, gripper)

    def _take(self, retargeted: Retargeted) -> None:
        for name, motion in retargeted.motions.items():
            self._running[name] = ArmMotion(motion.arm, motion.gripper or self._running[name].gripper)
        self.report = retargeted.report
        self._tracking = True

    def _refused(self, stop: Stop, now_ns: int) -> list[Command]:
        self.counts = replace(self.counts, refused_chunks=self.counts.refused_chunks + 1)
        if self._latched is not None:
            return []
        if self._tracking and stop.reason in HOLDS_AT_ONCE:
            return self.hold(stop, now_ns)
        self._reason = stop
        return []

    def _check_tracking(self) -> None:
        for arm in self._retargeter.profile.arms:
            motion = self._running.get(arm.name)
            if motion is None:
                continue
            stamp_ns, measured, _ = self._joints.state(arm.joints)
            if stamp_ns < motion.arm.start_ns:
                continue  # measured before this motion began
            away = np.abs(measured - motion.arm.state(stamp_ns)[0])
            worst = int(np.argmax(away))
            if away[worst] > self._options.tracking_error:
                limit = self._options.tracking_error
                words = "distance from its command"
                raise refuse(
                    Reason.TRACKING_ERROR,
                    f"joint {arm.joints[worst]!r}",
                    words,
                    float(away[worst]),
                    limit,
                    "rad",
                )

    def _give_way(self, stop: Stop, now_ns: int) -> list[Command]:
        """Hold where the joints are, not where they should be: something holds or has moved them."""
        self._progress.end(now_ns)
        commands = self._cancelled()
        for arm in self._retargeter.profile.arms:
            if arm.name in self._running:
                # the gripper keeps its target: what it holds must not fall
                gripper = self._running[arm.name].gripper
                self._running[arm.name] = ArmMotion(self._measured_motion(arm, now_ns, moving=False).arm, gripper)
        self._tracking = False
        self._reason = stop
        self._acceptance.raise_generation()
        if self._options.tracking_error_latches and self._latched is None:
            self._latched = stop
        return commands

    def _clock_jumped(self, before_ns: int, now_ns: int) -> list[Command]:
        limit = self._options.clock_jump_ns / NANOSECONDS
        commands = self._cancelled() if self._tracking else []
        self._running.clear()
        self._joints.forget()
        self._progress.end(before_ns)
        self._tracking = False
        self._reason = Stop(Reason.CLOCK_JUMP, "step of the clock", (now_ns - before_ns) / NANOSECONDS, limit, "s")
        return commands

    def _cancelled(self) -> list[Command]:
        arms = [arm for arm in self._retargeter.profile.arms if arm.name in self._running]
        return [Command(arm.controller, arm.joints, None) for arm in arms]

    def _commands(self, motions: Mapping[str, ArmMotion]) -> list[Command]:
        commands = []
        for arm in self._retargeter.profile.arms:
            motion = motions.get(arm.name)
            if motion is None:
                continue
            commands.append(Command(arm.controller, arm.joints, motion.arm))
            if arm.gripper is not None and motion.gripper is not None:
                commands.append(Command(arm.gripper.controller, (arm.gripper.joint,), motion.gripper))
        return commands
