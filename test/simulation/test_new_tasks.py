"""The umbrella rack and the gathering: scenes follow the seed, nothing is done before anything was."""

from dataclasses import replace

import numpy as np
import pytest

from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.tasks import RaisableTask, VariedTask, make_task
from mivla_ros.simulation.tasks.umbrella_rack import LEFT, RIGHT
from mivla_ros.simulation.variation import random_variation

TASKS = ("umbrella_rack", "gather_objects")


@pytest.mark.parametrize("name", TASKS)
def test_the_same_seed_places_the_same_scene_and_another_another(name: str) -> None:
    task = make_task(name)
    first, again, other = task.place(4), task.place(4), task.place(5)
    assert set(first) == set(task.objects)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)
    for pose in first.values():
        assert np.linalg.norm(pose[3:]) == pytest.approx(1.0)


def test_umbrellas_never_lie_in_the_rack_or_across_each_other() -> None:
    task = make_task("umbrella_rack")
    for seed in range(200):
        poses = task.place(seed)
        assert poses[LEFT][1] > 0.18
        assert poses[RIGHT][1] < -0.18


def test_an_umbrella_laid_into_its_bay_the_wrong_way_round_does_not_count() -> None:
    from mivla_ros.simulation.state import SceneState

    task = make_task("umbrella_rack")
    poses = dict(task.place(0))

    def state(seconds: float, touching: str = "") -> SceneState:
        still = dict.fromkeys((LEFT, RIGHT), np.zeros(6))
        held = {LEFT: frozenset({touching} - {""}), RIGHT: frozenset(), "rack": frozenset()}
        far = {"arm": np.array([0.0, 0.0, 0.5, 1, 0, 0, 0])}
        joints = {"arm": np.zeros(6)}
        return SceneState(round(seconds * 1e9), dict(poses), still, held, far, joints, joints, {"arm": 1.0})

    tracker = task.tracker({"arm": np.zeros(6)})
    bay = task.bay(poses["rack"], LEFT)
    poses[LEFT] = np.array([bay[0], bay[1], bay[2] + 0.1, 1, 0, 0, 0])
    assert tracker.update(state(0.0, "robot")).subtasks_done[0]
    poses[LEFT] = np.array([*bay, 0, 0, 0, 1])  # tip towards the robot
    for seconds in np.arange(0.1, 1.5, 0.1):
        assert not tracker.update(state(seconds)).subtasks_done[1]
    poses[LEFT] = np.array([*bay, 1, 0, 0, 0])
    for seconds in np.arange(1.5, 3.0, 0.1):
        progress = tracker.update(state(seconds))
    assert progress.subtasks_done[1]
    assert not progress.success


@pytest.mark.parametrize("name", TASKS)
def test_places_held_back_are_none_that_a_demonstration_has(name: str) -> None:
    task = make_task(name)
    assert isinstance(task, VariedTask) and isinstance(task, RaisableTask)
    movable = [o for o in task.objects if o not in ("rack", "pad")]
    usual = {o: np.array([task.place(seed)[o][:2] for seed in range(300)]) for o in movable}
    for seed in range(50):
        places = task.elsewhere().place(seed)
        for thing in movable:
            lower, upper = usual[thing].min(axis=0), usual[thing].max(axis=0)
            place = places[thing][:2]
            assert ((place < lower + 1e-3) | (place > upper - 1e-3)).any(), (thing, seed)


@pytest.mark.parametrize(("robot", "name"), [("arx_x5", "umbrella_rack"), ("locoman", "gather_objects")])
def test_other_objects_lie_still_where_they_are_placed_on_a_table_of_any_height(robot: str, name: str) -> None:
    task = make_task(name)
    assert isinstance(task, VariedTask)
    simulation = Simulation(load_profile(robot), task.with_other_object())
    simulation.reset(2, replace(random_variation(2, [], [], clutter=False), table_height=0.02))
    placed = {o: pose[:3] for o, pose in simulation.task.place(2).items()}
    simulation.step(200)
    for thing, pose in simulation.object_poses().items():
        if thing in placed:
            assert pose[:3] == pytest.approx(placed[thing], abs=3e-3), thing
    assert not simulation.progress().failure


def test_other_objects_are_of_another_size_or_colour() -> None:
    rack, gather = make_task("umbrella_rack"), make_task("gather_objects")
    assert isinstance(rack, VariedTask) and isinstance(gather, VariedTask)
    assert rack.with_other_object().length < rack.length
    assert rack.with_other_object().umbrella_colours != rack.umbrella_colours
    assert gather.with_other_object().block != gather.block
    assert gather.with_other_object().basket_colour != gather.basket_colour
