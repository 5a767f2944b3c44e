"""One episode being recorded: messages go through a bounded queue to a thread that writes and watches."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mivla_ros.episodes.bag_writer import BagWriter, RecordingError
from mivla_ros.episodes.recording.audit import EpisodeAudit
from mivla_ros.episodes.recording.conditions import disk_full
from mivla_ros.episodes.recording.episode_info import EpisodeEnd, end_data
from mivla_ros.episodes.recording.verdict import Finding, Measured, Verdict, judge, overall
from mivla_ros.stop_reasons import Reason, Stop

LOOK_SECONDS = 0.5  # between two looks at folder and disk


@dataclass(frozen=True)
class RawMessage:
    """One message as the middleware gave it. Times in ns: arrival on the recorder's clock, published on the wall's.
    sequence: the publisher's count, 0 where it is not known."""

    topic: str
    arrival_ns: int
    data: bytes
    published_ns: int = 0
    sequence: int = 0


@dataclass(frozen=True)
class RecordingOptions:
    """flush_seconds: what a kill may cost. min_free: bytes left on the disk below which it stops. queue: bytes that may
    wait to be written."""

    flush_seconds: float = 0.5
    min_free: int = 200_000_000
    queue: int = 256_000_000


@dataclass(frozen=True)
class EpisodeResult:
    """A finished episode. failure: why it ended early, None where somebody ended it; whole: the file is finished."""

    folder: Path
    measured: Measured
    findings: list[Finding]
    verdict: Verdict
    failure: Stop | None
    whole: bool


class EpisodeRecording:
    """``offer`` never waits; ``failure`` is set when it cannot go on, and then the file is finished by ``stop``."""

    def __init__(
        self,
        writer: BagWriter,
        audit: EpisodeAudit,
        now_ns: Callable[[], int],
        options: RecordingOptions,
    ) -> None:
        """now_ns: the clock of the arrivals."""
        self.writer, self.audit = writer, audit
        self.failure: Stop | None = None
        self.unfinished = ""
        self.began_ns = now_ns()
        self._now_ns, self._options = now_ns, options
        self._queue: queue.SimpleQueue[RawMessage | None] = queue.SimpleQueue()
        self._waiting = 0  # bytes in the queue
        self._waiting_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="bag writer")
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where it is written."""
        return self.writer.folder

    def offer(self, message: RawMessage) -> None:
        """Queue one message; counted as dropped where the disk is that much too slow, or writing has failed."""
        with self._waiting_lock:
            full = self._waiting + len(message.data) > self._options.queue
            if not full:
                self._waiting += len(message.data)
        if full or self.failure is not None:
            self.audit.drop(message.topic)
            return
        self._queue.put(message)

    def fail(self, reason: Stop) -> None:
        """End it early for a reason seen elsewhere, such as a jump of the clock."""
        self.failure = self.failure or reason

    def stop(self, end: EpisodeEnd, extra: Mapping[str, str] | None = None) -> EpisodeResult:
        """Write what waits, judge, finish the file. May take as long as the disk does."""
        now_ns = self._now_ns()
        self._queue.put(None)
        self._thread.join()
        self.audit.close()
        measured = self.audit.measured(now_ns)
        findings = judge(measured, self.audit.limits)
        if self.failure is not None:
            findings.insert(0, Finding(Verdict.REDO, "recorder", f"stopped early: {self.failure}"))
        verdict = overall(findings)
        data = end_data(end, measured, findings, verdict) | dict(extra or {})
        if self.failure is not None:
            data["stop_reason"] = f"{self.failure.reason.name}: {self.failure}"
        self.writer.set_custom_data(data)
        whole = self._finish()
        if not whole:
            findings.insert(
                0,
                Finding(
                    Verdict.REDO, "recorder", f"file not finished, `mivla episodes repair` may help: {self.unfinished}"
                ),
            )
        return EpisodeResult(self.folder, measured, findings, overall(findings), self.failure, whole)

    def _finish(self) -> bool:
        gone = self.writer.gone()
        if gone is not None:
            self.fail(gone)
            self.writer.set_custom_data({"stop_reason": f"{gone.reason.name}: {gone}"})
        broken = self.failure is not None and self.failure.reason is not Reason.CLOCK_JUMP
        try:
            if broken:
                self.writer.rescue()
            else:
                self.writer.close()
        except RecordingError as error:
            self.fail(_reason(error))
            if broken:
                return self._abandon(error)
            try:
                self.writer.set_custom_data({"stop_reason": f"{_reason(error).reason.name}: {error}"})
                self.writer.rescue()
            except RecordingError as second:
                return self._abandon(second)
        return True

    def _abandon(self, error: RecordingError) -> bool:
        self.unfinished = str(error)
        self.writer.abandon()
        return False

    # ---- the thread ----

    def _run(self) -> None:
        flushed = looked = time.monotonic()
        step = self._options.flush_seconds / 4
        while True:
            try:
                message = self._queue.get(timeout=step)
            except queue.Empty:
                message = None
            else:
                if message is None:
                    return
                self._write(message)
            now = time.monotonic()
            if now - flushed > self._options.flush_seconds:
                flushed = now
                self._guard(lambda: self.writer.flush(to_disk=True))
            if now - looked > LOOK_SECONDS:
                looked = now
                self.failure = self.failure or self.writer.gone() or disk_full(self.folder, self._options.min_free)

    def _write(self, message: RawMessage) -> None:
        with self._waiting_lock:
            self._waiting -= len(message.data)
        if self.failure is not None:
            self.audit.drop(message.topic)
            return
        topic, stamp_ns, data = message.topic, message.arrival_ns, message.data
        self._guard(
            lambda: self.writer.write(topic, stamp_ns, data, message.published_ns, message.sequence & 0xFFFFFFFF)
        )
        if self.failure is None:
            self.audit.see(topic, stamp_ns, data, message.sequence)
        else:
            self.audit.drop(topic)

    def _guard(self, work: Callable[[], None]) -> None:
        if self.failure is not None:
            return
        try:
            work()
        except RecordingError as error:
            self.failure = self.writer.gone() or _reason(error)


def _reason(error: RecordingError) -> Stop:
    reason = Reason.DISK_FULL if error.full else Reason.RECORDING_FAILED
    return Stop(reason, error.path, message=str(error))
