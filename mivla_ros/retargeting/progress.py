"""Which steps of which chunk have been executed, by count of due times that passed while commanded."""

from dataclasses import dataclass

from mivla_ros.action_chunk import ActionChunk
from mivla_ros.retargeting.report import RetargetingReport


@dataclass(frozen=True)
class ExecutedSteps:
    """The counts of mivla_msgs/ExecutedSteps at one moment; due_ns is 0 before the first executed step."""

    session: bytes
    generation: int
    sequence: int
    horizon: int
    first_step: int
    dropped: int
    executed: int
    remaining: int
    total: int
    due_ns: int


class Progress:
    """Counts executed steps over all chunks since the start."""

    def __init__(self) -> None:
        self._chunk: ActionChunk | None = None
        self._report = RetargetingReport(0, 0, 0, 0, ())
        self._frozen: int | None = None
        self._total_before = 0

    def begin(self, chunk: ActionChunk, report: RetargetingReport, start_ns: int) -> None:
        """From start_ns on this chunk is commanded, and the one before it no more."""
        self._total_before += self._executed(start_ns - 1)
        self._chunk, self._report, self._frozen = chunk, report, None

    def end(self, time_ns: int) -> None:
        """From time_ns on nothing is commanded: the rest of the chunk is dropped."""
        if self._frozen is None:
            self._frozen = self._executed(time_ns - 1)

    def _executed(self, now_ns: int) -> int:
        if self._chunk is None:
            return 0
        if self._frozen is not None:
            return self._frozen
        return min(max(self._chunk.steps_due_by(now_ns) - self._report.first_step, 0), self._report.steps)

    def at(self, now_ns: int) -> ExecutedSteps | None:
        """Counts at a time; None before the first chunk."""
        chunk, report = self._chunk, self._report
        if chunk is None:
            return None
        executed = self._executed(now_ns)
        ended = self._frozen is not None
        left = report.steps - executed
        return ExecutedSteps(
            session=chunk.session,
            generation=chunk.generation,
            sequence=chunk.sequence,
            horizon=chunk.horizon,
            first_step=report.first_step,
            dropped=report.late_steps + report.expired_steps + (left if ended else 0),
            executed=executed,
            remaining=0 if ended else left,
            total=self._total_before + executed,
            due_ns=chunk.due_ns(report.first_step + executed - 1) if executed else 0,
        )
