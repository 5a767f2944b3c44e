"""The reference: through the steps, joined to where the arm is, at rest at the end."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.retargeting.limits import JointLimits, stop_points
from mivla_ros.retargeting.reference import Knots, evaluate, follow, time_path

PERIOD = 0.02
LIMITS = JointLimits(np.full(2, -9.0), np.full(2, 9.0), np.full(2, 2.0), np.full(2, 8.0), np.full(2, 80.0))


def assert_legal(velocities: np.ndarray, before: np.ndarray | None = None) -> None:
    """Within velocity, acceleration and jerk limits, from the velocity one period before on where it is given."""
    rows = velocities if before is None else np.concatenate([before[None], velocities])
    assert (np.abs(rows) <= 1.001 * LIMITS.velocity).all()
    assert (np.abs(np.diff(rows, axis=0)) <= 1.001 * LIMITS.acceleration * PERIOD).all()
    assert (np.abs(np.diff(rows, 2, axis=0)) <= 1.001 * LIMITS.jerk * PERIOD**2).all()


def beside(positions: np.ndarray, path: np.ndarray) -> float:
    """Greatest distance of positions (N, n) from a densely sampled path (M, n)."""
    return float(max(np.linalg.norm(path - p, axis=1).min() for p in positions))


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


@given(seed=st.integers(0, 10_000), wildness=st.floats(0.01, 0.3), step=st.sampled_from([0.02, 1 / 30, 1 / 15, 0.2]))
@settings(deadline=None, max_examples=60)
def test_whatever_the_steps_the_path_is_timed_within_all_limits(seed: int, wildness: float, step: float) -> None:
    positions = np.cumsum(np.random.default_rng(seed).normal(0, wildness, (20, 2)), axis=0)
    positions[0] = positions[1]  # it comes straight from where it begins, so let it come from rest
    path = Knots(np.r_[-1.0, 0.2 + np.arange(19) * step], np.clip(positions, -2, 2))
    timed = time_path(path, LIMITS, PERIOD)
    assert_legal(timed.velocities)
    assert not timed.velocities[-1].any()
    assert np.allclose(timed.positions[-1], path.positions[-1], atol=1e-6)
    assert (timed.positions <= path.positions.max(axis=0) + 1e-3).all()  # no overshoot
    assert (timed.positions >= path.positions.min(axis=0) - 1e-3).all()
    assert (np.diff(timed.path_times) >= -1e-9).all()


def test_a_path_within_limits_keeps_its_time() -> None:
    t = np.arange(40) / 15
    path = Knots(t, np.stack([0.4 * (1 - np.cos(t)), 0.2 * (1 - np.cos(2 * t))], axis=1))
    timed = time_path(path, LIMITS, PERIOD)
    inside = np.arange(len(timed.positions)) * PERIOD < t[-1] - 0.2
    assert np.allclose(timed.path_times[inside], (np.arange(len(timed.positions)) * PERIOD)[inside])
    assert np.abs(timed.positions - evaluate(path, timed.path_times)[0])[inside].max() < 2e-3


def test_a_path_that_is_too_fast_is_followed_late_and_not_cut_short() -> None:
    t = np.arange(40) / 15
    path = Knots(t, np.stack([1.0 - np.cos(6 * t), np.sin(6 * t)], axis=1))  # a circle at 6 rad/s, 36 rad/s2
    start = path.positions[:1]
    positions, velocities, timed = follow(path, start, 0 * start, np.zeros(2), LIMITS, PERIOD, 0.1)
    assert_legal(velocities, np.zeros(2))
    assert beside(positions, evaluate(path, np.linspace(0, t[-1], 2000))[0]) < 0.05
    assert timed.path_times[-1] > t[-1] - 1e-6 and len(positions) * PERIOD > 2 * t[-1]
    assert set(timed.kind[timed.slow < 2.0]) <= {1, 2, 3} and len(timed.slow) > 50
    assert np.abs(timed.demand[timed.kind == 2]).max() > 8.0


@given(seed=st.integers(0, 10_000), offset=st.floats(-0.3, 0.3), speed=st.floats(-1.5, 1.5))
@settings(deadline=None, max_examples=60)
def test_it_leaves_the_start_without_a_step_and_ends_at_rest_at_the_last_knot(
    seed: int, offset: float, speed: float
) -> None:
    path = knots(seed)
    velocity, acceleration = np.array([speed, -speed]), np.zeros(2)
    running = stop_points(path.positions[0] + offset, velocity, acceleration, LIMITS, PERIOD)
    positions, velocities, _ = follow(path, *running, acceleration, LIMITS, PERIOD, 0.1)
    assert np.allclose(positions[0], running[0][0]) and np.allclose(velocities[0], velocity)
    assert_legal(velocities, velocity)
    assert np.allclose(positions[-1], path.positions[-1], atol=1e-6)
    assert not velocities[-1].any()


def test_a_path_that_begins_where_the_arm_is_keeps_its_time() -> None:
    path = Knots(np.arange(20) / 15, np.outer(np.arange(20) / 15, [0.5, -0.3]))
    velocity = np.array([0.5, -0.3])
    ahead = np.arange(30) * PERIOD
    running = np.outer(ahead, velocity), np.tile(velocity, (30, 1))
    positions, _, _ = follow(path, *running, np.zeros(2), LIMITS, PERIOD, 0.1)
    times = np.arange(len(positions)) * PERIOD
    inside = times < path.times[-1] - 0.2
    assert np.allclose(positions[inside], np.outer(times[inside], velocity), atol=1e-6)
