"""A person's hands and a task in one scene: stepped, judged and drawn.

Objects obey physics; hands are where they are put. What a hand holds is welded to its wrist, as it sits in it at that
moment. World frame as everywhere in the simulation: z up, 0 at the table top, x away from the person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import mujoco
import numpy as np
from numpy.typing import NDArray

from mivla_ros.action_space import SIDES
from mivla_ros.simulation.errors import DivergedError, SceneError
from mivla_ros.simulation.hands.hand_bodies import (
    CAMERA,
    PARKED,
    Lens,
    Looks,
    add_hands,
    arm_names,
    joint_names,
    pusher_name,
)
from mivla_ros.simulation.rendering import SceneRenderer, show_snapshot
from mivla_ros.simulation.scene import TIMESTEP_NS, Furniture, add_surroundings
from mivla_ros.simulation.state import SceneState, Snapshot, TaskProgress
from mivla_ros.simulation.tasks import ProgressTracker, RaisableTask, Task
from mivla_ros.simulation.touch import ROBOT, TouchMap
from mivla_ros.simulation.variation import Stage, Variation, add_clutter

Array = NDArray[np.float64]

STEP = TIMESTEP_NS / 1e9
JUDGE_STEPS = 8  # the task is judged every 20 ms
HOLD = (0.006, 1.0)  # s and damping ratio of the weld of what is held
GREATEST_SPEED = 1e3
TABLE_DEPTH, TABLE_WIDTH = 0.95, 1.30  # m
TABLE_EDGE = 0.04  # m before the person's place


@dataclass(frozen=True)
class HandMoment:
    """One hand now, in the world: wrist (7,), ARKit's axes; point (3,) between the tips of thumb and index finger;
    opening 0 to 1; speed m/s of the wrist; pusher (7,) while it pushes."""

    wrist: Array
    point: Array
    opening: float
    speed: float
    pusher: Array | None = None


class HandScene:
    """``HandScene(task, seed, looks, lens, variation, place)``; place: x of the person, m. Not thread safe."""

    def __init__(
        self, task: Task, seed: int, looks: Looks, lens: Lens, variation: Variation | None = None, place: float = 0.0
    ) -> None:
        """Raises SceneError where the scene cannot be built, or the task cannot stand on the variation's table."""
        wanted = variation or Variation()
        if wanted.table_height:
            if not isinstance(task, RaisableTask):
                raise SceneError(f"task {task.name!r}", f"cannot stand on a table {wanted.table_height:+.3f} m higher")
            task = task.raised(wanted.table_height)
        self.task, self.lens = task, lens
        spec = mujoco.MjSpec()
        middle = place + TABLE_EDGE + TABLE_DEPTH / 2
        add_surroundings(spec, Furniture((middle, 0.0), (TABLE_DEPTH, TABLE_WIDTH, 0.04)))
        add_clutter(spec)
        task.build(spec)
        add_hands(spec, looks, lens)
        self._things = tuple(name for name in task.objects if not spec.body(name).mocap)
        for side in SIDES:
            for thing in self._things:
                spec.add_equality(
                    name=f"{side} holds {thing}", type=mujoco.mjtEq.mjEQ_WELD, objtype=mujoco.mjtObj.mjOBJ_BODY,
                    name1=f"{side}Hand", name2=thing, active=False, solref=list(HOLD),
                )  # fmt: skip
        try:
            self.model = spec.compile()
        except ValueError as error:
            raise SceneError("scene", f"MuJoCo cannot compile it: {error}") from error
        self._data = mujoco.MjData(self.model)
        self._mocap = {self.model.body(i).name: int(self.model.body(i).mocapid[0]) for i in range(self.model.nbody)}
        self._touch = TouchMap(self.model, [pusher_name(side) for side in SIDES], task.objects)
        self._holding: dict[str, str] = {}
        self._steps = 0
        Stage(self.model).show(wanted, self._data)
        for name, pose in task.place(seed).items():
            if name in self._things:
                self._data.joint(name).qpos[:] = pose
            else:
                self._put(name, pose)
        mujoco.mj_forward(self.model, self._data)
        self._hands: dict[str, HandMoment] = {}
        self._progress: TaskProgress | None = None
        self._tracker: ProgressTracker | None = None
        self._renderer: SceneRenderer | None = None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._steps * STEP

    @property
    def progress(self) -> TaskProgress:
        """How far the task is. Raises SceneError before the first step."""
        if self._progress is None:
            raise SceneError("progress", "nothing was judged yet")
        return self._progress

    @property
    def holding(self) -> Mapping[str, str]:
        """What each hand holds, by side; hands that hold nothing are left out."""
        return dict(self._holding)

    def pose(self, name: str) -> Array:
        """Pose (7,) of an object now."""
        if name in self._things:
            return np.array(self._data.joint(name).qpos)
        index = self._mocap[name]
        return np.concatenate([self._data.mocap_pos[index], self._data.mocap_quat[index]])

    def hold(self, side: str, thing: str) -> None:
        """The hand takes the thing as it now sits in it; a hand that held it before still does."""
        wrist = self._hands[side].wrist
        inverse, back = np.zeros(4), np.zeros(3)
        mujoco.mju_negPose(back, inverse, wrist[:3], wrist[3:])
        place, turn = np.zeros(3), np.zeros(4)
        pose = self.pose(thing)
        mujoco.mju_mulPose(place, turn, back, inverse, pose[:3], pose[3:])
        index = self.model.equality(f"{side} holds {thing}").id
        self.model.eq_data[index, :3] = 0.0
        self.model.eq_data[index, 3:6], self.model.eq_data[index, 6:10] = place, turn
        self._data.eq_active[index] = 1
        self._holding[side] = thing

    def let_go(self, side: str) -> None:
        """The hand holds nothing any more."""
        thing = self._holding.pop(side, None)
        if thing is not None:
            self._data.eq_active[self.model.equality(f"{side} holds {thing}").id] = 0

    def step(self, hands: Mapping[str, HandMoment]) -> None:
        """One step of 2.5 ms, at whose end the hands are there. Raises DivergedError if physics breaks down."""
        data = self._data
        self._hands = dict(hands)
        for side, hand in hands.items():
            self._put(f"{side}Hand", hand.wrist)
            self._put(pusher_name(side), np.array([*PARKED, 1, 0, 0, 0]) if hand.pusher is None else hand.pusher)
        mujoco.mj_step(self.model, data)
        fastest = float(np.abs(data.qvel).max()) if len(data.qvel) else 0.0
        if not fastest < GREATEST_SPEED:
            raise DivergedError("physics", f"a body moves at {fastest:g}", fastest, GREATEST_SPEED)
        if self._steps % JUDGE_STEPS == 0:
            self._judge()
        self._steps += 1

    def state(self) -> SceneState:
        """All that a task may judge. A hand stands for an arm: its "joints" are its wrist's place in m, its end
        effector the point between the tips of thumb and index finger."""
        data = self._data
        mujoco.mj_kinematics(self.model, data)
        touching = self._touch.read(data)
        for thing in self._holding.values():
            touching[thing] |= {ROBOT}
        return SceneState(
            time_ns=self._steps * TIMESTEP_NS,
            objects={name: self.pose(name) for name in self.task.objects},
            velocities={name: np.array(data.joint(name).qvel) for name in self._things},
            touching=touching,
            eef={side: np.concatenate([hand.point, hand.wrist[3:]]) for side, hand in self._hands.items()},
            joints={side: hand.wrist[:3] for side, hand in self._hands.items()},
            joint_velocities={side: np.array([hand.speed]) for side, hand in self._hands.items()},
            openings={side: hand.opening for side, hand in self._hands.items()},
        )

    def snapshot(self) -> Snapshot:
        """A copy of what a picture needs, hands not yet drawn: see ``draw``."""
        data = self._data
        return Snapshot(self._steps * TIMESTEP_NS, data.qpos.copy(), data.mocap_pos.copy(), data.mocap_quat.copy())

    @cached_property
    def _looked_at(self) -> mujoco.MjData:
        """For snapshots, beside what is stepped."""
        return mujoco.MjData(self.model)

    def middles(self, snapshot: Snapshot) -> dict[str, Array]:
        """Centres of mass (3,) of the task's objects in a snapshot, in the world."""
        data = self._looked_at
        show_snapshot(self.model, data, snapshot)
        return {name: np.array(data.xipos[self.model.body(name).id]) for name in self.task.objects}

    def draw(
        self, snapshot: Snapshot, joints: Mapping[str, Array], arms: Mapping[str, Array], head: Array,
        *, fine: bool = False,
    ) -> NDArray[np.uint8]:  # fmt: skip
        """RGB (height, width, 3) from the head (7,), optical axes. joints: poses (25, 7) by side, ARKit's axes;
        arms: poses (2, 7) of forearm and upper arm, x to the hand. fine: with shadows. Raises RenderingError."""
        if self._renderer is None:
            self._renderer = SceneRenderer(self.model, self.lens.width, self.lens.height, fine=fine)
        place, turn = snapshot.mocap_pos.copy(), snapshot.mocap_quat.copy()
        for side, poses in joints.items():
            rows = [self._mocap[name] for name in joint_names(side)]
            place[rows], turn[rows] = poses[:, :3], poses[:, 3:]
            rows = [self._mocap[name] for name in arm_names(side)]
            place[rows], turn[rows] = arms[side][:, :3], arms[side][:, 3:]
        row = self._mocap[CAMERA]
        place[row], turn[row] = head[:3], head[3:]
        return self._renderer.draw(replace(snapshot, mocap_pos=place, mocap_quat=turn), CAMERA)

    def close(self) -> None:
        """Give the graphics context back."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _judge(self) -> None:
        if self._tracker is None:
            self._tracker = self.task.tracker({side: hand.wrist[:3].copy() for side, hand in self._hands.items()})
        self._progress = self._tracker.update(self.state())

    def _put(self, name: str, pose: Array) -> None:
        index = self._mocap[name]
        self._data.mocap_pos[index], self._data.mocap_quat[index] = pose[:3], pose[3:]
