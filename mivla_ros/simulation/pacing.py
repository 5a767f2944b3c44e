"""Simulated time against the wall clock: how long to wait, what was really reached, and what is due."""

import time
from collections import deque
from collections.abc import Callable

GREATEST_LAG = 0.1  # s; what is later than this is given up, so that simulated time does not race afterwards
WINDOW = 5.0  # s of wall time over which the present factor is taken


class Pacer:
    """Holds a loop to ``factor`` simulated seconds a second (0: no waiting). Where it cannot keep up, time
    goes slower."""

    def __init__(
        self,
        factor: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.factor = factor
        self._clock, self._sleep = clock, sleep
        self._anchor: tuple[float, int] | None = None
        self._first: tuple[float, int] | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def wait(self, simulated_ns: int) -> None:
        """Wait until this simulated time is due; call it once a loop."""
        now = self._clock()
        if self._anchor is None:
            self._anchor = self._first = (now, simulated_ns)
        if self.factor > 0:
            due = self._anchor[0] + (simulated_ns - self._anchor[1]) / 1e9 / self.factor
            if due > now:
                self._sleep(due - now)
            elif now - due > GREATEST_LAG:
                self._anchor = (now, simulated_ns)
        self._recent.append((now, simulated_ns))
        while now - self._recent[0][0] > WINDOW:
            self._recent.popleft()

    @property
    def recent_factor(self) -> float:
        """Simulated seconds a second over the last seconds; 0 before there are any."""
        return _factor(self._recent[0], self._recent[-1]) if self._recent else 0.0

    @property
    def totals(self) -> tuple[float, float, float]:
        """Simulated seconds, wall seconds and their quotient since the first call."""
        if self._first is None or not self._recent:
            return 0.0, 0.0, 0.0
        last = self._recent[-1]
        return (last[1] - self._first[1]) / 1e9, last[0] - self._first[0], _factor(self._first, last)


def _factor(first: tuple[float, int], last: tuple[float, int]) -> float:
    wall = last[0] - first[0]
    return (last[1] - first[1]) / 1e9 / wall if wall > 0 else 0.0


class Schedule:
    """Says when something with a rate is due, in simulated time, without drift where the rate does not fit
    the steps."""

    def __init__(self, rate: float, start_ns: int) -> None:
        """``rate`` in Hz; first due at ``start_ns``."""
        self._rate = rate
        self._start_ns = start_ns
        self._count = 0

    def due(self, now_ns: int) -> bool:
        """Whether it is due now; once True, it is counted as done. What was missed is not made up for."""
        if now_ns < self._start_ns + self._count * 1e9 / self._rate:
            return False
        self._count = int((now_ns - self._start_ns) * self._rate / 1e9) + 1
        return True
