"""What ends a recording from outside: a full disk, a folder that is gone, a clock that jumps."""

import os
import shutil
from pathlib import Path

from mivla_ros.stop_reasons import Reason, Stop

BACKWARDS = 0.05  # s a clock may go back: less is the clock's own correction
WALL_JUMP = 0.5  # s the wall clock may leave the steady clock between two looks
SIMULATED_SPEED = 50.0  # simulated seconds a second; faster is a jump


class ClockWatch:
    """Compares the recorder's clock with one that never jumps."""

    def __init__(self, now_ns: int, steady_ns: int, *, simulated: bool) -> None:
        self._now_ns, self._steady_ns, self._simulated = now_ns, steady_ns, simulated

    def check(self, now_ns: int, steady_ns: int) -> Stop | None:
        """CLOCK_JUMP with how far (s) where time went back, or farther forwards than can be."""
        passed, steady = (now_ns - self._now_ns) / 1e9, (steady_ns - self._steady_ns) / 1e9
        if not self._simulated:
            jump, limit = passed - steady, WALL_JUMP
            wrong = abs(jump) > WALL_JUMP
        elif passed < 0:
            jump, limit, wrong = passed, BACKWARDS, -passed > BACKWARDS
        else:
            jump, limit = passed, SIMULATED_SPEED * max(steady, 0.1)
            wrong = passed > limit
        if wrong:
            return Stop(Reason.CLOCK_JUMP, "recorder's clock", jump, limit, "s")
        self._now_ns, self._steady_ns = now_ns, steady_ns
        return None


def folder_gone(file: Path, descriptor: int) -> Stop | None:
    """FOLDER_GONE where the path no longer leads to the file that is open."""
    try:
        if os.path.samestat(file.stat(), os.fstat(descriptor)):
            return None
    except OSError:
        pass
    return Stop(Reason.FOLDER_GONE, str(file.parent), message="moved or deleted while it was recorded into")


def disk_full(folder: Path, min_free: int) -> Stop | None:
    """DISK_FULL where less than ``min_free`` bytes are left."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    if free >= min_free:
        return None
    return Stop(Reason.DISK_FULL, str(folder), free / 1e6, min_free / 1e6, "MB", "free space")
