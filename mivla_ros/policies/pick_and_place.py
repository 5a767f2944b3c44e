"""An expert for tasks that are a row of things to be picked up and put down, by one arm or by several in turn.

Like ``scripted``, it reads where things really are and says nothing about what a robot can see. A task is a tuple of
jobs; all that differs between tasks is in them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import atan2
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import mivla_ros
from mivla_ros.action_chunk import ArmActions, GripperKind, Space
from mivla_ros.kinematics import compose_poses
from mivla_ros.observation import Observation
from mivla_ros.policies.frames import inverse_pose
from mivla_ros.policies.policy import Actions, PolicyError, PolicySpec, Progress
from mivla_ros.policies.pose_path import PosePace, PosePath
from mivla_ros.robots.profile import RobotProfile

Array = NDArray[np.float64]
Objects = Mapping[str, Array]

CLOSED = 0.0
SOON_NS = 150_000_000  # nothing that is due sooner is planned anew
LOST_LAG, LOST_DISTANCE = 0.5, 0.04  # s, m: farther than this from where the reference has been
CARRYING = ("lift", "weigh", "carry", "lower")


class Job(Protocol):
    """One thing to be picked up by one arm and put somewhere. Poses (7,) xyz m + wxyz in the world frame."""

    def arm_for(self, objects: Objects) -> str:
        """Name of the arm that does it, things being where they are."""
        ...

    @property
    def thing(self) -> str:
        """Name of the object."""
        ...

    @property
    def opening(self) -> float:
        """Opening of the gripper with which it is reached for and let go."""
        ...

    @property
    def along_the_table(self) -> bool:
        """Whether the thing is pushed or pulled, not lifted."""
        ...

    @property
    def holds(self) -> bool:
        """Whether the thing is held, so that it can be lost."""
        ...

    def grasp(self, objects: Objects) -> Array:
        """Pose of the end effector that closes around the thing."""
        ...

    def on_the_way(self, objects: Objects, thing_in_hand: Array) -> Sequence[Array]:
        """Poses of the end effector between lifting and putting down, if there are any."""
        ...

    def put(self, objects: Objects, thing_in_hand: Array) -> Array:
        """Pose of the end effector that lets go of the thing, which sits in it as measured (its pose in the hand)."""
        ...

    def handed_over(self, objects: Objects) -> "HandOver | None":
        """How the thing changes hands before it is put down; None where it does not."""
        ...

    def done(self, objects: Objects) -> bool:
        """Whether the thing is where it shall be."""
        ...


@dataclass(frozen=True)
class HandOver:
    """taker: name of the arm that takes over. meeting (7,): the thing's pose there; grasp (7,): the taker's there."""

    taker: str
    meeting: Array
    grasp: Array


@dataclass(frozen=True)
class PickAndPlaceOptions:
    """Lengths m, angles rad, times s. standoff: from where a grasp is approached, against the approach direction.
    lift: how far a thing is lifted before it is carried, at least; it is carried at that height above where it goes.
    retries: attempts a job has after the first one. stay: when all is done, go on holding, so that chunks keep coming.
    """

    standoff: float = 0.06
    lift: float = 0.06
    speed: float = 0.25
    acceleration: float = 0.6
    turn_speed: float = 1.0
    turn_acceleration: float = 2.0
    start_seconds: float = 0.4
    close_seconds: float = 0.7
    weigh_seconds: float = 0.6
    open_seconds: float = 0.5
    slip: float = 0.03
    retries: int = 3
    horizon: int = 16
    step_seconds: float = 0.05
    period_seconds: float = 0.3
    stay: bool = True


class Lifted:
    """What most jobs have in common: a thing is held, lifted, and put down straight away, by an arm named before."""

    arm: str
    along_the_table: bool = False
    holds: bool = True

    def arm_for(self, objects: Objects) -> str:
        """Always the same."""
        return self.arm

    def on_the_way(self, objects: Objects, thing_in_hand: Array) -> Sequence[Array]:
        """None."""
        return ()

    def handed_over(self, objects: Objects) -> HandOver | None:
        """Not at all."""
        return None


class PickAndPlacePolicy:
    """Does its jobs in order; looks at what came of each and tries again what has failed."""

    def __init__(
        self, name: str, profile: RobotProfile, jobs: tuple[Job, ...], base_from_world: Mapping[str, Array],
        ready: Mapping[str, Array], options: PickAndPlaceOptions | None = None,
    ) -> None:  # fmt: skip
        """base_from_world (7,) by arm, for arms whose base stands still; those on a moving body are left out, as the
        body's pose is read with the objects'. ready (7,) by arm: end effector in the arm's base where it goes at the
        end.
        """
        self.options = options or PickAndPlaceOptions()
        self._name, self._profile, self._jobs = name, profile, jobs
        self._fixed, self._ready = dict(base_from_world), dict(ready)
        o = self.options
        self._pace = PosePace(o.speed, o.acceleration, o.turn_speed, o.turn_acceleration)
        self.spec = PolicySpec(
            name=name,
            revision=mivla_ros.__version__,
            cameras=(),
            frame_id=profile.world_frame,
            horizon=o.horizon,
            step_seconds=o.step_seconds,
            period_seconds=o.period_seconds,
            needs_objects=True,
        )
        self.reset("", 0)

    def reset(self, instruction: str, seed: int) -> None:
        """Forget the plan. The expert knows one task whatever the words are, and draws nothing at random."""
        self._paths: dict[str, PosePath] = {}
        self._job = 0
        self._arm = ""
        self._tries = 0
        self._checked = False
        self._expected = np.zeros(7)
        self._change: tuple[int, HandOver] | None = None

    @property
    def attempts(self) -> int:
        """Attempts at the present job, 1 before anything has failed."""
        return self._tries + 1

    def phase(self, time_ns: int) -> str:
        """What the arm at work is doing at a time; "idle" before the first inference."""
        if not self._paths:
            return "idle"
        return self._paths[self._arm or self._profile.arms[0].name].at(time_ns).phase

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        """The reference of all arms over the next steps. Raises PolicyError where an object is missing, or every
        attempt at a job has failed.
        """
        objects, hands = self._objects(observation), self._hands(observation)
        now_ns = observation.stamp_ns
        if not self._paths or self._lost(hands, now_ns):
            self._begin(now_ns, objects, hands, observation)
        else:
            self._review(now_ns, objects, hands, observation)
        step_ns = round(self.options.step_seconds * 1e9)
        times = [now_ns + k * step_ns for k in range(self.options.horizon)]
        arms = []
        for arm in self._profile.arms:
            poses, openings = self._paths[arm.name].sample(times)
            arms.append(
                ArmActions(
                    name=arm.name, space=Space.EEF, eef_frame=arm.eef_frame, eef=poses, gripper=openings,
                    gripper_kind=GripperKind.CONTINUOUS,
                )
            )  # fmt: skip
        over = self._job >= len(self._jobs) and now_ns >= max(path.end_ns for path in self._paths.values())
        finished = not self.options.stay and over
        return Actions(tuple(arms), first_step_seconds=0.0, step_seconds=self.options.step_seconds, finished=finished)

    def close(self) -> None:
        """Nothing to give back."""

    # ---- plan ----

    def _begin(self, now_ns: int, objects: Objects, hands: Mapping[str, Array], observation: Observation) -> None:
        """New references from where the arms are. A thing that is held is let go of and picked up anew."""
        self._paths = {}
        for arm in self._profile.arms:
            opening = float(np.clip(observation.arms[arm.name].gripper, 0.0, 1.0))
            self._paths[arm.name] = PosePath(now_ns, hands[arm.name], opening, self._pace)
            self._paths[arm.name].rest("start", self.options.start_seconds, opening)
        while self._job < len(self._jobs) and self._jobs[self._job].done(objects):
            self._job += 1
        if self._job < len(self._jobs):
            job = self._jobs[self._job]
            self._paths[job.arm_for(objects)].rest("release", 0.3, job.opening)
            self._plan_job(objects)
        else:
            self._plan_home(objects)

    def _plan_job(self, objects: Objects) -> None:
        """From where the arm's path ends, over the grasp, to where the thing goes, and up again."""
        job, o = self._jobs[self._job], self.options
        self._arm = job.arm_for(objects)
        path = self._paths[self._arm]
        path.wait_until(max(other.end_ns for other in self._paths.values()))
        self._checked = False
        self._change = None
        grasp = job.grasp(objects)
        self._expected = _seen_from(grasp, objects[job.thing])
        above = _back(grasp, o.standoff)
        over = above.copy()
        over[2] = max(over[2], path.goal[2])
        path.move("approach", over, job.opening)
        path.move("approach", above, job.opening)
        path.move("reach", grasp, job.opening)
        path.rest("close", o.close_seconds, CLOSED)
        if not job.along_the_table:
            lifted = grasp.copy()
            lifted[2] += o.lift
            path.move("lift", lifted, CLOSED)
            path.rest("weigh", o.weigh_seconds, CLOSED)
        self._plan_put(objects, self._expected)

    def _plan_put(self, objects: Objects, thing_in_hand: Array) -> None:
        job, o = self._jobs[self._job], self.options
        path = self._paths[self._arm]
        change = job.handed_over(objects)
        if change is not None and self._arm != change.taker:
            path, thing_in_hand = self._plan_hand_over(change, thing_in_hand, job.opening)
        down = job.put(objects, thing_in_hand)
        if not job.along_the_table:
            for pose in job.on_the_way(objects, thing_in_hand):
                path.move("carry", pose, CLOSED)
            high = down.copy()
            high[2] = max(down[2] + o.lift, path.goal[2])
            path.move("carry", high, CLOSED)
        path.move("lower", down, CLOSED)
        path.rest("open", o.open_seconds, job.opening)
        path.move("retreat", _back(down, o.standoff), job.opening)
        path.rest("look", 0.7, job.opening)

    def _plan_hand_over(self, change: HandOver, thing_in_hand: Array, opening: float) -> tuple[PosePath, Array]:
        """Both arms' way to where the thing changes hands: the taker closes before the giver opens and goes. The path
        that goes on with it, and how the thing then sits in that hand."""
        o, giver, taker = self.options, self._paths[self._arm], self._paths[change.taker]
        giver.move("carry", hand_for(change.meeting, thing_in_hand), CLOSED)
        taker.forget_after(giver.segments[-1].start_ns)
        taker.wait_until(giver.end_ns)
        above = _back(change.grasp, o.standoff)
        taker.move("approach", above, opening)
        taker.move("reach", change.grasp, opening)
        taker.rest("close", o.close_seconds, CLOSED)
        giver.wait_until(taker.end_ns)
        giver.rest("open", o.open_seconds, opening)
        giver.move("retreat", _back(giver.goal, o.standoff), opening)
        taker.wait_until(giver.end_ns)
        self._change = (giver.end_ns, change)
        return taker, _seen_from(change.grasp, change.meeting)

    def _plan_home(self, objects: Objects) -> None:
        """All arms to ready, the one that worked last going up first."""
        for arm in self._profile.arms:
            path = self._paths[arm.name]
            home = _compose(self._world_from_base(arm.name, objects), self._ready[arm.name])
            if np.linalg.norm(path.goal[:3] - home[:3]) > 0.01:
                high = path.goal
                high[2] = max(high[2], home[2])
                path.move("return", high, 1.0)
                path.move("return", home, 1.0)

    # ---- what was measured ----

    def _review(self, now_ns: int, objects: Objects, hands: Mapping[str, Array], observation: Observation) -> None:
        if self._job >= len(self._jobs):
            return
        job = self._jobs[self._job]
        if self._change is not None and now_ns >= self._change[0]:
            change = self._change[1]
            self._arm, self._change = change.taker, None
            self._expected = _seen_from(hands[self._arm], objects[job.thing])
        path = self._paths[self._arm]
        segment = path.at(now_ns + SOON_NS)
        left = (segment.end_ns - now_ns) / 1e9
        if segment.phase in CARRYING and segment.phase != "lift" and job.holds:
            thing = _seen_from(hands[self._arm], objects[job.thing])
            held = bool(np.linalg.norm(thing[:3] - self._expected[:3]) < self.options.slip)
            if not held:
                self._try_again(now_ns, objects)
            elif segment.phase == "weigh" and not self._checked and left < self.options.weigh_seconds - 0.15:
                # aimed anew by how the thing really sits in the hand, measured while the arm rests
                self._checked = True
                path.forget_after(segment.end_ns)
                self._plan_put(objects, thing)
        elif segment.phase == "look" and left < 0.35:
            if not job.done(objects):
                self._try_again(now_ns, objects)
                return
            self._job, self._tries = self._job + 1, 0
            path.forget_after(segment.end_ns)
            if self._job >= len(self._jobs):
                self._plan_home(objects)
                return
            if self._jobs[self._job].arm_for(objects) != self._arm:
                home = _compose(self._world_from_base(self._arm, objects), self._ready[self._arm])
                high = path.goal
                high[2] = max(high[2], home[2])
                path.move("return", high, job.opening)
                path.move("return", home, job.opening)
            self._plan_job(objects)

    def _try_again(self, now_ns: int, objects: Objects) -> None:
        """Let go, go up and begin the job anew. Raises PolicyError after too many attempts."""
        job = self._jobs[self._job]
        self._tries += 1
        if self._tries > self.options.retries:
            raise PolicyError(self._name, f"{self._tries} attempts failed with {job.thing!r}", job.thing)
        path = self._paths[self._arm]
        path.forget_after(now_ns + SOON_NS)
        path.rest("release", 0.3, job.opening)
        high = _back(path.goal, self.options.standoff)
        path.move("back off", high, job.opening)
        path.rest("settle", 0.5, job.opening)
        self._plan_job(objects)

    def _lost(self, hands: Mapping[str, Array], now_ns: int) -> bool:
        """An arm is not where its reference has been lately: it was held, or chunks came too late."""
        times = [now_ns - round(lag * 1e9) for lag in np.arange(0.0, LOST_LAG, 0.05)]
        for name, path in self._paths.items():
            poses, _ = path.sample(times)
            if np.linalg.norm(poses[:, :3] - hands[name][:3], axis=1).min() > LOST_DISTANCE:
                return True
        return False

    # ---- inputs ----

    def _objects(self, observation: Observation) -> Objects:
        body = self._profile.body
        for name in (*(job.thing for job in self._jobs), *(() if body is None else (body.frame,))):
            if name not in observation.objects:
                there = ", ".join(sorted(observation.objects)) or "none"
                raise PolicyError(self._name, f"it needs the true pose of {name!r}; objects published: {there}", name)
        return observation.objects

    def _world_from_base(self, arm: str, objects: Objects) -> Array:
        if arm in self._fixed:
            return inverse_pose(self._fixed[arm])
        return objects[self._profile.arm(arm).base_frame]

    def _hands(self, observation: Observation) -> dict[str, Array]:
        """End effectors (7,) in the world frame, by arm."""
        found = {}
        for arm in self._profile.arms:
            if arm.name not in observation.arms:
                raise PolicyError(
                    self._name, f"the observation has no arm {arm.name!r}, only {list(observation.arms)}", arm.name
                )
            found[arm.name] = _compose(
                self._world_from_base(arm.name, observation.objects), observation.arms[arm.name].eef
            )
        return found


