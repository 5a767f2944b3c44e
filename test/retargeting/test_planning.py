"""Going to ready: a way that touches nothing, within the limits, or the pair that stands in it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ArmActions, Space
from mivla_ros.retargeting import Command, Follower, Mode, Retargeter
from mivla_ros.retargeting.errors import RetargetingError
from mivla_ros.retargeting.follower import FollowerOptions
from mivla_ros.retargeting.limits import JointLimits
from mivla_ros.retargeting.planning import PlanningOptions, plan_path, timed_motion
from mivla_ros.retargeting.retargeter import IDENTITY
from mivla_ros.robots.description import robot_description
from mivla_ros.robots.profile import RobotProfile, SurroundingProfile, load_profile
from mivla_ros.stop_reasons import Reason, Stop

PIPER = load_profile("piper")
PILLAR = SurroundingProfile("pillar", (0.25, -0.03, 0.0), (0.45, 0.03, 0.35), ())
WALL = SurroundingProfile("wall", (0.02, -0.03, 0.10), (0.90, 0.03, 1.20), ())
READY = np.array(PIPER.arms[0].ready)
SIDEWAYS = np.array([0.9, 0, 0, 0, 0, 0])
FIRST = np.eye(6)[0]
LEFT, RIGHT = READY + SIDEWAYS, READY - SIDEWAYS
PATIENT = PlanningOptions(seconds=20.0)  # bounded by samples here, so that a slow machine finds the same way


def retargeter_with(*obstacles: SurroundingProfile, profile: RobotProfile = PIPER) -> Retargeter:
    profile = replace(profile, surroundings=(*profile.surroundings, *obstacles))
    return Retargeter(profile, robot_description(profile))


def test_where_nothing_is_in_the_way_it_goes_straight() -> None:
    retargeter = retargeter_with()
    path = plan_path(LEFT, RIGHT, retargeter.arms["arm"].limits, retargeter.collision_model(), PATIENT)
    assert path.shape == (2, 6)


def test_it_goes_around_a_pillar_without_touching_and_always_the_same_way() -> None:
    retargeter = retargeter_with(PILLAR)
    limits, model = retargeter.arms["arm"].limits, retargeter.collision_model()
    straight = LEFT + (RIGHT - LEFT) * np.linspace(0, 1, 200)[:, None]
    assert model.first_contact(straight) is not None, "the pillar does not stand in the way"
    path = plan_path(LEFT, RIGHT, limits, model, PATIENT)
    assert len(path) > 2
    assert np.array_equal(path, plan_path(LEFT, RIGHT, limits, model, PATIENT))
    positions, velocities = timed_motion(path, limits, model, 0.02, PATIENT)
    fine = np.concatenate([a + (b - a) * np.linspace(0, 1, 8)[:, None] for a, b in pairwise(positions)])
    assert model.first_contact(fine) is None
    assert positions[0] == pytest.approx(LEFT, abs=1e-3)
    assert positions[-1] == pytest.approx(RIGHT, abs=1e-3)
    _assert_within(positions, velocities, limits, 0.02)


def _assert_within(positions: np.ndarray, velocities: np.ndarray, limits: JointLimits, period: float) -> None:
    assert (positions >= limits.lower - 1e-9).all()
    assert (positions <= limits.upper + 1e-9).all()
    assert (np.abs(velocities) <= limits.velocity * 1.001).all()
    accelerations = np.diff(velocities, axis=0) / period
    assert (np.abs(accelerations) <= limits.acceleration * 1.02).all()
    assert np.abs(velocities[[0, -1]]).max() < 1e-6


def test_a_goal_that_touches_is_refused_by_its_pair() -> None:
    box = SurroundingProfile("crate", (0.28, -0.05, 0.1), (0.4, 0.05, 0.3), ())
    retargeter = retargeter_with(box)
    with pytest.raises(RetargetingError, match=r"crate.*goal") as caught:
        plan_path(LEFT, READY, retargeter.arms["arm"].limits, retargeter.collision_model(), PATIENT)
    assert caught.value.stop.reason is Reason.COLLISION


def test_where_there_is_no_way_it_names_the_pair_and_gives_up_in_time() -> None:
    retargeter = retargeter_with(
        WALL, replace(WALL, name="back wall", lower=(-0.9, -0.03, 0.1), upper=(-0.1, 0.03, 1.2))
    )
    options = PlanningOptions(samples=150, seconds=20.0)
    with pytest.raises(RetargetingError, match=r"wall.*no way") as caught:
        plan_path(LEFT, RIGHT, retargeter.arms["arm"].limits, retargeter.collision_model(), options)
    assert caught.value.stop.reason is Reason.COLLISION


def test_a_goal_outside_the_limits_names_the_joint() -> None:
    retargeter = retargeter_with()
    goal = READY.copy()
    goal[4] += 2.0
    with pytest.raises(RetargetingError, match="joint 5"):
        plan_path(LEFT, goal, retargeter.arms["arm"].limits, retargeter.collision_model(), PATIENT)


@pytest.mark.parametrize("robot", ["piper", "arx_x5", "locoman", "piper_bimanual"])
def test_every_robot_reaches_ready_together_with_all_its_arms(robot: str) -> None:
    profile = load_profile(robot)
    follower = Follower(Retargeter(profile, robot_description(profile)))
    now_ns = NANOSECONDS
    begin = {}
    for arm in profile.arms:
        for name, ready, side in zip(arm.joints, arm.ready, (0.2, 0.1, 0.1, 0.1, -0.1, 0.2), strict=True):
            begin[name] = ready + side * (1 if arm.side == "left" else -1)
        if arm.gripper:
            begin[arm.gripper.joint] = arm.gripper.open
    follower.on_joint_states(now_ns, list(begin), list(begin.values()), [0.0] * len(begin))
    braking, going = follower.begin_going(now_ns)
    assert braking == []
    commands, end_ns = follower.go(going, going.plan(PATIENT), now_ns)
    assert {c.controller for c in commands} == {arm.controller for arm in profile.arms}
    ends = {c.trajectory.end_ns for c in commands if c.trajectory is not None}
    assert ends == {end_ns}, "the arms do not arrive together"
    for arm in profile.arms:
        motion = follower.motion(arm.name)
        assert motion is not None
        assert motion.arm.positions[0] == pytest.approx([begin[name] for name in arm.joints], abs=1e-6)
        assert motion.arm.positions[-1] == pytest.approx(arm.ready, abs=1e-3)
    assert follower.mode is Mode.HOLDING


def test_a_latched_stop_forbids_going_to_ready() -> None:
    follower = Follower(retargeter_with())
    names = [*PIPER.arms[0].joints, "gripper"]
    follower.on_joint_states(NANOSECONDS, names, [*LEFT, 0.1], [0.0] * 7)
    follower.stop(Stop(Reason.OPERATOR_STOP, message="test"), NANOSECONDS)
    with pytest.raises(RetargetingError, match="operator stop"):
        follower.begin_going(NANOSECONDS)


def follower_beside_ready(*obstacles: SurroundingProfile) -> tuple[Follower, int]:
    follower = Follower(retargeter_with(*obstacles))
    follower.on_joint_states(NANOSECONDS, [*PIPER.arms[0].joints, "gripper"], [*LEFT, 0.05], [0.0] * 7)
    return follower, NANOSECONDS


def chunk_to(joints: np.ndarray, now_ns: int, generation: int = 0) -> ActionChunk:
    actions = ArmActions("arm", Space.JOINT, joint_names=PIPER.arms[0].joints, joints=np.tile(joints, (8, 1)))
    return ActionChunk(
        "world", now_ns, NANOSECONDS // 10, 8, (actions,), observation_ns=now_ns, valid_until_ns=now_ns + NANOSECONDS,
        session=bytes(15) + b"1", sequence=1, generation=generation, robot="piper",
    )  # fmt: skip


def give(follower: Follower, chunk: ActionChunk, now_ns: int) -> list[Command]:
    return follower.on_chunk(chunk, now_ns, lambda arm, chunk: IDENTITY)


def test_while_a_way_is_planned_chunks_are_refused_by_name_and_afterwards_only_a_new_generation_is_obeyed() -> None:
    follower, now_ns = follower_beside_ready()
    _, going = follower.begin_going(now_ns)
    assert give(follower, chunk_to(LEFT, now_ns), now_ns) == []
    assert follower.reason.reason is Reason.CHUNK_OUTDATED
    assert "planned" in str(follower.reason)
    generation = follower.generation
    commands, end_ns = follower.go(going, going.plan(PATIENT), now_ns)
    assert [command.controller for command in commands] == ["arm_controller"]
    assert follower.generation == generation + 1
    assert give(follower, chunk_to(LEFT, now_ns, follower.generation), now_ns) == []
    at_ready = end_ns + NANOSECONDS // 50
    follower.on_joint_states(at_ready, [*PIPER.arms[0].joints, "gripper"], [*READY, 0.05], [0.0] * 7)
    follower.tick(at_ready - 1, at_ready - 1)
    follower.tick(at_ready, at_ready)
    assert give(follower, chunk_to(READY, at_ready, follower.generation - 1), at_ready) == []
    assert give(follower, chunk_to(READY, at_ready, follower.generation), at_ready), follower.reason


def test_a_stop_while_a_way_is_planned_calls_it_off() -> None:
    follower, now_ns = follower_beside_ready()
    _, going = follower.begin_going(now_ns)
    follower.stop(Stop(Reason.OPERATOR_STOP, message="test"), now_ns)
    motions = going.plan(PATIENT)
    with pytest.raises(RetargetingError, match="operator stop"):
        follower.go(going, motions, now_ns)
    follower.release()
    with pytest.raises(RetargetingError, match="released"):
        follower.go(going, motions, now_ns)


def test_where_there_is_no_way_chunks_of_the_same_generation_are_followed_again() -> None:
    box = SurroundingProfile("crate", (0.28, -0.05, 0.1), (0.4, 0.05, 0.3), ())
    follower, now_ns = follower_beside_ready(box)
    _, going = follower.begin_going(now_ns)
    with pytest.raises(RetargetingError, match="crate") as caught:
        going.plan(PATIENT)
    follower.give_up_going(going, caught.value.stop)
    assert follower.reason.reason is Reason.COLLISION
    assert give(follower, chunk_to(LEFT, now_ns), now_ns), follower.reason


def test_an_arm_that_was_moved_while_a_way_was_planned_does_not_set_off() -> None:
    follower, now_ns = follower_beside_ready()
    _, going = follower.begin_going(now_ns)
    follower.on_joint_states(now_ns, [*PIPER.arms[0].joints, "gripper"], [*RIGHT, 0.05], [0.0] * 7)
    with pytest.raises(RetargetingError, match="has moved") as caught:
        follower.go(going, going.plan(PATIENT), now_ns)
    assert caught.value.stop.reason is Reason.TRACKING_ERROR


def test_a_way_that_is_found_before_the_arm_rests_begins_where_and_when_it_rests() -> None:
    options = FollowerOptions(tracking_error=0.02)
    follower, now_ns = Follower(retargeter_with(), options), NANOSECONDS
    names = [*PIPER.arms[0].joints, "gripper"]
    follower.on_joint_states(now_ns, names, [*LEFT, 0.05], [0.0] * 7)
    assert give(follower, chunk_to(RIGHT, now_ns), now_ns), follower.reason
    for _ in range(40):
        now_ns += NANOSECONDS // 100
        where = dict(zip(*follower.commanded(now_ns), strict=True))
        follower.on_joint_states(now_ns, names, [where.get(name, 0.05) for name in names], [0.0] * 7)
    braking, going = follower.begin_going(now_ns)
    (stopping,) = (command.trajectory for command in braking if command.controller == "arm_controller")
    assert stopping is not None
    away = np.max(np.abs(going.begin["arm"] - [where[name] for name in PIPER.arms[0].joints]))
    assert away > options.tracking_error, "the arm was too slow for this to show anything"
    commands, _ = follower.go(going, going.plan(PATIENT), now_ns)
    (way,) = (command.trajectory for command in commands if command.controller == "arm_controller")
    assert way is not None and way.start_ns >= stopping.end_ns
    assert way.positions[0] == pytest.approx(stopping.positions[-1], abs=1e-6)


def test_another_planner_finds_the_way_but_what_touches_is_refused_all_the_same() -> None:
    follower, now_ns = follower_beside_ready(PILLAR)
    _, going = follower.begin_going(now_ns)
    assert going.joint_names == PIPER.arms[0].joints
    with pytest.raises(RetargetingError, match="pillar"):
        going.plan(planner=lambda begin, goal: np.array([begin, RIGHT]))
    begins: list[np.ndarray] = []

    def planner(begin: np.ndarray, goal: np.ndarray) -> np.ndarray:
        begins.append(begin)
        return np.array([begin, LEFT + 0.1 * FIRST])

    motion = going.plan(planner=planner)["arm"].arm
    assert begins[0] == pytest.approx(LEFT)
    assert motion.positions[-1] == pytest.approx(LEFT + 0.1 * FIRST, abs=1e-3)
