import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mujoco", reason="MuJoCo is not installed")

from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.tasks import make_task
from mivla_ros.simulation.variation import CLEARANCE, ROBOT_CLEARANCE, random_variation

BASE = np.zeros(3)


@given(st.integers(0, 10_000))
def test_clutter_keeps_clear_of_objects_their_way_and_the_arm(seed):
    poses = [pose[:2] for pose in make_task("bottle_on_pad").place(seed).values()]
    found = random_variation(seed, poses, [BASE])
    first, second = poses
    for piece in found.clutter:
        spot = np.array([piece.x, piece.y])
        for share in np.linspace(0, 1, 21):
            assert np.linalg.norm(spot - first - share * (second - first)) >= CLEARANCE - 1e-9
        assert np.linalg.norm(spot) >= ROBOT_CLEARANCE
    assert abs(found.table_height) <= 0.03
    assert found == random_variation(seed, poses, [BASE])


@pytest.fixture(scope="module")
def simulation():
    with Simulation(load_profile("piper")) as made:
        yield made


def test_a_hard_scene_looks_different_and_the_usual_one_comes_back(simulation):
    simulation.reset(5)
    usual = simulation.render("head_camera")
    poses = [pose[:2] for pose in simulation.task.place(5).values()]
    simulation.reset(5, random_variation(5, poses, [BASE]))
    hard = simulation.render("head_camera")
    simulation.reset(5)
    assert np.abs(usual.astype(int) - hard).mean() > 5
    np.testing.assert_array_equal(simulation.render("head_camera"), usual)


def test_objects_stand_on_a_raised_table(simulation):
    from dataclasses import replace

    varied = replace(random_variation(2, [], [BASE], clutter=False), table_height=0.03)
    simulation.reset(2, varied)
    for _ in range(100):
        simulation.step()
    assert simulation.object_poses()["bottle"][2] == pytest.approx(0.03, abs=0.002)
    assert "table" in simulation.scene_state().touching["bottle"]
