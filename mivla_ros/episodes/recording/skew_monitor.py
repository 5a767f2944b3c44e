"""How far apart in time streams are: for every image, the nearest stamp of every other stream."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

SETTLE_NS = 500_000_000  # an image is judged that long after its stamp, when its neighbours have arrived
KEPT_NS = 3_000_000_000


@dataclass(frozen=True)
class SkewReport:
    """Distances (s) from the images of one camera to the nearest stamp of ``other``. wide: share above the limit."""

    camera: str
    other: str
    mean: float
    largest: float
    wide: float


class SkewMonitor:
    """Told every stamp of the cameras and of the joint states."""

    def __init__(self, cameras: Iterable[str], others: Iterable[str], limit: float) -> None:
        """Cameras and others (such as joint states): names of streams. limit: s."""
        self._cameras = tuple(cameras)
        self._streams = (*self._cameras, *others)
        self._limit_ns = round(limit * 1e9)
        self._stamps: dict[str, list[int]] = {name: [] for name in self._streams}
        self._waiting: dict[str, list[int]] = {name: [] for name in self._cameras}
        self._sums: dict[tuple[str, str], list[int]] = {}  # count, sum, largest, wide

    def see(self, stream: str, stamp_ns: int) -> None:
        """One stamp of a stream."""
        stamps = self._stamps[stream]
        if stamps and stamp_ns <= stamps[-1]:
            return
        stamps.append(stamp_ns)
        if stream in self._waiting:
            self._waiting[stream].append(stamp_ns)
            self._settle(stamp_ns)
        if len(stamps) > 16 and stamps[-1] - stamps[0] > 2 * KEPT_NS:
            del stamps[: bisect_left(stamps, stamps[-1] - KEPT_NS)]

    def _settle(self, newest_ns: int) -> None:
        for camera, waiting in self._waiting.items():
            while waiting and newest_ns - waiting[0] > SETTLE_NS:
                self._judge(camera, waiting.pop(0))

    def _judge(self, camera: str, stamp_ns: int) -> None:
        for other in self._streams:
            stamps = self._stamps[other]
            if other == camera or not stamps:
                continue
            index = bisect_left(stamps, stamp_ns)
            near = min(abs(stamps[i] - stamp_ns) for i in (index - 1, index) if 0 <= i < len(stamps))
            sums = self._sums.setdefault((camera, other), [0, 0, 0, 0])
            sums[0] += 1
            sums[1] += near
            sums[2] = max(sums[2], near)
            sums[3] += near > self._limit_ns

    def largest(self, stream: str) -> float:
        """Largest distance (s) from an image of ``stream`` to another stream; NaN where none was judged."""
        found = [sums[2] for (camera, _), sums in self._sums.items() if camera == stream]
        return max(found) / 1e9 if found else nan

    def reports(self) -> tuple[SkewReport, ...]:
        """One a camera and other stream."""
        return tuple(
            SkewReport(camera, other, total / count / 1e9, largest / 1e9, wide / count)
            for (camera, other), (count, total, largest, wide) in self._sums.items()
        )
