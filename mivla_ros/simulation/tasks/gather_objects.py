"""Task ``gather_objects``: gather scattered objects (MiVLA's LocoMan task).

A basket stands on the left, a block on the right, a pad in the middle. The left hand puts the basket onto the pad,
the right hand then the block into the basket. Sub-tasks in order: grasp the big one, put it onto the pad, grasp the
small one, put it into the big one, reset (both arms back near where they began). ``success`` is all but the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.simulation.scene import VISUAL_GROUP
from mivla_ros.simulation.state import SceneState, TaskProgress
from mivla_ros.simulation.tasks.judging import Settled, at_ready, pose_on_table, upwards

SUBTASKS = ("grasp the big one", "put it onto the pad", "grasp the small one", "put it into the big one", "reset")
BASKET, BLOCK, PAD = "basket", "block", "pad"
BASKET_COLOUR, KNOB_COLOUR, BLOCK_COLOUR = (0.85, 0.62, 0.25, 1), (0.40, 0.25, 0.12, 1), (0.80, 0.15, 0.15, 1)
PAD_COLOUR = (0.18, 0.62, 0.32, 1)
Colour = tuple[float, float, float, float]
OTHER_BLOCK_COLOUR, OTHER_BASKET_COLOUR = (0.15, 0.30, 0.80, 1), (0.30, 0.55, 0.45, 1)


@dataclass(frozen=True)
class GatherObjects:
    """Sizes in m, masses in kg, angles in rad, times in s; world frame, table top at ``table_height``.

    The basket's pose is that of the middle of its underside, x away from its knob; the block's that of its middle;
    the pad's that of the centre of its top.
    """

    table_height: float = 0.0
    basket_size: float = 0.10
    basket_height: float = 0.03
    wall: float = 0.004
    basket_mass: float = 0.05
    knob: tuple[float, float, float] = (0.036, 0.012, 0.04)
    block: tuple[float, float, float] = (0.018, 0.016, 0.034)
    block_mass: float = 0.015
    pad_size: float = 0.14
    pad_thickness: float = 0.002
    pad_x: tuple[float, float] = (0.13, 0.15)

    basket_x: tuple[float, float] = (0.12, 0.17)
    basket_y: tuple[float, float] = (0.15, 0.19)
    block_x: tuple[float, float] = (0.07, 0.16)
    block_y: tuple[float, float] = (-0.21, -0.13)
    most_turned: float = 0.25

    lift_height: float = 0.02
    rest_speed: float = 0.02
    settle_seconds: float = 0.5
    upright: float = 0.95
    ready_tolerance: float = 0.15
    ready_speed: float = 0.2

    basket_colour: Colour = BASKET_COLOUR
    block_colour: Colour = BLOCK_COLOUR

    name: str = field(default="gather_objects", init=False)
    objects: tuple[str, ...] = field(default=(BASKET, BLOCK, PAD), init=False)
    instructions: tuple[str, ...] = (
        "Gather the scattered objects.",
        "Put the basket onto the pad and the block into the basket.",
        "Place the big object on the pad, then the small one into it.",
    )

    @property
    def knob_centre(self) -> tuple[float, float, float]:
        """Middle of the knob in the basket's frame: outside of the wall that is
        nearest to the robot, standing on the ground."""
        length, _, height = self.knob
        return (-(self.basket_size + length) / 2, 0.0, height / 2)

    def build(self, spec: mujoco.MjSpec) -> None:
        """Add basket, block and pad to the world body."""
        box = mujoco.mjtGeom.mjGEOM_BOX
        basket = spec.worldbody.add_body(name=BASKET, pos=[0, 0, 0.2])
        basket.add_freejoint(name=BASKET)
        half, height, wall = self.basket_size / 2, self.basket_height / 2, self.wall / 2
        parts = [([0, 0, wall], [half, half, wall])]
        for side in (-1, 1):
            parts.append(([side * (half - wall), 0, height], [wall, half, height]))
            parts.append(([0, side * (half - wall), height], [half, wall, height]))
        basket.explicitinertial = True
        basket.mass = self.basket_mass
        basket.ipos = [0, 0, 0.4 * self.basket_height]
        across = self.basket_mass * self.basket_size**2 / 8
        basket.inertia = [across, across, 1.5 * across]
        solid = {"condim": 4, "friction": [0.9, 0.004, 0.0002]}
        for position, size in parts:
            basket.add_geom(type=box, pos=position, size=size, rgba=self.basket_colour, group=VISUAL_GROUP, **solid)
        knob = [length / 2 for length in self.knob]
        basket.add_geom(type=box, pos=list(self.knob_centre), size=knob, rgba=KNOB_COLOUR, group=VISUAL_GROUP, **solid)
        block = spec.worldbody.add_body(name=BLOCK, pos=[0, 0.3, 0.2])
        block.add_freejoint(name=BLOCK)
        size = [length / 2 for length in self.block]
        block.add_geom(type=box, size=size, mass=self.block_mass, rgba=self.block_colour, group=VISUAL_GROUP, **solid)
        pad = spec.worldbody.add_body(name=PAD, mocap=True)
        half = self.pad_size / 2
        pad.add_geom(
            name=PAD, type=box, size=[half, half, self.pad_thickness / 2], pos=[0, 0, -self.pad_thickness / 2],
            rgba=PAD_COLOUR, group=VISUAL_GROUP,
        )  # fmt: skip

    def place(self, seed: int) -> Mapping[str, NDArray[np.float64]]:
        """Basket on the left, block on the right, pad in the middle, all a little at random."""
        random = np.random.default_rng(seed)
        pad = pose_on_table((random.uniform(*self.pad_x), 0.0, self.table_height + self.pad_thickness), 0.0)
        basket = [random.uniform(*self.basket_x), random.uniform(*self.basket_y), self.table_height]
        block = [random.uniform(*self.block_x), random.uniform(*self.block_y), self.table_height + self.block[2] / 2]
        turns = random.uniform(-self.most_turned, self.most_turned, size=2)
        return {PAD: pad, BASKET: pose_on_table(basket, turns[0]), BLOCK: pose_on_table(block, turns[1])}

    def raised(self, height: float) -> Self:
        """The same task on a table ``height`` m higher."""
        return replace(self, table_height=self.table_height + height)

    def elsewhere(self) -> Self:
        """Basket and block nearer to the robot and closer to its middle than any demonstration has them."""
        return replace(self, basket_x=(0.09, 0.12), block_x=(0.16, 0.18), block_y=(-0.13, -0.11))

    def with_other_object(self) -> Self:
        """A slimmer, taller block and a basket of another colour."""
        return replace(
            self, block=(0.015, 0.014, 0.04), block_colour=OTHER_BLOCK_COLOUR, basket_colour=OTHER_BASKET_COLOUR
        )

    def tracker(self, ready: Mapping[str, NDArray[np.float64]]) -> "GatherTracker":
        """A judge for one episode; ``ready`` is each arm's joint position (rad) at its start."""
        return GatherTracker(self, ready)


