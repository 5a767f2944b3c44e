"""Joint positions at a moment between two joint state messages."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mivla_ros.observations.errors import StreamError
from mivla_ros.observations.samples import Samples
from mivla_ros.stop_reasons import Reason, Stop

MAX_SAMPLES = 4096  # bounds memory whatever rate a driver invents


class JointStream:
    """Positions of named joints by stamp. Each joint is kept by itself: arms and grippers may come in
    separate messages.
    """

    def __init__(self, topic: str, joints: Sequence[str], history_ns: int) -> None:
        self.topic = topic
        self.joints = tuple(joints)
        self._samples: dict[str, Samples[float]] = {name: Samples(MAX_SAMPLES, history_ns) for name in joints}

    def add(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Keep one message; joints that are not asked for are ignored.

        Raises StreamError (STREAM_INVALID) where names and positions differ in number or a position is not
        finite.
        """
        if len(names) != len(positions):
            raise StreamError(
                Stop(
                    Reason.STREAM_INVALID,
                    self.topic,
                    len(positions),
                    len(names),
                    message="positions given, names given",
                )
            )
        for name, position in zip(names, positions, strict=True):
            if name not in self._samples:
                continue
            if not np.isfinite(position):
                raise StreamError(
                    Stop(Reason.STREAM_INVALID, f"{self.topic}: {name}", message=f"position is {position}")
                )
            self._samples[name].add(stamp_ns, float(position))

    def newest_ns(self) -> int:
        """Stamp up to which every joint is known. Raises StreamError (STREAM_MISSING) naming the joints never
        heard of.
        """
        missing = [name for name, samples in self._samples.items() if not samples]
        if len(missing) == len(self.joints) and missing:
            raise StreamError(Stop(Reason.STREAM_MISSING, self.topic, message="no joint states yet"))
        if missing:
            raise StreamError(
                Stop(
                    Reason.STREAM_MISSING,
                    f"{self.topic}: {', '.join(missing)}",
                    message="no message names these joints",
                )
            )
        return min(samples.newest_ns for samples in self._samples.values())

    def at(self, stamp_ns: int, max_gap_ns: int) -> tuple[NDArray[np.float64], int]:
        """Positions (len(joints),) at a stamp, and the stamp they really are of (the stamp itself where
        interpolated).

        Linear between the two neighbours of a joint when these are at most ``max_gap_ns`` apart; where
        nothing newer is known, the newest sample when it is at most ``max_gap_ns`` old. Raises StreamError
        (STREAM_MISSING or STREAM_SKEW).
        """
        self.newest_ns()
        values, oldest_ns = np.empty(len(self.joints)), stamp_ns
        for i, name in enumerate(self.joints):
            values[i], used_ns = self._one(name, stamp_ns, max_gap_ns)
            oldest_ns = min(oldest_ns, used_ns)
        return values, oldest_ns

    def latest(self) -> NDArray[np.float64] | None:
        """Newest positions (len(joints),) of any stamp; None while a joint is missing."""
        if not all(self._samples.values()):
            return None
        return np.array([samples.values[-1] for samples in self._samples.values()])

    def clear(self) -> None:
        """Forget every sample."""
        for samples in self._samples.values():
            samples.clear()

    def _one(self, name: str, stamp_ns: int, max_gap_ns: int) -> tuple[float, int]:
        samples = self._samples[name]
        index = samples.before(stamp_ns)
        if index is None:
            raise self._skew(name, samples.stamps[0] - stamp_ns, max_gap_ns, "the oldest kept sample is newer by that")
        before_ns, before = samples.stamps[index], samples.values[index]
        if before_ns == stamp_ns:
            return before, stamp_ns
        if index + 1 == len(samples):
            if stamp_ns - before_ns > max_gap_ns:
                raise self._skew(
                    name,
                    stamp_ns - before_ns,
                    max_gap_ns,
                    "the newest sample is older than the image by that",
                )
            return before, before_ns
        after_ns, after = samples.stamps[index + 1], samples.values[index + 1]
        if after_ns - before_ns > max_gap_ns:
            raise self._skew(name, after_ns - before_ns, max_gap_ns, "gap between two samples")
        share = (stamp_ns - before_ns) / (after_ns - before_ns)
        return before + share * (after - before), stamp_ns

    def _skew(self, name: str, value_ns: int, limit_ns: int, message: str) -> StreamError:
        return StreamError(
            Stop(Reason.STREAM_SKEW, f"{self.topic}: {name}", value_ns / 1e9, limit_ns / 1e9, "s", message)
        )
