"""One stream while it is recorded: rate, gaps, loss, order of stamps, latency from capture to arrival."""

from collections import deque
from dataclasses import dataclass
from math import nan

WINDOW_NS = 2_000_000_000  # of the rate shown live
GAP_PERIODS = 2.5  # stamps farther apart than so many periods are a gap
LATENCIES = 2000  # newest ones kept for the quantile


@dataclass(frozen=True)
class StreamReport:
    """What one stream was like since the episode began. Rates in Hz, times in s; NaN where not known.

    rate: over the last two seconds. mean_rate: over the whole episode, by stamps where there are any. gaps: times the
    stamps were more than 2.5 periods apart; longest_gap by stamps; silence: since the newest arrival. lost: messages
    the middleware did not deliver. dropped: arrived and not written. backwards: stamps older than the one before,
    repeated: equal to it, ahead: in the future of the recorder's clock.
    """

    messages: int
    bytes: int
    rate: float
    mean_rate: float
    expected_rate: float
    gaps: int
    longest_gap: float
    silence: float
    lost: int
    dropped: int
    backwards: int
    repeated: int
    ahead: int
    latency: float
    latency_p95: float
    latency_max: float


class StreamMonitor:
    """Told of every message of one topic; ``expected_rate`` (Hz) is 0 where none is promised."""

    def __init__(self, expected_rate: float = 0.0, begun_ns: int = 0) -> None:
        """begun_ns: when the episode began, by the clock of the arrivals."""
        self.expected_rate = expected_rate
        self.lost = 0
        self.dropped = 0
        self._begun_ns = begun_ns
        self._messages = self._bytes = self._gaps = self._backwards = self._repeated = self._ahead = 0
        self._longest_gap_ns = 0
        self._first_ns: int | None = None
        self._newest_ns: int | None = None
        self._arrived_ns: int | None = None
        self._recent: deque[int] = deque()
        self._latencies: deque[int] = deque(maxlen=LATENCIES)
        self._latency_max_ns = 0
        self._sequence: int | None = None

    @property
    def messages(self) -> int:
        """Messages seen."""
        return self._messages

    def see(
        self, arrival_ns: int, size: int, stamp_ns: int | None = None, *, latency: bool = False, sequence: int = 0
    ) -> None:
        """One message of ``size`` bytes. stamp_ns: its header's; latency: that is the time of capture. sequence: the
        publisher's count, 0 where it is not known or several publish."""
        self._messages += 1
        self._bytes += size
        self._arrived_ns = arrival_ns
        self._recent.append(arrival_ns)
        self._forget(arrival_ns)
        self._see_sequence(sequence)
        self._see_stamp(arrival_ns if stamp_ns is None else stamp_ns)
        if stamp_ns is not None and latency:
            delay = arrival_ns - stamp_ns
            self._ahead += delay < 0
            self._latencies.append(delay)
            self._latency_max_ns = max(self._latency_max_ns, delay)

    def _see_sequence(self, sequence: int) -> None:
        if sequence and self._sequence is not None and sequence > self._sequence + 1:
            self.lost += sequence - self._sequence - 1
        self._sequence = sequence or None

    def _see_stamp(self, stamp_ns: int) -> None:
        if self._newest_ns is None:
            self._first_ns = self._newest_ns = stamp_ns
            return
        step = stamp_ns - self._newest_ns
        self._backwards += step < 0
        self._repeated += step == 0
        if self.expected_rate and step * self.expected_rate > GAP_PERIODS * 1e9:
            self._gaps += 1
        self._longest_gap_ns = max(self._longest_gap_ns, step)
        self._newest_ns = max(self._newest_ns, stamp_ns)

    def _forget(self, now_ns: int) -> None:
        while self._recent and now_ns - self._recent[0] > WINDOW_NS:
            self._recent.popleft()

    def report(self, now_ns: int) -> StreamReport:
        """What is known at ``now_ns`` of the arrivals' clock."""
        self._forget(now_ns)
        since = min(WINDOW_NS, max(now_ns - self._begun_ns, 1))
        span = 0 if self._newest_ns is None or self._first_ns is None else self._newest_ns - self._first_ns
        ordered = sorted(self._latencies)
        return StreamReport(
            messages=self._messages,
            bytes=self._bytes,
            rate=len(self._recent) * 1e9 / since,
            mean_rate=(self._messages - 1) * 1e9 / span if span > 0 else nan,
            expected_rate=self.expected_rate,
            gaps=self._gaps,
            longest_gap=self._longest_gap_ns / 1e9,
            silence=nan if self._arrived_ns is None else (now_ns - self._arrived_ns) / 1e9,
            lost=self.lost,
            dropped=self.dropped,
            backwards=self._backwards,
            repeated=self._repeated,
            ahead=self._ahead,
            latency=sum(ordered) / len(ordered) / 1e9 if ordered else nan,
            latency_p95=ordered[int(0.95 * (len(ordered) - 1))] / 1e9 if ordered else nan,
            latency_max=self._latency_max_ns / 1e9 if ordered else nan,
        )
