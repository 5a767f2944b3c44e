"""Grippers: never between a decision, legal in jerk too, at rest where they shall be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.action_chunk import GripperKind
from mivla_ros.retargeting.gripper import follow_gripper, gripper_reference
from mivla_ros.retargeting.limits import JointLimits

PERIOD = 0.02
LIMITS = JointLimits(*(np.array([x]) for x in (0.0, 0.1, 0.2, 2.0, 40.0)))


def follow(reference: np.ndarray, start: float, velocities: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    slopes = np.zeros(len(reference)) if velocities is None else velocities
    positions, speeds = follow_gripper(reference, slopes, (start, 0.0, 0.0), LIMITS, PERIOD)
    return positions[:, 0], speeds[:, 0]


def assert_legal(positions: np.ndarray, speeds: np.ndarray) -> None:
    assert (np.abs(speeds) <= 0.2).all()
    assert (np.abs(np.diff(speeds, prepend=0.0)) <= 2.0 * PERIOD + 1e-12).all()
    assert (np.abs(np.diff(speeds, 2, prepend=[0.0, 0.0])) <= 40.0 * PERIOD**2 + 1e-12).all()
    assert (positions >= 0.0).all() and (positions <= 0.1).all()


def test_a_binary_gripper_changes_when_its_step_is_due_and_is_never_between() -> None:
    steps, times = np.array([0.0, 0.1, 0.2, 0.3]), np.arange(0, 0.5, 0.02)
    positions, velocities = gripper_reference(np.array([0.1, 0.1, 0.0, 0.0]), GripperKind.BINARY, steps, times)
    assert set(positions) == {0.1, 0.0}
    assert (positions[times < 0.2 - 1e-6] == 0.1).all() and (positions[times >= 0.2 - 1e-6] == 0.0).all()
    assert not velocities.any()


def test_a_continuous_gripper_moves_in_straight_lines() -> None:
    steps, times = np.array([0.0, 0.1, 0.2]), np.arange(0, 0.4, 0.02)
    positions, velocities = gripper_reference(np.array([0.1, 0.05, 0.05]), GripperKind.CONTINUOUS, steps, times)
    assert np.isclose(positions[2], 0.08) and np.isclose(velocities[2], -0.5)
    assert np.allclose(positions[times >= 0.1], 0.05) and np.allclose(velocities[times > 0.1], 0)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 60), binary=st.booleans())
@settings(deadline=None)
def test_whatever_is_asked_for_it_is_legal_and_ends_at_rest_where_it_shall_be(
    seed: int, count: int, binary: bool
) -> None:
    rng = np.random.default_rng(seed)
    wanted = 0.1 * rng.integers(0, 2, count) if binary else rng.uniform(0, 0.1, count)
    slopes = np.zeros(count) if binary or count < 2 else np.gradient(wanted, PERIOD)
    positions, speeds = follow(wanted, float(rng.uniform(0, 0.1)), slopes)
    assert_legal(positions, speeds)
    assert positions[-1] == pytest.approx(wanted[-1], abs=1e-12) and speeds[-1] == 0.0


@given(target=st.floats(0, 0.1), start=st.floats(0, 0.1))
@settings(deadline=None)
def test_a_step_is_approached_within_a_tenth_of_a_millimetre_and_soon(target: float, start: float) -> None:
    positions, speeds = follow(np.full(3, target), start)
    assert_legal(positions, speeds)
    assert min(start, target) - 1e-4 <= positions.min() and positions.max() <= max(start, target) + 1e-4
    # no longer than at full speed, and what acceleration and jerk cost at both ends
    assert (len(positions) - 1) * PERIOD <= abs(target - start) / 0.2 + 1.5 * (0.2 / 2.0 + 2.0 / 40.0) + 2 * PERIOD


@given(decision=st.integers(1, 30), opens=st.booleans())
@settings(deadline=None)
def test_it_does_not_move_before_the_decision_and_goes_the_whole_way_after_it(decision: int, opens: bool) -> None:
    before, after = (0.0, 0.1) if opens else (0.1, 0.0)
    positions, speeds = follow(np.r_[np.full(decision, before), np.full(10, after)], before)
    assert (positions[:decision] == before).all()
    assert (np.diff(positions) * (after - before) >= 0).all() and positions[-1] == after
    assert np.abs(speeds).max() > 0.19


def test_a_slope_that_it_can_follow_is_followed_closely_and_its_end_not_overshot() -> None:
    times = np.arange(60) * PERIOD
    wanted = np.maximum(0.1 - 0.1 * times, 0.03)
    positions, speeds = follow(wanted, 0.1, np.where(wanted > 0.03, -0.1, 0.0))
    assert_legal(positions, speeds)
    late = np.abs(positions[20:34] - wanted[20:34])
    assert late.max() < 1e-3 and positions.min() >= 0.03 - 1e-9


def test_it_leaves_a_motion_without_a_step() -> None:
    positions, speeds = follow_gripper(
        np.full(5, 0.1), np.zeros(5), (0.05, -0.15, -1.0), LIMITS, PERIOD
    )  # closing, and then told to open
    assert positions[0, 0] == 0.05 and speeds[0, 0] == -0.15
    rows = np.r_[-0.15 + 1.0 * PERIOD, speeds[:, 0]]
    assert (np.abs(np.diff(rows)) <= 2.0 * PERIOD + 1e-12).all()
    assert positions[:, 0].min() > 0.02 and positions[-1, 0] == pytest.approx(0.1)
