"""The expert of the task ``bottle_on_pad``: a person's script, which reads where things really are.

It looks at the objects' true poses (``needs_objects``), never at an image, so it says nothing about what a
robot can see. It serves to show the whole path at work and to make demonstrations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import atan2, cos, hypot, sin, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import mivla_ros
from mivla_ros.action_chunk import ArmActions, GripperKind, Space
from mivla_ros.observation import ArmState, Observation
from mivla_ros.policies.polar_path import Pace, PolarPath, coordinates_of, polar
from mivla_ros.policies.policy import Actions, PolicyError, PolicySpec, Progress
from mivla_ros.robots.profile import ArmProfile

Array = NDArray[np.float64]

NAME = "scripted"
BOTTLE, PAD = "bottle", "pad"
OPEN, CLOSED = 1.0, 0.0
NEAR = 0.5  # rad of azimuth within which the gripper could touch the bottle
UPRIGHT = 0.6  # rad from the vertical; beyond, the bottle has fallen over
LAG = 0.2  # s, by which a robot may be behind the reference
LOST_LAG, LOST_DISTANCE = 0.4, 0.03  # s, m: farther than this from where the reference has been
BEFORE_REACHING = ("start", "approach", "release", "back off")
AFTER_RELEASE = ("retreat", "return")
CARRYING = ("lift", "weigh", "carry", "lower")


@dataclass(frozen=True)
class ScriptedOptions:
    """Options of the script; lengths m, angles rad, times s.

    The fingers take the bottle ``grasp_height`` above its base, ``depth`` of them beyond its axis, the
    approach ``tilt`` below the horizontal, from ``standoff`` away. speed, acceleration, turn_speed,
    turn_acceleration: peaks of the reference. retries: attempts after the first one. stay: when all is done, go on
    holding the arm where it rests, so that chunks keep coming; else the policy is finished then.
    """

    arm: str = ""
    grasp_height: float = 0.095
    depth: float = 0.017
    tilt: float = 0.44
    standoff: float = 0.10
    lift: float = 0.07
    clearance: float = 0.002
    speed: float = 0.25
    acceleration: float = 0.6
    turn_speed: float = 1.0
    turn_acceleration: float = 2.0
    close_seconds: float = 0.7
    open_seconds: float = 0.5
    start_seconds: float = 0.4
    retries: int = 3
    horizon: int = 16
    step_seconds: float = 0.05
    period_seconds: float = 0.3
    stay: bool = True


class ScriptedPolicy:
    """Approach, reach, close, lift, carry, lower, open, retreat, return: one continuous reference, sampled at
    due times.

    Chunks therefore agree in all steps they share, up to the moment of a change of plan; and such a change
    goes on with the reference's speed and acceleration. What was measured decides whether a phase has worked;
    what has failed is tried again.
    """

    def __init__(
        self, arm: ArmProfile, base_from_world: Array, ready: Array, options: ScriptedOptions | None = None
    ) -> None:
        """base_from_world (7,): the world's pose in the arm's base frame. ready (7,): the end effector at the
        arm's ready joints, in the base frame; where the arm goes when all is done.
        """
        self.options = options or ScriptedOptions()
        self.arm = arm
        self.spec = PolicySpec(
            name=NAME,
            revision=mivla_ros.__version__,
            cameras=(),
            frame_id=arm.base_frame,
            horizon=self.options.horizon,
            step_seconds=self.options.step_seconds,
            period_seconds=self.options.period_seconds,
            needs_objects=True,
        )
        self._world = (base_from_world[:3], Rotation.from_quat(base_from_world[3:], scalar_first=True))
        self._ready = coordinates_of(ready)[0]
        o = self.options
        self._pace = Pace(o.speed, o.acceleration, o.turn_speed, o.turn_acceleration)
        self.reset("", 0)

    def reset(self, instruction: str, seed: int) -> None:
        """Forget the plan. The script knows one task whatever the words are, and draws nothing at random."""
        self._path: PolarPath | None = None
        self._tries = 0
        self._planned_for: tuple[Array, Array] | None = None
        self._held: Array | None = None
        self._aimed = False
        self._changes_ns = 0

    @property
    def attempts(self) -> int:
        """Attempts begun since the reset, 1 before anything has failed."""
        return self._tries + 1

    def phase(self, time_ns: int) -> str:
        """Name of the phase the reference is in at a time; "idle" before the first inference."""
        return "idle" if self._path is None else self._path.at(time_ns).phase

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """The reference over the next steps. Raises PolicyError where an object is missing, the bottle has
        fallen over, or every attempt has failed.
        """
        state = self._state(observation)
        bottle, pad = self._object(observation, BOTTLE), self._object(observation, PAD)
        now_ns = observation.stamp_ns
        if self._path is None or self._lost(state, now_ns):
            self._begin(now_ns, state, bottle, pad)
        else:
            self._review(now_ns, state, bottle, pad)
        assert self._path is not None
        step_ns = round(self.options.step_seconds * 1e9)
        times = [now_ns + k * step_ns for k in range(self.options.horizon)]
        poses, openings = self._path.sample(times)
        arm = ArmActions(
            name=self.arm.name,
            space=Space.EEF,
            eef_frame=self.arm.eef_frame,
            eef=poses,
            gripper=openings,
            gripper_kind=GripperKind.BINARY,
        )
        finished = not self.options.stay and now_ns >= self._path.end_ns
        return Actions((arm,), first_step_seconds=0.0, step_seconds=self.options.step_seconds, finished=finished)

    def close(self) -> None:
        """Nothing to give back."""

    # ---- plan ----

    def _begin(self, now_ns: int, state: ArmState, bottle: Array, pad: Array) -> None:
        """A new reference from where the arm is: to the bottle, on with it where it is held already, or home
        where it has been delivered.
        """
        held = self._is_held(state, bottle)
        delivered = self.phase(now_ns) in AFTER_RELEASE and self._is_placed(bottle, pad)
        self._changes_ns = 0
        self._planned_for = None
        opening = CLOSED if held else OPEN
        self._path = PolarPath(now_ns, state.eef, opening, self._pace)
        self._path.rest("start", self.options.start_seconds, opening)
        if held:
            self._held = self._grip(state, bottle)
            self._plan_lift(bottle[2] - pad[2])
            self._plan_place(pad)
        elif delivered:
            self._plan_home(bottle)
        else:
            self._plan_all(bottle, pad)

    def _plan_home(self, bottle: Array) -> None:
        """From the path's end to ready, away from the bottle first where it is near."""
        path, standoff = self._path, self.options.standoff
        assert path is not None
        here = path.goal
        distance = hypot(bottle[0], bottle[1]) - here[1]
        near = abs(here[0] - atan2(bottle[1], bottle[0])) < NEAR and distance < standoff
        if near and here[2] < self._ready[2]:
            path.move("retreat", _back(here, standoff), OPEN)
        path.move("return", self._ready, OPEN)

    def _plan_all(self, bottle: Array, pad: Array) -> None:
        """From the path's end to the bottle, to the pad and back. Raises PolicyError where the bottle does
        not stand.
        """
        if _tilt_of(bottle) > UPRIGHT:
            raise PolicyError(NAME, f"the bottle has fallen over ({_tilt_of(bottle):.2f} rad, limit {UPRIGHT})", BOTTLE)
        path, o = self._path, self.options
        assert path is not None
        azimuth, radius = atan2(bottle[1], bottle[0]), hypot(bottle[0], bottle[1])
        grasp = polar(
            azimuth,
            radius + o.depth * cos(o.tilt),
            bottle[2] + o.grasp_height - o.depth * sin(o.tilt),
            o.tilt,
        )
        self._planned_for = (bottle[:3].copy(), pad[:3].copy())
        # where the bottle will be seen from the end effector, until it is measured
        self._held = np.array([-o.depth * cos(o.tilt), 0.0, bottle[2] - grasp[2]])
        path.move("approach", _back(grasp, o.standoff), OPEN)
        path.move("reach", grasp, OPEN)
        path.rest("close", o.close_seconds, CLOSED)
        self._plan_lift(bottle[2] - pad[2])
        self._plan_place(pad)

    def _plan_lift(self, bottle_above_pad: float) -> None:
        path = self._path
        assert path is not None
        up = path.goal
        up[2] += max(self.options.lift - max(bottle_above_pad, 0.0), 0.0)
        path.move("lift", up, CLOSED)
        path.rest("weigh", LAG + 0.15, CLOSED)
        self._aimed = False

    def _plan_place(self, pad: Array) -> None:
        """From the path's end, bottle held, to the pad and back to ready."""
        path, o, held = self._path, self.options, self._held
        assert path is not None and held is not None
        pad_radius = hypot(pad[0], pad[1])
        radius = sqrt(max(pad_radius**2 - held[1] ** 2, 0.0)) - held[0]
        azimuth = atan2(pad[1], pad[0]) - atan2(held[1], radius + held[0])
        tilt = path.goal[3]
        down = polar(azimuth, radius, pad[2] - held[2] + o.clearance, tilt)
        path.move("carry", polar(azimuth, radius, max(path.goal[2], down[2] + o.lift / 2), tilt), CLOSED)
        path.move("lower", down, CLOSED)
        path.rest("open", o.open_seconds, OPEN)
        self._plan_home(pad)

    # ---- what was measured ----

    def _review(self, now_ns: int, state: ArmState, bottle: Array, pad: Array) -> None:
        """Compare what was measured with the plan and change the plan from a little later on where they
        differ.
        """
        path = self._path
        assert path is not None
        if now_ns < self._changes_ns:
            return  # the last change has not begun to work yet
        segment = path.at(now_ns)
        phase, begun = segment.phase, (now_ns - segment.start_ns) / 1e9
        if phase in BEFORE_REACHING and self._planned_for is not None:
            planned_bottle, planned_pad = self._planned_for
            if max(np.abs(bottle[:3] - planned_bottle).max(), np.abs(pad[:3] - planned_pad).max()) > 0.005:
                self._change(now_ns, lambda: self._plan_all(bottle, pad))
        elif phase in CARRYING and not self._is_held(state, bottle):
            if phase != "lift" or begun > LAG:
                self._try_again(now_ns, bottle, pad)
        elif phase in ("weigh", "carry") and not self._aimed and (phase == "carry" or begun > LAG):
            self._correct_place(now_ns, state, bottle, pad)
        elif phase == "return" and not self._is_placed(bottle, pad):
            self._try_again(now_ns, bottle, pad)

    def _change(self, now_ns: int, plan: Callable[[], None]) -> None:
        """Cut the reference soon after now and plan on from there."""
        assert self._path is not None
        self._changes_ns = now_ns + round(self.options.start_seconds * 1e9)
        self._path.cut(self._changes_ns)
        plan()

    def _try_again(self, now_ns: int, bottle: Array, pad: Array) -> None:
        """Open, back off and begin anew from where the bottle is now. Raises PolicyError after too many
        attempts.
        """
        self._tries += 1
        if self._tries > self.options.retries:
            raise PolicyError(NAME, f"{self._tries} attempts failed to move the bottle onto the pad", BOTTLE)

        def plan() -> None:
            path = self._path
            assert path is not None
            path.rest("release", 0.3, OPEN)
            away = _back(path.goal, self.options.standoff)
            away[2] = max(away[2], self._ready[2])
            path.move("back off", away, OPEN)
            self._plan_all(bottle, pad)

        self._change(now_ns, plan)

    def _correct_place(self, now_ns: int, state: ArmState, bottle: Array, pad: Array) -> None:
        """Aim the rest of the way by how the bottle really sits in the gripper, measured once while the arm
        rests.
        """
        self._aimed = True
        self._held = self._grip(state, bottle)
        self._change(now_ns, lambda: self._plan_place(pad))

    def _is_held(self, state: ArmState, bottle: Array) -> bool:
        """The fingers are around something, and the bottle's axis passes between them."""
        if not 0.05 < state.gripper < 0.95:
            return False
        tip, rotation = state.eef[:3], Rotation.from_quat(state.eef[3:], scalar_first=True)
        axis = Rotation.from_quat(bottle[3:], scalar_first=True).as_matrix()[:, 2]
        to_tip = tip - bottle[:3]
        along = float(np.clip(to_tip @ axis, 0.0, 2 * self.options.grasp_height))
        nearest = rotation.inv().apply(bottle[:3] + along * axis - tip)
        return bool(np.abs(nearest[1]) < 0.02 and np.hypot(nearest[0], nearest[2]) < 0.05)

    def _grip(self, state: ArmState, bottle: Array) -> Array:
        """(3,) from the end effector to the bottle's base: outwards, to the left, up, in the vertical plane
        of the arm.
        """
        azimuth = atan2(state.eef[1], state.eef[0])
        dx, dy, dz = bottle[:3] - state.eef[:3]
        return np.array([dx * cos(azimuth) + dy * sin(azimuth), -dx * sin(azimuth) + dy * cos(azimuth), dz])

    @staticmethod
    def _is_placed(bottle: Array, pad: Array) -> bool:
        return bool(np.hypot(*(bottle[:2] - pad[:2])) < 0.05 and _tilt_of(bottle) < UPRIGHT)

    def _lost(self, state: ArmState, now_ns: int) -> bool:
        """The arm is not where the reference has been lately: it was held, or chunks came too late. Catching
        up would cut corners, so the reference begins anew from where the arm is.
        """
        assert self._path is not None
        poses, _ = self._path.sample([now_ns - round(lag * 1e9) for lag in np.arange(0.0, LOST_LAG, 0.05)])
        return bool(np.linalg.norm(poses[:, :3] - state.eef[:3], axis=1).min() > LOST_DISTANCE)

    # ---- inputs ----

    def _state(self, observation: Observation) -> ArmState:
        if self.arm.name not in observation.arms:
            raise PolicyError(
                NAME,
                f"the observation has no arm {self.arm.name!r}, only {list(observation.arms)}",
                self.arm.name,
            )
        return observation.arms[self.arm.name]

    def _object(self, observation: Observation, name: str) -> Array:
        """Pose (7,) of an object in the arm's base frame."""
        if name not in observation.objects:
            there = ", ".join(sorted(observation.objects)) or "none"
            raise PolicyError(NAME, f"it needs the true pose of {name!r}; objects published: {there}", name)
        pose = observation.objects[name]
        origin, rotation = self._world
        turned = rotation * Rotation.from_quat(pose[3:], scalar_first=True)
        return np.concatenate([origin + rotation.apply(pose[:3]), turned.as_quat(scalar_first=True)])


def _tilt_of(bottle: Array) -> float:
    """Angle (rad) of an object's z axis from the vertical."""
    axis = Rotation.from_quat(bottle[3:], scalar_first=True).as_matrix()[:, 2]
    return float(np.arccos(np.clip(axis[2], -1.0, 1.0)))


def _back(coordinates: Array, distance: float) -> Array:
    """Coordinates (4,) ``distance`` (m) back along the approach axis."""
    azimuth, radius, height, tilt = coordinates
    return polar(azimuth, radius - distance * cos(tilt), height + distance * sin(tilt), tilt)