def _back(pose: Array, distance: float) -> Array:
    """The same orientation, farther back against the approach direction (the pose's z axis)."""
    moved = pose.copy()
    moved[:3] -= distance * Rotation.from_quat(pose[3:], scalar_first=True).apply([0.0, 0.0, 1.0])
    return moved


def _compose(a_from_b: Array, b_from_c: Array) -> Array:
    """a_from_c (7,)."""
    pose: Array = compose_poses(a_from_b, b_from_c[None])[0]
    return pose


def _seen_from(frame: Array, pose: Array) -> Array:
    """A pose (7,) as seen from a frame (7,), both given in one world."""
    return _compose(inverse_pose(frame), pose)


def hand_for(thing_goal: Array, thing_in_hand: Array) -> Array:
    """Where the end effector (7,) must be for the thing it holds to be at ``thing_goal`` (7,)."""
    return _compose(thing_goal, inverse_pose(thing_in_hand))


def turned(pose: Array) -> float:
    """Angle in the table's plane from the world's x axis to the x axis of a pose (7,), rad in -pi..pi."""
    w, x, y, z = pose[3:]
    return atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def tool_pose(position: Array, lean: float, turn: float) -> Array:
    """Pose (7,): approach ``lean`` rad from straight down towards x, then all turned by ``turn`` rad about the
    vertical; the fingers move horizontally.
    """
    rotation = Rotation.from_euler("z", turn) * Rotation.from_euler("y", np.pi - lean)
    return np.concatenate([position, rotation.as_quat(scalar_first=True)])
