"""A chunk to a motion: legal, joined, on time, and with a report of what was changed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import NANOSECONDS, ArmActions, GripperKind, HandActions, Space
from mivla_ros.kinematics import KinematicsError, PathStatus, forward_kinematics, pose_errors
from mivla_ros.kinematics.collision import CollisionModel, Obstacle
from mivla_ros.retargeting import ArmMotion, JointTrajectory, Retargeter, RetargetingError
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.description import robot_semantics
from mivla_ros.stop_reasons import Reason, Stop
from test.kinematics.chains import piper, piper_urdf
from test.retargeting.robots import (
    ARM,
    PROFILE,
    READY,
    START_NS,
    chunk_of,
    eef_chunk,
    joint_chunk,
    limits,
    retargeter,
    swing,
)

PERIOD = 0.02


def resting(joints: np.ndarray = READY, opening: float = 0.05) -> dict[str, ArmMotion]:
    arm = JointTrajectory.resting(ARM.joints, joints, START_NS, retargeter().period_ns)
    return {ARM.name: ArmMotion(arm, retargeter().resting_gripper(ARM, opening, START_NS))}


def assert_legal(trajectory: JointTrajectory) -> None:
    lim = limits()
    assert (np.abs(trajectory.velocities) <= 1.02 * lim.velocity).all()
    assert (np.abs(np.diff(trajectory.velocities, axis=0)) <= lim.acceleration * PERIOD + 1e-6).all()
    bends = np.abs(np.diff(trajectory.velocities, 2, axis=0))
    assert (bends <= 1.001 * lim.jerk * PERIOD**2 + 1e-6).all()
    assert (trajectory.positions >= lim.lower - 1e-5).all() and (trajectory.positions <= lim.upper + 1e-5).all()
    assert not trajectory.velocities[-1].any()


def refusal(chunk: object, **changes: object) -> Stop:
    with pytest.raises(RetargetingError) as caught:
        retargeter().retarget(chunk, resting(), START_NS, {ARM.name: IDENTITY}, **changes)  # type: ignore[arg-type]
    return caught.value.stop


@pytest.mark.parametrize("horizon, step", [(16, 1 / 15), (64, 1 / 30), (8, 0.1), (30, 1 / 50), (1, 1 / 15)])
def test_a_chunk_is_followed_on_time_within_a_millimetre(horizon: int, step: float) -> None:
    times = np.arange(horizon) * step
    done = retargeter().retarget(eef_chunk(swing(times), step=step), resting(), START_NS, {ARM.name: IDENTITY})
    motion = done.motions[ARM.name].arm
    assert_legal(motion)
    assert done.report.first_step == 0 and done.report.steps == horizon
    assert done.report.remark.reason is Reason.NONE and done.report.changed_steps == 0
    for k in range(horizon):
        if times[k] > times[-1] - 0.15:
            continue  # it slows down to stand at the last step
        reached = forward_kinematics(piper(), motion.state(START_NS + round(times[k] * NANOSECONDS))[0])
        error = pose_errors(forward_kinematics(piper(), swing(times[k : k + 1])[0]), reached)
        assert np.linalg.norm(error[:3]) < 2e-3 and np.linalg.norm(error[3:]) < 2e-2
    error = pose_errors(
        forward_kinematics(piper(), swing(times[-1:])[0]), forward_kinematics(piper(), motion.positions[-1])
    )
    assert np.linalg.norm(error[:3]) < 2e-3


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_whatever_is_asked_for_the_motion_is_legal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints = rng.uniform(limits().lower, limits().upper, (12, 6))  # steps from anywhere to anywhere
    chunk = eef_chunk(joints, openings=rng.random(12), kind=GripperKind(seed % 2))
    running = resting()
    done = retargeter().retarget(chunk, running, START_NS, {ARM.name: IDENTITY})
    motion = done.motions[ARM.name]
    assert_legal(motion.arm)
    assert np.array_equal(motion.arm.positions[0], READY)
    assert motion.gripper is not None and ARM.gripper is not None
    assert (np.abs(motion.gripper.velocities) <= ARM.gripper.velocity + 1e-9).all()
    assert done.report.changed_steps > 0


@given(at=st.floats(0.05, 0.9), shift=st.floats(-0.05, 0.05))
@settings(max_examples=30, deadline=None)
def test_a_newer_chunk_is_joined_without_a_step_in_position_or_velocity(at: float, shift: float) -> None:
    first = retargeter().retarget(eef_chunk(swing(np.arange(16) / 15)), resting(), START_NS, {ARM.name: IDENTITY})
    splice_ns = START_NS + round(at * NANOSECONDS)
    newer = eef_chunk(swing(at - 0.1 + np.arange(16) / 15) + shift, first_ns=splice_ns - NANOSECONDS // 10)
    second = retargeter().retarget(newer, first.motions, splice_ns, {ARM.name: IDENTITY})
    before, after = first.motions[ARM.name].arm, second.motions[ARM.name].arm
    for old, new in zip(before.state(splice_ns), after.state(splice_ns), strict=True):
        assert np.allclose(old, new, atol=1e-12)
    assert_legal(after)
    # a tenth of a second of lateness is dropped, and half a second later the arm is on the new path
    assert second.report.late_steps == 2
    later_ns = splice_ns + NANOSECONDS // 2
    target = swing(np.array([at + 0.5]))[0] + shift
    reached = forward_kinematics(piper(), after.state(later_ns)[0])
    assert np.linalg.norm(pose_errors(forward_kinematics(piper(), target), reached)[:3]) < 3e-3


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_chunk_after_chunk_at_random_times_stays_legal_and_without_a_step(seed: int) -> None:
    """Tame and wild chunks of any length and rate, late and early, stops in between."""
    rng, running, now_ns = np.random.default_rng(seed), resting(), START_NS
    for _ in range(4):
        horizon, step = int(rng.integers(2, 40)), float(rng.choice([1 / 50, 1 / 30, 1 / 15, 1 / 10]))
        start, wild = running[ARM.name].arm.state(now_ns)[0], float(rng.choice([0.02, 0.1, 0.5]))
        walk = np.cumsum(rng.normal(0, wild, (horizon, 6)), axis=0)
        wave = 2 * wild * (1 - np.cos(np.outer(np.arange(horizon) * step, rng.uniform(0.5, 6, 6))))
        joints = np.clip(start + (walk if rng.random() < 0.5 else wave), limits().lower, limits().upper)
        first_ns = now_ns + int(rng.uniform(-0.3, 0.4) * NANOSECONDS)
        chunk = (joint_chunk if rng.random() < 0.5 else eef_chunk)(joints, first_ns=first_ns, step=step)
        if chunk.first_due_step(now_ns) >= horizon:
            continue
        done = retargeter().retarget(chunk, running, now_ns, {ARM.name: IDENTITY})
        for following in (done.motions, retargeter().stop(running, now_ns)):
            if ARM.name not in following:
                continue
            before, after = running[ARM.name].arm, following[ARM.name].arm
            assert_legal(after)
            for old, new in zip(before.state(now_ns), after.state(now_ns), strict=True):
                assert np.allclose(old, new, atol=1e-9)
            bend = np.abs(after.acceleration(now_ns) - before.acceleration(now_ns))
            assert (bend <= 1.01 * limits().jerk * PERIOD + 1e-6).all()
        running = done.motions
        now_ns += int(rng.uniform(0.02, 1.0) * NANOSECONDS)
        if rng.random() < 0.2:
            running = {**running, **retargeter().stop(running, now_ns)}


@pytest.mark.parametrize("speed", [5.0, 8.0])
def test_a_chunk_beyond_the_limits_is_followed_along_its_path_and_late(speed: float) -> None:
    seconds = np.arange(16) / 15
    done = retargeter().retarget(eef_chunk(swing(speed * seconds, 0.25)), resting(), START_NS, {ARM.name: IDENTITY})
    motion, report = done.motions[ARM.name].arm, done.report.arms[0]
    assert_legal(motion)
    path = forward_kinematics(piper(), swing(np.linspace(0, speed, 2000), 0.25))[:, :3]
    reached = forward_kinematics(piper(), motion.positions)[:, :3]
    beside = max(np.linalg.norm(path - p, axis=1).min() for p in reached)
    assert beside < 0.02  # it was 60 mm when the limits were kept by a filter
    assert np.linalg.norm(reached[-1] - path[-1]) < 5e-3
    assert report.delay > 0 and "late" in str(done.report.remark)
    reasons = {Reason.LIMIT_VELOCITY, Reason.LIMIT_ACCELERATION, Reason.LIMIT_JERK}
    assert report.clips and {clip.reason for clip in report.clips} <= reasons
    assert all(abs(clip.value) > 0.9 * clip.limit for clip in report.clips)


def test_a_chunk_that_begins_later_lets_the_running_motion_go_on() -> None:
    first = retargeter().retarget(eef_chunk(swing(np.arange(16) / 15)), resting(), START_NS, {ARM.name: IDENTITY})
    splice_ns, due_ns = START_NS + 200_000_000, START_NS + 500_000_000
    newer = eef_chunk(swing(0.5 + np.arange(16) / 15), first_ns=due_ns)
    second = retargeter().retarget(newer, first.motions, splice_ns, {ARM.name: IDENTITY})
    for time_ns in range(splice_ns, due_ns, 20_000_000):
        old, new = (m.motions[ARM.name].arm.state(time_ns)[0] for m in (first, second))
        assert np.abs(old - new).max() < 2e-3


def test_steps_after_valid_until_are_not_executed() -> None:
    chunk = eef_chunk(swing(np.arange(16) / 15), valid_until_ns=START_NS + 410_000_000)
    done = retargeter().retarget(chunk, resting(), START_NS, {ARM.name: IDENTITY})
    assert (done.report.steps, done.report.expired_steps) == (7, 9)
    error = done.motions[ARM.name].arm.positions[-1] - swing(np.array([6 / 15]))[0]
    assert np.abs(error).max() < 5e-3


def test_a_chunk_whose_steps_are_all_past_is_refused() -> None:
    chunk = eef_chunk(
        swing(np.arange(16) / 15), first_ns=START_NS - 2 * NANOSECONDS, valid_until_ns=START_NS + NANOSECONDS
    )
    assert refusal(chunk).reason is Reason.CHUNK_EXPIRED


def test_poses_are_moved_to_the_arm_s_base() -> None:
    base_from_frame = np.r_[0.1, -0.2, 0.3, Rotation.from_rotvec([0.3, -0.2, 1.0]).as_quat(scalar_first=True)]
    joints = swing(np.arange(16) / 15)
    chunk = eef_chunk(joints)
    turn = Rotation.from_quat(base_from_frame[3:], scalar_first=True).inv()
    eef = chunk.arms[0].eef
    assert eef is not None
    frame_poses = np.hstack([
        turn.apply(eef[:, :3] - base_from_frame[:3]),
        (turn * Rotation.from_quat(eef[:, 3:], scalar_first=True)).as_quat(scalar_first=True),
    ])  # fmt: skip
    elsewhere = chunk_of(ArmActions(ARM.name, Space.EEF, ARM.eef_frame, frame_poses), 16, frame_id="table")
    there = retargeter().retarget(elsewhere, resting(), START_NS, {ARM.name: base_from_frame}).motions[ARM.name].arm
    here = retargeter().retarget(chunk, resting(), START_NS, {ARM.name: IDENTITY}).motions[ARM.name].arm
    assert np.allclose(there.positions, here.positions, atol=1e-6)


def test_an_unreachable_step_is_named_with_its_distance() -> None:
    chunk = eef_chunk(np.tile(READY, (16, 1)))
    poses = chunk.arms[0].eef
    assert poses is not None
    poses = poses.copy()
    poses[5:, 0] = 0.64
    poses[5:, 2] = 0.69  # a corner of the workspace box that the arm does not reach
    done = retargeter().retarget(
        chunk_of(ArmActions(ARM.name, Space.EEF, ARM.eef_frame, poses), 16),
        resting(),
        START_NS,
        {ARM.name: IDENTITY},
    )
    report = done.report.arms[0]
    assert report.unreachable_steps == tuple(range(5, 16))
    assert (report.status[:5] == PathStatus.REACHED).all()
    remark = done.report.remark
    assert remark.reason is Reason.UNREACHABLE and "step 5" in remark.subject and remark.value > 0.05
    assert_legal(done.motions[ARM.name].arm)
    # it goes part of the way
    end = forward_kinematics(piper(), done.motions[ARM.name].arm.positions[-1])
    assert np.linalg.norm(end[:3] - poses[-1, :3]) < np.linalg.norm(poses[0, :3] - poses[-1, :3]) - 0.05


def test_the_workspace_box_is_kept_and_named() -> None:
    chunk = eef_chunk(np.tile(READY, (16, 1)))
    eef = chunk.arms[0].eef
    assert eef is not None
    poses = eef.copy()
    poses[:, 2] = np.linspace(poses[0, 2], -0.1, 16)
    poses[:, 3:] = [0, 0, 1, 0]  # pointing down
    done = retargeter().retarget(
        chunk_of(ArmActions(ARM.name, Space.EEF, ARM.eef_frame, poses), 16),
        resting(),
        START_NS,
        {ARM.name: IDENTITY},
    )
    clips = [clip for clip in done.report.arms[0].clips if clip.reason is Reason.LIMIT_WORKSPACE]
    assert clips and {clip.joint for clip in clips} == {"tcp z"}
    assert clips[-1].value == pytest.approx(-0.1) and clips[-1].limit == pytest.approx(ARM.workspace_lower[2])
    heights = retargeter().end_effector_path(done.motions[ARM.name], ARM.name)[:, 2]
    assert heights.min() > ARM.workspace_lower[2] - 5e-3


def test_too_fast_a_chunk_is_slowed_down_and_named() -> None:
    chunk = joint_chunk(READY + np.outer(np.arange(16) / 15, [4.0, 0, 0, 0, 0, 0]) % 2.5)
    done = retargeter().retarget(chunk, resting(), START_NS, {})
    assert_legal(done.motions[ARM.name].arm)
    clips = [clip for clip in done.report.arms[0].clips if clip.reason is Reason.LIMIT_VELOCITY]
    assert clips and {clip.joint for clip in clips} == {"joint1"}
    assert all(abs(clip.value) > clip.limit == ARM.velocity[0] and clip.unit == "rad/s" for clip in clips)
    assert done.report.changed_steps >= len({clip.step for clip in clips})


def test_joint_chunks_take_columns_by_name_and_are_clipped() -> None:
    joints = swing(np.arange(16) / 15)
    joints[8:, 1] = -0.2  # joint2 ends at 0
    shuffled = (5, 3, 1, 0, 2, 4)
    chunk = joint_chunk(joints[:, shuffled], tuple(ARM.joints[i] for i in shuffled))
    done = retargeter().retarget(chunk, resting(), START_NS, {})
    clips = [clip for clip in done.report.arms[0].clips if clip.reason is Reason.LIMIT_POSITION]
    assert [clip.step for clip in clips] == list(range(8, 16))
    assert all((clip.joint, clip.value, clip.limit) == ("joint2", -0.2, 0.0) for clip in clips)
    expected = joints[-1].copy()
    expected[1] = 0.0
    assert np.allclose(done.motions[ARM.name].arm.positions[-1], expected, atol=2e-3)


def test_a_joint_chunk_does_not_leave_the_workspace_either() -> None:
    down = np.linspace(READY, [0, 2.6, -1.0, 0, 1.0, 0], 31)  # into the table
    done = retargeter().retarget(joint_chunk(down), resting(), START_NS, {})
    heights = retargeter().end_effector_path(done.motions[ARM.name], ARM.name)[:, 2]
    assert forward_kinematics(piper(), down[-1])[2] < -0.1
    assert heights.min() > ARM.workspace_lower[2] - 5e-3
    assert done.report.remark.reason is Reason.LIMIT_WORKSPACE


def test_degrees_and_millimetres_are_refused_with_their_place() -> None:
    stop = refusal(joint_chunk(np.rad2deg(swing(np.arange(16) / 15))))
    assert stop.reason is Reason.CHUNK_OUT_OF_RANGE and "joint" in stop.subject and stop.unit == "rad"
    eef = eef_chunk(swing(np.arange(16) / 15)).arms[0].eef
    assert eef is not None
    scaled = ArmActions(ARM.name, Space.EEF, ARM.eef_frame, eef * np.r_[1e3, 1e3, 1e3, 1, 1, 1, 1])
    stop = refusal(chunk_of(scaled, 16))
    assert stop.reason is Reason.CHUNK_OUT_OF_RANGE and stop.value > stop.limit and stop.unit == "m"


def test_unknown_arms_joints_and_frames_are_named() -> None:
    joints = swing(np.arange(4) / 15)
    eef = eef_chunk(joints).arms[0].eef
    cases = [
        (ArmActions("left", Space.EEF, ARM.eef_frame, eef), "'left'"),
        (ArmActions(ARM.name, Space.EEF, "nose", eef), "'nose'"),
        (ArmActions(ARM.name, Space.EEF, "link3", eef), "'link3'"),
        (
            ArmActions(ARM.name, Space.JOINT, joint_names=(*ARM.joints[:5], "joint7"), joints=joints),
            "joint6, joint7",
        ),
    ]
    for actions, words in cases:
        stop = refusal(chunk_of(actions, 4))
        assert stop.reason is Reason.CHUNK_INVALID and words in str(stop)


def test_another_link_of_the_arm_may_be_meant() -> None:
    joints = swing(np.arange(16) / 15)
    flange = Retargeter(PROFILE, piper_urdf())
    from mivla_ros.kinematics import chain_from_urdf

    poses = forward_kinematics(chain_from_urdf(piper_urdf(), ARM.base_frame, "link6"), joints)
    done = flange.retarget(
        chunk_of(ArmActions(ARM.name, Space.EEF, "link6", poses), 16),
        resting(),
        START_NS,
        {ARM.name: IDENTITY},
    )
    error = pose_errors(
        forward_kinematics(piper(), joints[-1]),
        forward_kinematics(piper(), done.motions[ARM.name].arm.positions[-1]),
    )
    assert np.linalg.norm(error[:3]) < 2e-3


def test_a_colliding_step_is_not_entered_and_named_with_its_pair() -> None:
    back = np.linspace(READY, [0.49, 0.83, -0.06, 0.85, 1.17, 0.46], 31)  # the tool back towards the arm's shoulder
    done = retargeter().retarget(joint_chunk(back), resting(), START_NS, {})
    clips = [clip for clip in done.report.arms[0].clips if clip.reason is Reason.COLLISION]
    assert clips and [clip.step for clip in clips] == list(range(clips[0].step, 31)) and clips[0].step > 1
    remark = done.report.remark
    assert remark.reason is Reason.COLLISION and f"step {clips[0].step}" in remark.subject
    assert " and " in remark.subject and remark.value <= remark.limit
    motion = done.motions[ARM.name].arm
    assert_legal(motion)
    assert np.allclose(motion.positions[-1], back[clips[0].step - 1], atol=2e-3)
    model = CollisionModel(
        piper_urdf(), robot_semantics(PROFILE), ARM.joints,
        [Obstacle(s.name, s.lower, s.upper, s.allowed) for s in PROFILE.surroundings], {"gripper": 0.1},
    )  # fmt: skip
    assert model.first_contact(motion.positions) is None
    assert model.first_contact(back) is not None


def test_a_table_stops_links_that_the_workspace_does_not_know_of() -> None:
    down = np.linspace(READY, [1.8, 1.95, -0.37, -1.24, 1.07, 1.46], 31)  # a finger, while the tool centre stays above
    done = retargeter().retarget(joint_chunk(down), resting(), START_NS, {})
    names = {clip.joint for clip in done.report.arms[0].clips if clip.reason is Reason.COLLISION}
    assert any("table" in name for name in names)


def test_a_hand_is_refused_by_name() -> None:
    wrist = np.tile([0.3, 0, 0.3, 1.0, 0, 0, 0], (4, 1))
    hand = HandActions(wrist, np.zeros((4, 5, 3)))
    stop = refusal(chunk_of(ArmActions(ARM.name, Space.HAND, hand=hand), 4))
    assert stop.reason is Reason.CHUNK_INVALID and "hand" in str(stop)


def test_the_gripper_goes_where_it_is_told_and_stays_where_it_is_not() -> None:
    joints = np.tile(READY, (16, 1))
    still = retargeter().retarget(eef_chunk(joints), resting(), START_NS, {ARM.name: IDENTITY})
    assert still.motions[ARM.name].gripper is None
    openings = np.r_[np.ones(8), np.zeros(8)]
    chunk = eef_chunk(joints, openings=openings, kind=GripperKind.BINARY)
    done = retargeter().retarget(chunk, resting(opening=0.1), START_NS, {ARM.name: IDENTITY})
    gripper = done.motions[ARM.name].gripper
    assert gripper is not None and ARM.gripper is not None
    decision_ns = chunk.due_ns(8)
    assert gripper.state(decision_ns - 20_000_000)[0][0] == pytest.approx(0.1, abs=1e-6)
    assert gripper.positions[-1, 0] == pytest.approx(0.0, abs=2e-3)
    assert np.abs(gripper.velocities).max() <= ARM.gripper.velocity + 1e-9


def test_a_stop_brakes_within_the_limits_from_where_it_is_sent() -> None:
    done = retargeter().retarget(eef_chunk(swing(np.arange(16) / 15, 0.5)), resting(), START_NS, {ARM.name: IDENTITY})
    splice_ns = START_NS + 700_000_000
    stopped = retargeter().stop(done.motions, splice_ns)[ARM.name].arm
    for old, new in zip(done.motions[ARM.name].arm.state(splice_ns), stopped.state(splice_ns), strict=True):
        assert np.allclose(old, new)
    assert_legal(stopped)
    assert stopped.end_ns - splice_ns < 400_000_000
    assert retargeter().stop(done.motions, splice_ns + 5 * NANOSECONDS) == {}


def test_a_description_of_another_robot_is_refused() -> None:
    with pytest.raises(KinematicsError, match="joint_1"):
        Retargeter(PROFILE, piper_urdf().replace('"joint1"', '"joint_1"'))
