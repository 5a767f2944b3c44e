"""Task ``bottle_on_pad``: take the bottle and stand it on the pad (MiVLA's PiPER task).

Sub-tasks in order: reach and pick (held off the table), move to pad (held above it), put and release
(stands on the pad, untouched, for half a second), reset (the arm is back near where it began). ``success``
is the first three and the gripper clear of the bottle; ``completion`` reaches 1 with the arm's return.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.simulation.scene import VISUAL_GROUP
from mivla_ros.simulation.state import SceneState, TaskProgress
from mivla_ros.simulation.tasks.bottle import COLOURS, OTHER_COLOURS, Colour, add_bottle
from mivla_ros.simulation.tasks.judging import Settled, at_ready, pose_on_table, upwards

SUBTASKS = ("reach and pick", "move to pad", "put and release", "reset")
BOTTLE, PAD = "bottle", "pad"
PAD_COLOUR = (0.18, 0.62, 0.32, 1)


@dataclass(frozen=True)
class BottleOnPad:
    """Sizes in m, masses in kg, angles in rad, times in s; world frame, table top at ``table_height``.

    The bottle's pose is that of the centre of its base, z along its axis; the pad's that of the centre of
    its top. Fingers find flat sides between ``grasp_lower`` and ``grasp_upper`` above the bottle's base.
    """

    table_height: float = 0.0
    bottle_radius: float = 0.028
    bottle_height: float = 0.185
    bottle_mass: float = 0.30
    grasp_lower: float = 0.032
    grasp_upper: float = 0.116
    pad_size: float = 0.12
    pad_thickness: float = 0.002

    bottle_x: tuple[float, float] = (0.32, 0.42)
    bottle_y: tuple[float, float] = (-0.20, 0.20)
    pad_x: tuple[float, float] = (0.31, 0.42)
    pad_y: tuple[float, float] = (-0.20, 0.20)
    least_distance: float = 0.18

    lift_height: float = 0.03
    place_tolerance: float = 0.005
    upright_tolerance: float = 0.17
    fallen_angle: float = 1.0
    rest_speed: float = 0.02
    settle_seconds: float = 0.5
    clear_distance: float = 0.06
    ready_tolerance: float = 0.15
    ready_speed: float = 0.2

    bottle_colours: Mapping[str, Colour] = field(default_factory=lambda: COLOURS, hash=False)

    name: str = field(default="bottle_on_pad", init=False)
    objects: tuple[str, ...] = field(default=(BOTTLE, PAD), init=False)
    instructions: tuple[str, ...] = (
        "Move the bottle onto the pad.",
        "Put the bottle on the green pad.",
        "Pick up the bottle and place it on the pad.",
        "Stand the blue bottle on the pad.",
        "Take the bottle and set it down on the green square.",
    )

    def build(self, spec: mujoco.MjSpec) -> None:
        """Add bottle and pad to the world body."""
        add_bottle(spec, BOTTLE, self.bottle_radius, self.bottle_height, self.bottle_mass, self.bottle_colours)
        pad = spec.worldbody.add_body(name=PAD, mocap=True)
        half = self.pad_size / 2
        pad.add_geom(
            name=PAD,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[half, half, self.pad_thickness / 2],
            pos=[0, 0, -self.pad_thickness / 2],
            rgba=PAD_COLOUR,
            group=VISUAL_GROUP,
        )

    def place(self, seed: int) -> Mapping[str, NDArray[np.float64]]:
        """Bottle and pad at random, ``least_distance`` apart at least; the same seed gives the same poses."""
        random = np.random.default_rng(seed)
        pad_top = self.table_height + self.pad_thickness
        while True:
            bottle = np.array([random.uniform(*self.bottle_x), random.uniform(*self.bottle_y)])
            pad = np.array([random.uniform(*self.pad_x), random.uniform(*self.pad_y)])
            if np.linalg.norm(bottle - pad) >= self.least_distance:
                break
        yaw, turn = random.uniform(-np.pi, np.pi), random.uniform(-np.pi / 4, np.pi / 4)
        return {
            BOTTLE: pose_on_table((bottle[0], bottle[1], self.table_height), yaw),
            PAD: pose_on_table((pad[0], pad[1], pad_top), turn),
        }

    def raised(self, height: float) -> "BottleOnPad":
        """On a table ``height`` m higher."""
        return replace(self, table_height=self.table_height + height)

    def elsewhere(self) -> "BottleOnPad":
        """Bottle farther out and to the sides than any demonstration has it."""
        return replace(self, bottle_x=(0.42, 0.46), bottle_y=(-0.24, 0.24), pad_x=(0.27, 0.31))

    def with_other_object(self) -> "BottleOnPad":
        """A thinner, taller bottle of another colour."""
        return replace(self, bottle_radius=0.024, bottle_height=0.205, bottle_colours=OTHER_COLOURS)

    def tracker(self, ready: Mapping[str, NDArray[np.float64]]) -> "BottleTracker":
        """A judge for one episode; ``ready`` is each arm's joint position (rad) at its start."""
        return BottleTracker(self, ready)


