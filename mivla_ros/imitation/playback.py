"""A leader's motion carried out: chunks every period, the robot's own follower and retargeting, simulated physics."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, Space
from mivla_ros.imitation.leaders import HUMAN_FRAME, Leader
from mivla_ros.imitation.robot import Robot
from mivla_ros.kinematics import PathStatus
from mivla_ros.retargeting import ArmMotion, Command, Follower, FollowerOptions
from mivla_ros.retargeting.hands import HandOptions
from mivla_ros.retargeting.motion import Moved
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.profile import ArmProfile
from mivla_ros.simulation.simulation import CONTROL_PERIOD_NS, Simulation
from mivla_ros.simulation.trajectory import joint_trajectory

Array = NDArray[np.float64]

SAMPLE_NS = 20_000_000  # one command period of the profiles that come with the suite
REST = 0.5  # s at the first pose before the motion begins, and at the last one after it


@dataclass(frozen=True)
class PlaybackOptions:
    """Chunks as a policy would send them: steps, s between steps, s between chunks."""

    horizon: int = 16
    step_seconds: float = 0.05
    period_seconds: float = 0.2
    hands: HandOptions = field(default_factory=HandOptions)


@dataclass
class ArmTrack:
    """One arm, sampled every 20 ms; then by step of the motion what retargeting said of it.

    seconds: (T,) of the motion. commanded, velocities, measured: (T, n) joints. eef, target: (T, 7) in the base.
    opening, wanted_opening: (T,) or None. step_*: over executed steps within the motion; reasons by name and step.
    """

    leader: str
    seconds: list[float] = field(default_factory=list)
    commanded: list[Array] = field(default_factory=list)
    velocities: list[Array] = field(default_factory=list)
    measured: list[Array] = field(default_factory=list)
    openings: list[float] = field(default_factory=list)
    step_status: list[int] = field(default_factory=list)
    step_position_error: list[float] = field(default_factory=list)
    step_rotation_error: list[float] = field(default_factory=list)
    step_reasons: list[frozenset[str]] = field(default_factory=list)
    delay: float = 0.0


@dataclass
class Playback:
    """What happened. chunk_seconds: time to retarget each accepted chunk, s of wall clock. refusals: words by count."""

    seconds: float
    initial_eef: Mapping[str, Array]
    arms: dict[str, ArmTrack]
    chunk_seconds: list[float] = field(default_factory=list)
    sent: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    touching: dict[str, int] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    samples: int = 0


Watch = Callable[[float, Simulation, Playback], None]
"""Called every 20 ms with the motion's time in s (below 0 before it begins)."""


def play(
    robot: Robot,
    leaders: Mapping[str, Leader],
    base_from_human: Mapping[str, Array],
    seconds: float,
    options: PlaybackOptions,
    watch: Watch | None = None,
) -> Playback:
    """Carry out ``seconds`` of the leaders' motion. base_from_human: rotations (3, 3) by arm name.

    The arm rests at its ready pose, with the leader's first pose as the beginning of the imitation, for ``REST`` before
    the motion and has as long after it. The same inputs give the same motion; only ``chunk_seconds`` differ.
    """
    simulation, profile = robot.simulation, robot.profile
    simulation.reset(0)
    follower = Follower(robot.retargeter, FollowerOptions(hands=options.hands))
    begin_ns = simulation.time_ns + round(REST * NANOSECONDS)
    end_ns = begin_ns + round((seconds + REST) * NANOSECONDS)
    initial = {name: robot.end_effector(name, np.array(profile.arm(name).ready)) for name in leaders}
    transforms = {
        name: np.concatenate([np.zeros(3), Rotation.from_matrix(turn).as_quat(scalar_first=True)])
        for name, turn in base_from_human.items()
    }
    playback = Playback(seconds, initial, {name: ArmTrack(leader.name) for name, leader in leaders.items()})

    def base_from_frame(arm: Moved, chunk: ActionChunk) -> Array:
        return transforms[arm.name] if chunk.frame_id == HUMAN_FRAME else IDENTITY

    period_ns = round(options.period_seconds * NANOSECONDS)
    next_chunk_ns = next_sample_ns = simulation.time_ns
    sent: dict[str, ArmMotion] = {}
    while simulation.time_ns < end_ns:
        simulation.step(2)
        now_ns = simulation.time_ns
        joints = simulation.joint_states()
        follower.on_joint_states(joints.time_ns, joints.names, joints.positions.tolist(), joints.velocities.tolist())
        _send(simulation, follower.tick(now_ns))
        if now_ns >= next_chunk_ns:
            next_chunk_ns += period_ns
            last = next_chunk_ns >= end_ns
            chunk = _chunk(leaders, profile.arms, initial, now_ns, begin_ns, playback.sent + 1, options)
            accepted = follower.counts.accepted_chunks
            _send(simulation, follower.on_chunk(chunk, now_ns, base_from_frame))
            playback.sent += 1
            if follower.counts.accepted_chunks > accepted:
                playback.chunk_seconds.append(follower.counts.retargeting_seconds)
                until_ns = end_ns if last else next_chunk_ns + 2 * CONTROL_PERIOD_NS + FollowerOptions().lead_ns
                _note_steps(playback, follower, chunk, begin_ns, until_ns)
            else:
                words = follower.reason.reason.name.lower()
                playback.refusals[words] = playback.refusals.get(words, 0) + 1
        if now_ns >= next_sample_ns:
            next_sample_ns += SAMPLE_NS
            sent |= _taken_over(follower, leaders, now_ns)
            _sample(playback, robot, sent, (now_ns - begin_ns) / NANOSECONDS)
            if watch is not None:
                watch((now_ns - begin_ns) / NANOSECONDS, simulation, playback)
    return playback


