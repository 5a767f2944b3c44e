"""When the robot moves, holds and stops, on a clock that the test holds."""

import numpy as np
import pytest

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk
from mivla_ros.retargeting import Follower, FollowerOptions, Mode
from mivla_ros.retargeting.errors import refuse
from mivla_ros.stop_reasons import Reason, Stop
from test.retargeting.robots import ARM, PROFILE, READY, START_NS, PerfectRobot, eef_chunk, retargeter, swing

OPERATOR = Stop(Reason.OPERATOR_STOP)


def chunk(
    robot: PerfectRobot, sequence: int, seconds: float | None = None, size: float = 0.4, **changes: object
) -> ActionChunk:
    """Sixteen steps of the swing, the first due now."""
    begin = (robot.now_ns - START_NS) / NANOSECONDS if seconds is None else seconds
    joints = swing(begin + np.arange(16) / 15, size)
    return eef_chunk(joints, first_ns=robot.now_ns, sequence=sequence, openings=np.ones(16), **changes)


@pytest.fixture
def robot() -> PerfectRobot:
    return PerfectRobot(Follower(retargeter()))


@pytest.fixture
def moving(robot: PerfectRobot) -> PerfectRobot:
    """A robot in the middle of its second chunk."""
    robot.give(chunk(robot, 1))
    robot.run(0.4)
    robot.give(chunk(robot, 2))
    robot.run(0.3)
    assert robot.follower.mode is Mode.TRACKING
    return robot


def assert_brakes_within_two_periods(robot: PerfectRobot, detected_ns: int) -> None:
    """The motion sent last starts within two control periods, continues the one before and comes to rest."""
    motion = robot.follower.motion(ARM.name)
    assert motion is not None
    arm = motion.arm
    assert detected_ns < arm.start_ns <= detected_ns + 2 * retargeter().period_ns
    change = np.abs(np.diff(arm.velocities, axis=0))
    assert (change <= np.array(ARM.acceleration) / PROFILE.command_rate + 1e-9).all()
    assert (np.diff(np.abs(arm.velocities), axis=0) <= 1e-12).all() and not arm.velocities[-1].any()


def test_before_the_first_chunk_nothing_is_commanded(robot: PerfectRobot) -> None:
    assert robot.run(1.0) == []
    assert robot.follower.mode is Mode.HOLDING and robot.follower.reason.reason is Reason.CHUNK_MISSING
    assert robot.follower.executed(robot.now_ns) is None


def test_without_joint_states_nothing_is_commanded() -> None:
    follower = Follower(retargeter())
    given = eef_chunk(swing(np.arange(16) / 15))
    assert follower.on_chunk(given, START_NS, lambda arm, chunk: np.eye(7)[3]) == []
    assert follower.reason.reason is Reason.JOINTS_MISSING and "joint1" in follower.reason.subject
    follower.on_joint_states(START_NS, ARM.joints, READY, [])
    assert follower.on_chunk(given, START_NS, lambda arm, chunk: np.eye(7)[3]) == []
    assert "gripper" in follower.reason.subject


def test_the_first_motion_starts_where_the_arm_is_measured(robot: PerfectRobot) -> None:
    commands = robot.give(chunk(robot, 1))
    assert [command.controller for command in commands] == ["arm_controller", "gripper_controller"]
    arm, gripper = (command.trajectory for command in commands)
    assert arm is not None and gripper is not None
    assert np.array_equal(arm.positions[0], READY) and gripper.positions[0, 0] == 0.05
    assert arm.start_ns == robot.now_ns + FollowerOptions().lead_ns


def test_chunks_are_followed_and_counted(moving: PerfectRobot) -> None:
    executed = moving.follower.executed(moving.now_ns)
    assert executed is not None
    # 0.3 s at 15 Hz: steps 1 to 4; step 0 was due before the motion could begin
    assert (executed.sequence, executed.first_step, executed.executed, executed.remaining) == (2, 1, 4, 11)
    assert executed.horizon == executed.dropped + executed.executed + executed.remaining
    assert executed.total == 10 and executed.due_ns == START_NS + 400_000_000 + 4 * 66_666_667
    names, positions = moving.follower.commanded(executed.due_ns)
    assert names == PROFILE.joint_names
    assert np.abs(positions[:6] - swing(np.array([0.4 + 4 / 15]), 0.4)[0]).max() < 0.02
    assert moving.follower.counts.accepted_chunks == 2 and moving.follower.counts.dropped_steps == 2
    assert moving.follower.counts.chunk_age == pytest.approx(0.07)


