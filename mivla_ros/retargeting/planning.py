"""A way from one posture to another that touches nothing: straight if that is free, else found by RRT-Connect.

Plain joint-space planning for going to ready and the like, where there is no MoveIt. All arms move together, so that
what is checked is what happens. RRT-Connect: Kuffner and LaValle, ICRA 2000. The same seed gives the same way, as
long as the time limit is not reached.
"""

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from mivla_ros.kinematics.collision import CollisionModel, Contact
from mivla_ros.retargeting.errors import refuse
from mivla_ros.retargeting.limits import JointLimits
from mivla_ros.retargeting.reference import Knots, time_path
from mivla_ros.stop_reasons import Reason

Array = NDArray[np.float64]
Pairs = frozenset[tuple[str, str]]

_STANDSTILL = 0.1  # s of rest before and after time zero, so that what rounds the path's corners finds rest there


@dataclass(frozen=True)
class PlanningOptions:
    """resolution: rad between two postures that are checked. step: rad a tree grows by. seconds, samples: when to
    give up. shortcuts: tries to straighten what was found. margin: m that links keep from each other. speed: share
    of the velocity limits that is used.
    """

    resolution: float = 0.03
    step: float = 0.25
    seconds: float = 0.6
    samples: int = 4000
    shortcuts: int = 60
    margin: float = 0.005
    speed: float = 0.4
    seed: int = 0


def plan_path(
    start: Array, goal: Array, limits: JointLimits, collisions: CollisionModel, options: PlanningOptions | None = None
) -> Array:
    """Postures (K, n), straight lines in between, from ``start`` (n,) to ``goal`` (n,), both in the order of the
    collision model's joints. Pairs that touch at the start do not count: they could not be left.

    Raises RetargetingError: LIMIT_POSITION with the joint where the goal is outside its limits, COLLISION with the
    pair where the goal touches, or no way was found (then the pair that blocks the straight way).
    """
    o = options or PlanningOptions()
    outside = np.maximum(limits.lower - goal, goal - limits.upper)
    if outside.max() > 1e-9:
        worst = int(np.argmax(outside))
        limit = limits.lower[worst] if goal[worst] < limits.lower[worst] else limits.upper[worst]
        raise refuse(
            Reason.LIMIT_POSITION, f"joint {worst + 1} of the goal", "", float(goal[worst]), float(limit), "rad"
        )
    free = _Free(collisions, collisions.touching(start, o.margin), o)
    contact = free.contact(goal[None])
    if contact is not None:
        _blocked(contact, o.margin, "the goal touches")
    contact = free.contact(_between(start, goal, o.resolution))
    if contact is None:
        return np.array([start, goal])
    path = _connect(start, goal, limits, free, o)
    if path is None:
        _blocked(contact, o.margin, f"no way around found in {o.samples} samples or {o.seconds:g} s")
    return _shortened(path, free, o)


def timed_motion(
    path: Array, limits: JointLimits, collisions: CollisionModel, period: float, options: PlanningOptions | None = None
) -> tuple[Array, Array]:
    """Positions and velocities (N, n) every ``period`` seconds along a path (K, n) from rest to rest, within velocity,
    acceleration and jerk limits.

    Corners are rounded, so what comes out is checked again and followed more slowly, which rounds less, where it
    would touch. Raises RetargetingError (COLLISION) where that does not help.
    """
    o = options or PlanningOptions()
    ignored = collisions.touching(path[0], o.margin)
    points = _filled(path, 0.1)
    steps = np.max(np.abs(np.diff(points, axis=0)) / limits.velocity, axis=1) if len(points) > 1 else np.zeros(0)
    contact = None
    for speed in (o.speed, o.speed / 3, o.speed / 10):
        times = np.concatenate([[-_STANDSTILL], np.cumsum(np.concatenate([[_STANDSTILL], steps / speed]))])
        knots = Knots(times, np.concatenate([points[:1], points]))
        if len(points) == 1:
            return points, np.zeros_like(points)
        timed = time_path(knots, limits, period, np.zeros(path.shape[1]))
        contact = collisions.first_contact(timed.positions, ignored, 0.5 * o.margin)
        if contact is None:
            return timed.positions, timed.velocities
    assert contact is not None
    _blocked(contact, o.margin, "rounding the corners of the way")


