"""The one interface of every simulated task: what stands in the scene, where, and when it is done."""

from collections.abc import Mapping
from typing import Protocol, Self, runtime_checkable

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.simulation.state import SceneState, TaskProgress


class ProgressTracker(Protocol):
    """Judges one episode; made anew at every reset."""

    def update(self, state: SceneState) -> TaskProgress:
        """Take in the next state (in order of time, every 20 ms or so) and say how far the task is."""
        ...


class Task(Protocol):
    """A task without state: the same object serves any number of episodes."""

    @property
    def name(self) -> str:
        """Name in the registry, in profiles and in TaskProgress."""
        ...

    @property
    def instructions(self) -> tuple[str, ...]:
        """Ways to say it; the first is the usual one."""
        ...

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of its bodies whose poses are published."""
        ...

    def build(self, spec: mujoco.MjSpec) -> None:
        """Add its bodies to the world body: free joint where they move, mocap where only the reset moves
        them."""
        ...

    def place(self, seed: int) -> Mapping[str, NDArray[np.float64]]:
        """Pose (7,) xyz m + wxyz in the world frame of every object at the start of the episode with this
        seed."""
        ...

    def tracker(self, ready: Mapping[str, NDArray[np.float64]]) -> ProgressTracker:
        """A judge for one episode; ``ready`` is each arm's joint position (rad) at its start, by arm name."""
        ...


@runtime_checkable
class RaisableTask(Task, Protocol):
    """A task that can stand on a table of another height."""

    def raised(self, height: float) -> Self:
        """The same task ``height`` m higher; shapes stay."""
        ...


@runtime_checkable
class VariedTask(Task, Protocol):
    """A task with places and objects that are held back from demonstrations, to see how well a policy generalises."""

    def elsewhere(self) -> Self:
        """The same task with its objects in places where no demonstration has them."""
        ...

    def with_other_object(self) -> Self:
        """The same task with an object of another size and colour."""
        ...
