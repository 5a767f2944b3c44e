"""How long somebody who should speak regularly has said nothing."""


class Silence:
    """Seconds of silence by the slower of two clocks, counted in looks.

    The slower clock decides, so that neither a simulator slower nor one faster than real time makes a speaker seem
    silent. A look counts ``most`` seconds at most: a process that was not run for a while has heard nobody meanwhile,
    and that says nothing about the others.
    """

    def __init__(self, most: float) -> None:
        self.seconds = 0.0
        self._most = most
        self._looked: tuple[int, int] | None = None

    def heard(self) -> None:
        """Somebody has spoken."""
        self.seconds = 0.0

    def look(self, ros_ns: int, steady_ns: int) -> float:
        """Count the time since the look before, in nanoseconds of the ROS clock and of a clock that never jumps;
        returns the seconds of silence. A ROS clock that was set back adds nothing.
        """
        if self._looked is not None:
            passed = min(ros_ns - self._looked[0], steady_ns - self._looked[1]) / 1e9
            self.seconds += min(max(passed, 0.0), self._most)
        self._looked = ros_ns, steady_ns
        return self.seconds
