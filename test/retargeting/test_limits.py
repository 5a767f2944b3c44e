"""The limiting filter: legal whatever is asked for, exact where it may be, without overshoot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.retargeting.limits import ACCELERATION, VELOCITY, JointLimits, follow_reference, stop_points

PERIOD = 0.02
LIMITS = JointLimits(*(np.array(x) for x in ([-1.0, -0.5], [1.0, 2.0], [2.0, 0.5], [8.0, 3.0], [80.0, 30.0])))


def assert_legal(positions: np.ndarray, velocities: np.ndarray) -> None:
    assert (np.abs(velocities) <= LIMITS.velocity + 1e-9).all()
    assert (np.abs(np.diff(velocities, axis=0)) <= LIMITS.acceleration * PERIOD + 1e-9).all()
    assert (positions >= LIMITS.lower - 1e-9).all() and (positions <= LIMITS.upper + 1e-9).all()
    # constant acceleration between the points, so that a cubic through them keeps the limits too
    assert np.allclose(np.diff(positions, axis=0), 0.5 * (velocities[1:] + velocities[:-1]) * PERIOD)


@given(seed=st.integers(0, 100_000), wildness=st.floats(0.001, 3.0))
@settings(deadline=None)
def test_everything_that_comes_out_is_legal(seed: int, wildness: float) -> None:
    rng = np.random.default_rng(seed)
    reference = np.cumsum(rng.normal(0, wildness, (60, 2)), axis=0)
    velocities = np.gradient(reference, PERIOD, axis=0)
    start = rng.uniform(LIMITS.lower + 0.1, LIMITS.upper - 0.1)
    limited = follow_reference(reference, velocities, start, np.zeros(2), LIMITS, PERIOD)
    assert_legal(limited.positions, limited.velocities)
    assert np.array_equal(limited.positions[0], start)


def test_a_legal_reference_is_followed_exactly_and_without_lag() -> None:
    t = np.arange(200) * PERIOD
    reference = np.stack([0.4 * (1 - np.cos(t)), 0.1 * (1 - np.cos(2 * t))], axis=1)
    velocities = np.stack([0.4 * np.sin(t), 0.2 * np.sin(2 * t)], axis=1)
    limited = follow_reference(reference, velocities, reference[0], velocities[0], LIMITS, PERIOD)
    assert np.abs(limited.positions - reference).max() < 2e-4
    assert not limited.flags.any()


@given(target=st.floats(-1, 1), start=st.floats(-1, 1))
@settings(deadline=None)
def test_a_step_is_approached_without_overshoot(target: float, start: float) -> None:
    reference = np.full((400, 1), target)
    one = JointLimits(*(np.array([x]) for x in (-1.1, 1.1, 2.0, 8.0, 80.0)))
    limited = follow_reference(reference, np.zeros_like(reference), np.array([start]), np.zeros(1), one, PERIOD)
    way = (limited.positions[:, 0] - start) * np.sign(target - start)
    assert way.max() <= abs(target - start) + 1e-9
    assert limited.positions[-1, 0] == pytest.approx(target, abs=1e-6)


def test_what_held_it_back_is_flagged_with_what_was_asked_for() -> None:
    reference = np.linspace(0, 1.9, 40)[:, None] * [0.0, 1.0]  # joint 1 at 2.4 rad/s, its limit is 0.5
    velocities = np.gradient(reference, PERIOD, axis=0)
    limited = follow_reference(reference, velocities, np.zeros(2), np.zeros(2), LIMITS, PERIOD)
    assert not limited.flags[:, 0].any()
    assert (limited.flags[20:, 1] & VELOCITY).all()
    assert limited.flags[1, 1] & ACCELERATION
    assert limited.demand[20, 1, 1] > 2.0
    assert np.allclose(limited.demand[20, 1, 0], reference[20, 1])


@given(seed=st.integers(0, 100_000))
@settings(deadline=None)
def test_a_stop_brakes_every_joint_as_hard_as_it_may_and_stands(seed: int) -> None:
    rng = np.random.default_rng(seed)
    velocity = rng.uniform(-LIMITS.velocity, LIMITS.velocity)
    acceleration = rng.uniform(-LIMITS.acceleration, LIMITS.acceleration)
    wide = JointLimits(*(np.full(2, x) for x in (-9.0, 9.0)), LIMITS.velocity, LIMITS.acceleration, LIMITS.jerk)
    positions, velocities = stop_points(np.zeros(2), velocity, acceleration, wide, PERIOD)
    assert np.allclose(velocities[0], velocity) and not velocities[-1].any()
    changes = np.concatenate([acceleration[None] * PERIOD, np.diff(velocities, axis=0)])
    assert (np.abs(changes) <= 1.000001 * LIMITS.acceleration * PERIOD).all()
    assert (np.abs(np.diff(changes, axis=0)) <= 1.000001 * LIMITS.jerk * PERIOD**2).all()
    assert np.allclose(np.diff(positions, axis=0), 0.5 * (velocities[1:] + velocities[:-1]) * PERIOD)
    # no slower than braking evenly and the time that jerk takes to build up and let go twice
    longest = np.max(np.abs(velocity) / LIMITS.acceleration + 3 * LIMITS.acceleration / LIMITS.jerk)
    assert (len(positions) - 1) * PERIOD <= longest + 2 * PERIOD


def test_without_a_jerk_limit_a_stop_is_even() -> None:
    one = JointLimits(*(np.array([x]) for x in (-1.1, 1.1, 2.0, 8.0, np.inf)))
    _, velocities = stop_points(np.zeros(1), np.array([-1.0]), np.zeros(1), one, PERIOD)
    assert np.allclose(velocities[:, 0], [-1.0, -0.84, -0.68, -0.52, -0.36, -0.2, -0.04, 0.0])