def test_at_the_end_it_stands_at_the_last_step_and_says_so(moving: PerfectRobot) -> None:
    assert moving.run(3.0) == []
    assert moving.follower.mode is Mode.HOLDING and moving.follower.reason.reason is Reason.CHUNK_EXHAUSTED
    executed = moving.follower.executed(moving.now_ns)
    assert executed is not None and executed.remaining == 0 and executed.executed == 15
    _, positions = moving.follower.commanded(moving.now_ns)
    assert np.abs(positions[:6] - swing(np.array([0.4 + 1.0]), 0.4)[0]).max() < 0.01


def test_a_stop_brakes_latches_and_is_released_for_a_new_generation_only(moving: PerfectRobot) -> None:
    commands = moving.follower.stop(OPERATOR, moving.now_ns)
    assert [command.controller for command in commands] == ["arm_controller", "gripper_controller"]
    assert_brakes_within_two_periods(moving, moving.now_ns)
    assert moving.run(1.0) == []
    assert moving.give(chunk(moving, 3)) == []
    assert moving.follower.mode is Mode.STOPPED and moving.follower.reason.reason is Reason.OPERATOR_STOP
    generation = moving.follower.release()
    assert moving.give(chunk(moving, 4)) == [] and moving.follower.reason.reason is Reason.CHUNK_OUTDATED
    assert moving.give(chunk(moving, 5, generation=generation)) and moving.follower.mode is Mode.TRACKING


def test_a_stop_holds_even_where_nothing_moves(robot: PerfectRobot) -> None:
    assert robot.follower.stop(OPERATOR, robot.now_ns) == []
    assert robot.give(chunk(robot, 1)) == [] and robot.follower.mode is Mode.STOPPED


def test_executed_steps_do_not_go_on_after_a_stop(moving: PerfectRobot) -> None:
    moving.follower.stop(OPERATOR, moving.now_ns)
    first = moving.follower.executed(moving.now_ns)
    moving.run(2.0)
    second = moving.follower.executed(moving.now_ns)
    assert first == second and first is not None and first.remaining == 0


def test_silent_joints_stop_it_and_their_return_does_not_release_it(moving: PerfectRobot) -> None:
    moving.delivers = False
    commands = moving.run(0.4)
    assert commands and moving.follower.mode is Mode.STOPPED
    assert moving.follower.reason.reason is Reason.JOINTS_STALE
    assert moving.follower.reason.value > moving.follower.reason.limit == pytest.approx(0.2)
    moving.delivers = True
    moving.run(0.1)
    assert moving.give(chunk(moving, 3)) == [] and moving.follower.mode is Mode.STOPPED
    generation = moving.follower.release()
    assert moving.give(chunk(moving, 4, generation=generation)) and moving.follower.mode is Mode.TRACKING


@pytest.mark.parametrize("what", ["nan", "millimetres", "transform"])
def test_a_chunk_that_is_wrong_stops_it_at_once(moving: PerfectRobot, what: str) -> None:
    bad = chunk(moving, 3)
    eef = bad.arms[0].eef
    assert eef is not None
    before_ns = moving.now_ns
    if what == "transform":

        def base_from_frame(arm: object, chunk: object) -> np.ndarray:
            raise refuse(Reason.TRANSFORM_MISSING, "moon to base_link")

        commands = moving.follower.on_chunk(bad, moving.now_ns, base_from_frame)
    else:
        eef *= np.nan if what == "nan" else np.r_[1e3, 1e3, 1e3, 1, 1, 1, 1]
        commands = moving.give(bad)
    assert commands and moving.follower.mode is Mode.STOPPED
    assert_brakes_within_two_periods(moving, before_ns)
    reasons = {
        "nan": Reason.CHUNK_INVALID,
        "millimetres": Reason.CHUNK_OUT_OF_RANGE,
        "transform": Reason.TRANSFORM_MISSING,
    }
    assert moving.follower.reason.reason is reasons[what]
    moving.run(0.5)
    assert moving.give(chunk(moving, 4)) == []
    generation = moving.follower.release()
    assert moving.give(chunk(moving, 5, generation=generation)) and moving.follower.mode is Mode.TRACKING


