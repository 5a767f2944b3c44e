"""Simulated tasks by name."""

from collections.abc import Callable
from functools import partial

from mivla_ros.simulation.errors import SceneError
from mivla_ros.simulation.tasks.bottle_on_pad import BottleOnPad
from mivla_ros.simulation.tasks.gather_objects import GatherObjects
from mivla_ros.simulation.tasks.table_task import SimulatedTableTask
from mivla_ros.simulation.tasks.task import ProgressTracker, RaisableTask, Task, VariedTask
from mivla_ros.simulation.tasks.umbrella_rack import UmbrellaRack
from mivla_ros.tabletop.catalogue import DECLARED

TASKS: dict[str, Callable[[], Task]] = {
    "bottle_on_pad": BottleOnPad,
    "gather_objects": GatherObjects,
    "umbrella_rack": UmbrellaRack,
    **{name: partial(SimulatedTableTask, task) for name, task in DECLARED.items()},
}


def make_task(name: str) -> Task:
    """The task of that name with its usual sizes. Raises SceneError naming the tasks there are."""
    if name not in TASKS:
        raise SceneError(f"task {name!r}", f"not known, there are {', '.join(TASKS)}")
    return TASKS[name]()


__all__ = [
    "TASKS",
    "BottleOnPad",
    "GatherObjects",
    "ProgressTracker",
    "RaisableTask",
    "SimulatedTableTask",
    "Task",
    "UmbrellaRack",
    "VariedTask",
    "make_task",
]
