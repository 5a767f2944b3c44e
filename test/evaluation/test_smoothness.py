import numpy as np
import pytest

from mivla_ros.evaluation.smoothness import CommandMeter
from mivla_ros.retargeting import Command, JointTrajectory

PERIOD_NS = 20_000_000


def line(start_ns: int, position: float, velocity: float, count: int = 20) -> JointTrajectory:
    rows = position + velocity * np.arange(count)[:, None] * PERIOD_NS * 1e-9
    return JointTrajectory(("j1",), start_ns, PERIOD_NS, rows, np.full((count, 1), velocity))


def meter(*trajectories: JointTrajectory | None):
    made = CommandMeter(frozenset({"arm_controller"}))
    for trajectory in trajectories:
        made.take(Command("arm_controller", ("j1",), trajectory))
    return made.result()


def test_a_chunk_that_goes_on_as_the_last_one_jumps_nowhere():
    found = meter(line(0, 0.0, 0.5), line(5 * PERIOD_NS, 0.05, 0.5))
    assert found.boundaries == 1
    assert found.velocity_jump == pytest.approx(0, abs=1e-9)
    assert found.position_jump == pytest.approx(0, abs=1e-9)
    assert found.velocity == 0.5


def test_jumps_of_velocity_and_position_are_found():
    found = meter(line(0, 0.0, 0.5), line(5 * PERIOD_NS, 0.08, -0.2))
    assert found.velocity_jump == pytest.approx(0.7)
    assert found.position_jump == pytest.approx(0.03)


def test_a_chunk_after_the_end_of_the_last_or_after_a_hold_is_no_boundary():
    assert meter(line(0, 0.0, 0.5, 3), line(50 * PERIOD_NS, 1.0, 0.5)).boundaries == 0
    assert meter(line(0, 0.0, 0.5), None, line(PERIOD_NS, 1.0, 0.5)).boundaries == 0


def test_other_controllers_are_left_out():
    made = CommandMeter(frozenset({"arm_controller"}))
    made.take(Command("gripper_controller", ("g",), line(0, 0.0, 9.0)))
    assert made.result().velocity == 0
