"""LocoMan's body on its legs: it stands where it should, leans when an arm reaches out, and moves where it may be
told to.
"""

from dataclasses import replace

import numpy as np
import pytest

from mivla_ros.robots.profile import RobotProfile, load_profile
from mivla_ros.simulation.errors import SceneError, TrajectoryRejectedError
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.trajectory import joint_trajectory

PROFILE = load_profile("locoman")
REACH = np.array([0.0, -0.35, 0.5, -0.3, 0.0, 0.0])  # of both arms: thighs up, knees out


def body_pose(simulation: Simulation) -> np.ndarray:
    """x, y, z, yaw, pitch, roll."""
    assert PROFILE.body is not None
    states = simulation.joint_states()
    return np.array([states.positions[states.names.index(name)] for name in PROFILE.body.joints])


def reach_out(simulation: Simulation) -> None:
    for arm in PROFILE.arms:
        goal = np.array(arm.ready) + REACH
        simulation.command(arm.controller, joint_trajectory(arm.joints, [1.0], [goal]))


def test_at_ready_it_stands_at_its_stance() -> None:
    simulation = Simulation(PROFILE, seed=1)
    simulation.step(400)
    assert np.abs(body_pose(simulation)).max() < 2e-3
    states = simulation.joint_states()
    assert states.names == PROFILE.state_names
    assert PROFILE.body is not None
    for name, angle in PROFILE.body.held.items():
        assert states.positions[states.names.index(name)] == pytest.approx(angle, abs=2e-3)


def test_reaching_out_with_both_arms_leans_it_forwards_and_back_again() -> None:
    simulation = Simulation(PROFILE, seed=1)
    simulation.step(200)
    upright = simulation.frame_pose("left_tcp")[:3]
    reach_out(simulation)
    simulation.step(600)
    leaning = body_pose(simulation)
    assert leaning[4] > 0.004, "reaching forwards pitches the trunk down"
    assert leaning[4] < 0.1, "it does not fall"
    assert simulation.frame_pose("left_tcp")[0] > upright[0] + 0.05
    for arm in PROFILE.arms:
        simulation.command(arm.controller, joint_trajectory(arm.joints, [1.0], [arm.ready]))
    simulation.step(800)
    assert abs(body_pose(simulation)[4]) < 2e-3


def test_reaching_with_one_arm_turns_it_to_that_side() -> None:
    rolls = []
    for arm in PROFILE.arms:
        simulation = Simulation(PROFILE, seed=1)
        simulation.command(arm.controller, joint_trajectory(arm.joints, [1.0], [np.array(arm.ready) + REACH]))
        simulation.step(600)
        rolls.append(body_pose(simulation)[[3, 5]])
    assert np.abs(np.array(rolls[0]) + np.array(rolls[1])).max() < 5e-4, "left and right are mirrored"


def commanded(*joints: str) -> RobotProfile:
    assert PROFILE.body is not None
    return replace(PROFILE, body=replace(PROFILE.body, commanded=joints))


def test_where_the_mode_allows_it_the_body_follows_commands_no_faster_than_it_may() -> None:
    simulation = Simulation(commanded("body_yaw", "body_pitch", "body_roll"), seed=1)
    assert "body_controller" in simulation.controllers
    names = ("body_yaw", "body_pitch", "body_roll")
    simulation.command("body_controller", joint_trajectory(names, [0.05], [[0.0, -0.15, 0.0]]))
    simulation.step(40)
    assert body_pose(simulation)[4] > -0.08, "0.3 rad/s at most"
    simulation.step(600)
    assert body_pose(simulation)[4] == pytest.approx(-0.15, abs=0.03)
    with pytest.raises(TrajectoryRejectedError, match="body_x"):
        simulation.command("body_controller", joint_trajectory(("body_x",), [1.0], [[0.01]]))


def test_in_the_bimanual_mode_there_is_no_controller_of_the_body() -> None:
    simulation = Simulation(PROFILE, seed=1)
    with pytest.raises(SceneError, match="body_controller"):
        simulation.command("body_controller", joint_trajectory(("body_x",), [1.0], [[0.01]]))
