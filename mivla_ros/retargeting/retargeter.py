"""The stages of retargeting in order: one chunk in, one motion an arm and a report out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, Space
from mivla_ros.kinematics import Chain, IkOptions, KinematicsError, chain_from_urdf, forward_kinematics
from mivla_ros.retargeting.collisions import Collisions
from mivla_ros.retargeting.errors import refuse
from mivla_ros.retargeting.gripper import gripper_reference
from mivla_ros.retargeting.limits import JointLimits, follow_reference, stop_points
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory
from mivla_ros.retargeting.reference import Knots, TimedPath, follow
from mivla_ros.retargeting.report import ArmReport, Clip, RetargetingReport
from mivla_ros.retargeting.smoothing import DEFAULT_CUTOFF
from mivla_ros.retargeting.tracking import TrackedSteps, track_eef, track_joints
from mivla_ros.robots.profile import ArmProfile, GripperProfile, RobotProfile
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]

_LIMITS = (  # reason, name of the limit, how the unit goes on; by kind of TimedPath
    (Reason.LIMIT_VELOCITY, "velocity", "/s"),
    (Reason.LIMIT_ACCELERATION, "acceleration", "/s2"),
    (Reason.LIMIT_JERK, "jerk", "/s3"),
)
IDENTITY: Array = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])

_SETTLE_POINTS = 25
_SETTLE_ROUNDS = 40
_SETTLED = 2e-4  # m or rad from the target


@dataclass(frozen=True)
class RetargetingOptions:
    """blend: seconds in which a new chunk's path is joined, more where the limits need more. cutoff: Hz above
    which motion of the end effector counts as noise and is smoothed away; 0 switches smoothing off.
    collisions: whether links keep clear of each other and of the surroundings.
    """

    blend: float = 0.1
    cutoff: float = DEFAULT_CUTOFF
    collisions: bool = True
    ik: IkOptions = field(default_factory=IkOptions)


@dataclass(frozen=True)
class ArmModel:
    """One arm as retargeting sees it: profile, chain from base to end effector, and limits of arm and
    gripper.
    """

    profile: ArmProfile
    chain: Chain
    limits: JointLimits
    gripper_limits: JointLimits | None


@dataclass(frozen=True)
class Retargeted:
    """Motions by arm name, for the arms of the chunk, starting at start_ns; and what was done for it."""

    start_ns: int
    motions: Mapping[str, ArmMotion]
    report: RetargetingReport


class Retargeter:
    """Turns chunks into motions for one robot. Holds the robot's models and nothing of what has happened
    before.
    """

    def __init__(self, profile: RobotProfile, urdf: str, options: RetargetingOptions | None = None) -> None:
        """Raises KinematicsError where the description does not hold the profile's links and joints."""
        self.profile = profile
        self.options = options or RetargetingOptions()
        self.period_ns = round(NANOSECONDS / profile.command_rate)
        self._urdf = urdf
        self.arms = {arm.name: _arm_model(urdf, arm) for arm in profile.arms}
        self._collisions = Collisions(profile, urdf) if self.options.collisions else None
        self._chains = {(arm.name, arm.eef_frame): self.arms[arm.name].chain for arm in profile.arms}

    def retarget(
        self,
        chunk: ActionChunk,
        running: Mapping[str, ArmMotion],
        start_ns: int,
        base_from_frame: Mapping[str, Array],
    ) -> Retargeted:
        """Motions that leave the ``running`` ones at start_ns and follow a chunk that ``check_chunk`` has
        passed.

        running: what was sent, for every arm. base_from_frame: transform (7,) from the chunk's frame to each
        arm's base, by arm name; needed for end-effector poses only. Steps due before start_ns are dropped,
        and those after valid_until. Raises RetargetingError with the reason where nothing of the chunk may be
        executed.
        """
        first = chunk.first_due_step(start_ns)
        end = chunk.steps_due_by(chunk.valid_until_ns)
        if first >= end:
            late = (start_ns - chunk.end_ns) / 1e9
            raise refuse(Reason.CHUNK_EXPIRED, "time since its last step", "every step is past", late, 0.0, "s")
        steps = slice(max(first - 1, 0), end)  # the last late step says where the path comes from
        motions, reports = {}, []
        seeds = {name: running[name].arm.state(start_ns)[0] for name in self.arms if name in running}
        all_tracked = {
            actions.name: self._track(self._model(actions), chunk, actions, seeds[actions.name], steps, base_from_frame)
            for actions in chunk.arms
        }
        if self._collisions is not None:
            all_tracked = self._collisions.hold_before(all_tracked, self._all_seeds(seeds), steps.start)
        for actions in chunk.arms:
            model, tracked = self._model(actions), all_tracked[actions.name]
            before = running[actions.name]
            arm, clips, delay = self._arm_trajectory(model, chunk, tracked, before.arm, steps, first, start_ns)
            gripper = self._gripper_trajectory(model, chunk, actions, before.gripper, steps, start_ns)
            motions[actions.name] = ArmMotion(arm, gripper)
            skip = first - steps.start
            reports.append(
                ArmReport(
                    name=actions.name,
                    first_step=first,
                    status=tracked.status[skip:],
                    position_error=tracked.position_error[skip:],
                    rotation_error=tracked.rotation_error[skip:],
                    clips=tuple(clip for clip in (*tracked.clips, *clips) if clip.step >= first),
                    delay=delay,
                )
            )
        report = RetargetingReport(first, end - first, first, chunk.horizon - end, tuple(reports))
        return Retargeted(start_ns, motions, report)

    def stop(self, running: Mapping[str, ArmMotion], start_ns: int) -> dict[str, ArmMotion]:
        """Motions that leave the ``running`` ones at start_ns and brake every joint as hard as it may; moving
        arms only.
        """
        motions = {}
        for name, motion in running.items():
            if motion.end_ns <= start_ns:
                continue
            model = self.arms[name]
            gripper = None
            if motion.gripper is not None and model.gripper_limits is not None:
                gripper = self._stopped(motion.gripper, model.gripper_limits, start_ns)
            motions[name] = ArmMotion(self._stopped(motion.arm, model.limits, start_ns), gripper)
        return motions

    def end_effector(self, arm: str, joints: Array) -> Array:
        """Pose (7,) of an arm's end effector in its base frame for joints (n,)."""
        return forward_kinematics(self.arms[arm].chain, joints)

    def end_effector_path(self, motion: ArmMotion, arm: str) -> Array:
        """Poses (N, 7) of an arm's end effector in its base frame along a motion's points."""
        return forward_kinematics(self.arms[arm].chain, motion.arm.positions)

    def warm_up(self) -> None:
        """Compile everything before the first chunk needs it."""
        for model in self.arms.values():
            arm = model.profile
            ready = JointTrajectory.resting(arm.joints, np.array(arm.ready), 0, self.period_ns)
            motion = ArmMotion(ready, self.resting_gripper(arm, 0.0, 0))
            pose = forward_kinematics(model.chain, np.array(arm.ready))
            actions = ArmActions(arm.name, Space.EEF, arm.eef_frame, np.array([pose, pose]), np.ones(2))
            chunk = ActionChunk(arm.base_frame, 0, self.period_ns, 2, (actions,), valid_until_ns=NANOSECONDS)
            self.retarget(chunk, {arm.name: motion}, 0, {arm.name: IDENTITY})

    def resting_gripper(self, arm: ArmProfile, position: float, time_ns: int) -> JointTrajectory | None:
        """A gripper at rest at a joint position; None for an arm without gripper."""
        if arm.gripper is None:
            return None
        return JointTrajectory.resting((arm.gripper.joint,), np.array([position]), time_ns, self.period_ns)

    def _all_seeds(self, seeds: Mapping[str, Array]) -> dict[str, Array]:
        """Joint values of every arm; those of which nothing is known are taken to be ready."""
        return {name: seeds.get(name, np.array(model.profile.ready)) for name, model in self.arms.items()}

    def _model(self, actions: ArmActions) -> ArmModel:
        model = self.arms.get(actions.name)
        if model is None:
            words = f"robot {self.profile.name!r} has the arms {', '.join(self.arms)}"
            raise refuse(Reason.CHUNK_INVALID, f"arm {actions.name!r}", words)
        if actions.gripper is not None and model.profile.gripper is None:
            raise refuse(Reason.CHUNK_INVALID, f"arm {actions.name!r} gripper_openings", "this arm has no gripper")
        return model

    def _chain(self, arm: ArmProfile, eef_frame: str) -> Chain:
        key = (arm.name, eef_frame or arm.eef_frame)
        if key not in self._chains:
            try:
                chain = chain_from_urdf(self._urdf, arm.base_frame, key[1])
            except KinematicsError as error:
                raise refuse(Reason.CHUNK_INVALID, f"arm {arm.name!r} eef_frame {key[1]!r}", str(error)) from error
            if chain.joint_names != arm.joints:
                words = f"is moved by {', '.join(chain.joint_names)}, not by the arm's joints"
                raise refuse(Reason.CHUNK_INVALID, f"arm {arm.name!r} eef_frame {key[1]!r}", words)
            self._chains[key] = chain
        return self._chains[key]

    def _track(
        self, model: ArmModel, chunk: ActionChunk, actions: ArmActions, seed: Array, steps: slice,
        base_from_frame: Mapping[str, Array],
    ) -> TrackedSteps:  # fmt: skip
        if actions.space is Space.HAND:
            words = "hands must become end-effector poses first, see hands.follow_hands"
            raise refuse(Reason.CHUNK_INVALID, f"arm {actions.name!r} space", words)
        if actions.space is Space.JOINT:
            return track_joints(model.profile, model.chain, actions, seed, steps)
        assert actions.eef is not None  # check_chunk has seen to it
        if actions.name not in base_from_frame:
            raise refuse(Reason.TRANSFORM_MISSING, f"{chunk.frame_id} to {model.profile.base_frame}")
        chain = self._chain(model.profile, actions.eef_frame)
        step_seconds = chunk.step_ns / NANOSECONDS
        return track_eef(
            model.profile,
            chain,
            actions.eef,
            base_from_frame[actions.name],
            seed,
            steps,
            step_seconds,
            self.options.ik,
            self.options.cutoff,
        )

    def _arm_trajectory(
        self, model: ArmModel, chunk: ActionChunk, tracked: TrackedSteps, before: JointTrajectory,
        steps: slice, first: int, start_ns: int,
    ) -> tuple[JointTrajectory, list[Clip], float]:  # fmt: skip
        period = self.period_ns / NANOSECONDS
        step_times = _step_times(chunk, steps, start_ns)
        knots = _continued(Knots(step_times, tracked.joints), before, chunk.step_ns, start_ns)
        running = before.states(start_ns, max((before.end_ns - start_ns) // self.period_ns, 0) + 3)
        acceleration = before.acceleration(start_ns)
        positions, velocities, timed = follow(knots, *running, acceleration, model.limits, period, self.options.blend)
        delay = _delay(timed, step_times, period)
        clips = _clips(timed, model, chunk, start_ns, first, steps.stop) if delay else []
        return JointTrajectory(model.profile.joints, start_ns, self.period_ns, positions, velocities), clips, delay

    def _gripper_trajectory(
        self, model: ArmModel, chunk: ActionChunk, actions: ArmActions, before: JointTrajectory | None,
        steps: slice, start_ns: int,
    ) -> JointTrajectory | None:  # fmt: skip
        gripper, limits = model.profile.gripper, model.gripper_limits
        if actions.gripper is None or before is None or gripper is None or limits is None:
            return None
        period = self.period_ns / NANOSECONDS
        knots = Knots(_step_times(chunk, steps, start_ns), gripper.position(actions.gripper[steps])[:, None])
        knots = _continued(knots, before, chunk.step_ns, start_ns)
        count = int(np.ceil(max(knots.times[-1], 0.0) / period)) + 1
        times = period * np.arange(count, dtype=np.float64)
        positions, velocities = gripper_reference(knots.positions[:, 0], actions.gripper_kind, knots.times, times)
        start, velocity = before.state(start_ns)
        limited = follow_reference(positions, velocities, start, velocity, limits, period)
        settled = _settled(limited.positions, limited.velocities, positions[-1], limits, period)
        # a gripper mostly rests: points that only repeat the last one are not sent
        moving = np.flatnonzero(np.any(settled[0] != settled[0][-1], axis=1))
        count = int(moving[-1]) + 2 if len(moving) else 1
        return JointTrajectory((gripper.joint,), start_ns, self.period_ns, settled[0][:count], settled[1][:count])

    def _stopped(self, before: JointTrajectory, limits: JointLimits, start_ns: int) -> JointTrajectory:
        period, acceleration = self.period_ns / NANOSECONDS, before.acceleration(start_ns)
        points = stop_points(*before.state(start_ns), acceleration, limits, period)
        return JointTrajectory(before.joint_names, start_ns, self.period_ns, *points)


def _arm_model(urdf: str, arm: ArmProfile) -> ArmModel:
    chain = chain_from_urdf(urdf, arm.base_frame, arm.eef_frame)
    if chain.joint_names != arm.joints:
        raise KinematicsError(
            f"arm {arm.name!r}",
            f"the description's joints {list(chain.joint_names)} are not the profile's {list(arm.joints)}",
        )
    limits = JointLimits(
        chain.lower,
        chain.upper,
        np.minimum(np.array(arm.velocity), chain.velocity),
        np.array(arm.acceleration),
        np.array(arm.jerk),
    )
    return ArmModel(arm, chain, limits, None if arm.gripper is None else _gripper_limits(arm.gripper))


def _gripper_limits(gripper: GripperProfile) -> JointLimits:
    lower, upper = sorted((gripper.closed, gripper.open))
    return JointLimits(*(np.array([value]) for value in (lower, upper, gripper.velocity, gripper.acceleration, np.inf)))


def _step_times(chunk: ActionChunk, steps: slice, start_ns: int) -> Array:
    """Due times of steps in seconds from start_ns."""
    return (chunk.first_step_ns - start_ns + np.arange(steps.start, steps.stop) * chunk.step_ns) / NANOSECONDS


def _continued(knots: Knots, before: JointTrajectory, step_ns: int, start_ns: int) -> Knots:
    """Knots that begin at time zero or before: until the first step is due, the running motion goes on."""
    ahead_ns = round(knots.times[0] * NANOSECONDS)
    if ahead_ns <= 0:
        return knots
    count = max(-(-ahead_ns // step_ns), 1)
    early = np.arange(count) * ahead_ns // count
    states = np.array([before.state(start_ns + int(t))[0] for t in early])
    return Knots(np.concatenate([early / NANOSECONDS, knots.times]), np.concatenate([states, knots.positions]))


def _settled(
    positions: Array, velocities: Array, target: Array, limits: JointLimits, period: float
) -> tuple[Array, Array]:
    """Points with as many more as the joints need to come to rest at the target (n,); the last velocity is
    zero.
    """
    parts = [(positions, velocities)]
    hold, still = (
        np.repeat(target[None], _SETTLE_POINTS + 1, axis=0),
        np.zeros((_SETTLE_POINTS + 1, len(target))),
    )
    for _ in range(_SETTLE_ROUNDS):
        last, speed = parts[-1][0][-1], parts[-1][1][-1]
        # a joint at rest stays there: the filter keeps a hair's breadth off the position limits
        if np.all(np.abs(speed) < 1e-6) and np.all(np.abs(last - target) < _SETTLED):
            break
        more = follow_reference(hold, still, last, speed, limits, period)
        resting = np.all(np.abs(more.velocities) < 1e-6, axis=1) & np.all(
            np.abs(more.positions - target) < _SETTLED, axis=1
        )
        count = int(np.argmax(resting)) + 1 if resting.any() else len(resting)
        parts.append((more.positions[1:count], more.velocities[1:count]))
        if count <= 1:
            break
    all_positions = np.concatenate([part[0] for part in parts])
    all_velocities = np.concatenate([part[1] for part in parts])
    all_velocities[-1] = 0.0
    return all_positions, all_velocities


def _delay(timed: TimedPath, step_times: Array, period: float) -> float:
    """Greatest delay in seconds that keeping the limits costs a step that is due after the start; 0 below a period."""
    last = step_times[-1] - 0.1  # coming to rest is no delay
    due = step_times[(step_times > 0.0) & (step_times <= max(last, 0.5 * step_times[-1]))]
    if not len(due):
        return 0.0
    reached = np.interp(due, timed.path_times, np.arange(len(timed.path_times)) * period)
    delay = float(np.max(reached - due))
    return delay if delay > period else 0.0


def _clips(timed: TimedPath, model: ArmModel, chunk: ActionChunk, start_ns: int, first: int, end: int) -> list[Clip]:
    """At most one clip a step, joint and limit, with the greatest demand."""
    worst: dict[tuple[int, int, int], Clip] = {}
    for time, joint, kind, demand in zip(timed.slow, timed.joint, timed.kind, timed.demand, strict=True):
        step = min(max(chunk.first_due_step(start_ns + round(float(time) * NANOSECONDS)), first), end - 1)
        reason, limit, suffix = _LIMITS[int(kind) - 1]
        unit = "m" if model.chain.prismatic[joint] else "rad"
        bound = float(getattr(model.limits, limit)[joint])
        clip = Clip(step, model.profile.joints[joint], reason, float(demand), bound, unit + suffix)
        key = (step, int(joint), int(kind))
        if key not in worst or abs(clip.value) > abs(worst[key].value):
            worst[key] = clip
    return list(worst.values())
