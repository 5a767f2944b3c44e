"""Acts: a thing is taken by one hand (or by two) and brought to a place beside, on or in another thing."""

from dataclasses import dataclass
from enum import StrEnum
from math import pi

from mivla_ros.tabletop.things import Grasp


class How(StrEnum):
    """put: lifted and set down. push: along the table with closed fingers. pull: along the table by its knob."""

    PUT = "put"
    PUSH = "push"
    PULL = "pull"


@dataclass(frozen=True)
class Act:
    """Bring ``thing`` to ``offset`` (m, of its underside's middle) in the frame of ``to``'s underside.

    turn: heading wanted there, rad relative to ``to``, modulo ``period``; None: any. tolerance, turn_tolerance: what
    still counts, m and rad. hand: left or right; empty: the nearer one. pour_over: thing above which it is tilted on
    the way. give_to: hand that takes it over on the way. two_hands: one on each side. grasp: for a thing that this
    package does not know."""

    thing: str
    to: str
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    how: How = How.PUT
    turn: float | None = None
    period: float = 2 * pi
    tolerance: float = 0.03
    turn_tolerance: float = 0.25
    hand: str = ""
    pour_over: str = ""
    give_to: str = ""
    two_hands: bool = False
    grasp: Grasp | None = None
