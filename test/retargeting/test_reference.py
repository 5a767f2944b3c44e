"""The reference: through the steps, joined to where the arm is, at rest at the end."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.action_chunk import GripperKind
from mivla_ros.retargeting.gripper import gripper_reference
from mivla_ros.retargeting.limits import JointLimits
from mivla_ros.retargeting.reference import Knots, braked_times, evaluate, join_and_stop

PERIOD = 0.02
LIMITS = JointLimits(np.full(2, -9.0), np.full(2, 9.0), np.full(2, 2.0), np.full(2, 8.0))


def knots(seed: int, count: int = 20, step: float = 1 / 15) -> Knots:
    """Random walk with steps a joint can make."""
    positions = np.cumsum(np.random.default_rng(seed).uniform(-0.05, 0.05, (count, 2)), axis=0)
    return Knots(np.arange(count) * step, positions)


@given(seed=st.integers(0, 10_000))
def test_the_curve_passes_every_knot_and_never_overshoots(seed: int) -> None:
    path = knots(seed)
    at_knots, _ = evaluate(path, path.times)
    assert np.allclose(at_knots, path.positions)
    fine = np.linspace(0, path.times[-1], 2001)
    values, _ = evaluate(path, fine)
    i = np.clip(np.searchsorted(path.times, fine, side="right") - 1, 0, len(path.times) - 2)
    low = np.minimum(path.positions[i], path.positions[i + 1]) - 1e-12
    high = np.maximum(path.positions[i], path.positions[i + 1]) + 1e-12
    assert ((values >= low) & (values <= high)).all()


@given(seed=st.integers(0, 10_000))
def test_velocities_are_those_of_the_curve(seed: int) -> None:
    path, times = knots(seed), np.linspace(0.01, 1.2, 97)
    _, velocities = evaluate(path, times)
    (after, _), (before, _) = evaluate(path, times + 1e-6), evaluate(path, times - 1e-6)
    assert np.allclose(velocities, (after - before) / 2e-6, atol=1e-4)


def test_braking_keeps_to_the_path_and_ends_at_its_end() -> None:
    times = np.linspace(0, 2, 201)
    path_times, rate = braked_times(times, end=1.0, braking=0.4)
    assert np.allclose(path_times[times < 0.8], times[times < 0.8])
    assert (np.diff(path_times) >= 0).all() and path_times.max() == 1.0
    assert np.allclose(path_times[times >= 1.2], 1.0) and not rate[times >= 1.2 + 1e-9].any()
    assert np.allclose(np.gradient(path_times, times)[1:-1], rate[1:-1], atol=0.03)


@given(seed=st.integers(0, 10_000), offset=st.floats(-0.3, 0.3), speed=st.floats(-1.0, 1.0))
@settings(deadline=None)
def test_it_leaves_the_start_without_a_step_and_ends_at_rest_at_the_last_knot(
    seed: int, offset: float, speed: float
) -> None:
    path = knots(seed)
    start, velocity = path.positions[0] + offset, np.array([speed, -speed])
    positions, velocities = join_and_stop(path, start, velocity, LIMITS, PERIOD, 0.1)
    assert np.allclose(positions[0], start) and np.allclose(velocities[0], velocity)
    assert np.allclose(positions[-1], path.positions[-1], atol=1e-9)
    assert np.allclose(velocities[-1], 0, atol=1e-9)


def test_a_path_that_begins_where_the_arm_is_keeps_its_time() -> None:
    path = Knots(np.arange(20) / 15, np.outer(np.arange(20) / 15, [0.5, -0.3]))
    positions, _ = join_and_stop(path, path.positions[0], np.array([0.5, -0.3]), LIMITS, PERIOD, 0.1)
    times = np.arange(len(positions)) * PERIOD
    inside = times < path.times[-1] - 0.1
    assert np.allclose(positions[inside], np.outer(times[inside], [0.5, -0.3]), atol=1e-9)


def test_a_binary_gripper_changes_when_its_step_is_due_and_is_never_between() -> None:
    steps, times = np.array([0.0, 0.1, 0.2, 0.3]), np.arange(0, 0.5, 0.02)
    positions, velocities = gripper_reference(np.array([0.1, 0.1, 0.0, 0.0]), GripperKind.BINARY, steps, times)
    assert set(positions[:, 0]) == {0.1, 0.0}
    assert (positions[times < 0.2 - 1e-6, 0] == 0.1).all() and (positions[times >= 0.2 - 1e-6, 0] == 0.0).all()
    assert not velocities.any()


def test_a_continuous_gripper_moves_in_straight_lines() -> None:
    steps, times = np.array([0.0, 0.1, 0.2]), np.arange(0, 0.4, 0.02)
    positions, velocities = gripper_reference(np.array([0.1, 0.05, 0.05]), GripperKind.CONTINUOUS, steps, times)
    assert np.isclose(positions[2, 0], 0.08) and np.isclose(velocities[2, 0], -0.5)
    assert np.allclose(positions[times >= 0.1, 0], 0.05) and np.allclose(velocities[times > 0.1, 0], 0)
