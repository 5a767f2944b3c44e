"""Trajectories are followed as ros2_control's joint_trajectory_controller documents it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.simulation.errors import Rejection, TrajectoryRejectedError
from mivla_ros.simulation.trajectory import (
    JointTrajectory,
    TrajectoryFollower,
    TrajectoryPoint,
    joint_trajectory,
)

JOINTS = ("shoulder", "elbow")
START = np.array([0.1, -0.2])
S = 1_000_000_000
NOW = 50 * S


def follower(**options: bool) -> TrajectoryFollower:
    return TrajectoryFollower("arm_controller", JOINTS, START, **options)


def positions(controller: TrajectoryFollower, seconds: float) -> np.ndarray:
    return controller.sample(NOW + round(seconds * S)).positions


def test_holds_where_it_began_before_any_command() -> None:
    state = follower().sample(NOW)
    np.testing.assert_array_equal(state.positions, START)
    np.testing.assert_array_equal(state.velocities, 0)


def test_positions_alone_are_joined_by_straight_lines_from_the_desired_state() -> None:
    controller = follower()
    controller.command(joint_trajectory(JOINTS, [1.0, 3.0], [[1.1, 0.8], [1.1, 2.8]]), NOW, START)
    np.testing.assert_allclose(positions(controller, 0.25), [0.35, 0.05])
    np.testing.assert_allclose(positions(controller, 1.0), [1.1, 0.8])
    state = controller.sample(NOW + 2 * S)
    np.testing.assert_allclose(state.positions, [1.1, 1.8])
    np.testing.assert_allclose(state.velocities, [0.0, 1.0])


def test_joints_may_come_in_any_order() -> None:
    controller = follower()
    controller.command(joint_trajectory(("elbow", "shoulder"), [1.0], [[5.0, 7.0]]), NOW, START)
    np.testing.assert_array_equal(positions(controller, 1.0), [7.0, 5.0])


def test_holds_the_last_point() -> None:
    controller = follower()
    controller.command(joint_trajectory(JOINTS, [0.5], [[1.0, 1.0]]), NOW, START)
    state = controller.sample(NOW + 60 * S)
    np.testing.assert_array_equal(state.positions, [1.0, 1.0])
    np.testing.assert_array_equal(state.velocities, [0.0, 0.0])


def test_stamp_zero_means_now_and_a_stamp_means_that_time() -> None:
    now, later = follower(), follower()
    now.command(joint_trajectory(JOINTS, [1.0], [[1.0, 1.0]]), NOW, START)
    later.command(joint_trajectory(JOINTS, [1.0], [[1.0, 1.0]], stamp_ns=NOW + 2 * S), NOW, START)
    np.testing.assert_array_equal(positions(now, 1.0), [1.0, 1.0])
    np.testing.assert_array_equal(positions(later, 2.0), START)
    np.testing.assert_allclose(positions(later, 2.5), (START + 1.0) / 2)
    np.testing.assert_array_equal(positions(later, 3.0), [1.0, 1.0])


def test_the_old_trajectory_is_followed_until_the_new_one_starts() -> None:
    controller = follower()
    controller.command(joint_trajectory(JOINTS, [4.0], [[4.1, 3.8]]), NOW, START)
    controller.command(joint_trajectory(JOINTS, [1.0], [[0.0, 0.0]], stamp_ns=NOW + 2 * S), NOW + S, START)
    np.testing.assert_allclose(positions(controller, 1.5), START + 1.5)
    np.testing.assert_allclose(positions(controller, 2.0), START + 2.0)
    np.testing.assert_allclose(positions(controller, 2.5), (START + 2.0) / 2)
    np.testing.assert_allclose(positions(controller, 3.0), [0.0, 0.0])


def test_points_already_past_are_left_out() -> None:
    controller = follower()
    late = joint_trajectory(JOINTS, [1.0, 2.0, 3.0], [[9.0, 9.0], [8.0, 8.0], [1.0, 1.0]], stamp_ns=NOW - 2 * S)
    controller.command(late, NOW, START)
    np.testing.assert_allclose(positions(controller, 0.0), START)
    np.testing.assert_allclose(positions(controller, 0.5), (START + 1.0) / 2)
    np.testing.assert_allclose(positions(controller, 1.0), [1.0, 1.0])


def test_a_first_point_at_a_future_start_is_reached_without_a_jump() -> None:
    controller = follower()
    controller.command(joint_trajectory(JOINTS, [0.0, 1.0], [[2.0, 2.0], [3.0, 3.0]], stamp_ns=NOW + S), NOW, START)
    np.testing.assert_allclose(positions(controller, 0.0), START)
    np.testing.assert_allclose(positions(controller, 0.5), (START + 2.0) / 2)
    np.testing.assert_allclose(positions(controller, 1.0), [2.0, 2.0])


def test_no_points_stop_at_the_measured_position() -> None:
    controller = follower()
    controller.command(joint_trajectory(JOINTS, [4.0], [[4.1, 3.8]]), NOW, START)
    controller.command(JointTrajectory(()), NOW + S, [1.0, 0.7])
    for seconds in (1.0, 5.0):
        np.testing.assert_array_equal(positions(controller, seconds), [1.0, 0.7])


def test_after_an_end_at_speed_it_rests_until_the_next_start() -> None:
    controller = follower(allow_moving_end=True)
    controller.command(joint_trajectory(JOINTS, [1.0], [[1.0, 1.0]], [[3.0, 3.0]]), NOW, START)
    controller.command(joint_trajectory(JOINTS, [1.0], [[2.0, 2.0]], stamp_ns=NOW + 3 * S), NOW, START)
    np.testing.assert_allclose(positions(controller, 2.0), [1.0, 1.0])
    np.testing.assert_allclose(positions(controller, 3.5), [1.5, 1.5])


numbers = st.floats(-3, 3)
pairs = st.tuples(numbers, numbers)


@given(pairs, pairs, pairs, pairs, st.floats(0.05, 5))
def test_cubics_meet_positions_and_velocities_at_both_ends(
    p0: tuple, v0: tuple, p1: tuple, v1: tuple, span: float
) -> None:
    controller = follower(allow_moving_end=True)
    controller.command(joint_trajectory(JOINTS, [1.0, 1.0 + span], [p0, p1], [v0, v1]), NOW, START)
    first = controller.sample(NOW + S)
    before_last = controller.sample(NOW + S + round(span * S) - 1)
    np.testing.assert_allclose(first.positions, p0, atol=1e-9)
    np.testing.assert_allclose(first.velocities, v0, atol=1e-9)
    np.testing.assert_allclose(before_last.positions, p1, atol=1e-6)
    np.testing.assert_allclose(before_last.velocities, v1, atol=1e-4)


@given(st.lists(pairs, min_size=6, max_size=6), st.floats(0.1, 5))
def test_quintics_meet_accelerations_too(rows: list, span: float) -> None:
    p0, v0, a0, p1, v1, a1 = rows
    controller = follower(allow_moving_end=True)
    points = (TrajectoryPoint(S, p0, v0, a0), TrajectoryPoint(S + round(span * S), p1, v1, a1))
    controller.command(JointTrajectory(JOINTS, points), NOW, START)
    first = controller.sample(NOW + S)
    last = controller.sample(NOW + S + round(span * S) - 1)
    np.testing.assert_allclose(first.accelerations, a0, atol=1e-8)
    for got, wanted, tolerance in (
        (last.positions, p1, 1e-6), (last.velocities, v1, 1e-4), (last.accelerations, a1, 1e-2)
    ):  # fmt: skip
        np.testing.assert_allclose(got, wanted, atol=tolerance)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0.0, 0.2), st.floats(0.02, 0.3), pairs), min_size=1, max_size=5),
    st.booleans(),
)
def test_replacements_never_make_the_desired_position_jump(commands: list, with_velocities: bool) -> None:
    controller = follower()
    tick = S // 1000
    before, now = controller.sample(NOW), NOW
    for delay, duration, target in commands:
        middle = [[x / 2 for x in target], target]
        trajectory = joint_trajectory(
            JOINTS, [duration, 2 * duration], middle, np.zeros((2, 2)) if with_velocities else None,
            stamp_ns=now + round(delay * S),
        )  # fmt: skip
        controller.command(trajectory, now, before.positions)
        for _ in range(120):
            now += tick
            state = controller.sample(now)
            # the steepest way here: 6 rad in 0.02 s, by a cubic from up to that speed
            assert np.abs(state.positions - before.positions).max() < 6 / 0.02 * 2 * 1e-3
            before = state


@given(st.floats(0.3, 1.5), st.floats(0.0, 1.0))
def test_a_copy_of_the_same_motion_changes_nothing(cut: float, stamp_before: float) -> None:
    times = np.array([0.5, 1.0, 2.0])
    rows, speeds = [[1.0, 0.0], [2.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [0.5, -0.5], [0.0, 0.0]]
    alone, replaced = follower(), follower()
    motion = joint_trajectory(JOINTS, times, rows, speeds, stamp_ns=NOW)
    for controller in (alone, replaced):
        controller.command(motion, NOW, START)
    replaced.command(motion, NOW + round(cut * S), START)
    for seconds in np.linspace(cut, 2.2, 30):
        np.testing.assert_allclose(positions(alone, seconds), positions(replaced, seconds), atol=1e-7)


def refused(trajectory: JointTrajectory, **options: bool) -> TrajectoryRejectedError:
    controller = follower(**options)
    controller.command(joint_trajectory(JOINTS, [4.0], [[4.1, 3.8]]), NOW, START)
    with pytest.raises(TrajectoryRejectedError) as caught:
        controller.command(trajectory, NOW + S, START)
    np.testing.assert_allclose(positions(controller, 2.0), START + 2.0, err_msg="the old trajectory must go on")
    assert str(caught.value).startswith(f"simulation: arm_controller: trajectory refused, {caught.value.reason.value}")
    return caught.value


def point(seconds: float, *rows: tuple) -> TrajectoryPoint:
    return TrajectoryPoint(round(seconds * S), *rows)


OK = (1.0, 1.0)


@pytest.mark.parametrize(
    ("reason", "trajectory", "words"),
    [
        (Rejection.UNKNOWN_JOINT, joint_trajectory(("shoulder", "wrist"), [1.0], [OK]), "'wrist'"),
        (Rejection.PARTIAL_JOINTS, joint_trajectory(("elbow",), [1.0], [[1.0]]), "shoulder missing"),
        (Rejection.PARTIAL_JOINTS, JointTrajectory((), (point(1, OK),)), "shoulder, elbow missing"),
        (
            Rejection.DUPLICATE_JOINT,
            joint_trajectory(("elbow", "elbow"), [1.0], [OK]),
            "'elbow' appears 2 times",
        ),
        (Rejection.WRONG_SIZE, JointTrajectory(JOINTS, (point(1, (1.0,)),)), "1 positions for 2 joints"),
        (Rejection.WRONG_SIZE, JointTrajectory(JOINTS, (point(1, OK, (1.0,)),)), "1 velocities for 2 joints"),
        (
            Rejection.WRONG_SIZE,
            JointTrajectory(JOINTS, (point(1, OK, (), (1.0, 1.0, 1.0)),)),
            "3 accelerations",
        ),
        (Rejection.WRONG_SIZE, JointTrajectory(JOINTS, (point(1, ()),)), "no positions"),
        (Rejection.NOT_FINITE, JointTrajectory(JOINTS, (point(1, (1.0, np.nan)),)), "point 0: positions"),
        (
            Rejection.NOT_FINITE,
            JointTrajectory(JOINTS, (point(1, OK, (np.inf, 0.0)),)),
            "point 0: velocities",
        ),
        (
            Rejection.TIMES_NOT_INCREASING,
            joint_trajectory(JOINTS, [1.0, 1.0], [OK, OK]),
            "point 1 is due 1 s",
        ),
        (
            Rejection.TIMES_NOT_INCREASING,
            joint_trajectory(JOINTS, [2.0, 1.0], [OK, OK]),
            "not after point 0 at 2 s",
        ),
        (Rejection.NEGATIVE_TIME, joint_trajectory(JOINTS, [-0.5, 1.0], [OK, OK]), "due -0.5 s"),
        (Rejection.ENDS_IN_PAST, joint_trajectory(JOINTS, [0.5], [OK], stamp_ns=NOW), "0.500 s ago"),
        (Rejection.MOVING_END, joint_trajectory(JOINTS, [1.0], [OK], [[0.0, 0.3]]), "'elbow' moves at 0.3"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_reason(
    reason: Rejection, trajectory: JointTrajectory, words: str
) -> None:
    error = refused(trajectory)
    assert error.reason is reason
    assert words in str(error)


def test_a_moving_end_is_taken_where_it_is_allowed() -> None:
    controller = follower(allow_moving_end=True)
    controller.command(joint_trajectory(JOINTS, [1.0], [OK], [[0.0, 0.3]]), NOW, START)
    np.testing.assert_array_equal(positions(controller, 1.5), OK)