class GatherTracker:
    """Judges one episode of ``gather_objects``. A sub-task counts only once those before it are done."""

    def __init__(self, task: GatherObjects, ready: Mapping[str, NDArray[np.float64]]) -> None:
        self._task = task
        self._ready = dict(ready)
        self._start_ns: int | None = None
        self._on_pad, self._inside = Settled(task.settle_seconds), Settled(task.settle_seconds)
        self._grasped_basket = self._grasped_block = self._returned = False
        self._success_seconds: float | None = None
        self._failure = ""

    def update(self, state: SceneState) -> TaskProgress:
        """Take in the next state, in order of time."""
        task = self._task
        if self._start_ns is None:
            self._start_ns = state.time_ns
        seconds = (state.time_ns - self._start_ns) / 1e9
        self._grasped_basket |= self._lifted(state, BASKET, 0.0)
        on_pad = self._on_pad.update(state.time_ns, self._grasped_basket and self._basket_on_pad(state))
        self._grasped_block |= on_pad and self._lifted(state, BLOCK, task.block[2] / 2)
        inside = self._inside.update(state.time_ns, on_pad and self._grasped_block and self._block_inside(state))
        ready = at_ready(state, self._ready, task.ready_tolerance, task.ready_speed)
        self._returned = inside and (self._returned or ready)
        self._failure = self._failure or self._fault(state)
        if not inside:
            self._success_seconds = None
        elif self._success_seconds is None:
            self._success_seconds = seconds
        done = (self._grasped_basket, on_pad, self._grasped_block, inside, self._returned)
        return TaskProgress(
            task=task.name,
            success=self._success_seconds is not None and not self._failure,
            completion=sum(done) / len(done),
            seconds=self._success_seconds if self._success_seconds is not None else seconds,
            subtasks=SUBTASKS,
            subtasks_done=done,
            failure=self._failure,
        )

    def _lifted(self, state: SceneState, name: str, rests_at: float) -> bool:
        height = state.objects[name][2] - self._task.table_height - rests_at
        return "robot" in state.touching[name] and bool(height > self._task.lift_height)

    def _basket_on_pad(self, state: SceneState) -> bool:
        """Upright, its middle over the pad's inner half, at rest, untouched by the robot."""
        task, basket, pad = self._task, state.objects[BASKET], state.objects[PAD]
        return bool(
            np.abs(basket[:2] - pad[:2]).max() < task.pad_size / 4
            and abs(basket[2] - pad[2]) < 0.006
            and upwards(basket) > task.upright
            and np.linalg.norm(state.velocities[BASKET][:3]) < task.rest_speed
            and "robot" not in state.touching[BASKET]
        )

    def _block_inside(self, state: SceneState) -> bool:
        """Its middle between the basket's walls and below their top, at rest, untouched by the robot."""
        task, basket, block = self._task, state.objects[BASKET], state.objects[BLOCK]
        turn = Rotation.from_quat(basket[3:], scalar_first=True).inv()
        x, y, z = turn.apply(block[:3] - basket[:3])
        return bool(
            max(abs(x), abs(y)) < task.basket_size / 2 - task.wall
            and 0.0 < z < task.basket_height + 0.01
            and np.linalg.norm(state.velocities[BLOCK][:3]) < task.rest_speed
            and "robot" not in state.touching[BLOCK]
        )

    def _fault(self, state: SceneState) -> str:
        for name in (BASKET, BLOCK):
            if state.objects[name][2] < self._task.table_height - 0.05:
                return f"the {name} left the table, it is at z = {state.objects[name][2]:.2f} m"
        if upwards(state.objects[BASKET]) < 0.3 and "robot" not in state.touching[BASKET]:
            return "the basket fell over"
        return ""
