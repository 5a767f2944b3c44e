"""A declared task (``mivla_ros.tabletop``) as one of the simulation: its scene, and a judge of its acts.

Sub-tasks follow from the acts, in order: a thing that is put is first picked up, perhaps handed over or poured, then
set down; one that is pushed or pulled is brought to its place; at the end the arms are back near where they began.
``success`` is all but the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.simulation.state import SceneState, TaskProgress
from mivla_ros.simulation.tasks.judging import Settled, at_ready, pose_on_table, turned_by, upwards
from mivla_ros.simulation.tasks.shapes import add_thing
from mivla_ros.tabletop.acts import Act, How
from mivla_ros.tabletop.table_task import Region, TableTask, Upon
from mivla_ros.tabletop.things import Shape, Thing

OTHER_LOOK = 77  # seed of the look that no demonstration has
UNSEEN_BAND = (-0.035, -0.005)  # m before the usual region: where no demonstration has the first thing that is moved
Array = NDArray[np.float64]


@dataclass(frozen=True)
class JudgingLimits:
    """Lengths m, angles rad, times s. lift: above where a thing stood. height: by which it may stand too high or low.
    pour_tilt, pour_near: how far a thing leans, and how near its middle is to what it is emptied into, at least."""

    lift: float = 0.02
    height: float = 0.012
    rest_speed: float = 0.02
    settle_seconds: float = 0.5
    upright: float = 0.9
    pour_tilt: float = 1.2
    pour_near: float = 0.11
    clear_distance: float = 0.045
    ready_tolerance: float = 0.15
    ready_speed: float = 0.2


@dataclass(frozen=True)
class SimulatedTableTask:
    """``declared`` on a table of height ``table_height`` m; the task's protocol as in ``task.py``."""

    declared: TableTask
    table_height: float = 0.0
    places: Mapping[str, Region | Upon] | None = field(default=None, hash=False)
    limits: JudgingLimits = field(default_factory=JudgingLimits)

    @property
    def name(self) -> str:
        """Name in the catalogue."""
        return self.declared.name

    @property
    def instructions(self) -> tuple[str, ...]:
        """Ways to say it; the last is held back from demonstrations."""
        return self.declared.instructions

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the things."""
        return tuple(thing.name for thing in self.declared.things)

    def build(self, spec: mujoco.MjSpec) -> None:
        """Add the things."""
        for thing in self.declared.things:
            add_thing(spec, thing)

    def place(self, seed: int) -> Mapping[str, Array]:
        """Poses (7,) of all things."""
        poses = self.declared.place(seed, self.places)
        return {n: pose_on_table((x, y, z + self.table_height), turn) for n, (x, y, z, turn) in poses.items()}

    def raised(self, height: float) -> Self:
        """On a table ``height`` m higher."""
        return replace(self, table_height=self.table_height + height)

    def elsewhere(self) -> Self:
        """The first thing that is moved, or what it begins on, nearer than any demonstration has it."""
        usual = self.declared.places
        name = self.declared.acts[0].thing
        where = usual[name]
        while isinstance(where, Upon):
            name, where = where.thing, usual[where.thing]
        x = (where.x[0] + UNSEEN_BAND[0], where.x[0] + UNSEEN_BAND[1])
        return replace(self, places={**usual, name: replace(where, x=x)})

    def with_other_object(self) -> Self:
        """Things of other sizes, in colours that no demonstration has."""
        return replace(self, declared=self.declared.varied(np.random.default_rng(OTHER_LOOK), held_back=True))

    def tracker(self, ready: Mapping[str, Array]) -> "TableTracker":
        """A judge for one episode; ``ready`` is each arm's joint position (rad) at its start."""
        return TableTracker(self, ready)


