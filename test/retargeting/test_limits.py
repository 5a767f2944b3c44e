"""The hardest stop that the limits allow."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mivla_ros.retargeting.limits import JointLimits, stop_points

PERIOD = 0.02
LIMITS = JointLimits(*(np.array(x) for x in ([-1.0, -0.5], [1.0, 2.0], [2.0, 0.5], [8.0, 3.0], [80.0, 30.0])))


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
