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
from mivla_ros.retargeting.body import BODY
from mivla_ros.retargeting.errors import RetargetingError, refuse
from mivla_ros.retargeting.faults import CHUNK_FAULTS, PolicyReport
from mivla_ros.retargeting.going import Going
from mivla_ros.retargeting.hands import HandOptions, Imitation, follow_hands
from mivla_ros.retargeting.joint_watch import JointWatch
from mivla_ros.retargeting.limits import stop_points
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory, Moved
from mivla_ros.retargeting.progress import ExecutedSteps, Progress
from mivla_ros.retargeting.report import RetargetingReport
from mivla_ros.retargeting.retargeter import Retargeted, Retargeter
from mivla_ros.silence import Silence
from mivla_ros.stop_reasons import Reason, Stop

Array = NDArray[np.float64]
BaseFromFrame = Callable[[Moved, ActionChunk], Array]
"""Transform (7,) from a chunk's frame to an arm's base, or to the body's stance; raises RetargetingError
(TRANSFORM_MISSING, TRANSFORM_STALE)."""

log = logging.getLogger(__name__)


class Mode(StrEnum):
    """What the follower does."""

    HOLDING = "holding"
    TRACKING = "tracking"
    STOPPED = "stopped"


@dataclass(frozen=True)
class FollowerOptions:
    """Times in nanoseconds, joint differences in rad (m for sliding joints).

    lead: from now to the first point of a command, for what computing and sending take. joints_stale:
    greatest age of joint states. clock_jump: greatest step of the clock between two ticks beyond
    what has passed by a steady clock. tracking_error:
    greatest distance of a measured joint from its command. rest_error: the same once the arm has rested for
    rest_time; more than that means somebody else has moved it, and the next chunk starts from where it is.
    tracking_error_latches: a tracking error needs a release. policy_silence: seconds without a word from the policy
    node that is followed. resumes_after: faults (see faults.py) after which the arms only hold and the next good
    chunk moves them on; every other one latches.
    """

    lead_ns: int = 20_000_000
    joints_stale_ns: int = 200_000_000
    clock_jump_ns: int = 500_000_000
    tracking_error: float = 0.4
    tracking_error_latches: bool = False
    rest_error: float = 0.05
    rest_time_ns: int = 500_000_000
    policy_silence: float = 0.5
    resumes_after: frozenset[Reason] = frozenset()
    acceptance: AcceptanceOptions = field(default_factory=AcceptanceOptions)
    hands: HandOptions = field(default_factory=HandOptions)


