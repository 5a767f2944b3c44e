"""The jobs of a declared task (``mivla_ros.tabletop``), for arms with a parallel gripper that stand still."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_space import SIDES
from mivla_ros.policies.pick_and_place import HandOver, Job, Objects, hand_for, tool_pose, turned
from mivla_ros.policies.policy import PolicyError
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.tabletop.acts import Act, How
from mivla_ros.tabletop.table_task import TableTask
from mivla_ros.tabletop.things import Grasp, Shape

Array = NDArray[np.float64]

LEAN = 0.30  # rad from straight down, away from the arm's base
SPARE = 0.028  # m that the gripper is wider than what it takes
CLEARANCE = 0.004  # m above where a thing ends, at which it is let go
BEHIND = 0.024  # m behind what is pushed, where the fingers go down
FINGER = 0.008  # m from the tool's centre to what a closed finger pushes
PUSH_HEIGHT = 0.028  # m above the table
MEETING, CHANGING = (0.30, 0.0, 0.06), 0.09  # m: where a thing changes hands, and its ends from its middle
POUR_TILT, POUR_HEIGHT, POUR_BACK = 1.35, 0.15, 0.03  # rad, m, m


@dataclass(frozen=True)
class TableJob:
    """One act. arms: by side; bases (7,) by arm; width: of the open gripper, m; half: of the thing along a push, m."""

    act: Act
    how_taken: Grasp
    arms: Mapping[str, str]
    bases: Mapping[str, Array]
    width: float
    half: float

    @property
    def thing(self) -> str:
        """Name of the thing."""
        return self.act.thing

    @property
    def opening(self) -> float:
        """Wide enough for the thing, closed for a push."""
        if self.act.how is How.PUSH:
            return 0.0
        return float(np.clip((self.how_taken.width + SPARE) / self.width, 0.2, 1.0))

    @property
    def along_the_table(self) -> bool:
        """Pushed or pulled."""
        return self.act.how is not How.PUT

    @property
    def holds(self) -> bool:
        """All but a push."""
        return self.act.how is not How.PUSH

    def arm_for(self, objects: Objects) -> str:
        """As asked, else the one whose base is less far from the farther of thing and place."""
        if self.act.hand:
            return self.arms[self.act.hand]
        ends = [objects[name][:2] for name in (self.act.thing, self.act.to)]
        farthest = {
            arm: max(float(np.linalg.norm(end - self.bases[arm][:2])) for end in ends)
            for arm in dict.fromkeys(self.arms.values())
        }
        return min(farthest, key=lambda arm: farthest[arm])

    def grasp(self, objects: Objects) -> Array:
        """From above, leaning away from the arm's base; behind the thing where it is pushed."""
        pose = objects[self.thing]
        if self.act.how is How.PUSH:
            way, azimuth, _ = self._push(objects)
            back = pose[:2] - way * (self._half_along(pose, azimuth) + BEHIND)
            return tool_pose(np.array([*back, pose[2] + PUSH_HEIGHT]), LEAN, self._outwards(pose, objects))
        return self._hold(pose, self.arm_for(objects), self._end(pose) if self.act.give_to else 0.0)

    def put(self, objects: Objects, thing_in_hand: Array) -> Array:
        """With the thing in its place; turned with the arm where any heading will do."""
        if self.act.how is How.PUSH:
            way, azimuth, distance = self._push(objects)
            pose = objects[self.thing]
            ahead = pose[:2] + way * (distance - self._half_along(pose, azimuth) - FINGER)
            return tool_pose(np.array([*ahead, pose[2] + PUSH_HEIGHT]), LEAN, self._outwards(pose, objects))
        goal = self._goal(objects)
        if self.act.how is How.PUT:
            goal[2] += CLEARANCE
        return hand_for(goal, thing_in_hand)

    def on_the_way(self, objects: Objects, thing_in_hand: Array) -> Sequence[Array]:
        """For pouring: above the bowl, tilted, upright again."""
        if not self.act.pour_over:
            return ()
        bowl, pose = objects[self.act.pour_over], objects[self.thing]
        outwards = self._outwards(bowl, objects)
        away = np.array([np.cos(outwards), np.sin(outwards), 0.0])
        yaw = turned(pose) + _near(outwards - self._outwards(pose, objects), 0.0, 2 * pi)
        upright = Rotation.from_euler("z", yaw)
        tilted = Rotation.from_rotvec(-POUR_TILT * np.array([-away[1], away[0], 0.0])) * upright
        place = bowl[:3] + POUR_BACK * away + [0.0, 0.0, POUR_HEIGHT]
        return [
            hand_for(np.concatenate([place, r.as_quat(scalar_first=True)]), thing_in_hand)
            for r in (upright, tilted, upright)
        ]

    def handed_over(self, objects: Objects) -> HandOver | None:
        """In front of both arms: each holds it on its own side."""
        if not self.act.give_to:
            return None
        thing, taker = objects[self.thing], self.arms[self.act.give_to]
        place = np.mean([base[:3] for base in self.bases.values()], axis=0) + np.array(MEETING)
        place[2] += objects[self.act.to][2]
        meeting = np.concatenate([place, thing[3:]])
        return HandOver(taker, meeting, self._hold(meeting, taker, -self._end(thing)))

    def _end(self, thing: Array) -> float:
        """Along the thing's x (m), where the giver takes it: at its own side."""
        ahead = Rotation.from_quat(thing[3:], scalar_first=True).apply([1.0, 0.0, 0.0])[1]
        return CHANGING * (1.0 if (ahead > 0) == (self.act.hand == "left") else -1.0)

    def _hold(self, pose: Array, arm: str, along: float) -> Array:
        """The end effector around the thing at a pose, by an arm, ``along`` its x from the usual place."""
        where = np.array(self.how_taken.point) + np.array([along, 0.0, 0.0])
        point = pose[:3] + Rotation.from_quat(pose[3:], scalar_first=True).apply(where)
        base = self.bases[arm]
        outwards = float(np.arctan2(point[1] - base[1], point[0] - base[0]))
        if not self.how_taken.axes:
            return tool_pose(point, LEAN, outwards)
        turns = [_near(turned(pose) + axis - pi / 2, outwards, pi) for axis in self.how_taken.axes]
        turn = min(turns, key=lambda turn: abs(turn - outwards))
        # leaning sideways is out of reach sooner than straight down
        return tool_pose(point, LEAN * max(float(np.cos(turn - outwards)), 0.0), turn)

    def done(self, objects: Objects) -> bool:
        """In its place, as a judge would have it, with a little less room."""
        act, pose, to = self.act, objects[self.thing], objects[self.act.to]
        away = Rotation.from_quat(to[3:], scalar_first=True).inv().apply(pose[:3] - to[:3]) - act.offset
        if act.turn is not None:
            wanted = turned(to) + act.turn
            if abs(_near(turned(pose), wanted, act.period) - wanted) > 0.9 * act.turn_tolerance:
                return False
        return bool(np.hypot(away[0], away[1]) < 0.9 * act.tolerance and abs(away[2]) < 0.012)

    def _goal(self, objects: Objects) -> Array:
        act, pose, to = self.act, objects[self.thing], objects[self.act.to]
        place = to[:3] + Rotation.from_quat(to[3:], scalar_first=True).apply(act.offset)
        yaw = turned(pose) + _near(self._outwards(place, objects) - self._outwards(pose, objects), 0.0, 2 * pi)
        if act.how is How.PULL:
            yaw = turned(pose)
        elif act.turn is not None:
            yaw = _near(turned(to) + act.turn, yaw, act.period)
        return np.array([*place, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])

    def _outwards(self, point: Array, objects: Objects) -> float:
        """Direction from the arm's base to a point, rad."""
        base = self.bases[self.arm_for(objects)]
        return float(np.arctan2(point[1] - base[1], point[0] - base[0]))

    def _half_along(self, pose: Array, azimuth: float) -> float:
        """From the middle of a square thing to its face along a direction, m."""
        return float(self.half / np.cos(_near(azimuth - turned(pose), 0.0, pi / 2)))

    def _push(self, objects: Objects) -> tuple[Array, float, float]:
        """Direction (2,), its angle, and how far."""
        way = self._goal(objects)[:2] - objects[self.thing][:2]
        distance = float(np.linalg.norm(way))
        way = way / max(distance, 1e-6)
        return way, float(np.arctan2(way[1], way[0])), distance


