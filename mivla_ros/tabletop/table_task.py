"""A task on a table, declared: things, where they may lie, acts in order, and words for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import cos, pi, sin

import numpy as np

from mivla_ros.tabletop.acts import Act
from mivla_ros.tabletop.things import COLOURS, OTHER_COLOURS, WIDEST, Grasp, Shape, Thing, grasp_of

SIZES = (0.88, 1.15)  # factors on lengths of varied things
TRIES = 400


class TabletopError(ValueError):
    """A task that cannot be declared or placed so. ``subject``: the task or thing."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(f"{subject}: {message}")
        self.subject = subject


@dataclass(frozen=True)
class Region:
    """Where a thing may stand: ranges of x and y in m, of its heading in rad."""

    x: tuple[float, float]
    y: tuple[float, float]
    turn: tuple[float, float] = (-pi / 4, pi / 4)


@dataclass(frozen=True)
class Upon:
    """A thing that begins on or in another one: offset m in its frame, turned with it."""

    thing: str
    offset: tuple[float, float, float]


@dataclass(frozen=True)
class TableTask:
    """A task. templates: instructions with {thing} for a thing's words; the last one is held back from demonstrations.
    gap: m between things at least. hands: how many it takes. kept: pairs of things of one colour."""

    name: str
    things: tuple[Thing, ...]
    places: Mapping[str, Region | Upon]
    acts: tuple[Act, ...]
    templates: tuple[str, ...]
    gap: float = 0.03
    hands: int = 1
    kept: tuple[tuple[str, str], ...] = field(default=())

    def thing(self, name: str) -> Thing:
        """The thing of that name. Raises TabletopError."""
        for thing in self.things:
            if thing.name == name:
                return thing
        raise TabletopError(self.name, f"has no {name!r}, only {', '.join(t.name for t in self.things)}")

    @property
    def instructions(self) -> tuple[str, ...]:
        """Ways to say it."""
        words = {thing.name: thing.words for thing in self.things}
        return tuple(template.format(**words) for template in self.templates)

    def grasp(self, act: Act) -> Grasp:
        """Where the act's thing is taken."""
        return act.grasp or grasp_of(self.thing(act.thing))

    def varied(self, random: np.random.Generator, held_back: bool = False) -> "TableTask":
        """The same task with things of other sizes and colours. held_back: colours that no demonstration has."""
        palette = list(OTHER_COLOURS if held_back else COLOURS)
        follows = {second: first for first, second in self.kept}
        names = [t.name for t in self.things if t.name not in follows]
        drawn = [palette[i] for i in random.permutation(len(palette))]
        colours = {name: drawn[i % len(drawn)] for i, name in enumerate(names)}
        colours |= {second: colours[first] for second, first in follows.items()}
        factors = random.uniform(*SIZES, len(self.things))
        things = tuple(
            replace(thing, colour=colours[thing.name], size=_scaled(thing, float(factor)))
            for thing, factor in zip(self.things, factors, strict=True)
        )
        return fitted(replace(self, things=things), self)

    def place(self, seed: int, places: Mapping[str, Region | Upon] | None = None) -> dict[str, np.ndarray]:
        """Pose (x, y, z, turn) of every thing on a table of height 0: at random, ``gap`` apart at least; the same seed
        gives the same poses. Raises TabletopError where there is no room."""
        random = np.random.default_rng([seed, 0x7AB1E])
        chosen = places or self.places
        for _ in range(TRIES):
            poses: dict[str, np.ndarray] = {}
            for thing in self.things:
                where = chosen[thing.name]
                if isinstance(where, Upon):
                    x, y, z, turn = poses[where.thing]
                    dx, dy, dz = where.offset
                    c, s = cos(turn), sin(turn)
                    poses[thing.name] = np.array([x + c * dx - s * dy, y + s * dx + c * dy, z + dz, turn])
                    continue
                spot = np.array([random.uniform(*where.x), random.uniform(*where.y), 0.0, random.uniform(*where.turn)])
                if self._near(thing, spot, poses):
                    break
                poses[thing.name] = spot
            else:
                return poses
        raise TabletopError(self.name, f"has no room for its things, seed {seed}")

    def _near(self, thing: Thing, spot: np.ndarray, poses: Mapping[str, np.ndarray]) -> bool:
        return any(
            np.hypot(*(spot[:2] - pose[:2])) < thing.radius + self.thing(other).radius + self.gap
            for other, pose in poses.items()
        )


def _scaled(thing: Thing, factor: float) -> tuple[float, float, float]:
    if thing.fixed or thing.shape in (Shape.DRAWER, Shape.LID):
        return thing.size
    x, y, z = (length * factor for length in thing.size)
    return (min(x, WIDEST), min(y, WIDEST), z) if max(thing.size[:2]) <= WIDEST else (x, y, z)


def fitted(task: TableTask, before: TableTask) -> TableTask:
    """Acts whose height of setting down follows the sizes of the things they end on."""
    acts = []
    for act in task.acts:
        x, y, z = act.offset
        if act.to:
            z += task.thing(act.to).floor - before.thing(act.to).floor
        acts.append(replace(act, offset=(x, y, z)))
    return replace(task, acts=tuple(acts))
