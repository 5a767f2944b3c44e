"""A table with nothing on it: for motions that have no object."""

from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.simulation.state import SceneState, TaskProgress


class EmptyTable:
    """No objects, never done."""

    name = "empty_table"
    instructions = ("move",)
    objects: tuple[str, ...] = ()

    def build(self, spec: mujoco.MjSpec) -> None:
        """Nothing to add."""

    def place(self, seed: int) -> Mapping[str, NDArray[np.float64]]:
        """Nothing to place."""
        return {}

    def tracker(self, ready: Mapping[str, NDArray[np.float64]]) -> "EmptyTable":
        """Itself: there is nothing to remember."""
        return self

    def update(self, state: SceneState) -> TaskProgress:
        """Never done."""
        return TaskProgress(self.name, False, 0.0, state.time_ns / 1e9, (), ())
