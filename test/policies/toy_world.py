"""A world of points for tests of the script: the arm is where the reference was a little earlier, the gripper
grips what it is around.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.observation import ArmState, Observation
from mivla_ros.policies.policy import Actions, Progress
from mivla_ros.policies.scripted import ScriptedPolicy

STEP_NS = 50_000_000
STANDING = (1.0, 0.0, 0.0, 0.0)
WIDTH = 0.056


@dataclass
class ToyWorld:
    """Poses in the arm's base frame. slippery: closes without holding. grips: how often it gripped."""

    eef: NDArray[np.float64]
    bottle: NDArray[np.float64]
    pad: NDArray[np.float64]
    opening: float = 1.0
    now_ns: int = 1_000_000_000
    slippery: int = 0
    grips: int = 0
    frozen: bool = False
    held: tuple[NDArray[np.float64], Rotation] | None = None
    chunks: list[tuple[int, Actions]] = field(default_factory=list)

    def observation(self) -> Observation:
        state = ArmState(np.zeros(6), self.eef.copy(), self.opening)
        objects = {"bottle": self.bottle.copy(), "pad": self.pad.copy()}
        return Observation(self.now_ns, self.now_ns, {}, {"arm": state}, "go", "world", objects)

    def infer(self, policy: ScriptedPolicy) -> Actions:
        actions = policy.infer(self.observation(), Progress())
        self.chunks.append((self.now_ns, actions))
        return actions

    def follow(self, actions: Actions, steps: int) -> None:
        """Execute the first steps of a chunk, one step late."""
        arm = actions.arms[0]
        assert arm.eef is not None and arm.gripper is not None
        for k in range(steps):
            self.now_ns += STEP_NS
            if not self.frozen:
                self._move(arm.eef[k], float(arm.gripper[k]))

    def drop(self) -> None:
        self.held = None
        self.opening = 0.0
        self.bottle[:] = [*self.bottle[:2], 0.0, *STANDING]

    def _move(self, pose: NDArray[np.float64], command: float) -> None:
        self.eef = pose.copy()
        rotation = Rotation.from_quat(pose[3:], scalar_first=True)
        if command > 0.5:
            if self.held is not None:
                self.held = None
                self.bottle[2] = 0.0
            self.opening = 1.0
            return
        if self.held is None and self.opening > 0.5:
            self._close(pose, rotation)
        if self.held is not None:
            offset, turn = self.held
            self.bottle[:3] = pose[:3] + rotation.apply(offset)
            self.bottle[3:] = (rotation * turn).as_quat(scalar_first=True)

    def _close(self, pose: NDArray[np.float64], rotation: Rotation) -> None:
        sideways = rotation.inv().apply(self.bottle[:3] + np.array([0, 0, pose[2]]) - pose[:3])
        around = abs(sideways[1]) < 0.04 and -0.05 < sideways[2] < 0.0 and self.bottle[2] < pose[2] < 0.18
        if not around or self.slippery > 0:
            self.slippery -= 1
            self.opening = 0.0
            return
        self.grips += 1
        self.opening = WIDTH / 0.1
        offset = rotation.inv().apply(self.bottle[:3] - pose[:3])
        turn = rotation.inv() * Rotation.from_quat(self.bottle[3:], scalar_first=True)
        self.held = (offset, turn)
