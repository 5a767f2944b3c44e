"""A person does a task: its acts one after the other, each planned from where things are when it begins.

What came of an act is looked at as a judge would; what failed is tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mivla_ros.action_space import SIDES
from mivla_ros.alignment.frames import ARKIT_WRIST_FROM_HAND
from mivla_ros.alignment.gripper_rule import GripperRule
from mivla_ros.demonstrations.hands.grips import Grip, grip_of, inwards, natural
from mivla_ros.demonstrations.hands.person import Person
from mivla_ros.demonstrations.hands.track import HandTrack
from mivla_ros.simulation.hands.anatomy import Hand, pinch_posture, power_posture, rest_posture
from mivla_ros.simulation.hands.hand_scene import STEP, HandMoment, HandScene
from mivla_ros.simulation.state import Snapshot
from mivla_ros.tabletop.acts import Act, How
from mivla_ros.tabletop.things import Grasp

Array = NDArray[np.float64]

RATE = 30.0
RETRIES = 2
UP = np.array([0.0, 0.0, 1.0])
CLEARANCE = 0.055  # m, that a thing is lifted above where it stood or goes
REST = (0.09, 0.21, 0.055)  # m, of a resting wrist: ahead, beside, above
POUR_ANGLE, POUR_HEIGHT = 1.75, 0.13
PUSHER_AHEAD, PUSHER_HEIGHT = 0.012, 0.025
MEETING = (0.30, 0.0, 0.17)  # m from the person: where a thing changes hands
CHANGING = 0.045  # m from its middle, that each hand takes a thing that changes hands


@dataclass(frozen=True)
class Look:
    """One frame of a performance."""

    seconds: float
    snapshot: Snapshot


class Performer:
    """``Performer(scene, person, person_x, table, random).perform(acts, grasps)``; then ``looks`` and ``tracks``."""

    def __init__(
        self, scene: HandScene, person: Person, person_x: float, table: float, random: np.random.Generator
    ) -> None:
        """table: height of the table, m."""
        self.scene, self.person, self.x, self._table, self._random = scene, person, person_x, table, random
        self.hands = {side: Hand(side, person.looks.scale) for side in SIDES}
        self.tracks = {side: HandTrack(*self._resting(side), random, person.tremor) for side in SIDES}
        self.looks: list[Look] = []
        self._rule = GripperRule()
        self._pushing: dict[str, float] = {}
        self._busy: dict[str, float] = {}
        self._main = "left" if person.left_handed else "right"

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.scene.seconds

    def perform(self, acts: Sequence[Act], grasps: Sequence[Grasp]) -> bool:
        """Do all acts and rest; True where the judge calls it a success. Raises DivergedError."""
        self.run(self._random.uniform(0.15, 0.5))
        for number, (act, grasp) in enumerate(zip(acts, grasps, strict=True)):
            for _ in range(1 + RETRIES):
                self._act(act, grasp)
                if self._fine((number + 1) / len(acts)):
                    break
            following = acts[number + 1] if number + 1 < len(acts) else None
            for side in SIDES:
                if following is None or self._side(following) != side:
                    self._rest(side)
        self._finish()
        return self.scene.progress.success

    # ---- acts ----

    def _act(self, act: Act, grasp: Grasp) -> None:
        if act.how is How.PUSH:
            self._push(act)
        elif act.two_hands:
            self._carry_with_both(act, grasp)
        else:
            self._take_and_put(act, grasp)

    def _take_and_put(self, act: Act, grasp: Grasp) -> None:
        side = self._side(act)
        if act.give_to:
            grasp = _beside(grasp, CHANGING * self._end_of(act, side))
        grip = grip_of(self.hands[side], grasp, self.scene.pose(act.thing), self.x, self._random)
        self._reach(side, grip)
        self.scene.hold(side, act.thing)
        if act.give_to:
            side, grip = self._give(act, side, grasp)
        pull = act.how is How.PULL
        if act.pour_over:
            self._pour(act, side)
        self._bring(side, act, *self._goal(act), 0.0 if pull else CLEARANCE)
        self._release(side, grip, away=not pull)

    def _give(self, act: Act, giver: str, grasp: Grasp) -> tuple[str, Grip]:
        """To where both hands reach; the taker closes before the giver opens."""
        taker = act.give_to
        thing = self.scene.pose(act.thing)
        place = np.array([self.x + MEETING[0], MEETING[1], self._table + MEETING[2]])
        self._bring(giver, act, place, Rotation.from_quat(thing[3:], scalar_first=True), 0.0)
        other = _beside(grasp, -2 * grasp.point[0])
        grip = grip_of(self.hands[taker], other, self.scene.pose(act.thing), self.x, self._random)
        self._reach(taker, grip)
        self.scene.hold(taker, act.thing)
        self.run(self._random.uniform(0.1, 0.3))
        self._release(giver, None, away=True, wait=False)
        self._rest(giver)
        self.run(0.25)
        return taker, grip

    def _pour(self, act: Act, side: str) -> None:
        """Beside and above the bowl, tilted to it about the forearm, and back."""
        bowl, thing = self.scene.pose(act.pour_over), self.scene.pose(act.thing)
        upright = Rotation.from_quat(thing[3:], scalar_first=True)
        axis = self.tracks[side].goal_rotation.apply([1.0, 0.0, 0.0]) * [1.0, 1.0, 0.0]
        axis /= np.linalg.norm(axis)
        mouth = -inwards(side) * np.cross(axis, UP)  # to where it is tilted
        beside = -0.02 * mouth + POUR_HEIGHT * UP
        self._bring(side, act, bowl[:3] + beside, upright, CLEARANCE)
        tilt = Rotation.from_rotvec(-inwards(side) * POUR_ANGLE * axis)
        seconds = self._random.uniform(0.7, 1.0) * self.person.tempo
        self._bring(side, act, bowl[:3] + beside + [0, 0, 0.015], tilt * upright, 0.0, seconds)
        self.run(self._random.uniform(0.3, 0.8))
        self._bring(side, act, bowl[:3] + beside, upright, 0.0, seconds)

    def _carry_with_both(self, act: Act, grasp: Grasp) -> None:
        thing = self.scene.pose(act.thing)
        grips = {}
        for side in SIDES:
            x, y, z = grasp.point
            own = Grasp((x, y * -inwards(side), z), grasp.width, grasp.axes)
            grips[side] = grip_of(self.hands[side], own, thing, self.x, self._random)
            self._reach(side, grips[side], wait=False)
        self.run(max(self._busy.values()) - self.now)
        self.scene.hold(self._main, act.thing)  # the other one goes along
        place, rotation = self._goal(act)
        self._bring_with(SIDES, act, place, rotation, CLEARANCE)
        for side in SIDES:
            self._release(side, grips[side], away=True, wait=side == SIDES[1])

    def _push(self, act: Act) -> None:
        """From behind, in a straight line to the mark, the finger tips flat against it."""
        side, thing, to = self._side(act), self.scene.pose(act.thing), self._goal(act)[0]
        way = to[:2] - thing[:2]
        distance = float(np.linalg.norm(way))
        if distance < 1e-3:
            return
        way /= distance
        azimuth = float(np.arctan2(way[1], way[0]))
        hand, flat = self.hands[side], power_posture(self.hands[side], 0.045)
        rotation = natural(side, azimuth + inwards(side) * 0.15, np.radians(35.0))
        tips = rotation.apply(hand.tips(flat[None])[0][1:4]).mean(axis=0)
        reach = float(np.linalg.norm(tips[:2] @ way)) + PUSHER_AHEAD
        half = self._half_length(act.thing, azimuth)
        beside = np.array([-way[1], way[0]]) * self._random.normal(0.0, 0.003)
        height = self._table + PUSHER_HEIGHT - tips[2]
        across = tips[:2] - (tips[:2] @ way) * way
        before = np.array([*(thing[:2] - way * (half + reach + 0.03) + beside - across), height])
        self._reach(side, Grip(before, rotation, flat, flat))
        self._pushing[side] = azimuth
        seconds = self._duration(distance + 0.03, 0.02) * 1.3
        self.tracks[side].move(self.now, seconds, np.array([*(way * (distance + 0.03)), 0.0]))
        self.run(seconds + 0.1)
        self.tracks[side].move(self.now, 0.4, np.array([*(-0.05 * way), 0.02]))
        self.run(0.2)
        del self._pushing[side]
        self._busy[side] = self.now + 0.2
        self.run(0.5)

    # ---- movements ----

    def _reach(self, side: str, grip: Grip, wait: bool = True) -> None:
        """To a grip, in two parts, the hand shaped on the way; closed at the end."""
        track, start = self.tracks[side], self.now
        way = grip.place - track.goal
        distance = float(np.linalg.norm(way))
        seconds = self._duration(distance, 0.015)
        first = (1.0 + self._random.normal(-0.04, self.person.aim)) * way
        first += self._random.normal(0.0, 0.5 * self.person.aim, 3) * distance
        first[2] = way[2] + abs(self._random.normal(0.03, 0.01))  # from above
        bulge = self._bulge(way)
        track.move(start, 0.78 * seconds, first, bulge)
        track.move(start + 0.62 * seconds, 0.42 * seconds, way - first)
        track.turn(start, 0.85 * seconds, grip.rotation)
        track.shape(start, 0.6 * seconds, grip.open)
        close = self._random.uniform(0.22, 0.38) * self.person.tempo
        track.shape(start + 0.92 * seconds, close, grip.closed)
        self._busy[side] = start + max(1.04 * seconds, 0.92 * seconds + close) + self._random.uniform(0.02, 0.1)
        if wait:
            self.run(self._busy[side] - self.now)

    def _bring(
        self, side: str, act: Act, place: Array, rotation: Rotation, clearance: float, seconds: float = 0.0
    ) -> None:  # fmt: skip
        self._bring_with((side,), act, place, rotation, clearance, seconds)

    def _bring_with(
        self, sides: Sequence[str], act: Act, place: Array, rotation: Rotation, clearance: float, seconds: float = 0.0
    ) -> None:
        """What is held to a place (3,) and rotation; up first and down last, all of it blended."""
        thing = self.scene.pose(act.thing)
        turn = rotation * Rotation.from_quat(thing[3:], scalar_first=True).inv()
        ways = {}
        for side in sides:
            track = self.tracks[side]
            ways[side] = place + turn.apply(track.goal - thing[:3]) - track.goal
        longest = max(float(np.linalg.norm(way)) for way in ways.values()) + 0.15 * turn.magnitude()
        seconds = seconds or 1.15 * self._duration(longest, 0.02)
        up = clearance + max(place[2] - thing[2], 0.0)
        down = up + thing[2] - place[2]
        start = self.now
        for side, way in ways.items():
            track = self.tracks[side]
            flat = np.array([way[0], way[1], 0.0])
            rest = way - flat - (place[2] - thing[2]) * UP  # the wrist's own height changes as the thing is turned
            if clearance:
                begin = start + 0.18 * seconds
                track.move(start, 0.55 * seconds, up * UP)
                track.move(begin, seconds, flat + rest, self._bulge(flat))
                track.move(begin + 0.62 * seconds, 0.5 * seconds, -down * UP)
                self._busy[side] = begin + 1.12 * seconds
            else:
                begin = start
                track.move(start, seconds, way)
                self._busy[side] = start + seconds
            if turn.magnitude() > 1e-3:
                track.turn(begin, 0.9 * seconds if clearance else seconds, turn * track.goal_rotation)
        self.run(self._busy[sides[0]] - self.now + self._random.uniform(0.05, 0.15))

    def _release(self, side: str, grip: Grip | None, away: bool, wait: bool = True) -> None:
        track, start = self.tracks[side], self.now
        wide = pinch_posture(self.hands[side], 0.085, 0.1) if grip is None else grip.open
        seconds = self._random.uniform(0.22, 0.35) * self.person.tempo
        track.shape(start, seconds, wide)
        self.run(0.25 * seconds)
        self.scene.let_go(side)
        self.run(0.6 * seconds)
        back = -track.goal_rotation.apply([1.0, 0.0, 0.0]) * self._random.uniform(0.05, 0.08)
        back[2] = max(back[2], 0.0) + (0.05 if away else 0.02)
        takes = 0.45 * self.person.tempo
        track.move(self.now, takes, back)
        self._busy[side] = self.now + takes
        if wait:
            self.run(0.85)  # looks whether it stays

    def _rest(self, side: str) -> None:
        """Back to where the hand rests, without waiting for it."""
        track = self.tracks[side]
        place, rotation, posture = self._resting(side)
        start = max(self.now, self._busy.get(side, 0.0) - 0.15)
        way = place - track.goal
        distance = float(np.linalg.norm(way))
        if distance < 0.02:
            return
        seconds = 1.1 * self._duration(distance, 0.04)
        track.move(start, seconds, way, np.array([0.0, 0.0, 0.12 * distance]))
        track.turn(start, seconds, rotation)
        track.shape(start, 0.8 * seconds, posture)
        self._busy[side] = start + seconds

    def _finish(self) -> None:
        end = max([self.now, *self._busy.values()])
        self.run(end - self.now + self._random.uniform(0.3, 0.6))

    def run(self, seconds: float) -> None:
        """Let time go by."""
        count = round(seconds / STEP)
        if count <= 0:
            return
        times = self.now + STEP * np.arange(1, count + 1, dtype=np.float64)
        moments = {side: self._moments(side, times) for side in SIDES}
        for i in range(count):
            due = len(self.looks) / RATE
            if self.now >= due - 1e-9:
                self.looks.append(Look(due, self.scene.snapshot()))
            self.scene.step({side: moments[side][i] for side in SIDES})

    def _moments(self, side: str, times: Array) -> list[HandMoment]:
        positions, rotations, postures = self.tracks[side].at(times)
        hand = self.hands[side]
        tips = hand.tips(postures)
        points = positions + np.einsum("nij,nj->ni", rotations, (tips[:, 0] + tips[:, 1]) / 2)
        openings = self._rule.opening(np.linalg.norm(tips[:, 1] - tips[:, 0], axis=1))
        arkit = Rotation.from_matrix(rotations @ ARKIT_WRIST_FROM_HAND[side].T).as_quat(scalar_first=True)
        wrists = np.concatenate([positions, arkit], axis=1)
        speeds = np.linalg.norm(np.gradient(positions, STEP, axis=0), axis=1) if len(times) > 1 else np.zeros(1)
        pushers: list[Array | None] = [None] * len(times)
        if side in self._pushing:
            azimuth = self._pushing[side]
            ahead = np.array([np.cos(azimuth), np.sin(azimuth), 0.0]) * PUSHER_AHEAD
            turn = [np.cos(azimuth / 2), 0.0, 0.0, np.sin(azimuth / 2)]
            fingers = positions + np.einsum("nij,nj->ni", rotations, tips[:, 1:4].mean(axis=1)) + ahead
            pushers = [np.array([*place, *turn]) for place in fingers]
        return [
            HandMoment(wrist, point, float(opening), float(speed), pusher)
            for wrist, point, opening, speed, pusher in zip(wrists, points, openings, speeds, pushers, strict=True)
        ]

    # ---- where things go ----

    def _goal(self, act: Act) -> tuple[Array, Rotation]:
        """Place (3,) and rotation of the act's thing when it is done: upright, turned as asked, else as it is."""
        to, thing = self.scene.pose(act.to), self.scene.pose(act.thing)
        frame = Rotation.from_quat(to[3:], scalar_first=True)
        place = to[:3] + frame.apply(act.offset)
        yaw = Rotation.from_quat(thing[3:], scalar_first=True).as_euler("ZYX")[0]
        if act.turn is None:
            wanted = yaw + self._random.normal(0.0, 0.15)
        else:
            wanted = frame.as_euler("ZYX")[0] + act.turn + self._random.normal(0.0, 0.03)
            wanted = yaw + (wanted - yaw + act.period / 2) % act.period - act.period / 2
        jitter = self._random.normal(0.0, min(0.12 * act.tolerance, 0.004), 2)
        return place + np.array([*jitter, 0.002]), Rotation.from_euler("z", wanted)

    def _side(self, act: Act) -> str:
        """The hand that does it: as asked, else the nearer one, the person's own where both are near."""
        if act.hand:
            return act.hand
        y = 0.6 * self.scene.pose(act.thing)[1] + 0.4 * self.scene.pose(act.to)[1]
        if abs(y) < 0.07:
            return self._main
        return "left" if y > 0 else "right"

    def _end_of(self, act: Act, side: str) -> float:
        """Along the thing's x, the sign of its end at a hand's side."""
        axis = Rotation.from_quat(self.scene.pose(act.thing)[3:], scalar_first=True).apply([1.0, 0.0, 0.0])
        return float(np.sign(axis[1]) * -inwards(side))

    def _half_length(self, name: str, azimuth: float) -> float:
        """Half the thing's length along a direction, m."""
        model = self.scene.model
        size = model.geom_size[model.body(name).geomadr[0]]
        yaw = Rotation.from_quat(self.scene.pose(name)[3:], scalar_first=True).as_euler("ZYX")[0]
        off = azimuth - yaw
        return float(min(size[0] / max(abs(np.cos(off)), 1e-6), size[1] / max(abs(np.sin(off)), 1e-6)))

    def _fine(self, share: float) -> bool:
        """The judge counts this share of the sub-tasks before the last as done; all acts of a task have as many."""
        progress = self.scene.progress
        return sum(progress.subtasks_done[:-1]) >= share * (len(progress.subtasks) - 1) - 1e-6

    def _resting(self, side: str) -> tuple[Array, Rotation, Array]:
        ahead, beside, above = REST
        jitter = self._random.normal(0.0, 0.012, 3) * [1.0, 1.0, 0.3]
        place = np.array([self.x + ahead, -inwards(side) * beside, self._table + above]) + jitter
        rotation = natural(side, inwards(side) * self._random.uniform(0.1, 0.5), np.radians(12.0))
        return place, rotation, rest_posture(self.hands[side])

    def _bulge(self, way: Array) -> Array:
        """Sideways and up, as reaches curve."""
        distance = float(np.linalg.norm(way))
        beside = np.cross(way, UP)
        size = float(np.linalg.norm(beside))
        curve = self.person.curve + self._random.normal(0.0, 0.03)
        sideways = beside / size * curve * distance if size > 1e-6 else np.zeros(3)
        return np.asarray(sideways + 0.05 * distance * UP)

    def _duration(self, distance: float, width: float) -> float:
        """Fitts' law with usual numbers (s, m), at the person's tempo, a little at random."""
        index = np.log2(2 * max(distance, 0.01) / width + 1)
        return float((0.30 + 0.13 * index) * self.person.tempo * self._random.uniform(0.9, 1.15))


def _beside(grasp: Grasp, by: float) -> Grasp:
    """The same grasp, farther along the thing's x."""
    x, y, z = grasp.point
    return Grasp((x + by, y, z), grasp.width, grasp.axes)