def _chunk(
    leaders: Mapping[str, Leader],
    arms: Sequence[ArmProfile],
    initial: Mapping[str, Array],
    now_ns: int,
    begin_ns: int,
    sequence: int,
    options: PlaybackOptions,
) -> ActionChunk:
    """What a policy would send now: the next ``horizon`` steps of every leader."""
    steps = (now_ns - begin_ns) / NANOSECONDS + options.step_seconds * np.arange(options.horizon, dtype=np.float64)
    actions = tuple(leaders[a.name].actions(a, steps, initial[a.name]) for a in arms if a.name in leaders)
    frame = HUMAN_FRAME
    if actions[0].space is Space.EEF:
        frame = next(a.base_frame for a in arms if a.name in leaders)
    step_ns = round(options.step_seconds * NANOSECONDS)
    return ActionChunk(
        frame_id=frame,
        first_step_ns=now_ns,
        step_ns=step_ns,
        horizon=options.horizon,
        arms=actions,
        observation_ns=now_ns,
        oldest_observation_ns=now_ns,
        inference_start_ns=now_ns,
        inference_end_ns=now_ns,
        valid_until_ns=now_ns + options.horizon * step_ns,
        sequence=sequence,
        policy="imitation",
    )


def _note_steps(playback: Playback, follower: Follower, chunk: ActionChunk, begin_ns: int, until_ns: int) -> None:
    """What retargeting says of the steps that are executed before the next chunk takes over, within the motion."""
    report = follower.report
    assert report is not None  # a chunk was just accepted
    end_ns = begin_ns + round(playback.seconds * NANOSECONDS)
    for arm in report.arms:
        track = playback.arms[arm.name]
        track.delay = max(track.delay, arm.delay)
        reasons: dict[int, set[str]] = {}
        for clip in arm.clips:
            reasons.setdefault(clip.step, set()).add(clip.reason.name.lower())
            if clip.reason.name == "COLLISION" and chunk.due_ns(clip.step) < until_ns:
                playback.holds[clip.joint] = playback.holds.get(clip.joint, 0) + 1
        for k, status in enumerate(arm.status):
            step = arm.first_step + k
            if not begin_ns <= chunk.due_ns(step) <= end_ns or chunk.due_ns(step) >= until_ns:
                continue
            track.step_status.append(int(status))
            track.step_position_error.append(float(arm.position_error[k]))
            track.step_rotation_error.append(float(arm.rotation_error[k]))
            found = reasons.get(step, set()) | ({"unreachable"} if status == PathStatus.UNREACHABLE else set())
            track.step_reasons.append(frozenset(found))


def _taken_over(follower: Follower, arms: Iterable[str], now_ns: int) -> dict[str, ArmMotion]:
    """Motions that have begun: a new one takes over a little after it was sent, and the one before holds until then."""
    motions = {name: follower.motion(name) for name in arms}
    return {name: m for name, m in motions.items() if m is not None and m.arm.start_ns <= now_ns}


def _sample(playback: Playback, robot: Robot, sent: Mapping[str, ArmMotion], seconds: float) -> None:
    state = robot.simulation.joint_states()
    column = {name: k for k, name in enumerate(state.names)}
    for arm in robot.profile.arms:
        track, motion = playback.arms.get(arm.name), sent.get(arm.name)
        if track is None or motion is None:
            continue
        positions, velocities = motion.arm.state(state.time_ns)
        track.seconds.append(seconds)
        track.commanded.append(positions)
        track.velocities.append(velocities)
        track.measured.append(state.positions[[column[name] for name in arm.joints]])
        if arm.gripper is not None:
            track.openings.append(float(arm.gripper.opening(state.positions[column[arm.gripper.joint]])))
    playback.samples += 1
    row = np.concatenate([state.positions[[column[name] for name in arm.joints]] for arm in robot.profile.arms])
    for first, second in robot.collision_model.touching(row):
        pair = f"{first} and {second}"
        playback.touching[pair] = playback.touching.get(pair, 0) + 1


def _send(simulation: Simulation, commands: Sequence[Command]) -> None:
    for command in commands:
        trajectory = command.trajectory
        if trajectory is None:
            simulation.command(command.controller, joint_trajectory(command.joint_names, [], np.empty((0, 1))))
            continue
        seconds = np.arange(len(trajectory.positions)) * trajectory.period_ns * 1e-9
        simulation.command(
            command.controller,
            joint_trajectory(
                trajectory.joint_names, seconds, trajectory.positions, trajectory.velocities, trajectory.start_ns
            ),
        )