@dataclass(frozen=True)
class Command:
    """What a controller shall do from now on; trajectory is None: hold wherever the joints are. at_once: whatever the
    clock says when it arrives.
    """

    controller: str
    joint_names: tuple[str, ...]
    trajectory: JointTrajectory | None
    at_once: bool = False


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
        body = retargeter.body
        watched = profile.joint_names if body is None else (*profile.joint_names, *body.joints)
        self._joints = JointWatch(watched, self._options.joints_stale_ns)
        self._acceptance = Acceptance(profile.name, self._options.acceptance)
        self._progress = Progress()
        self._running: dict[str, ArmMotion] = {}
        self._imitation = Imitation()
        self._tracking = False
        self._reason = Stop(Reason.CHUNK_MISSING)
        self._latched: Stop | None = None
        self._joints_fault: Stop | None = None
        self._now_ns: int | None = None
        self._steady_ns: int | None = None
        self._late = False
        self._policy: PolicyReport | None = None
        self._silence = Silence(self._options.policy_silence / 4)
        self._going: Going | None = None
        self._going_until_ns = 0
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
            if self._going is not None:
                raise refuse(Reason.CHUNK_OUTDATED, "going to ready", "a way is being planned")
            if now_ns < self._going_until_ns:
                left = (self._going_until_ns - now_ns) / NANOSECONDS
                raise refuse(Reason.CHUNK_OUTDATED, "time left of going to ready", "", left, 0.0, "s")
            self._acceptance.check(chunk, now_ns)
            self._joints.check(now_ns)
            self._anchor(now_ns)
            transforms = self._transforms(chunk, base_from_frame)
            poses, imitation = self._follow_hands(chunk, transforms, start_ns)
            retargeted = self._retargeter.retarget(poses, self._running, start_ns, transforms)
        except RetargetingError as error:
            return self._refused(error.stop, now_ns)
        self._imitation = imitation
        if chunk.session != self._acceptance.session:
            self._policy = None
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

    def on_policy_report(self, report: PolicyReport, now_ns: int) -> list[Command]:
        """Take what a policy node says about itself; of others than the followed one, and about older chunks than the
        one under way, it says nothing that matters here.
        """
        if report.session != self._acceptance.session:
            return []
        self._policy = report
        self._silence.heard()
        if not self._acceptance.is_newest(report.generation, report.sequence):
            return []
        if report.ends_motion:
            return self._policy_fault(report.reason, now_ns)
        if self._tracking and report.idle and not report.finished:
            given = report.reason.reason is not Reason.NONE
            return self.hold(report.reason if given else Stop(Reason.SHUTDOWN, "policy node"), now_ns)
        return []

    def tick(self, now_ns: int, steady_ns: int | None = None) -> list[Command]:
        """Look at the clock, the joints and what is left to do; to be called at the command rate.

        steady_ns: a clock that never jumps; without it none of now_ns's steps beyond clock_jump is believed.
        """
        before_ns, self._now_ns = self._now_ns, now_ns
        steady_before_ns, self._steady_ns = self._steady_ns, steady_ns
        silence = self._silence.look(now_ns, now_ns if steady_ns is None else steady_ns)
        # a process that was not run for a while sees both clocks go on
        passed_ns = 0 if steady_ns is None or steady_before_ns is None else steady_ns - steady_before_ns
        if before_ns is not None and not before_ns <= now_ns <= before_ns + passed_ns + self._options.clock_jump_ns:
            return self._clock_jumped(before_ns, now_ns)
        if self._tracking and not self._moving(now_ns):
            self._tracking = False
            self._reason = self._exhausted()
        if self._is_late(before_ns, now_ns):
            return []
        if 0 < self._going_until_ns <= now_ns:
            self._going_until_ns = 0
            self._reason = Stop(Reason.CHUNK_MISSING, message="at ready, waiting for a chunk of the new generation")
        self._joints_fault = None
        try:
            self._joints.check(now_ns)
            if self._moving(now_ns):
                self._check_tracking()
        except RetargetingError as error:
            if error.stop.reason is Reason.TRACKING_ERROR:
                return self._give_way(error.stop, now_ns)
            self._joints_fault = error.stop
            if self._tracking:
                return self.fault(error.stop, now_ns)
            return self.hold(error.stop, now_ns) if self._going or now_ns < self._going_until_ns else []
        limit = self._options.policy_silence
        if self._policy is not None and not self._policy.idle and silence > limit:
            return self._policy_fault(Stop(Reason.POLICY_SILENT, "mivla/policy_status", silence, limit, "s"), now_ns)
        return []

    def fault(self, stop: Stop, now_ns: int) -> list[Command]:
        """Something is wrong: brake and latch where a chunk is being executed, else only name it."""
        if self._latched is not None:
            return []
        if not self._tracking:
            self._reason = stop
            return []
        self._latch(stop)
        return self.hold(stop, now_ns)

    def stop(self, stop: Stop, now_ns: int) -> list[Command]:
        """Brake at once and move no more before ``release``."""
        if self._latched is None:
            self._latched = stop
        return self.hold(self._latched, now_ns)

    def release(self) -> int:
        """Obey chunks again, those of a new generation only; returns it."""
        self._latched = self._policy = None
        self._reason = Stop(Reason.CHUNK_MISSING, message="released, waiting for a chunk of the new generation")
        return self._acceptance.raise_generation()

    def begin_going(self, now_ns: int) -> tuple[list[Command], Going]:
        """Brake what moves; the commands, and what a way to ready is to be planned from, in whatever thread.

        Until ``go`` or ``give_up_going`` chunks are refused; a stop, a fault or another ``begin_going`` calls it off.
        Raises RetargetingError where a stop is latched or joints are not known.
        """
        if self._latched is not None:
            raise RetargetingError(self._latched)
        self._joints.check(now_ns)
        commands = self.hold(Stop(Reason.CHUNK_MISSING, message="planning a way to ready"), now_ns)
        self._anchor(now_ns)
        going = Going(self._retargeter, {name: motion.arm.positions[-1] for name, motion in self._running.items()})
        self._going = going
        return commands, going

    def go(self, going: Going, motions: Mapping[str, ArmMotion], now_ns: int) -> tuple[list[Command], int]:
        """All arms to ready by what was planned; the commands, and when they end in ns.

        Until then chunks are refused, and after it only those of a new generation are obeyed. Raises RetargetingError
        where it was called off meanwhile, or something has moved the arms.
        """
        if going is not self._going:
            raise RetargetingError(self.reason)
        self._going = None
        self._joints.check(now_ns)
        self._check_unmoved()
        ends = [motion.end_ns for motion in self._running.values()]
        start_ns = max(now_ns + self._options.lead_ns, *ends)
        for name, motion in motions.items():
            self._running[name] = ArmMotion(replace(motion.arm, start_ns=start_ns), self._running[name].gripper)
        self._acceptance.raise_generation()
        self._reason = Stop(Reason.CHUNK_MISSING, message="going to ready")
        self._going_until_ns = max(self._running[name].arm.end_ns for name in motions)
        sent = {name: ArmMotion(self._running[name].arm) for name in motions}
        return self._commands(sent), self._going_until_ns

    def give_up_going(self, going: Going, stop: Stop) -> None:
        """There is no way; chunks are followed again."""
        if going is self._going:
            self._going, self._reason = None, stop

    def hold(self, stop: Stop, now_ns: int) -> list[Command]:
        """Brake at once and hold until the next chunk."""
        start_ns = now_ns + self._options.lead_ns
        motions = self._retargeter.stop(self._running, start_ns)
        for name, motion in motions.items():
            self._running[name] = ArmMotion(motion.arm, motion.gripper or self._running[name].gripper)
        self._tracking = False
        self._going, self._going_until_ns = None, 0
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
        moved = {one.name: one for one in self._retargeter.moved}
        names = [actions.name for actions in chunk.arms if actions.space is not Space.JOINT]
        if chunk.body is not None:
            names.append(BODY)
        return {name: base_from_frame(moved[name], chunk) for name in names if name in moved}

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
        for arm in self._retargeter.moved:
            motion = self._running.get(arm.name)
            if motion is not None:
                rested = now_ns - motion.end_ns >= self._options.rest_time_ns
                _, measured, _ = self._joints.state(arm.joints)
                away = float(np.max(np.abs(measured - motion.arm.positions[-1])))
                if not rested or away <= self._options.rest_error:
                    continue
                log.info("arm %r rests %.3g away from its last command and starts from where it is", arm.name, away)
            self._running[arm.name] = self._measured_motion(arm, now_ns, moving=motion is None)

    def _check_unmoved(self) -> None:
        # by where braking has it now: a plan may be ready before the arm rests
        for moved in self._retargeter.moved:
            stamp_ns, measured, _ = self._joints.state(moved.joints)
            away = np.abs(measured - self._running[moved.name].arm.state(stamp_ns)[0])
            worst = int(np.argmax(away))
            if away[worst] > self._options.tracking_error:
                subject, limit = f"joint {moved.joints[worst]!r}", self._options.tracking_error
                words = "has moved while a way to ready was planned"
                raise refuse(Reason.TRACKING_ERROR, subject, words, float(away[worst]), limit, "rad")

    def _measured_motion(self, arm: Moved, now_ns: int, moving: bool) -> ArmMotion:
        """The measured state as a motion that ends in it; ``moving``: its velocity goes on for the lead."""
        stamp_ns, positions, velocities = self._joints.state(arm.joints)
        limits, period_ns = self._retargeter.limits(arm.name), self._retargeter.period_ns
        trajectory = JointTrajectory.resting(arm.joints, positions, now_ns, period_ns)
        if moving and float(np.max(np.abs(velocities))) > 0.05:
            # restarted in the middle of a motion: go on as fast as it is, and brake from there
            speed = np.clip(velocities, -limits.velocity, limits.velocity)
            lead_ns = now_ns - stamp_ns + self._options.lead_ns
            ahead = np.clip(positions + speed * lead_ns / NANOSECONDS, limits.lower, limits.upper)
            still = np.zeros_like(speed)
            points = stop_points(ahead, speed, still, limits, period_ns / NANOSECONDS)
            trajectory = JointTrajectory(arm.joints, now_ns + self._options.lead_ns, period_ns, *points)
        gripper = None
        if arm.gripper is not None:
            _, opening, _ = self._joints.state([arm.gripper.joint])
            low, high = sorted((arm.gripper.closed, arm.gripper.open))
            limited = np.clip(opening, low, high)
            position = np.array([float(limited[0])])
            gripper = JointTrajectory.resting((arm.gripper.joint,), position, now_ns, period_ns)
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
        if stop.reason is Reason.RESTARTED:
            return self._restarted(stop, now_ns)
        if stop.reason in CHUNK_FAULTS or not self._tracking:
            return self.fault(stop, now_ns)
        return []  # joints: the next tick looks at them again, once all that has come is read

    def _policy_fault(self, stop: Stop, now_ns: int) -> list[Command]:
        """The policy whose chunk is under way can give no more: also where that chunk has just run out."""
        if self._latched is None and self._reason.reason is Reason.CHUNK_EXHAUSTED and not self._tracking:
            self._latch(stop)
        return self.fault(stop, now_ns)

    def _latch(self, stop: Stop) -> None:
        if stop.reason not in self._options.resumes_after:
            self._latched = stop

    def _restarted(self, stop: Stop, now_ns: int) -> list[Command]:
        """A process before this one has moved the arms: hold and latch; brake what still moves."""
        self._latched = stop
        try:
            self._joints.check(now_ns)
        except RetargetingError:
            return []  # what was sent before ends at rest by itself
        arms = self._retargeter.moved
        self._running = {arm.name: self._measured_motion(arm, now_ns, moving=True) for arm in arms}
        # the grippers go on to where they were sent: what they hold must not fall
        return self._commands({name: ArmMotion(m.arm) for name, m in self._running.items() if m.end_ns > now_ns})

    def _is_late(self, before_ns: int | None, now_ns: int) -> bool:
        """A tick so late that what has come in meanwhile may not be read yet; never true twice in a row."""
        late = before_ns is not None and now_ns - before_ns > self._options.joints_stale_ns // 2
        self._late = late and not self._late
        return self._late

    def _check_tracking(self) -> None:
        for arm in self._retargeter.moved:
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
        for arm in self._retargeter.moved:
            if arm.name in self._running:
                # the gripper keeps its target: what it holds must not fall
                gripper = self._running[arm.name].gripper
                self._running[arm.name] = ArmMotion(self._measured_motion(arm, now_ns, moving=False).arm, gripper)
        self._tracking = False
        self._going, self._going_until_ns = None, 0
        self._reason = stop
        self._acceptance.raise_generation()
        if self._options.tracking_error_latches and self._latched is None:
            self._latched = stop
        return commands

    def _clock_jumped(self, before_ns: int, now_ns: int) -> list[Command]:
        limit = self._options.clock_jump_ns / NANOSECONDS
        stop = Stop(Reason.CLOCK_JUMP, "step of the clock", (now_ns - before_ns) / NANOSECONDS, limit, "s")
        # about one tick has really passed; due times mean nothing any more, so the stop begins on arrival
        motions = self._retargeter.stop(self._running, before_ns + self._retargeter.period_ns)
        commands = [replace(command, at_once=True) for command in self._commands(motions)]
        if self._tracking and self._latched is None:
            self._latch(stop)
        self._running.clear()
        self._going, self._going_until_ns = None, 0
        self._joints.forget()
        self._progress.end(before_ns)
        self._tracking = False
        self._reason = stop
        return commands

    def _cancelled(self) -> list[Command]:
        arms = [arm for arm in self._retargeter.moved if arm.name in self._running]
        return [Command(arm.controller, arm.joints, None) for arm in arms]

    def _commands(self, motions: Mapping[str, ArmMotion]) -> list[Command]:
        commands = []
        for arm in self._retargeter.moved:
            motion = motions.get(arm.name)
            if motion is None:
                continue
            commands.append(Command(arm.controller, arm.joints, motion.arm))
            if arm.gripper is not None and motion.gripper is not None:
                commands.append(Command(arm.gripper.controller, (arm.gripper.joint,), motion.gripper))
        return commands