class BottleTracker:
    """Judges one episode of ``bottle_on_pad``. A sub-task counts only once those before it are done."""

    def __init__(self, task: BottleOnPad, ready: Mapping[str, NDArray[np.float64]]) -> None:
        self._task = task
        self._ready = dict(ready)
        self._start_ns: int | None = None
        self._success_seconds: float | None = None
        self._settled = Settled(task.settle_seconds)
        self._picked = self._moved = self._returned = False
        self._failure = ""

    def update(self, state: SceneState) -> TaskProgress:
        """Take in the next state, in order of time."""
        task = self._task
        if self._start_ns is None:
            self._start_ns = state.time_ns
        seconds = (state.time_ns - self._start_ns) / 1e9
        bottle = state.objects[BOTTLE]
        held = "robot" in state.touching[BOTTLE]
        lifted = held and bool(bottle[2] > task.table_height + task.lift_height)
        self._picked |= lifted
        self._moved |= self._picked and lifted and self._over_pad(state)
        placed = self._placed(state)
        ready = at_ready(state, self._ready, task.ready_tolerance, task.ready_speed)
        self._returned = placed and (self._returned or ready)
        clear = self._distance(state) > task.clear_distance
        # an arm that is back may be near a bottle that stands where the arm waits
        if placed and (clear or self._returned) and self._success_seconds is None:
            self._success_seconds = seconds
        if not placed:
            self._success_seconds = None
        self._failure = self._failure or self._fault(state)
        done = (self._picked, self._moved, placed, self._returned)
        success = self._success_seconds is not None and not self._failure
        return TaskProgress(
            task=task.name,
            success=success,
            completion=sum(done) / len(done),
            seconds=self._success_seconds if self._success_seconds is not None else seconds,
            subtasks=SUBTASKS,
            subtasks_done=done,
            failure=self._failure,
        )

    def _offset(self, state: SceneState) -> NDArray[np.float64]:
        """The bottle's base in the pad's frame, m."""
        pad = state.objects[PAD]
        turn = Rotation.from_quat(pad[3:], scalar_first=True).inv()
        return np.asarray(turn.apply(state.objects[BOTTLE][:3] - pad[:3]))

    def _over_pad(self, state: SceneState) -> bool:
        return bool(np.abs(self._offset(state)[:2]).max() < self._task.pad_size / 2)

    def _placed(self, state: SceneState) -> bool:
        """Whole base on the pad, upright, at rest, untouched, and all that for ``settle_seconds``."""
        task = self._task
        offset = self._offset(state)
        room = task.pad_size / 2 - task.bottle_radius + task.place_tolerance
        now = bool(
            self._moved
            and np.abs(offset[:2]).max() <= room
            and abs(offset[2]) < 0.01
            and tilt(state.objects[BOTTLE]) < task.upright_tolerance
            and np.linalg.norm(state.velocities[BOTTLE][:3]) < task.rest_speed
            and "robot" not in state.touching[BOTTLE]
        )
        return self._settled.update(state.time_ns, now)

    def _distance(self, state: SceneState) -> float:
        """From the nearest end effector to the bottle's axis, m."""
        bottle = state.objects[BOTTLE]
        up = Rotation.from_quat(bottle[3:], scalar_first=True).apply([0.0, 0.0, 1.0])
        distances = []
        for pose in state.eef.values():
            along = np.clip((pose[:3] - bottle[:3]) @ up, 0.0, self._task.bottle_height)
            distances.append(float(np.linalg.norm(pose[:3] - bottle[:3] - along * up)))
        return min(distances)

    def _fault(self, state: SceneState) -> str:
        bottle = state.objects[BOTTLE]
        if bottle[2] < self._task.table_height - 0.05:
            return f"the bottle left the table, its base is at z = {bottle[2]:.2f} m"
        angle = tilt(bottle)
        if angle > self._task.fallen_angle and state.touching[BOTTLE] & {"table", PAD}:
            return f"the bottle fell over, it leans by {np.degrees(angle):.0f} degrees"
        return ""


def tilt(pose: NDArray[np.float64]) -> float:
    """Angle between the z axis of a pose (7,) and the vertical, rad."""
    return float(np.arccos(np.clip(upwards(pose), -1.0, 1.0)))
