"""Things on a table: shape, size, colour, and where a hand takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import pi
from types import MappingProxyType

Colour = tuple[float, float, float, float]

COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "red": (0.80, 0.13, 0.13, 1.0),
        "blue": (0.12, 0.30, 0.80, 1.0),
        "green": (0.16, 0.58, 0.28, 1.0),
        "yellow": (0.93, 0.78, 0.14, 1.0),
        "orange": (0.93, 0.48, 0.10, 1.0),
        "white": (0.93, 0.93, 0.90, 1.0),
        "brown": (0.48, 0.31, 0.18, 1.0),
        "grey": (0.50, 0.52, 0.54, 1.0),
    }
)
OTHER_COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "purple": (0.45, 0.16, 0.55, 1.0),
        "pink": (0.93, 0.50, 0.63, 1.0),
        "black": (0.10, 0.10, 0.11, 1.0),
        "turquoise": (0.15, 0.70, 0.68, 1.0),
    }
)
"""Held back from demonstrations."""

WALL = 0.004  # m, of trays, cabinets and drawers
KNOB = (0.022, 0.014, 0.030)  # m, length, width, height of what lids and drawers are held by
WIDEST = 0.07  # m between two fingers
PAD_THICKNESS = 0.002


class Shape(StrEnum):
    """What a thing looks like. A crate slides easily; a pad is thin, a mark is only painted; a tray is open above; a
    lid has its knob above; a drawer has it at its front (-x)."""

    BLOCK = "block"
    CRATE = "crate"
    CAN = "can"
    BALL = "ball"
    CUP = "cup"
    STICK = "stick"
    PAD = "pad"
    MARK = "mark"
    TRAY = "tray"
    LID = "lid"
    DRAWER = "drawer"
    CABINET = "cabinet"


@dataclass(frozen=True)
class Thing:
    """A thing. Its pose is that of the middle of its underside, z up. size: length x, width y, height z in m, a lid's
    and a drawer's without the knob. mass: kg. fixed: nothing moves it."""

    name: str
    shape: Shape
    size: tuple[float, float, float]
    colour: str
    noun: str
    mass: float = 0.05
    fixed: bool = False

    @property
    def words(self) -> str:
        """Its colour and what it is."""
        return f"{self.colour} {self.noun}"

    @property
    def rgba(self) -> Colour:
        """The colour."""
        return COLOURS[self.colour] if self.colour in COLOURS else OTHER_COLOURS[self.colour]

    @property
    def radius(self) -> float:
        """Of the circle around what stands on the table, m."""
        x, y, _ = self.size
        if self.shape in (Shape.CAN, Shape.BALL, Shape.CUP):
            return x / 2
        return float((x * x + y * y) ** 0.5 / 2)

    @property
    def floor(self) -> float:
        """Height above its underside on which something put into it stands, m."""
        if self.shape is Shape.MARK:
            return 0.0
        return WALL if self.shape in (Shape.TRAY, Shape.DRAWER) else self.size[2]


@dataclass(frozen=True)
class Grasp:
    """Where a thing is taken, in its frame. point: between the finger tips, m. width: of it there, m. axes: directions
    about z (rad) in which two fingers may close, either way round; none for any. power: with the whole hand, from the
    side, by those who have one."""

    point: tuple[float, float, float]
    width: float
    axes: tuple[float, ...] = ()
    power: bool = False


def grasp_of(thing: Thing) -> Grasp:
    """The usual grasp of a thing. Raises ValueError for one that is not taken."""
    x, y, z = thing.size
    deep = max(z - 0.022, z / 2)
    match thing.shape:
        case Shape.BLOCK | Shape.CRATE | Shape.STICK:
            axes = tuple(angle for angle, width in ((0.0, x), (pi / 2, y)) if width <= WIDEST)
            return Grasp((0.0, 0.0, deep), min(x, y), axes if abs(x - y) < 0.01 else (0.0 if x < y else pi / 2,))
        case Shape.CAN | Shape.BALL:
            return Grasp((0.0, 0.0, deep), x)
        case Shape.CUP:
            return Grasp((0.0, 0.0, deep), x, power=True)
        case Shape.LID:
            return Grasp((0.0, 0.0, z + KNOB[2] / 2), KNOB[1], (pi / 2,))
        case Shape.DRAWER:
            return Grasp((-(x + KNOB[0]) / 2 - 0.004, 0.0, z / 2 + 0.006), KNOB[1], (pi / 2,))
        case Shape.TRAY:
            return Grasp((0.0, y / 2, z - 0.01), WALL, (pi / 2,))
    raise ValueError(f"{thing.name}: a {thing.shape} is not taken by a hand")
