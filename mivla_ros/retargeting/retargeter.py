"""The stages of retargeting in order: one chunk in, one motion an arm and a report out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, GripperKind, Space
from mivla_ros.kinematics import Chain, IkOptions, KinematicsError, PathStatus, chain_from_urdf, forward_kinematics
from mivla_ros.kinematics.collision import CollisionModel
from mivla_ros.retargeting.body import BODY, body_model, check_body, track_body
from mivla_ros.retargeting.collisions import Collisions
from mivla_ros.retargeting.eef_speed import capped_times
from mivla_ros.retargeting.errors import refuse
from mivla_ros.retargeting.gripper import follow_gripper, gripper_reference
from mivla_ros.retargeting.limits import JointLimits, stop_points
from mivla_ros.retargeting.motion import ArmMotion, JointTrajectory, Moved
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
_WAY_POINTS = 50
IDENTITY: Array = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])


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
    """Motions by arm name (and BODY), for what the chunk moves, starting at start_ns; and what was done for it."""

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
        self.body = body_model(profile, urdf)
        self.moved: tuple[Moved, ...] = (*profile.arms, *((self.body,) if self.body else ()))
        self._collisions = Collisions(profile, urdf, body=self.body) if self.options.collisions else None
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
        arm's base, by arm name, and to the body's stance under BODY; needed for poses only. Where the body moves, the
        arms' poses are followed from where it will be at each step; what base_from_frame says of it is taken to be
        where it is commanded to be at start_ns. Steps due before start_ns are dropped,
        and those after valid_until. Raises RetargetingError with the reason where nothing of the chunk may be
        executed.
        """
        first = chunk.first_due_step(start_ns)
        end = chunk.steps_due_by(chunk.valid_until_ns)
        if first >= end:
            late = (start_ns - chunk.end_ns) / 1e9
            raise refuse(Reason.CHUNK_EXPIRED, "time since its last step", "every step is past", late, 0.0, "s")
        steps = slice(max(first - 1, 0), end)  # the last late step says where the path comes from
        motions: dict[str, ArmMotion] = {}
        reports: list[ArmReport] = []
        check_body(chunk, self.profile)
        seeds = {name: running[name].arm.state(start_ns)[0] for name in self._names if name in running}
        all_seeds = self._all_seeds(seeds)
        all_tracked = {}
        body, moves = self._body_steps(chunk, running, steps, first, start_ns, base_from_frame)
        if body is not None:
            all_tracked[BODY] = body
        for actions in chunk.arms:
            all_tracked[actions.name] = self._track(
                self._model(actions), chunk, actions, seeds[actions.name], steps, base_from_frame,
                running[actions.name].arm.positions[-1], all_seeds, moves,
            )  # fmt: skip
        if self._collisions is not None:
            all_tracked = self._collisions.hold_before(all_tracked, all_seeds, steps.start)
        if chunk.body is not None:
            motions[BODY], body_report = self._body_motion(
                chunk, all_tracked[BODY], running[BODY].arm, steps, first, start_ns
            )
            reports.append(body_report)
        for actions in chunk.arms:
            model, tracked = self._model(actions), all_tracked[actions.name]
            before = running[actions.name]
            arm, clips, delay = self._arm_trajectory(model, chunk, tracked, before.arm, steps, first, start_ns)
            gripper = self._gripper_trajectory(model, chunk, actions, before.gripper, steps, start_ns)
            motions[actions.name] = ArmMotion(arm, gripper)
            reports.append(_report(actions.name, tracked, clips, delay, steps, first))
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
            gripper, gripper_limits = None, self.arms[name].gripper_limits if name in self.arms else None
            if motion.gripper is not None and gripper_limits is not None:
                gripper = self._stopped(motion.gripper, gripper_limits, start_ns)
            motions[name] = ArmMotion(self._stopped(motion.arm, self.limits(name), start_ns), gripper)
        return motions

    def limits(self, name: str) -> JointLimits:
        """Limits of the joints of an arm by name, or of the body's commanded ones (BODY)."""
        if name in self.arms:
            return self.arms[name].limits
        assert self.body is not None and name == BODY
        return self.body.limits

    def collision_model(self) -> CollisionModel:
        """Which postures let links touch, whether chunks are checked by it or not; joints of all arms in order, then
        all six of a commanded body.
        """
        return (self._collisions or Collisions(self.profile, self._urdf, body=self.body)).model

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
        """Joint values of every arm, and all six of a commanded body; what nothing is known of is taken to be ready."""
        found = {name: seeds.get(name, np.array(model.profile.ready)) for name, model in self.arms.items()}
        if self.body is not None:
            found[BODY] = self.body.whole(seeds.get(BODY, np.array(self.body.ready)))
        return found

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(moved.name for moved in self.moved)

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
        base_from_frame: Mapping[str, Array], destination: Array, all_seeds: Mapping[str, Array], moves: Array | None,
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
            destination,
            lambda target: self._may_go(model, target, all_seeds),
            moves,
        )

    def _may_go(self, model: ArmModel, target: Array, all_seeds: Mapping[str, Array]) -> bool:
        """Whether an arm can go straight to joint values (n,): inside its workspace, and touching nothing."""
        arm = model.profile
        way: Array = np.linspace(all_seeds[arm.name], target, _WAY_POINTS)
        tip = forward_kinematics(model.chain, way)[:, :3]
        inside = np.all((tip >= np.array(arm.workspace_lower)) & (tip <= np.array(arm.workspace_upper)))
        return bool(inside) and (self._collisions is None or self._collisions.may_go(arm.name, target, all_seeds))

    def _body_steps(
        self, chunk: ActionChunk, running: Mapping[str, ArmMotion], steps: slice, first: int, start_ns: int,
        base_from_frame: Mapping[str, Array],
    ) -> tuple[TrackedSteps | None, Array | None]:  # fmt: skip
        """Where the body will be at the steps, within its limits; None where it rests. And how that moves the arms'
        bases (K, 7), against where it is at start_ns.
        """
        body, before = self.body, running.get(BODY)
        if body is None or before is None or (chunk.body is None and before.end_ns <= start_ns):
            return None, None
        due_ns = [chunk.due_ns(k) for k in range(steps.start, steps.stop)]
        motion = before.arm
        if chunk.body is None:
            rows = body.whole(np.array([motion.state(due)[0] for due in due_ns]))
            poses = forward_kinematics(body.chain, rows)
            nothing = np.zeros(len(rows))
            status = np.full(len(rows), int(PathStatus.REACHED), dtype=np.int64)
            tracked = TrackedSteps(rows, status, nothing, nothing, (), body.chain, poses)
        else:
            if BODY not in base_from_frame:
                raise refuse(Reason.TRANSFORM_MISSING, f"{chunk.frame_id} to {body.base_frame}")
            tracked = track_body(body, chunk, base_from_frame[BODY], steps, self.options.cutoff)
            motion = self._body_motion(chunk, tracked, before.arm, steps, first, start_ns)[0].arm
        rows = np.array([motion.state(max(due, start_ns))[0] for due in due_ns])
        return tracked, body.moved_since(rows, before.arm.state(start_ns)[0])

    def _body_motion(
        self, chunk: ActionChunk, tracked: TrackedSteps, before: JointTrajectory, steps: slice, first: int,
        start_ns: int,
    ) -> tuple[ArmMotion, ArmReport]:  # fmt: skip
        """The commanded joints along tracked steps within the body's limits, joined to its running motion."""
        assert self.body is not None
        body, due = self.body, _step_times(chunk, steps, start_ns)
        trajectory, timed = self._followed(
            body.joints, tracked.joints[:, body.columns], due, body.limits, chunk, before, start_ns, from_rest=False
        )
        delay = _delay(timed, due, self.period_ns / NANOSECONDS)
        units = ["m" if body.chain.prismatic[column] else "rad" for column in body.columns]
        clips = _clips(timed, body.joints, body.limits, units, chunk, start_ns, first, steps.stop) if delay else []
        return ArmMotion(trajectory), _report(BODY, tracked, clips, delay, steps, first)

    def _followed(
        self, joints: tuple[str, ...], rows: Array, times: Array, limits: JointLimits, chunk: ActionChunk,
        before: JointTrajectory, start_ns: int, *, from_rest: bool,
    ) -> tuple[JointTrajectory, TimedPath]:  # fmt: skip
        """A trajectory through rows (K, n) at times (K,), joined to the running one."""
        knots = _continued(Knots(times, rows), before, chunk.step_ns, start_ns)
        running = before.states(start_ns, max((before.end_ns - start_ns) // self.period_ns, 0) + 3)
        positions, velocities, timed = follow(
            knots, *running, before.acceleration(start_ns), limits, self.period_ns / NANOSECONDS, self.options.blend,
            from_rest=from_rest,
        )  # fmt: skip
        return JointTrajectory(joints, start_ns, self.period_ns, positions, velocities), timed

    def _arm_trajectory(
        self, model: ArmModel, chunk: ActionChunk, tracked: TrackedSteps, before: JointTrajectory,
        steps: slice, first: int, start_ns: int,
    ) -> tuple[JointTrajectory, list[Clip], float]:  # fmt: skip
        period = self.period_ns / NANOSECONDS
        due = _step_times(chunk, steps, start_ns)
        step_times, capped = capped_times(model.profile, model.chain, tracked.joints, due, steps.start)
        joints, limits = model.profile.joints, model.limits
        trajectory, timed = self._followed(
            joints, tracked.joints, step_times, limits, chunk, before, start_ns, from_rest=tracked.elsewhere
        )
        delay = _delay(timed, step_times, period)
        units = ["m" if prismatic else "rad" for prismatic in model.chain.prismatic]
        clips = _clips(timed, joints, limits, units, chunk, start_ns, first, steps.stop) if delay else []
        return trajectory, capped + clips, delay + float(step_times[-1] - due[-1])

    def _gripper_trajectory(
        self, model: ArmModel, chunk: ActionChunk, actions: ArmActions, before: JointTrajectory | None,
        steps: slice, start_ns: int,
    ) -> JointTrajectory | None:  # fmt: skip
        gripper, limits = model.profile.gripper, model.gripper_limits
        if actions.gripper is None or before is None or gripper is None or limits is None:
            return None
        period, step_times = self.period_ns / NANOSECONDS, _step_times(chunk, steps, start_ns)
        times: Array = period * np.arange(int(np.ceil(max(step_times[-1], 0.0) / period)) + 2, dtype=np.float64)
        wanted = gripper.position(actions.gripper[steps])
        # what is due between two points is decided at the later one, and moves from there on
        seen = times - period if actions.gripper_kind is GripperKind.BINARY else times
        positions, velocities = gripper_reference(wanted, actions.gripper_kind, step_times, seen)
        early = int(np.searchsorted(times, step_times[0] - 1e-9))
        if early:  # until the first step is due, the running motion goes on
            rows = before.states(start_ns, early)
            positions[:early], velocities[:early] = rows[0][:, 0], rows[1][:, 0]
        (position,), (velocity,) = before.state(start_ns)
        start = float(position), float(velocity), float(before.bend(start_ns)[0])
        points = follow_gripper(positions, velocities, start, limits, period)
        return JointTrajectory((gripper.joint,), start_ns, self.period_ns, *points)

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
    values = (lower, upper, gripper.velocity, gripper.acceleration, gripper.jerk)
    return JointLimits(*(np.array([value], dtype=np.float64) for value in values))


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


def _delay(timed: TimedPath, step_times: Array, period: float) -> float:
    """Greatest delay in seconds that keeping the limits costs a step that is due after the start; 0 below a period."""
    last = step_times[-1] - 0.1  # coming to rest is no delay
    due = step_times[(step_times > 0.0) & (step_times <= max(last, 0.5 * step_times[-1]))]
    if not len(due):
        return 0.0
    reached = np.interp(due, timed.path_times, np.arange(len(timed.path_times)) * period)
    delay = float(np.max(reached - due))
    return delay if delay > period else 0.0


def _report(name: str, tracked: TrackedSteps, clips: list[Clip], delay: float, steps: slice, first: int) -> ArmReport:
    skip = first - steps.start
    return ArmReport(
        name=name,
        first_step=first,
        status=tracked.status[skip:],
        position_error=tracked.position_error[skip:],
        rotation_error=tracked.rotation_error[skip:],
        clips=tuple(clip for clip in (*tracked.clips, *clips) if clip.step >= first),
        delay=delay,
        elsewhere=tracked.elsewhere,
    )


def _clips(
    timed: TimedPath, joints: tuple[str, ...], limits: JointLimits, units: list[str], chunk: ActionChunk,
    start_ns: int, first: int, end: int,
) -> list[Clip]:  # fmt: skip
    """At most one clip a step, joint and limit, with the greatest demand."""
    worst: dict[tuple[int, int, int], Clip] = {}
    for time, joint, kind, demand in zip(timed.slow, timed.joint, timed.kind, timed.demand, strict=True):
        step = min(max(chunk.first_due_step(start_ns + round(float(time) * NANOSECONDS)), first), end - 1)
        reason, limit, suffix = _LIMITS[int(kind) - 1]
        bound = float(getattr(limits, limit)[joint])
        clip = Clip(step, joints[joint], reason, float(demand), bound, units[joint] + suffix)
        key = (step, int(joint), int(kind))
        if key not in worst or abs(clip.value) > abs(worst[key].value):
            worst[key] = clip
    return list(worst.values())