def table_jobs(
    task: TableTask, arms: Mapping[str, str], profile: RobotProfile, bases: Mapping[str, Array]
) -> tuple[Job, ...]:
    """A task's acts as jobs. Raises PolicyError for arms on a moving body, and for what takes two hands at once."""
    if set(bases) != {arm.name for arm in profile.arms}:
        raise PolicyError("scripted", f"has no expert for {task.name!r} by arms on a moving body", task.name)
    if any(act.two_hands for act in task.acts):
        raise PolicyError("scripted", f"has no expert for {task.name!r}, which takes two hands at once", task.name)
    if task.hands > len(profile.arms):
        raise PolicyError("scripted", f"has no expert for {task.name!r} by one arm, it takes two", task.name)
    gripper = profile.arms[0].gripper
    if gripper is None:
        raise PolicyError("scripted", f"{profile.arms[0].name!r} has no gripper", profile.arms[0].name)
    jobs = []
    for act in task.acts:
        thing = task.thing(act.thing)
        by_side = {side: arms[side] for side in SIDES}
        half = thing.size[0] / 2 if thing.shape in (Shape.BLOCK, Shape.CRATE) else thing.radius
        jobs.append(TableJob(act, task.grasp(act), by_side, bases, abs(gripper.open - gripper.closed), half))
    return tuple(jobs)


def _near(angle: float, to: float, period: float) -> float:
    """The angle, moved by whole periods to be nearest to another."""
    return to + (angle - to + period / 2) % period - period / 2
