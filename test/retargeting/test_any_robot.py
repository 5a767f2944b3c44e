"""Any chunk on any arm: random descriptions of six and seven joints, LocoMan's sides, two arms at once."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, GripperKind, Space
from mivla_ros.kinematics import forward_kinematics, pose_errors
from mivla_ros.retargeting import ArmMotion, JointTrajectory, Retargeter, RetargetingOptions
from mivla_ros.retargeting.benchmarks.chunks import SPLICE_NS, chunk_of, resting, retargeter_of
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.stop_reasons import Reason

PERIOD = 0.02
WIDE = (-9.0, -9.0, -9.0), (9.0, 9.0, 9.0)


@cache
def random_robot(joints: int, seed: int) -> Retargeter:
    """An arm of revolute joints with links and axes at random, as a profile and a URDF written here."""
    rng = np.random.default_rng(seed)
    names = tuple(f"j{k}" for k in range(joints))
    parts = ['<robot name="random"><link name="base"/>']
    for k, name in enumerate(names):
        xyz = " ".join(f"{x:.4f}" for x in rng.normal((0, 0, 0.12), 0.1))
        rpy = " ".join(f"{x:.4f}" for x in Rotation.random(rng=rng).as_euler("xyz"))
        axis = " ".join(f"{x:.4f}" for x in rng.normal(0, 1, 3))
        parent = "base" if k == 0 else f"l{k - 1}"
        parts.append(
            f'<link name="l{k}"/><joint name="{name}" type="revolute"><parent link="{parent}"/><child link="l{k}"/>'
            f'<origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="{axis}"/>'
            f'<limit lower="{-rng.uniform(1.5, 3):.3f}" upper="{rng.uniform(1.5, 3):.3f}" velocity="3" effort="9"/>'
            "</joint>"
        )
    piper = load_profile("piper")
    arm = replace(
        piper.arms[0], base_frame="base", eef_frame=f"l{joints - 1}", joints=names, ready=(0.0,) * joints,
        velocity=(2.5,) * joints, acceleration=(8.0,) * joints, jerk=(80.0,) * joints,
        workspace_lower=WIDE[0], workspace_upper=WIDE[1], gripper=None,
    )  # fmt: skip
    profile: RobotProfile = replace(piper, name="random", arms=(arm,), cameras=(), surroundings=())
    return Retargeter(profile, "".join([*parts, "</robot>"]), RetargetingOptions(collisions=False))


@cache
def known(robot: str, collisions: bool = True) -> Retargeter:
    """Of a profile by name, made once."""
    return retargeter_of(robot, collisions)


def assert_legal(retargeter: Retargeter, arm: str, motion: JointTrajectory) -> None:
    limits = retargeter.arms[arm].limits
    speeds = motion.velocities
    assert (np.abs(speeds) <= 1.02 * limits.velocity).all()
    assert (np.abs(np.diff(speeds, axis=0)) <= limits.acceleration * PERIOD + 1e-6).all()
    assert (np.abs(np.diff(speeds, 2, axis=0)) <= 1.001 * limits.jerk * PERIOD**2 + 1e-6).all()
    assert (motion.positions >= limits.lower - 1e-5).all() and (motion.positions <= limits.upper + 1e-5).all()
    assert not speeds[-1].any()


@given(
    joints=st.sampled_from([6, 7]), robot=st.integers(0, 5), seed=st.integers(0, 10_000),
    rate=st.floats(5, 60), horizon=st.integers(1, 64), late=st.floats(0, 1), splice=st.floats(0.02, 1.0),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_chunk_on_any_arm_is_legal_and_the_next_joins_it_without_a_step(
    joints: int, robot: int, seed: int, rate: float, horizon: int, late: float, splice: float
) -> None:
    retargeter, rng = random_robot(joints, robot), np.random.default_rng(seed)
    arm, model = retargeter.profile.arms[0], retargeter.arms["arm"]
    step_ns = round(NANOSECONDS / rate)
    start = rng.uniform(0.6 * model.limits.lower, 0.6 * model.limits.upper)

    def chunk(first_ns: int, begin: float) -> ActionChunk:
        times = begin + np.arange(horizon) / rate
        path = start + 0.3 * (1 - np.cos(np.outer(times, np.linspace(0.7, 1.3, joints))))
        poses = forward_kinematics(model.chain, path)
        actions = ArmActions("arm", Space.EEF, arm.eef_frame, poses)
        return ActionChunk(
            "base", first_ns, step_ns, horizon, (actions,), valid_until_ns=first_ns + 2 * horizon * step_ns
        )

    at_rest = {"arm": ArmMotion(JointTrajectory.resting(arm.joints, start, 0, retargeter.period_ns))}
    first = retargeter.retarget(chunk(0, 0.0), at_rest, 0, {"arm": IDENTITY})
    assert_legal(retargeter, "arm", first.motions["arm"].arm)
    assert np.array_equal(first.motions["arm"].arm.positions[0], start)

    splice_ns = round(splice * NANOSECONDS)
    age_ns = round(late * (horizon - 1) * step_ns)  # how many steps of the next chunk are past: any number but all
    second = retargeter.retarget(chunk(splice_ns - age_ns, splice), first.motions, splice_ns, {"arm": IDENTITY})
    before, after = first.motions["arm"].arm, second.motions["arm"].arm
    assert second.report.first_step == -(-age_ns // step_ns)
    for old, new in zip(before.state(splice_ns), after.state(splice_ns), strict=True):
        assert np.allclose(old, new, atol=1e-9)
    assert_legal(retargeter, "arm", after)
    bend = np.abs(after.acceleration(splice_ns) - before.acceleration(splice_ns))
    assert (bend <= 1.01 * model.limits.jerk * PERIOD + 1e-6).all()


@given(joints=st.sampled_from([6, 7]), robot=st.integers(0, 5), seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_tame_chunk_on_any_arm_ends_where_it_was_told(joints: int, robot: int, seed: int) -> None:
    retargeter, rng = random_robot(joints, robot), np.random.default_rng(seed)
    arm, chain = retargeter.profile.arms[0], retargeter.arms["arm"].chain
    start = rng.uniform(0.5 * chain.lower, 0.5 * chain.upper)
    path = start + np.outer(1 - np.cos(np.arange(32) / 30), rng.uniform(-0.3, 0.3, joints))
    poses = forward_kinematics(chain, path)
    actions = ArmActions("arm", Space.EEF, arm.eef_frame, poses)
    chunk = ActionChunk("base", 0, NANOSECONDS // 30, 32, (actions,), valid_until_ns=2 * NANOSECONDS)
    at_rest = {"arm": ArmMotion(JointTrajectory.resting(arm.joints, start, 0, retargeter.period_ns))}
    done = retargeter.retarget(chunk, at_rest, 0, {"arm": IDENTITY})
    motion = done.motions["arm"].arm
    error = np.linalg.norm(pose_errors(poses[-1], forward_kinematics(chain, motion.positions[-1]))[:3])
    # what is not met near a singularity is said
    assert error < 5e-3 or done.report.remark.reason in (Reason.SINGULARITY, Reason.UNREACHABLE)


@pytest.mark.parametrize("robot", ["locoman", "piper_bimanual", "arx_x5_bimanual"])
@pytest.mark.parametrize("horizon", [16, 64])
def test_both_arms_of_a_robot_follow_at_once(robot: str, horizon: int) -> None:
    retargeter = known(robot)
    bases = {arm.name: IDENTITY for arm in retargeter.profile.arms}
    chunk = chunk_of(retargeter, horizon, 0.0, 0)
    done = retargeter.retarget(chunk, resting(retargeter), 0, bases)
    assert done.report.changed_steps == 0, str(done.report.remark)
    for actions in chunk.arms:
        motion, chain = done.motions[actions.name].arm, retargeter.arms[actions.name].chain
        assert_legal(retargeter, actions.name, motion)
        assert actions.eef is not None
        end = forward_kinematics(chain, motion.positions[-1])
        assert np.linalg.norm(pose_errors(actions.eef[-1], end)[:3]) < 5e-3
    newer = chunk_of(retargeter, horizon, 0.2, SPLICE_NS)
    second = retargeter.retarget(newer, done.motions, SPLICE_NS, bases)
    for name, motion in second.motions.items():
        for old, new in zip(done.motions[name].arm.state(SPLICE_NS), motion.arm.state(SPLICE_NS), strict=True):
            assert np.allclose(old, new, atol=1e-9)
        assert_legal(retargeter, name, motion.arm)


def test_two_arms_do_not_run_into_each_other_and_the_report_says_what_holding_costs() -> None:
    retargeter = known("piper_bimanual")
    actions = []
    for arm in retargeter.profile.arms:
        inwards = -1.0 if arm.side == "left" else 1.0
        joints = np.linspace(arm.ready, np.array(arm.ready) + np.array([1.2 * inwards, 0.5, 0, 0, 0, 0]), 48)
        actions.append(ArmActions(arm.name, Space.JOINT, joint_names=arm.joints, joints=joints))
    chunk = ActionChunk("world", 0, NANOSECONDS // 15, 48, tuple(actions), valid_until_ns=4 * NANOSECONDS)
    done = retargeter.retarget(chunk, resting(retargeter), 0, {})
    for report, wanted in zip(done.report.arms, actions, strict=True):
        clips = [clip for clip in report.clips if clip.reason is Reason.COLLISION]
        assert clips and "left_" in clips[0].joint and "right_" in clips[0].joint
        held = clips[0].step
        assert (report.position_error[:held] < 1e-9).all()
        chain, end = retargeter.arms[report.name].chain, done.motions[report.name].arm.positions[-1]
        assert wanted.joints is not None
        asked = forward_kinematics(chain, wanted.joints[-1])
        away = np.linalg.norm(pose_errors(asked, forward_kinematics(chain, end))[:3])
        assert report.position_error[-1] == pytest.approx(away, abs=2e-3) and away > 0.02
        assert (np.diff(report.position_error[held:]) > 0).all()


@given(first=st.integers(0, 15), opens=st.booleans(), age=st.floats(0.02, 0.9))
@settings(max_examples=40, deadline=None)
def test_a_decision_of_the_gripper_is_kept_whole_whatever_chunk_comes_after(
    first: int, opens: bool, age: float
) -> None:
    """A newer chunk that agrees about when to decide: nothing moves before it, everything after it."""
    retargeter = known("piper", collisions=False)
    arm = retargeter.profile.arms[0]
    assert arm.gripper is not None
    step_ns, ready = NANOSECONDS // 15, np.array(arm.ready)
    poses = np.tile(forward_kinematics(retargeter.arms["arm"].chain, ready), (30, 1))
    openings = np.where(np.arange(30) < first, float(not opens), float(opens))
    before, after = arm.gripper.position(float(not opens)), arm.gripper.position(float(opens))

    def chunk(first_step: int) -> ActionChunk:
        actions = ArmActions(
            "arm", Space.EEF, arm.eef_frame, poses[first_step:], openings[first_step:], GripperKind.BINARY
        )
        count, due_ns = 30 - first_step, first_step * step_ns
        return ActionChunk(arm.base_frame, due_ns, step_ns, count, (actions,), valid_until_ns=due_ns + count * step_ns)

    rest = JointTrajectory.resting(arm.joints, ready, 0, retargeter.period_ns)
    running = {"arm": ArmMotion(rest, retargeter.resting_gripper(arm, float(before), 0))}
    done = retargeter.retarget(chunk(0), running, 0, {"arm": IDENTITY})
    now_ns = round(age * NANOSECONDS)
    newer = retargeter.retarget(chunk(now_ns // step_ns), done.motions, now_ns, {"arm": IDENTITY})
    old, new = done.motions["arm"].gripper, newer.motions["arm"].gripper
    assert old is not None and new is not None
    decision_ns = first * step_ns
    for time_ns in range(0, 3 * NANOSECONDS, 10_000_000):
        gripper = old if time_ns < now_ns else new
        position = gripper.state(time_ns)[0][0]
        if time_ns <= decision_ns:
            assert position == pytest.approx(before, abs=1e-9)
        if time_ns > decision_ns + 900_000_000:
            assert position == pytest.approx(after, abs=1e-9)
    limit = arm.gripper.jerk * PERIOD**2
    assert (np.abs(np.diff(new.velocities, 2, axis=0)) <= limit + 1e-9).all()
