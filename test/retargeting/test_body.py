"""LocoMan's body in chunks: refused where nobody may move it, else moved within its limits, and the arms follow from
where it carries them.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, BodyActions, Space
from mivla_ros.kinematics import compose_poses, forward_kinematics, pose_errors
from mivla_ros.retargeting import ArmMotion, Follower, JointTrajectory, Retargeter
from mivla_ros.retargeting.body import BODY
from mivla_ros.retargeting.errors import RetargetingError
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.stop_reasons import Reason

BIMANUAL = load_profile("locoman")
TURNING = ("body_yaw", "body_pitch", "body_roll")
STEP_NS, HORIZON = NANOSECONDS // 10, 24


def profile_with(*commanded: str) -> RobotProfile:
    assert BIMANUAL.body is not None
    return replace(BIMANUAL, body=replace(BIMANUAL.body, commanded=commanded))


@cache
def retargeter(*commanded: str) -> Retargeter:
    profile = profile_with(*commanded)
    return Retargeter(profile, robot_description(profile))


def resting(of: Retargeter) -> dict[str, ArmMotion]:
    return {
        one.name: ArmMotion(JointTrajectory.resting(one.joints, np.array(one.ready), 0, of.period_ns))
        for one in of.moved
    }


def poses(xyz: tuple[float, float, float], ypr: tuple[float, float, float]) -> np.ndarray:
    """From the stance to there in 1.5 s, then there: (H, 7) in the stance."""
    share = np.minimum(np.arange(HORIZON) / 15, 1.0)[:, None]
    share = share**2 * (3 - 2 * share)
    turns = Rotation.from_euler("ZYX", share * np.array(ypr)).as_quat(scalar_first=True)
    return np.concatenate([share * np.array(xyz), turns], axis=1)


def chunk(body: BodyActions | None, arms: tuple[ArmActions, ...] = (), frame: str = "stance") -> ActionChunk:
    return ActionChunk(frame, 0, STEP_NS, HORIZON, arms, valid_until_ns=HORIZON * STEP_NS, body=body)


def to_there(ypr: tuple[float, float, float], xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> ActionChunk:
    return chunk(BodyActions("trunk", poses(xyz, ypr)))


BASES = {BODY: IDENTITY, "left_arm": IDENTITY, "right_arm": IDENTITY}


def test_in_the_bimanual_mode_a_chunk_with_a_body_is_refused_by_name() -> None:
    with pytest.raises(RetargetingError, match=r"body_poses.*mode") as caught:
        retargeter().retarget(to_there((0.0, 0.1, 0.0)), resting(retargeter()), 0, BASES)
    assert caught.value.stop.reason is Reason.CHUNK_INVALID


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (BodyActions("base", poses((0, 0, 0), (0, 0.1, 0))), "body_frame"),
        (BodyActions("trunk", velocities=np.zeros((HORIZON, 6))), "base_velocities"),
        (BodyActions("trunk"), "body_poses"),
    ],
)
def test_what_no_body_of_this_robot_can_do_is_refused_by_name(body: BodyActions, words: str) -> None:
    turning = retargeter(*TURNING)
    with pytest.raises(RetargetingError, match=words):
        turning.retarget(chunk(body), resting(turning), 0, BASES)


def test_a_robot_without_a_body_refuses_one() -> None:
    profile = load_profile("piper")
    piper = Retargeter(profile, robot_description(profile))
    with pytest.raises(RetargetingError, match="no body that moves"):
        piper.retarget(to_there((0.0, 0.1, 0.0)), resting(piper), 0, BASES)


def test_millimetres_sent_as_metres_are_refused() -> None:
    turning = retargeter(*TURNING)
    with pytest.raises(RetargetingError) as caught:
        turning.retarget(to_there((0, 0.1, 0), (20.0, 0, 0)), resting(turning), 0, BASES)
    assert caught.value.stop.reason is Reason.CHUNK_OUT_OF_RANGE


@given(
    yaw=st.floats(-0.39, 0.39), pitch=st.floats(-0.29, 0.29), roll=st.floats(-0.29, 0.29),
    seconds=st.floats(0.1, 1.8),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_any_turn_is_met_within_velocity_acceleration_and_jerk(
    yaw: float, pitch: float, roll: float, seconds: float
) -> None:
    free = _free()
    share = np.minimum(np.arange(HORIZON) * STEP_NS / NANOSECONDS / seconds, 1.0)[:, None]
    turns = Rotation.from_euler("ZYX", share * np.array([yaw, pitch, roll])).as_quat(scalar_first=True)
    wanted = BodyActions("trunk", np.concatenate([np.zeros((HORIZON, 3)), turns], axis=1))
    done = free.retarget(chunk(wanted), resting(free), 0, BASES)
    motion = done.motions[BODY].arm
    assert motion.joint_names == TURNING
    assert motion.positions[-1] == pytest.approx([yaw, pitch, roll], abs=2e-3)
    limits, period = free.limits(BODY), free.period_ns / NANOSECONDS
    assert (np.abs(motion.velocities) <= 1.02 * limits.velocity).all()
    assert (np.abs(np.diff(motion.velocities, axis=0)) <= limits.acceleration * period + 1e-6).all()
    assert (np.abs(np.diff(motion.velocities, 2, axis=0)) <= 1.001 * limits.jerk * period**2 + 1e-6).all()
    assert not motion.velocities[-1].any()


@cache
def _free() -> Retargeter:
    """Without surroundings, so that every turn is allowed."""
    profile = replace(profile_with(*TURNING), surroundings=())
    return Retargeter(profile, robot_description(profile))


def test_what_a_pose_asks_beyond_the_limits_or_of_other_joints_is_clipped_and_said() -> None:
    done = _free().retarget(to_there((0.0, 0.5, 0.0), (0.04, 0.0, 0.0)), resting(_free()), 0, BASES)
    (report,) = done.report.arms
    assert report.name == BODY
    clipped = {clip.joint: clip for clip in report.clips if clip.step == HORIZON - 1}
    assert clipped["body_pitch"].reason is Reason.LIMIT_POSITION
    assert clipped["body_pitch"].value == pytest.approx(0.5, abs=1e-3)
    assert clipped["body_pitch"].limit == pytest.approx(0.3)
    assert clipped["body_x"].value == pytest.approx(0.04, abs=1e-3)
    assert clipped["body_x"].limit == 0.0
    assert report.position_error[-1] == pytest.approx(0.04, abs=1e-3)
    assert done.motions[BODY].arm.positions[-1] == pytest.approx([0.0, 0.3, 0.0], abs=2e-3)
    assert done.report.remark.reason is Reason.LIMIT_POSITION


def hold_in_stance(of: Retargeter, offset: tuple[float, float, float]) -> ArmActions:
    """The left hand at its ready pose, moved by an offset of the stance over the chunk, and kept there."""
    arm = of.profile.arms[0]
    pose = forward_kinematics(of.arms[arm.name].chain, np.array(arm.ready))
    rows = np.tile(pose, (HORIZON, 1))
    share = np.clip(np.arange(HORIZON) / 15, 0, 1)[:, None]
    rows[:, :3] += share**2 * (3 - 2 * share) * np.array(offset)
    return ArmActions(arm.name, Space.EEF, arm.eef_frame, rows)


def hand_in_stance(of: Retargeter, motions: dict[str, ArmMotion], time_ns: int) -> np.ndarray:
    arm = of.profile.arms[0]
    body = motions[BODY].arm.state(time_ns)[0] if BODY in motions else np.zeros(len(TURNING))
    assert of.body is not None
    stance_from_trunk = forward_kinematics(of.body.chain, of.body.whole(body))
    hand = forward_kinematics(of.arms[arm.name].chain, motions[arm.name].arm.state(time_ns)[0])
    moved: np.ndarray = compose_poses(stance_from_trunk, hand[None])[0]
    return moved


def test_the_hand_stays_in_the_world_while_the_body_turns_beneath_it() -> None:
    free = _free()
    wanted = replace(to_there((0.0, 0.12, 0.0)), arms=(hold_in_stance(free, (0.0, 0.0, 0.0)),))
    done = free.retarget(wanted, resting(free), 0, BASES)
    assert done.motions[BODY].arm.positions[-1][1] == pytest.approx(0.12, abs=2e-3)
    goal = wanted.arms[0].eef
    assert goal is not None
    for time_ns in range(0, HORIZON * STEP_NS, STEP_NS):
        error = pose_errors(goal[0], hand_in_stance(free, dict(done.motions), time_ns))
        assert np.linalg.norm(error[:3]) < 0.012, time_ns
    end = pose_errors(goal[-1], hand_in_stance(free, dict(done.motions), HORIZON * STEP_NS + NANOSECONDS))
    assert np.linalg.norm(end[:3]) < 2e-3
    # without knowing of the body the hand would have gone along with it
    still = free.retarget(replace(wanted, body=None), resting(free), 0, BASES)
    alone = hand_in_stance(free, {**still.motions, BODY: done.motions[BODY]}, 2 * HORIZON * STEP_NS)
    assert np.linalg.norm(pose_errors(goal[-1], alone)[:3]) > 0.02


def test_how_far_a_hand_reaches_depends_on_where_the_body_goes() -> None:
    free = _free()
    far = hold_in_stance(free, FAR)
    alone = free.retarget(chunk(None, (far,)), resting(free), 0, BASES)
    assert alone.report.arms[0].unreachable_steps, "the body is not needed for this"
    helped = replace(to_there(LEAN), arms=(hold_in_stance(free, FAR),))
    done = free.retarget(helped, resting(free), 0, BASES)
    report = next(report for report in done.report.arms if report.name == "left_arm")
    goal = helped.arms[0].eef
    assert goal is not None
    end = hand_in_stance(free, dict(done.motions), 2 * HORIZON * STEP_NS)
    left = float(np.linalg.norm(pose_errors(goal[-1], end)[:3]))
    without = float(alone.report.arms[0].position_error[-1])
    assert left < 0.1 * without, (left, without, report.remark)
    other_way = replace(to_there((0.0, -LEAN[1], 0.0)), arms=helped.arms)
    worse = free.retarget(other_way, resting(free), 0, BASES)
    report = next(report for report in worse.report.arms if report.name == "left_arm")
    assert report.position_error[-1] > without, "leaning away makes it reach less far"


FAR = (0.0, 0.0, -0.2)  # straight down from the nose-up trunk: 3 cm too far
LEAN = (0.0, 0.25, 0.0)


def test_a_stop_brakes_the_body_with_the_arms_and_a_chunk_goes_through_the_follower() -> None:
    turning = retargeter(*TURNING)
    follower = Follower(turning)
    names = [*turning.profile.joint_names, *TURNING]
    rows = {name: 0.0 for name in names}
    for arm in turning.profile.arms:
        rows |= dict(zip(arm.joints, arm.ready, strict=True)) | {arm.gripper.joint: 0.7}  # type: ignore[union-attr]
    now_ns = 10 * NANOSECONDS
    follower.on_joint_states(now_ns, names, list(rows.values()), [0.0] * len(names))
    asked: list[str] = []

    def base_from_frame(moved: object, _: ActionChunk) -> np.ndarray:
        asked.append(moved.base_frame)  # type: ignore[attr-defined]
        return IDENTITY

    wanted = to_there((0.0, -0.2, 0.0)).stamped(
        first_step_ns=now_ns, observation_ns=now_ns, valid_until_ns=now_ns + HORIZON * STEP_NS,
        session=bytes(15) + b"1", sequence=1, robot="locoman",
    )  # fmt: skip
    commands = follower.on_chunk(wanted, now_ns, base_from_frame)
    assert [command.controller for command in commands] == ["body_controller"], follower.reason
    assert asked == ["stance"]
    later_ns = now_ns + 800_000_000
    stopping = follower.fault(follower.reason, later_ns)
    assert [command.controller for command in stopping] == ["body_controller"]
    trajectory = stopping[0].trajectory
    assert trajectory is not None
    assert -0.2 < trajectory.positions[-1][1] < -0.01
    assert not trajectory.velocities[-1].any()