class TableTracker:
    """Judges one episode. A sub-task counts only once those before it are done."""

    def __init__(self, task: SimulatedTableTask, ready: Mapping[str, Array]) -> None:
        self._task, self._ready = task, dict(ready)
        self._judges = [_ActJudge(task, act) for act in task.declared.acts]
        self._subtasks = (*(name for judge in self._judges for name in judge.subtasks), "reset")
        self._start_ns: int | None = None
        self._success_seconds: float | None = None
        self._returned = False
        self._failure = ""

    def update(self, state: SceneState) -> TaskProgress:
        """Take in the next state, in order of time."""
        limits = self._task.limits
        if self._start_ns is None:
            self._start_ns = state.time_ns
        seconds = (state.time_ns - self._start_ns) / 1e9
        done: list[bool] = []
        before = True
        for judge in self._judges:
            done += judge.update(state, before)
            before = before and done[-1]
        ready = at_ready(state, self._ready, limits.ready_tolerance, limits.ready_speed)
        self._returned = before and (self._returned or ready)
        self._failure = self._failure or self._fault(state)
        if not before:
            self._success_seconds = None
        elif self._success_seconds is None and self._clear(state):
            self._success_seconds = seconds
        done.append(self._returned)
        return TaskProgress(
            task=self._task.name,
            success=self._success_seconds is not None and not self._failure,
            completion=sum(done) / len(done),
            seconds=self._success_seconds if self._success_seconds is not None else seconds,
            subtasks=self._subtasks,
            subtasks_done=tuple(done),
            failure=self._failure,
        )

    def _clear(self, state: SceneState) -> bool:
        """No hand is near what was moved last."""
        act = self._task.declared.acts[-1]
        thing = state.objects[act.thing][:3].copy()
        thing[2] += self._task.declared.thing(act.thing).size[2] / 2
        return all(np.linalg.norm(eef[:3] - thing) > self._task.limits.clear_distance for eef in state.eef.values())

    def _fault(self, state: SceneState) -> str:
        for act in self._task.declared.acts:
            height = state.objects[act.thing][2]
            if height < self._task.table_height - 0.05:
                return f"the {act.thing} left the table, it is at z = {height:.2f} m"
        return ""


class _ActJudge:
    """One act: its sub-tasks and how far they are."""

    def __init__(self, task: SimulatedTableTask, act: Act) -> None:
        self._act, self._limits = act, task.limits
        self._thing: Thing = task.declared.thing(act.thing)
        words = act.thing.replace("_", " ")
        place = {How.PUT: "put", How.PUSH: "push", How.PULL: "pull"}[act.how]
        self._steps: tuple[str, ...] = ()
        if act.how is How.PUT:
            self._steps = ("pick", *(("pour",) if act.pour_over else ()), *(("hand over",) if act.give_to else ()))
        self.subtasks = (*(f"{step} the {words}" for step in self._steps), f"{place} the {words} in its place")
        self._done = dict.fromkeys(self._steps, False)
        self._settled = Settled(task.limits.settle_seconds)
        self._stood: float | None = None

    def update(self, state: SceneState, before: bool) -> list[bool]:
        """Which of its sub-tasks are done; none begins before those before it are done."""
        height = float(state.objects[self._act.thing][2])
        if self._stood is None:
            self._stood = height
        ok = before
        for step in self._steps:
            self._done[step] |= ok and self._reached(step, state)
            ok = ok and self._done[step]
        placed = self._settled.update(state.time_ns, ok and self._placed(state))
        return [*self._done.values(), placed]

    def _reached(self, step: str, state: SceneState) -> bool:
        act, pose = self._act, state.objects[self._act.thing]
        assert self._stood is not None
        held = "robot" in state.touching[act.thing] and bool(pose[2] > self._stood + self._limits.lift)
        if step == "pick":
            return held and (not act.give_to or self._nearest(state) == act.hand)
        if step == "hand over":
            return held and self._nearest(state) == act.give_to
        over = state.objects[act.pour_over]
        leans = upwards(pose) < np.cos(self._limits.pour_tilt)
        return held and bool(leans and np.hypot(*(pose[:2] - over[:2])) < self._limits.pour_near)

    def _nearest(self, state: SceneState) -> str:
        """Side of the hand that is nearest to the thing, by its name or place in it."""
        thing = state.objects[self._act.thing][:3]
        arm = min(state.eef, key=lambda name: float(np.linalg.norm(state.eef[name][:3] - thing)))
        return "left" if arm.startswith("left") else "right"

    def _placed(self, state: SceneState) -> bool:
        """In its place, upright, at rest, untouched by the robot."""
        act, limits = self._act, self._limits
        pose, to = state.objects[act.thing], state.objects[act.to]
        frame = Rotation.from_quat(to[3:], scalar_first=True).inv()
        away = frame.apply(pose[:3] - to[:3]) - act.offset
        turned = True
        if act.turn is not None:
            half = act.period / 2
            off = (turned_by(pose) - turned_by(to) - act.turn + half) % act.period - half
            turned = abs(off) < act.turn_tolerance
        return bool(
            turned
            and np.hypot(away[0], away[1]) < act.tolerance
            and abs(away[2]) < limits.height
            and (upwards(pose) > limits.upright or self._thing.shape is Shape.BALL)
            and np.linalg.norm(state.velocities[act.thing][:3]) < limits.rest_speed
            and "robot" not in state.touching[act.thing]
        )
