"""Conditions of the paper's protocol (paper.md 1.7, Table 5): which scene a seed gives.

easy: the usual scene. hard: other colours, light, clutter and table height. unseen_place, unseen_object: places and
objects that no demonstration has. unseen_scene: colours, light and clutter of 'hard' at the usual height.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mivla_ros.evaluation.errors import EvaluationError
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.simulation.tasks import RaisableTask, Task, VariedTask
from mivla_ros.simulation.variation import Variation, random_variation

Bases = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Condition:
    """task: the task this condition plays, from the usual one. variation: the scene of a seed with that task."""

    name: str
    task: Callable[[Task], Task]
    variation: Callable[[Task, int, Bases], Variation | None]


def _usual(task: Task) -> Task:
    return task


def _elsewhere(task: Task) -> Task:
    if not isinstance(task, VariedTask):
        raise EvaluationError("unseen_place", f"task {task.name!r} has no places held back")
    return task.elsewhere()


def _other_object(task: Task) -> Task:
    if not isinstance(task, VariedTask):
        raise EvaluationError("unseen_object", f"task {task.name!r} has no object held back")
    return task.with_other_object()


def _none(task: Task, seed: int, bases: Bases) -> Variation | None:
    return None


def _random(task: Task, seed: int, bases: Bases, heights: bool) -> Variation:
    return random_variation(
        seed,
        [pose[:2] for pose in task.place(seed).values()],
        bases,
        heights=heights and isinstance(task, RaisableTask),
    )


CONDITIONS: dict[str, Condition] = {
    "easy": Condition("easy", _usual, _none),
    "hard": Condition("hard", _usual, partial(_random, heights=True)),
    "unseen_place": Condition("unseen_place", _elsewhere, _none),
    "unseen_object": Condition("unseen_object", _other_object, _none),
    "unseen_scene": Condition("unseen_scene", _usual, partial(_random, heights=False)),
}


def condition(name: str) -> Condition:
    """The condition of that name. Raises EvaluationError naming those there are."""
    if name not in CONDITIONS:
        raise EvaluationError(name, f"is not a condition, there are {', '.join(CONDITIONS)}")
    return CONDITIONS[name]


def arm_bases(profile: RobotProfile, frame_pose: Callable[[str], np.ndarray]) -> Bases:
    """Where the arms stand, (7,) poses in the world frame."""
    return tuple(frame_pose(arm.base_frame) for arm in profile.arms)
