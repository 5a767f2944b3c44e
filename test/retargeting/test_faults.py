"""What ends a motion, on a clock that the test holds: faults latch, and only a release lets the arms move again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.action_chunk import NANOSECONDS
from mivla_ros.nodes.benchmarks.breaks.measurement import braking
from mivla_ros.retargeting import Follower, FollowerOptions, Mode
from mivla_ros.retargeting.faults import FAULTS, PolicyReport
from mivla_ros.stop_reasons import RUNNING, Reason, Stop
from test.retargeting.robots import ARM, PROFILE, READY, SESSION, START_NS, PerfectRobot, limits, retargeter
from test.retargeting.test_follower import assert_brakes_within_two_periods, chunk

OTHER = b"x" * 16


@pytest.fixture
def robot() -> PerfectRobot:
    return PerfectRobot(Follower(retargeter()))


@pytest.fixture
def moving(robot: PerfectRobot) -> PerfectRobot:
    """A robot in the middle of its second chunk, whose policy node has spoken."""
    robot.give(chunk(robot, 1))
    robot.run(0.4)
    robot.give(chunk(robot, 2))
    say(robot, RUNNING)
    robot.run(0.3)
    say(robot, RUNNING)
    assert robot.follower.mode is Mode.TRACKING
    return robot


def say(robot: PerfectRobot, reason: Stop, sequence: int = 2, idle: bool = False, session: bytes = SESSION) -> list:
    """A report of the policy node; what is sent for it."""
    report = PolicyReport(session, robot.follower.generation, sequence, reason, idle)
    return robot.follower.on_policy_report(report, robot.now_ns)


def test_a_joint_that_is_not_named_any_more_is_missing_and_not_stale(moving: PerfectRobot) -> None:
    del moving.joints["joint3"]
    moving.delivers = False
    for _ in range(20):
        moving.now_ns += retargeter().period_ns
        moving.follower.on_joint_states(moving.now_ns, list(moving.joints), list(moving.joints.values()), [])
        moving.follower.tick(moving.now_ns)
    reason = moving.follower.reason
    assert moving.follower.mode is Mode.STOPPED and reason.reason is Reason.JOINTS_MISSING
    assert "joint3" in reason.subject and reason.value > reason.limit


def test_positions_without_names_are_said_to_be_so(moving: PerfectRobot) -> None:
    moving.delivers = False
    for _ in range(20):
        moving.now_ns += retargeter().period_ns
        moving.follower.on_joint_states(moving.now_ns, [], list(moving.joints.values()), [])
        moving.follower.tick(moving.now_ns)
    reason = moving.follower.reason
    assert reason.reason is Reason.JOINTS_MISSING and "7 positions under 0 names" in reason.message


def test_joint_states_from_the_future_are_not_believed(robot: PerfectRobot) -> None:
    ahead_ns = robot.now_ns + NANOSECONDS
    robot.follower.on_joint_states(ahead_ns, list(robot.joints), list(robot.joints.values()), [])
    assert robot.give(chunk(robot, 1)) == []
    assert robot.follower.reason.reason is Reason.JOINTS_STALE and "ahead of the clock" in robot.follower.reason.message


def test_a_process_that_was_not_run_for_a_while_reads_what_came_before_it_judges(moving: PerfectRobot) -> None:
    moving.now_ns += 300_000_000
    assert moving.follower.tick(moving.now_ns) == [] and moving.follower.mode is Mode.TRACKING
    moving.now_ns += 300_000_000
    assert moving.follower.tick(moving.now_ns) and moving.follower.reason.reason is Reason.JOINTS_STALE


OUT_OF_PLACE = {
    Reason.CHUNK_OUTDATED: {"sequence": 2},
    Reason.CHUNK_FOREIGN_SESSION: {"session": b"x" * 16},
    Reason.CHUNK_EXPIRED: {"first_step_ns": START_NS, "valid_until_ns": START_NS + 1},
}


@pytest.mark.parametrize(("reason", "changes"), OUT_OF_PLACE.items(), ids=lambda value: getattr(value, "name", ""))
def test_a_chunk_out_of_place_stops_a_motion_until_the_release(
    moving: PerfectRobot, reason: Reason, changes: dict[str, object]
) -> None:
    before_ns = moving.now_ns
    assert moving.give(chunk(moving, 3).stamped(**changes))
    assert_brakes_within_two_periods(moving, before_ns)
    assert moving.follower.mode is Mode.STOPPED and moving.follower.reason.reason is reason
    moving.run(1.0)
    assert moving.give(chunk(moving, 4)) == []
    generation = moving.follower.release()
    assert moving.give(chunk(moving, 5, generation=generation)) and moving.follower.mode is Mode.TRACKING


@pytest.mark.parametrize("reason", [Reason.CHUNK_OUTDATED, Reason.CHUNK_EXPIRED])
def test_a_chunk_out_of_place_is_only_named_where_nothing_moves(moving: PerfectRobot, reason: Reason) -> None:
    say(moving, Stop(Reason.POLICY_FINISHED), idle=True)
    moving.run(1.3)
    assert moving.follower.mode is Mode.HOLDING
    assert moving.give(chunk(moving, 3).stamped(**OUT_OF_PLACE[reason])) == []
    assert moving.follower.mode is Mode.HOLDING and moving.follower.reason.reason is reason
    assert moving.give(chunk(moving, 4)) and moving.follower.mode is Mode.TRACKING


def test_after_a_fault_that_is_named_so_the_next_good_chunk_moves_it_on() -> None:
    robot = PerfectRobot(Follower(retargeter(), FollowerOptions(resumes_after=frozenset({Reason.CHUNK_OUTDATED}))))
    robot.give(chunk(robot, 1))
    robot.run(0.3)
    assert robot.give(chunk(robot, 1)) and robot.follower.mode is Mode.HOLDING
    robot.run(0.1)
    assert robot.give(chunk(robot, 2)) and robot.follower.mode is Mode.TRACKING


def test_a_process_that_was_not_run_for_a_while_sees_no_jump(moving: PerfectRobot) -> None:
    moving.follower.tick(moving.now_ns, 7 * NANOSECONDS)
    moving.now_ns += 1_200_000_000
    assert moving.follower.tick(moving.now_ns, 8_100_000_000) == []
    assert moving.follower.reason.reason is Reason.CHUNK_EXHAUSTED
    moving.follower.tick(moving.now_ns + 520_000_001, 8_120_000_000)
    assert moving.follower.reason.reason is Reason.CLOCK_JUMP


def test_a_jump_of_the_clock_at_rest_needs_no_release(robot: PerfectRobot) -> None:
    robot.run(0.1)
    robot.now_ns += 5 * NANOSECONDS
    assert robot.follower.tick(robot.now_ns) == [] and robot.follower.reason.reason is Reason.CLOCK_JUMP
    robot.deliver()
    assert robot.give(chunk(robot, 1, 0.0)) and robot.follower.mode is Mode.TRACKING


@settings(max_examples=40)
@given(reason=st.sampled_from(sorted(FAULTS)), begun=st.integers(1, 52), joined=st.integers(0, 40))
def test_whatever_breaks_whenever_the_arm_brakes_within_its_limits_and_waits_for_a_release(
    reason: Reason, begun: int, joined: int
) -> None:
    period_ns = retargeter().period_ns
    robot = PerfectRobot(Follower(retargeter()))
    robot.give(chunk(robot, 1))
    robot.run(joined * period_ns / 1e9)
    robot.give(chunk(robot, 2))
    robot.run(min(begun, 45) * period_ns / 1e9)
    before_ns, sent = robot.now_ns, [c.trajectory for c in robot.sent if c.controller == ARM.controller]
    commands = robot.follower.fault(Stop(reason), before_ns)
    assert robot.follower.mode is Mode.STOPPED and robot.follower.reason.reason is reason
    stop = commands[0].trajectory
    assert stop is not None and before_ns < stop.start_ns <= before_ns + 2 * period_ns
    how = braking(stop, [trajectory for trajectory in sent if trajectory is not None], limits())
    assert how.ends_at_rest and how.acceleration <= 1.001 and max(how.jerk, how.join_jerk) <= 1.001
    assert (stop.positions >= limits().lower).all() and (stop.positions <= limits().upper).all()
    assert robot.run(0.5) == [] and robot.give(chunk(robot, 3)) == []
    generation = robot.follower.release()
    assert robot.give(chunk(robot, 4)) == []
    assert robot.give(chunk(robot, 5, generation=generation)) and robot.follower.mode is Mode.TRACKING


@pytest.mark.parametrize("reason", sorted(FAULTS))
def test_every_fault_may_be_told_to_hold_only(reason: Reason) -> None:
    robot = PerfectRobot(Follower(retargeter(), FollowerOptions(resumes_after=frozenset({reason}))))
    robot.give(chunk(robot, 1))
    robot.run(0.3)
    assert robot.follower.fault(Stop(reason), robot.now_ns) and robot.follower.mode is Mode.HOLDING
    robot.run(0.1)
    assert robot.give(chunk(robot, 2)) and robot.follower.mode is Mode.TRACKING


FROZEN = Stop(Reason.STREAM_FROZEN, "head_camera", 1.1, 1.0, "s")


def test_a_blind_policy_stops_the_motion_of_its_chunk(moving: PerfectRobot) -> None:
    before_ns = moving.now_ns
    assert say(moving, FROZEN)
    assert_brakes_within_two_periods(moving, before_ns)
    assert moving.follower.mode is Mode.STOPPED and moving.follower.reason == FROZEN
    assert say(moving, RUNNING) == [] and moving.give(chunk(moving, 3)) == []


def test_a_policy_that_went_blind_before_its_chunk_ran_out_may_not_go_on_either(moving: PerfectRobot) -> None:
    for _ in range(8):
        moving.run(0.2)
        say(moving, RUNNING)
    assert moving.follower.reason.reason is Reason.CHUNK_EXHAUSTED
    assert say(moving, FROZEN) == [] and moving.follower.mode is Mode.STOPPED


@pytest.mark.parametrize(
    ("sequence", "session", "reason"),
    [
        (1, SESSION, FROZEN),  # said before the chunk that is executed now
        (2, OTHER, FROZEN),
        (2, SESSION, Stop(Reason.POLICY_DEADLINE, "inference", 1.2, 1.0, "s")),
        (2, SESSION, Stop(Reason.POLICY_UNREACHABLE, "ws://127.0.0.1:8000")),
        (2, SESSION, Stop(Reason.STREAM_STALE, "mivla/retargeting_status", 1.1, 1.0, "s")),
        (2, SESSION, Stop(Reason.STREAM_SKEW, "head_camera", 0.06, 0.05, "s")),
    ],
)
def test_what_says_nothing_against_the_chunk_under_way_does_not_stop_it(
    moving: PerfectRobot, sequence: int, session: bytes, reason: Stop
) -> None:
    assert say(moving, reason, sequence, session=session) == []
    assert moving.follower.mode is Mode.TRACKING


def test_a_policy_that_dies_stops_the_motion_and_its_successor_needs_a_release(moving: PerfectRobot) -> None:
    sent = []
    for sequence in range(3, 8):
        moving.give(chunk(moving, sequence))
        sent += moving.run(0.12)
    assert sent and moving.follower.mode is Mode.STOPPED
    reason = moving.follower.reason
    assert reason.reason is Reason.POLICY_SILENT and reason.value > reason.limit == 0.5
    moving.run(2.0)
    assert moving.give(chunk(moving, 1, session=OTHER)) == []
    generation = moving.follower.release()
    assert moving.give(chunk(moving, 2, session=OTHER, generation=generation))
    moving.run(0.6)
    assert moving.follower.mode is Mode.TRACKING, "nothing has been heard of the successor that could fall silent"


def test_a_policy_that_has_finished_may_end_and_its_last_chunk_is_executed(moving: PerfectRobot) -> None:
    assert say(moving, Stop(Reason.POLICY_FINISHED), idle=True) == []
    moving.run(2.0)
    assert moving.follower.mode is Mode.HOLDING and moving.follower.reason.reason is Reason.CHUNK_EXHAUSTED


@pytest.mark.parametrize("reason", [RUNNING, Stop(Reason.TASK_CANCELLED, "task")])
def test_a_policy_that_was_told_to_end_holds_the_arm_without_a_latch(moving: PerfectRobot, reason: Stop) -> None:
    before_ns = moving.now_ns
    assert say(moving, reason, idle=True)
    assert_brakes_within_two_periods(moving, before_ns)
    assert moving.follower.mode is Mode.HOLDING
    assert moving.follower.reason.reason in (Reason.SHUTDOWN, Reason.TASK_CANCELLED)
    assert moving.give(chunk(moving, 3)) and moving.follower.mode is Mode.TRACKING


def test_a_policy_that_was_executed_before_this_process_began_waits_for_a_release(robot: PerfectRobot) -> None:
    assert robot.give(chunk(robot, 40, executed_sequence=39, generation=7)) == []
    assert robot.follower.mode is Mode.STOPPED and robot.follower.reason.reason is Reason.RESTARTED
    assert robot.follower.release() == 8
    assert robot.give(chunk(robot, 41, executed_sequence=39, generation=7)) == []
    assert robot.give(chunk(robot, 42, generation=8)) and robot.follower.mode is Mode.TRACKING


def test_an_arm_that_still_moves_when_its_process_is_back_is_braked(robot: PerfectRobot) -> None:
    speed = np.array([0.5, 0, 0, -0.3, 0, 0])
    robot.follower.on_joint_states(robot.now_ns, PROFILE.joint_names, [*READY, 0.05], [*speed, 0.0])
    (command,) = robot.give(chunk(robot, 40, executed_sequence=39))
    arm = command.trajectory
    assert command.controller == ARM.controller and arm is not None
    assert np.allclose(arm.velocities[0], speed) and not arm.velocities[-1].any()
    assert robot.follower.mode is Mode.STOPPED


def test_a_generation_that_no_release_could_raise_is_refused(robot: PerfectRobot) -> None:
    assert robot.give(chunk(robot, 1, generation=2**32 - 1)) == []
    assert robot.follower.reason.reason is Reason.CHUNK_OUT_OF_RANGE and robot.follower.generation == 0


def test_every_fault_can_be_named_in_the_parameter_that_lets_it_resume() -> None:
    from pathlib import Path

    import yaml

    import mivla_ros.nodes

    file = Path(mivla_ros.nodes.__file__).parent / "parameters/retargeting_node.yaml"
    allowed = yaml.safe_load(file.read_text("utf-8"))["retargeting_node_parameters"]["resumes_after"]["validation"]
    assert set(allowed["subset_of<>"][0]) - {""} == {reason.name for reason in FAULTS if reason is not Reason.RESTARTED}