def test_an_arm_that_is_held_back_is_not_pushed(moving: PerfectRobot) -> None:
    moving.delivers = False
    stuck = dict(moving.joints)
    stuck["joint1"] -= 0.5
    moving.now_ns += retargeter().period_ns
    moving.follower.on_joint_states(moving.now_ns, list(stuck), list(stuck.values()), [])
    commands = moving.follower.tick(moving.now_ns)
    assert [(command.controller, command.trajectory) for command in commands] == [("arm_controller", None)]
    reason = moving.follower.reason
    assert reason.reason is Reason.TRACKING_ERROR and "joint1" in reason.subject and reason.value > reason.limit
    # what was planned before is void; what is planned now starts where the arm is
    assert moving.give(chunk(moving, 3)) == []
    commands = moving.give(chunk(moving, 4, generation=moving.follower.generation))
    assert commands[0].trajectory is not None
    assert commands[0].trajectory.positions[0, 0] == pytest.approx(stuck["joint1"])


def test_a_tracking_error_latches_where_it_shall() -> None:
    robot = PerfectRobot(Follower(retargeter(), FollowerOptions(tracking_error_latches=True)))
    robot.give(chunk(robot, 1))
    robot.run(0.2)
    robot.follower.on_joint_states(robot.now_ns + 1, ARM.joints, READY + 0.6, [])
    robot.follower.tick(robot.now_ns + 1)
    assert robot.follower.mode is Mode.STOPPED


def test_an_arm_moved_by_somebody_else_while_it_rested_starts_from_where_it_is(moving: PerfectRobot) -> None:
    moving.run(3.0)
    moving.delivers = False
    elsewhere = {**moving.joints, "joint1": moving.joints["joint1"] + 0.3, "gripper": 0.02}
    moving.follower.on_joint_states(moving.now_ns, list(elsewhere), list(elsewhere.values()), [])
    commands = moving.give(chunk(moving, 3))
    assert commands[0].trajectory is not None and commands[1].trajectory is not None
    assert commands[0].trajectory.positions[0, 0] == pytest.approx(elsewhere["joint1"])
    assert commands[1].trajectory.positions[0, 0] == pytest.approx(0.02)


def test_a_sagging_arm_is_not_followed_down(moving: PerfectRobot) -> None:
    moving.run(3.0)
    sagging = {name: value + 0.02 for name, value in moving.joints.items()}
    moving.follower.on_joint_states(moving.now_ns, list(sagging), list(sagging.values()), [])
    commands = moving.give(chunk(moving, 3))
    assert commands[0].trajectory is not None
    assert np.allclose(commands[0].trajectory.positions[0], [moving.joints[name] for name in ARM.joints])


@pytest.mark.parametrize("jump", [-10.0, -0.001, 5.0])
def test_a_jump_of_the_clock_ends_everything(moving: PerfectRobot, jump: float) -> None:
    commands = moving.follower.tick(moving.now_ns + round(jump * NANOSECONDS))
    assert [command.controller for command in commands] == ["arm_controller", "gripper_controller"]
    assert moving.follower.mode is Mode.STOPPED and moving.follower.reason.reason is Reason.CLOCK_JUMP
    assert moving.follower.reason.value == pytest.approx(jump)
    # due times mean nothing any more: the stop begins on arrival, with the speed the arm has
    arm = commands[0].trajectory
    assert arm is not None and all(command.at_once for command in commands)
    assert np.abs(arm.velocities[0]).max() > 0.1 and not arm.velocities[-1].any()


def test_a_follower_started_in_the_middle_of_a_motion_goes_on_as_fast(robot: PerfectRobot) -> None:
    speed = np.array([0.5, 0, 0, -0.3, 0, 0])
    robot.follower.on_joint_states(robot.now_ns, PROFILE.joint_names, [*READY, 0.05], [*speed, 0.0])
    commands = robot.give(chunk(robot, 1))
    trajectory = commands[0].trajectory
    assert trajectory is not None
    assert np.allclose(trajectory.velocities[0], speed)
    assert np.allclose(trajectory.positions[0], READY + speed * FollowerOptions().lead_ns / NANOSECONDS)
