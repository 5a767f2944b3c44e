"""LocoMan's modes in time: through stance, MIN_INTERVAL_S apart, and on only once the robot stands still.

Nothing reports the mode the robot is in, so it counts as unknown until it was sent through stance from here. What is
seen is whether it moved: a robot that stays as it was when asked for another posture has refused the mode, or never
got it.
"""

import numpy as np
from numpy.typing import NDArray

from mivla_ros.hardware.errors import HardwareError
from mivla_ros.hardware.locoman_modes import MIN_INTERVAL_S, LocoManMode, way

SECOND = 1_000_000_000
STILL = 0.2  # rad/s of the fastest joint; ours
SPACING = MIN_INTERVAL_S + 0.5  # s between two modes as sent, so that they also arrive MIN_INTERVAL_S apart
LONGEST = 20.0  # s that a change of posture may take; ours
MOVED = 0.05  # rad, by which some joint differs between two postures; ours


class ModeSwitch:
    """The way to a mode. Times are nanoseconds of one clock that does not go back."""

    def __init__(self, bimanual_unlocked: bool) -> None:
        self._unlocked = bimanual_unlocked
        self._present: LocoManMode | None = None
        self._left: tuple[LocoManMode, ...] = ()
        self._under_way = False
        self._asked_ns: int | None = None
        self._joints: NDArray[np.float64] | None = None
        self._speed = 0.0
        self._before: NDArray[np.float64] | None = None

    def ask(self, wanted: LocoManMode) -> None:
        """Want a mode. Raises HardwareError for the bimanual one where it is locked."""
        stance = LocoManMode.STANCE
        first = (stance,) if self._present is None else ()
        self._left = (*first, *way(self._present or stance, wanted, self._unlocked))
        self._under_way, self._before = True, None

    def heard(self, mode: LocoManMode) -> None:
        """Somebody else asked for a mode."""
        self._present = mode

    def give_up(self) -> None:
        """Go no further. What mode it is in counts as unknown: after a fault it may be another process, or have fallen
        back to stance by itself."""
        self._left, self._before, self._under_way, self._present = (), None, False, None

    def measured(self, joints: NDArray[np.float64], velocities: NDArray[np.float64]) -> None:
        """All joints (n,) rad and rad/s, as they are now."""
        self._joints, self._speed = joints, float(np.max(np.abs(velocities)))

    def due(self, now_ns: int) -> LocoManMode | None:
        """The mode to ask for now, if any.

        Raises HardwareError for a robot that did not move when asked, or that does not come to rest.
        """
        if not self._under_way:
            return None
        if self._waiting(now_ns):
            passed = self._passed(now_ns)
            if passed > LONGEST:
                words = (
                    f"joints still move at {self._speed:.2f} rad/s, {passed:.0f} s after {self._present} was asked for"
                )
                raise HardwareError("robot_state", words, self._speed, STILL)
            return None
        if self._before is not None and self._joints is not None:
            moved, asked = float(np.max(np.abs(self._joints - self._before))), self._present
            self._before = None
            if moved < MOVED:
                self._present = None
                words = f"no joint moved when {asked} was asked for: locked there, refused, or lost by the bridge"
                raise HardwareError("mode", words, moved, MOVED)
        if not self._left:
            self._under_way = False
            return None
        self._before = None if self._present is None else self._joints
        self._present, self._left, self._asked_ns = self._left[0], self._left[1:], now_ns
        return self._present

    def words(self, now_ns: int) -> str:
        """Where it is on its way; empty when it is there."""
        if not self._under_way:
            return ""
        waiting = self._waiting(now_ns)
        ahead = "".join(f", then {mode}" for mode in self._left)
        return f"{self._present or 'mode unknown'}{waiting and ': '}{waiting}{ahead}"

    def _passed(self, now_ns: int) -> float:
        return float("inf") if self._asked_ns is None else (now_ns - self._asked_ns) / SECOND

    def _waiting(self, now_ns: int) -> str:
        """What must pass before the next step, in words."""
        passed = self._passed(now_ns)
        if passed < SPACING:
            return f"{SPACING - passed:.1f} s more"
        # back to stance it goes whatever the joints do
        if self._speed > STILL and self._asked_ns is not None and self._left[:1] != (LocoManMode.STANCE,):
            return f"joints at {self._speed:.2f} rad/s, waiting for rest"
        return ""
