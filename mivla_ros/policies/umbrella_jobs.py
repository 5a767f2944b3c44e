"""The jobs of ``umbrella_rack``: each umbrella from the table into its bay, left first (MiVLA's ARX task)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mivla_ros.policies.pick_and_place import Job, Lifted, Objects, hand_for, tool_pose, turned

Array = NDArray[np.float64]

RACK, LEFT, RIGHT = "rack", "left_umbrella", "right_umbrella"


@dataclass(frozen=True)
class UmbrellaJob(Lifted):
    """One umbrella; lengths m. Its pose is that of its middle, x to its tip. bay: y of its bay beside the rack's
    middle. depth: how far below the umbrella's middle the finger tips go.
    """

    arm: str
    thing: str
    bay: float
    opening: float = 0.45  # wide enough for the umbrella, narrow enough for the bay
    depth: float = 0.006
    clearance: float = 0.002
    thickness: float = 0.026

    def grasp(self, objects: Objects) -> Array:
        """From straight above its middle, fingers across it."""
        pose = objects[self.thing]
        return tool_pose(pose[:3] - [0.0, 0.0, self.depth], lean=0.0, turn=turned(pose))

    def put(self, objects: Objects, thing_in_hand: Array) -> Array:
        """In its bay, the tip to the back."""
        return hand_for(np.array([*self._place(objects), 1.0, 0.0, 0.0, 0.0]), thing_in_hand)

    def done(self, objects: Objects) -> bool:
        """Lies in its bay and points into it."""
        pose = objects[self.thing]
        return bool(np.abs(pose[:3] - self._place(objects)).max() < 0.018 and abs(turned(pose)) < 0.18)

    def _place(self, objects: Objects) -> Array:
        rack: Array = objects[RACK][:3] + np.array([0.0, self.bay, self.thickness / 2 + self.clearance])
        return rack


def umbrella_jobs(arms: dict[str, str]) -> tuple[Job, ...]:
    """Both umbrellas in the paper's order. arms: which arm does the left and which the right one, by side."""
    return (UmbrellaJob(arms["left"], LEFT, 0.045), UmbrellaJob(arms["right"], RIGHT, -0.045))