class _Free:
    """Whether postures touch, the pairs that touch from the start left out."""

    def __init__(self, model: CollisionModel, ignored: Pairs, options: PlanningOptions) -> None:
        self._model, self._ignored, self._options = model, ignored, options

    def contact(self, rows: Array) -> Contact | None:
        return self._model.first_contact(np.ascontiguousarray(rows), self._ignored, self._options.margin)

    def line(self, a: Array, b: Array) -> bool:
        return self.contact(_between(a, b, self._options.resolution)) is None


def _between(a: Array, b: Array, resolution: float) -> Array:
    """Postures (K, n) from after ``a`` to ``b``."""
    count = max(int(np.ceil(np.max(np.abs(b - a)) / resolution)), 1)
    return a + (b - a) * (np.arange(1, count + 1) / count)[:, None]


def _filled(path: Array, resolution: float) -> Array:
    rows = [path[:1]]
    for a, b in pairwise(path):
        if np.max(np.abs(b - a)) > 1e-9:
            rows.append(_between(a, b, resolution))
    return np.concatenate(rows)


class _Tree:
    """Postures with the one each was reached from."""

    def __init__(self, root: Array) -> None:
        self.nodes, self.parents = [root], [-1]

    def nearest(self, posture: Array) -> int:
        return int(np.argmin(np.max(np.abs(np.array(self.nodes) - posture), axis=1)))

    def add(self, posture: Array, parent: int) -> int:
        self.nodes.append(posture)
        self.parents.append(parent)
        return len(self.nodes) - 1

    def way_to(self, node: int) -> list[Array]:
        way = []
        while node >= 0:
            way.append(self.nodes[node])
            node = self.parents[node]
        return way[::-1]


def _grow(tree: _Tree, target: Array, free: _Free, step: float, *, greedy: bool) -> tuple[int, bool]:
    """Grow towards a posture: one step, or as far as it goes; the newest node and whether the target was reached."""
    node = tree.nearest(target)
    while True:
        here = tree.nodes[node]
        away = float(np.max(np.abs(target - here)))
        reached = away <= step
        there = target if reached else here + (target - here) * (step / away)
        if not free.line(here, there):
            return node, False
        node = tree.add(there, node)
        if reached or not greedy:
            return node, reached


def _connect(start: Array, goal: Array, limits: JointLimits, free: _Free, o: PlanningOptions) -> Array | None:
    random, until = np.random.default_rng(o.seed), time.monotonic() + o.seconds
    a, b, swapped = _Tree(start), _Tree(goal), False
    for _ in range(o.samples):
        if time.monotonic() > until:
            return None
        node, _ = _grow(a, random.uniform(limits.lower, limits.upper), free, o.step, greedy=False)
        other, met = _grow(b, a.nodes[node], free, o.step, greedy=True)
        if met:
            first, second = a.way_to(node), b.way_to(other)
            way = second + first[::-1][1:] if swapped else first + second[::-1][1:]
            return np.array(way)
        a, b, swapped = b, a, not swapped
    return None


def _shortened(path: Array, free: _Free, o: PlanningOptions) -> Array:
    """Straight lines between points of the way, wherever they are free."""
    random = np.random.default_rng(o.seed + 1)
    points = list(path)
    for _ in range(o.shortcuts):
        if len(points) < 3:
            break
        i, j = sorted(random.choice(len(points), size=2, replace=False))
        if j - i > 1 and free.line(points[i], points[j]):
            points = points[: i + 1] + points[j:]
    return np.array(points)


def _blocked(contact: Contact, margin: float, words: str) -> NoReturn:
    pair = f"{contact.first} and {contact.second}"
    raise refuse(Reason.COLLISION, pair, words, float(contact.distance), margin, "m")
