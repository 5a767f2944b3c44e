"""Declared tasks: their scenes follow the seed, their judges want the acts in order."""

import numpy as np
import pytest

from mivla_ros.robots.profile import load_profile
from mivla_ros.simulation.simulation import Simulation
from mivla_ros.simulation.state import SceneState
from mivla_ros.simulation.tasks import RaisableTask, SimulatedTableTask, VariedTask, make_task
from mivla_ros.tabletop.catalogue import DECLARED
from mivla_ros.tabletop.things import COLOURS, OTHER_COLOURS


def task_of(name: str) -> SimulatedTableTask:
    task = make_task(name)
    assert isinstance(task, SimulatedTableTask)
    return task


@pytest.mark.parametrize("name", DECLARED)
def test_the_same_seed_places_the_same_scene_with_room_between_things(name: str) -> None:
    task, declared = task_of(name), DECLARED[name]
    assert isinstance(task, RaisableTask) and isinstance(task, VariedTask)
    first, again, other = task.place(4), task.place(4), task.place(5)
    assert set(first) == set(task.objects)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)
    upon = {thing for thing, place in declared.places.items() if not hasattr(place, "x")}
    for seed in range(40):
        for one in (task, task.elsewhere(), task.with_other_object()):
            poses = one.place(seed)
            free = [t for t in one.declared.things if t.name not in upon]
            for i, a in enumerate(free):
                for b in free[i + 1 :]:
                    apart = np.hypot(*(poses[a.name][:2] - poses[b.name][:2]))
                    assert apart >= a.radius + b.radius + declared.gap - 1e-9
    assert task.raised(0.02).place(4)[task.objects[0]][2] == pytest.approx(first[task.objects[0]][2] + 0.02)


@pytest.mark.parametrize("name", DECLARED)
def test_places_and_colours_held_back_are_none_that_a_demonstration_has(name: str) -> None:
    task = task_of(name)
    usual = [task.place(seed) for seed in range(100)]
    nearest = {thing: min(poses[thing][0] for poses in usual) for thing in task.objects}
    for seed in range(20):
        places = task.elsewhere().place(seed)
        assert any(places[thing][0] < nearest[thing] for thing in task.objects)
    assert {thing.colour for thing in task.declared.things} <= set(COLOURS)
    assert {thing.colour for thing in task.with_other_object().declared.things} <= set(OTHER_COLOURS)


@pytest.mark.parametrize("name", DECLARED)
def test_words_name_the_things_as_they_look(name: str) -> None:
    task = task_of(name)
    assert len(set(task.instructions)) == len(task.instructions) >= 4
    varied = task.declared.varied(np.random.default_rng(3))
    assert all("{" not in words for words in varied.instructions)
    named = [t for t in varied.things if any("{" + t.name + "}" in text for text in varied.templates)]
    assert all(any(t.words in words for words in varied.instructions) for t in named)


def test_things_that_belong_together_keep_one_colour() -> None:
    for seed in range(10):
        task = DECLARED["sort_by_colour"].varied(np.random.default_rng(seed))
        assert task.thing("first").colour == task.thing("first_pad").colour != task.thing("second").colour


@pytest.mark.parametrize("name", ["take_off_lid", "open_drawer", "clear_table"])
def test_things_lie_still_where_they_are_placed(name: str) -> None:
    task = task_of(name).with_other_object()
    simulation = Simulation(load_profile("piper"), task)
    simulation.reset(2)
    placed = task.place(2)
    simulation.step(200)
    for thing, pose in simulation.object_poses().items():
        assert pose[:3] == pytest.approx(placed[thing][:3], abs=2e-3), thing
    assert not simulation.progress().failure
    assert not any(simulation.progress().subtasks_done)


class World:
    """Things that are moved by hand before a judge."""

    def __init__(self, task: SimulatedTableTask) -> None:
        self.poses = dict(task.place(0))
        self.tracker = task.tracker({"left": np.zeros(3), "right": np.zeros(3)})
        self.hands = {side: np.array([0.0, y, 0.4, 1, 0, 0, 0]) for side, y in (("left", 0.3), ("right", -0.3))}
        self.seconds = 0.0
        self.look()

    def look(self, held: str = "", by: str = "", seconds: float = 0.1) -> tuple[bool, ...]:
        for _ in range(max(1, round(seconds / 0.1))):
            hands = {s: np.array([*self.poses[held][:3], 1, 0, 0, 0]) if s == by else p for s, p in self.hands.items()}
            touching = {name: frozenset({"robot"} if name == held else ()) for name in self.poses}
            still = dict.fromkeys(self.poses, np.zeros(6))
            joints = {side: np.zeros(3) for side in self.hands}
            state = SceneState(
                round(self.seconds * 1e9), dict(self.poses), still, touching, hands, joints, joints, {}
            )  # fmt: skip
            self.progress = self.tracker.update(state)
            self.seconds += 0.1
        return self.progress.subtasks_done


def test_what_was_never_picked_up_is_not_put_and_what_was_put_has_to_stay() -> None:
    world = World(task_of("block_in_box"))
    start = world.poses["block"].copy()
    inside = world.poses["tray"].copy()
    inside[2] += 0.004
    world.poses["block"] = inside
    assert world.look(seconds=1.0) == (False, False, False)
    world.poses["block"] = start + np.array([0, 0, 0.05, 0, 0, 0, 0])
    assert world.look("block", "right") == (True, False, False)
    world.poses["block"] = inside
    assert world.look("block", "right", 1.0) == (True, False, False)
    assert world.look(seconds=1.0) == (True, True, True)
    assert world.progress.success
    world.poses["block"] = start
    assert world.look() == (True, False, False)
    assert not world.progress.success


def test_a_cup_that_was_not_tilted_over_the_bowl_was_not_poured() -> None:
    world = World(task_of("pour_cup"))
    bowl, saucer, up = world.poses["bowl"], world.poses["saucer"].copy(), world.poses["cup"].copy()
    saucer[2] += 0.002
    world.poses["cup"] = np.array([*bowl[:2], 0.15, *up[3:]])
    assert world.look("cup", "right") == (True, False, False, False)
    tilted = np.array([np.cos(0.8), np.sin(0.8), 0, 0])
    world.poses["cup"] = np.array([bowl[0] + 0.3, bowl[1], 0.15, *tilted])
    assert world.look("cup", "right") == (True, False, False, False)
    world.poses["cup"] = np.array([*bowl[:2], 0.15, *tilted])
    assert world.look("cup", "right") == (True, True, False, False)
    world.poses["cup"] = saucer
    assert world.look(seconds=1.0)[2]


def test_a_stick_is_handed_over_only_by_the_other_hand() -> None:
    world = World(task_of("hand_over"))
    up = world.poses["stick"] + np.array([0, 0, 0.1, 0, 0, 0, 0])
    world.poses["stick"] = up
    assert world.look("stick", "right") == (False, False, False, False)
    assert world.look("stick", "left") == (True, False, False, False)
    assert world.look("stick", "right") == (True, True, False, False)


def test_a_bar_counts_as_turned_by_a_quarter_either_way_round() -> None:
    for turn, done in ((np.pi / 2, True), (-np.pi / 2, True), (0.3, False)):
        world = World(task_of("turn_bar"))
        start = world.poses["bar"].copy()
        world.poses["bar"] = start + np.array([0, 0, 0.1, 0, 0, 0, 0])
        world.look("bar", "right")
        yaw = 2 * np.arctan2(start[6], start[3]) + turn
        world.poses["bar"] = np.array([*start[:3], np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
        assert world.look(seconds=1.0)[1] is done
