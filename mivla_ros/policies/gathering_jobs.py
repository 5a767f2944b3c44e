"""The jobs of ``gather_objects``: the left hand puts the basket onto the pad, the right one the block into the
basket (MiVLA's LocoMan task)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.policies.pick_and_place import Job, Lifted, Objects, hand_for, tool_pose, turned

Array = NDArray[np.float64]

BASKET, BLOCK, PAD = "basket", "block", "pad"
LEAN = 0.7  # rad from straight down: where LocoMan's hands reach best from its stance


@dataclass(frozen=True)
class BasketJob(Lifted):
    """The basket by its knob. grip: from the middle of its underside to where the hand closes, m, in its frame."""

    arm: str
    thing: str = BASKET
    opening: float = 1.0
    grip: tuple[float, float, float] = (-0.076, 0.0, 0.03)
    clearance: float = 0.003

    def grasp(self, objects: Objects) -> Array:
        """Around the knob, from behind and above."""
        pose = objects[self.thing]
        point = pose[:3] + Rotation.from_quat(pose[3:], scalar_first=True).apply(self.grip)
        return tool_pose(point, LEAN, turned(pose))

    def put(self, objects: Objects, thing_in_hand: Array) -> Array:
        """Its middle on the pad's, straight."""
        pad = objects[PAD]
        return hand_for(np.array([pad[0], pad[1], pad[2] + self.clearance, 1.0, 0.0, 0.0, 0.0]), thing_in_hand)

    def done(self, objects: Objects) -> bool:
        """Stands on the pad."""
        offset = np.abs(objects[self.thing][:3] - objects[PAD][:3])
        return bool(offset[:2].max() < 0.03 and offset[2] < 0.006)


@dataclass(frozen=True)
class BlockJob(Lifted):
    """The block, from above; let go inside the basket. height: where the hand closes, above the block's middle."""

    arm: str
    thing: str = BLOCK
    opening: float = 1.0
    height: float = 0.011
    drop: float = 0.034

    def grasp(self, objects: Objects) -> Array:
        """Across the block."""
        pose = objects[self.thing]
        return tool_pose(pose[:3] + np.array([0.0, 0.0, self.height]), LEAN, turned(pose))

    def put(self, objects: Objects, thing_in_hand: Array) -> Array:
        """Upright in the middle of the basket, a little above its floor."""
        basket = objects[BASKET]
        place = np.array([basket[0] + 0.005, basket[1], basket[2] + self.drop, 1.0, 0.0, 0.0, 0.0])
        return hand_for(place, thing_in_hand)

    def done(self, objects: Objects) -> bool:
        """Lies between the basket's walls."""
        basket = objects[BASKET]
        turn = Rotation.from_quat(basket[3:], scalar_first=True).inv()
        x, y, z = turn.apply(objects[self.thing][:3] - basket[:3])
        return bool(max(abs(x), abs(y)) < 0.045 and 0.0 < z < 0.04)


def gathering_jobs(arms: dict[str, str]) -> tuple[Job, ...]:
    """The big object, then the small one. arms: names by side."""
    return (BasketJob(arms["left"]), BlockJob(arms["right"]))
