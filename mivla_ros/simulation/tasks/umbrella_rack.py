"""Task ``umbrella_rack``: tidy up the umbrella rack (MiVLA's ARX task).

Two folded umbrellas lie on the table, one on each side; the rack has two bays, which open towards the robot. Each
umbrella is picked up, turned so that its tip points into the rack, and put into its bay, left first. Sub-tasks in
order: pick the first, turn and place it, pick the second, turn and place it, reset (the arm is back near where it
began). ``success`` is all but the last; ``completion`` reaches 1 with the arm's return.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.simulation.scene import COLLISION_GROUP, VISUAL_GROUP
from mivla_ros.simulation.state import SceneState, TaskProgress
from mivla_ros.simulation.tasks.judging import Settled, at_ready, pose_on_table, turned_by

SUBTASKS = ("pick the first", "turn and place it left", "pick the second", "turn and place it right", "reset")
LEFT, RIGHT, RACK = "left_umbrella", "right_umbrella", "rack"
UMBRELLAS = (LEFT, RIGHT)
Colour = tuple[float, float, float, float]
COLOURS: Mapping[str, Colour] = {LEFT: (0.13, 0.25, 0.62, 1), RIGHT: (0.66, 0.12, 0.18, 1)}
OTHER_COLOURS: Mapping[str, Colour] = {LEFT: (0.95, 0.75, 0.15, 1), RIGHT: (0.20, 0.20, 0.22, 1)}
HANDLE_COLOUR, TIP_COLOUR, RACK_COLOUR = (0.45, 0.28, 0.14, 1), (0.75, 0.76, 0.78, 1), (0.55, 0.43, 0.30, 1)


@dataclass(frozen=True)
class UmbrellaRack:
    """Sizes in m, masses in kg, angles in rad, times in s; world frame, table top at ``table_height``.

    An umbrella's pose is that of its middle; x along it to its tip. The rack's pose is that of the middle of its
    bays' floor on the table, x into the bays. Left is +y.
    """

    table_height: float = 0.0
    length: float = 0.18
    thickness: float = 0.026
    mass: float = 0.15
    rack_x: tuple[float, float] = (0.37, 0.39)
    bay_offset: float = 0.045
    bay_depth: float = 0.20
    wall_height: float = 0.02

    umbrella_x: tuple[float, float] = (0.20, 0.29)
    umbrella_y: tuple[float, float] = (0.19, 0.25)
    turned_outwards: float = 0.9
    turned_inwards: float = 0.25

    lift_height: float = 0.03
    across_tolerance: float = 0.02
    along_tolerance: float = 0.03
    turn_tolerance: float = 0.2
    rest_speed: float = 0.02
    settle_seconds: float = 0.5
    clear_distance: float = 0.05
    ready_tolerance: float = 0.15
    ready_speed: float = 0.2

    umbrella_colours: Mapping[str, Colour] = field(default_factory=lambda: COLOURS, hash=False)

    name: str = field(default="umbrella_rack", init=False)
    objects: tuple[str, ...] = field(default=(LEFT, RIGHT, RACK), init=False)
    instructions: tuple[str, ...] = (
        "Tidy up the umbrella rack.",
        "Put the umbrellas into the rack, the left one first.",
        "Place each umbrella in the rack from left to right.",
        "Turn the umbrellas to the rack and put them in.",
    )

    def build(self, spec: mujoco.MjSpec) -> None:
        """Add both umbrellas and the rack to the world body."""
        for name in UMBRELLAS:
            self._add_umbrella(spec, name)
        self._add_rack(spec)

    def _add_umbrella(self, spec: mujoco.MjSpec, name: str) -> None:
        box, cylinder = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER
        body = spec.worldbody.add_body(name=name, pos=[0, 0, 0.1])
        body.add_freejoint(name=name)
        half, radius = self.length / 2, self.thickness / 2
        # touched as a bar, so that it lies still; drawn as a folded umbrella
        body.add_geom(
            type=box, size=[half, radius, radius], mass=self.mass, group=COLLISION_GROUP, condim=4,
            friction=[0.9, 0.004, 0.0002],
        )  # fmt: skip

        def skin(start: float, end: float, width: float, colour: tuple[float, ...]) -> None:
            body.add_geom(
                type=cylinder, fromto=[start, 0, 0, end, 0, 0], size=[width, 0, 0], rgba=colour, group=VISUAL_GROUP,
                contype=0, conaffinity=0,
            )  # fmt: skip

        skin(-0.55 * half, 0.9 * half, radius, self.umbrella_colours[name])
        skin(-half, -0.55 * half, 0.6 * radius, HANDLE_COLOUR)
        skin(0.9 * half, half, 0.25 * radius, TIP_COLOUR)
        skin(-0.1 * half, 0.0, 1.05 * radius, (0.95, 0.95, 0.95, 1))

    def _add_rack(self, spec: mujoco.MjSpec) -> None:
        rack = spec.worldbody.add_body(name=RACK, mocap=True)
        height, half = self.wall_height / 2, self.bay_depth / 2
        walls = [([0, side * 2 * self.bay_offset, height], [half, 0.002, height]) for side in (-1, 0, 1)]
        walls.append(([half + 0.002, 0, height], [0.002, 2 * self.bay_offset + 0.002, height]))
        for position, size in walls:
            rack.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX, pos=position, size=size, rgba=RACK_COLOUR, group=VISUAL_GROUP,
                friction=[0.6, 0.005, 0.0001],
            )  # fmt: skip

    def place(self, seed: int) -> Mapping[str, NDArray[np.float64]]:
        """Both umbrellas at random, each on its side, turned at random; the rack in front, shifted a little."""
        random = np.random.default_rng(seed)
        rack_x = random.uniform(*self.rack_x)
        poses = {RACK: pose_on_table((rack_x, 0.0, self.table_height), 0.0)}
        for name, side in ((LEFT, 1), (RIGHT, -1)):
            x, y = random.uniform(*self.umbrella_x), side * random.uniform(*self.umbrella_y)
            turn = side * random.uniform(-self.turned_inwards, self.turned_outwards)
            height = self.table_height + self.thickness / 2
            poses[name] = pose_on_table((x, y, height), turn)
        return poses

    def raised(self, height: float) -> Self:
        """The same task on a table ``height`` m higher."""
        return replace(self, table_height=self.table_height + height)

    def elsewhere(self) -> Self:
        """Umbrellas nearer and farther out to the sides than any demonstration has them."""
        return replace(self, umbrella_x=(0.16, 0.20), umbrella_y=(0.25, 0.28))

    def with_other_object(self) -> Self:
        """Shorter, thinner umbrellas of other colours."""
        return replace(self, length=0.15, thickness=0.022, umbrella_colours=OTHER_COLOURS)

    def tracker(self, ready: Mapping[str, NDArray[np.float64]]) -> "UmbrellaTracker":
        """A judge for one episode; ``ready`` is each arm's joint position (rad) at its start."""
        return UmbrellaTracker(self, ready)

    def bay(self, rack: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        """Position (3,) of an umbrella's middle in its bay, world frame, for the rack's pose (7,)."""
        side = 1 if name == LEFT else -1
        return np.array([rack[0], rack[1] + side * self.bay_offset, self.table_height + self.thickness / 2])


class UmbrellaTracker:
    """Judges one episode of ``umbrella_rack``. A sub-task counts only once those before it are done."""

    def __init__(self, task: UmbrellaRack, ready: Mapping[str, NDArray[np.float64]]) -> None:
        self._task = task
        self._ready = dict(ready)
        self._start_ns: int | None = None
        self._settled = {name: Settled(task.settle_seconds) for name in UMBRELLAS}
        self._picked = dict.fromkeys(UMBRELLAS, False)
        self._returned = False
        self._success_seconds: float | None = None
        self._failure = ""

    def update(self, state: SceneState) -> TaskProgress:
        """Take in the next state, in order of time."""
        task = self._task
        if self._start_ns is None:
            self._start_ns = state.time_ns
        seconds = (state.time_ns - self._start_ns) / 1e9
        placed = {name: self._settled[name].update(state.time_ns, self._in_bay(state, name)) for name in UMBRELLAS}
        self._picked[LEFT] |= self._lifted(state, LEFT)
        first = self._picked[LEFT] and placed[LEFT]
        self._picked[RIGHT] |= first and self._lifted(state, RIGHT)
        second = first and self._picked[RIGHT] and placed[RIGHT]
        ready = at_ready(state, self._ready, task.ready_tolerance, task.ready_speed)
        self._returned = second and (self._returned or ready)
        self._failure = self._failure or self._fault(state)
        clear = all(
            np.linalg.norm(eef[:3] - state.objects[name][:3]) > task.clear_distance
            for eef in state.eef.values()
            for name in UMBRELLAS
        )
        if not second:
            self._success_seconds = None
        elif clear and self._success_seconds is None:
            self._success_seconds = seconds
        done = (self._picked[LEFT], first, self._picked[RIGHT], second, self._returned)
        return TaskProgress(
            task=task.name,
            success=self._success_seconds is not None and not self._failure,
            completion=sum(done) / len(done),
            seconds=self._success_seconds if self._success_seconds is not None else seconds,
            subtasks=SUBTASKS,
            subtasks_done=done,
            failure=self._failure,
        )

    def _lifted(self, state: SceneState, name: str) -> bool:
        floor = self._task.table_height + self._task.thickness / 2
        return "robot" in state.touching[name] and bool(state.objects[name][2] > floor + self._task.lift_height)

    def _in_bay(self, state: SceneState, name: str) -> bool:
        """Lies in its bay with the tip to the back, at rest and untouched by the robot."""
        task, pose = self._task, state.objects[name]
        along, across, up = np.abs(pose[:3] - task.bay(state.objects[RACK], name))
        return bool(
            self._picked[name]
            and along < task.along_tolerance
            and across < task.across_tolerance
            and up < 0.01
            and abs(turned_by(pose)) < task.turn_tolerance
            and np.linalg.norm(state.velocities[name][:3]) < task.rest_speed
            and "robot" not in state.touching[name]
        )

    def _fault(self, state: SceneState) -> str:
        for name in UMBRELLAS:
            if state.objects[name][2] < self._task.table_height - 0.05:
                return f"the {name.replace('_', ' ')} left the table, it is at z = {state.objects[name][2]:.2f} m"
        return ""
