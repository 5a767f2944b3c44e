"""Which chunks are obeyed: the time contract of docs/architecture.md, chunk by chunk."""

from dataclasses import dataclass

from mivla_ros.action_chunk import ActionChunk, ActionChunkError, check_chunk
from mivla_ros.retargeting.errors import RetargetingError, refuse
from mivla_ros.stop_reasons import Reason, Stop


@dataclass(frozen=True)
class AcceptanceOptions:
    """Times in nanoseconds. session_timeout: silence after which another policy node's session may take over.
    max_delay: a first step due later than this from now is no plan for now. max_duration: longest chunk.
    """

    session_timeout_ns: int = 1_000_000_000
    max_delay_ns: int = 5_000_000_000
    max_duration_ns: int = 60_000_000_000


MAX_GENERATION = 2**31
"""Far above what resets and releases ever count to, and low enough that a release can still raise it."""


class Acceptance:
    """Remembers whose chunks are obeyed: one session, its newest sequence, and the generation."""

    def __init__(self, robot: str, options: AcceptanceOptions) -> None:
        self._robot = robot
        self._options = options
        self._session: bytes | None = None
        self._heard_ns = 0
        self._sequence = 0
        self._begun = False
        self.generation = 0

    @property
    def session(self) -> bytes | None:
        """Whose chunks are obeyed; None before the first."""
        return self._session

    def is_newest(self, generation: int, sequence: int) -> bool:
        """No chunk newer than that one has been accepted from the obeyed session."""
        return generation == self.generation and sequence >= self._sequence

    def check(self, chunk: ActionChunk, now_ns: int) -> None:
        """Raise RetargetingError with the reason where a chunk may not be obeyed now. Changes nothing but who
        was heard.
        """
        self._check_session(chunk, now_ns)
        try:
            check_chunk(chunk)
        except ActionChunkError as error:
            raise RetargetingError(
                Stop(Reason.CHUNK_INVALID, error.field, error.value, error.limit, "", str(error))
            ) from error
        if chunk.robot and chunk.robot != self._robot:
            raise refuse(
                Reason.CHUNK_INVALID,
                "robot",
                f"the chunk is meant for {chunk.robot!r}, this is {self._robot!r}",
            )
        if chunk.generation > MAX_GENERATION:
            raise refuse(Reason.CHUNK_OUT_OF_RANGE, "generation", "", chunk.generation, MAX_GENERATION)
        if not self._begun and chunk.executed_sequence:
            self.generation = max(self.generation, chunk.generation)
            words = "steps of this policy were executed before this node was there; call mivla/release"
            raise refuse(Reason.RESTARTED, "executed_sequence of the first chunk", words, chunk.executed_sequence, 0)
        if chunk.generation < self.generation:
            raise refuse(Reason.CHUNK_OUTDATED, "generation", "", chunk.generation, self.generation)
        if chunk.session == self._session and chunk.sequence <= self._sequence:
            words = "sequence must be above the newest accepted one"
            raise refuse(Reason.CHUNK_OUTDATED, "sequence", words, chunk.sequence, self._sequence)
        duration_ns, delay_ns = chunk.horizon * chunk.step_ns, chunk.first_step_ns - now_ns
        if duration_ns > self._options.max_duration_ns:
            limit = self._options.max_duration_ns / 1e9
            raise refuse(Reason.CHUNK_OUT_OF_RANGE, "duration", "", duration_ns / 1e9, limit, "s")
        if delay_ns > self._options.max_delay_ns:
            limit = self._options.max_delay_ns / 1e9
            words = "the first step is due too far ahead"
            raise refuse(Reason.CHUNK_OUT_OF_RANGE, "delay of the first step", words, delay_ns / 1e9, limit, "s")
        if now_ns > chunk.valid_until_ns:
            raise refuse(
                Reason.CHUNK_EXPIRED,
                "time since valid_until",
                "",
                (now_ns - chunk.valid_until_ns) / 1e9,
                0.0,
                "s",
            )

    def _check_session(self, chunk: ActionChunk, now_ns: int) -> None:
        silence_ns = now_ns - self._heard_ns
        if self._session is not None and chunk.session != self._session:
            if 0 <= silence_ns <= self._options.session_timeout_ns:
                words = f"another policy node was heard {silence_ns / 1e9:.3g} s ago"
                limit = self._options.session_timeout_ns / 1e9
                raise refuse(
                    Reason.CHUNK_FOREIGN_SESSION,
                    "silence of the obeyed session",
                    words,
                    silence_ns / 1e9,
                    limit,
                    "s",
                )
        elif chunk.session == self._session:
            self._heard_ns = now_ns

    def accept(self, chunk: ActionChunk, now_ns: int) -> None:
        """Remember a chunk that is going to move the robot."""
        self._session, self._heard_ns = chunk.session, now_ns
        self._sequence, self.generation, self._begun = chunk.sequence, chunk.generation, True

    def raise_generation(self) -> int:
        """Refuse everything of the generation obeyed so far; returns the new one."""
        self._begun = True
        self.generation += 1
        return self.generation
