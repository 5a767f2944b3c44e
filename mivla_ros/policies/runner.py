"""Runs a policy by the time contract: observation in, stamped chunk out, or the named reason why there is
none.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from math import inf, nan
from threading import Lock

from mivla_ros.action_chunk import NANOSECONDS, ActionChunk, ActionChunkError, check_chunk
from mivla_ros.observation import Observation
from mivla_ros.observations import Synchroniser
from mivla_ros.policies.policy import Actions, Cancellable, Policy, PolicyError, PolicyUnavailableError, Progress
from mivla_ros.robots.profile import RobotProfile
from mivla_ros.stop_reasons import RUNNING, Reason, Stop

RATE_WINDOW_NS = 5 * NANOSECONDS
LATE_COUNT = 10  # chunks taken up whose late steps are remembered
KEPT_CHUNKS = 32


class PolicyState(IntEnum):
    """State of a running policy; values as in mivla_msgs/PolicyStatus."""

    INACTIVE = 1
    WAITING = 2
    RUNNING = 3
    STOPPED = 4
    FAILED = 5


@dataclass(frozen=True)
class RunnerStatus:
    """What a runner is doing; fields as in mivla_msgs/PolicyStatus. refused counts observations, dropped
    whole answers.
    """

    state: PolicyState
    reason: Stop
    instruction: str
    generation: int
    sequence: int
    inference_seconds: float
    chunk_rate: float
    observation_age: float
    refused: int
    dropped: int


@dataclass(frozen=True)
class RunnerOptions:
    """retry: s until the next try after a refused observation. deadline: s an inference may take; 0: its
    chunk's whole length.
    """

    retry: float = 0.05
    deadline: float = 0.0


class PolicyRunner:
    """One policy of one session. ``step`` is called by one worker thread; everything else may be called from
    others.

    A reset (new instruction, new episode, newer generation of the consumer) raises the generation at once and
    reaches the policy before its next inference; an answer that was under way meanwhile is dropped.
    """

    def __init__(
        self,
        policy: Policy,
        profile: RobotProfile,
        synchroniser: Synchroniser,
        clock: Callable[[], int],
        session: bytes,
        needs_instruction: bool = True,
        options: RunnerOptions | None = None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        """clock: now, in ns of the ROS clock. session: 16 bytes that no other run of a policy node has. stopwatch: s,
        for how long an inference takes; a simulated clock is too coarse for that.
        """
        self.policy = policy
        self.session = session
        self._profile = profile
        self._synchroniser = synchroniser
        self._clock, self._stopwatch = clock, stopwatch
        self._needs_instruction = needs_instruction
        self._options = options or RunnerOptions()
        self._lock = Lock()
        self._wanted = False
        self._pending_reset = True
        self._instruction, self._seed = "", 0
        self._blocked: Stop | None = None
        self._awaited: Stop | None = None
        self._progress = Progress()
        self._next_ns = 0
        self._slot_ns = -(2**62)
        self._last_stamp_ns = -1
        self._times: deque[int] = deque(maxlen=1000)
        self._status = RunnerStatus(PolicyState.INACTIVE, RUNNING, "", 0, 0, nan, 0.0, nan, 0, 0)

    # ---- asked from outside ----

    def start(self) -> None:
        """Begin, or go on."""
        with self._lock:
            self._wanted = True
            if self._status.state is PolicyState.INACTIVE:
                self._set(PolicyState.WAITING, RUNNING)
            self._next_ns = 0

    def stop(self, reason: Stop = RUNNING) -> None:
        """Give no more chunks; ``reason`` says why, for the status."""
        with self._lock:
            self._wanted = False
            self._set(PolicyState.INACTIVE, reason)
        self._cancel()

    def reset(self, instruction: str, seed: int) -> int:
        """Begin anew with these words; returns the new generation."""
        with self._lock:
            self._instruction, self._seed = instruction, seed
            self._begin_generation(self._status.generation + 1)
            generation = self._status.generation
        self._cancel()
        return generation

    @property
    def instruction(self) -> str:
        """The words it works by."""
        return self._instruction

    def adopt_generation(self, generation: int) -> bool:
        """Take over a newer generation of the consumer, after a stop or release there; True where that was
        newer.
        """
        with self._lock:
            if generation <= self._status.generation:
                return False
            self._begin_generation(generation)
        self._cancel()
        return True

    def block(self, reason: Stop | None) -> None:
        """The consumer has stopped, for this reason; None: it obeys chunks again."""
        with self._lock:
            self._blocked = reason

    def wait_for(self, reason: Stop | None) -> None:
        """Nobody is there yet who would execute a chunk, for this reason; None: somebody is."""
        with self._lock:
            self._awaited = reason

    def report_executed(
        self, session: bytes, sequence: int, executed_steps: int, total: int, first_step: int = 0
    ) -> None:
        """What the robot has really done. Reports about another session's chunks are not ours."""
        with self._lock:
            if session != self.session:
                return
            before = self._progress
            late, chunks = before.late_steps, before.chunks
            if sequence != before.sequence:
                late = (*late, first_step)[-LATE_COUNT:]
                chunks = tuple(chunk for chunk in chunks if chunk.sequence >= sequence)
            self._progress = Progress(sequence, executed_steps, total, first_step, late, chunks)

    def status(self) -> RunnerStatus:
        """What it is doing now."""
        with self._lock:
            now_ns = self._clock()
            while self._times and not 0 <= now_ns - self._times[0] <= RATE_WINDOW_NS:
                self._times.popleft()
            rate = 0.0
            if len(self._times) > 1 and self._times[-1] > self._times[0]:
                rate = (len(self._times) - 1) * NANOSECONDS / (self._times[-1] - self._times[0])
            return replace(self._status, chunk_rate=rate, instruction=self._instruction)

    # ---- the worker ----

    def step(self) -> ActionChunk | None:
        """Infer if it is time to; the chunk to publish, or None. Never raises for what a policy or a stream
        does wrong.
        """
        with self._lock:
            now_ns = self._clock()
            if self._next_ns - now_ns > 10 * NANOSECONDS:
                self._next_ns = 0  # the clock was set back
            if not self._wanted or self._status.state is PolicyState.FAILED or now_ns < self._next_ns:
                return None
            self._next_ns = now_ns + round(self._options.retry * 1e9)
            obstacle = self._obstacle()
            if obstacle is not None:
                self._set(PolicyState.STOPPED if self._blocked else PolicyState.WAITING, obstacle)
                return None
            generation, instruction, seed = self._status.generation, self._instruction, self._seed
            must_reset, self._pending_reset = self._pending_reset, False
        if must_reset:
            self._synchroniser.look_anew()
            try:
                self.policy.reset(instruction, seed)
            except PolicyError as error:
                self._fail(generation, error)
                return None
        seen = self._synchroniser.observe(now_ns, instruction)
        if isinstance(seen, Stop):
            self._refuse(seen)
            return None
        if seen.stamp_ns == self._last_stamp_ns and not must_reset:
            with self._lock:
                self._next_ns = now_ns + NANOSECONDS // 200  # nothing new to see yet
            return None
        with self._lock:
            progress = self._progress
        start_ns, began = self._clock(), self._stopwatch()
        try:
            actions = self.policy.infer(seen, progress)
        except PolicyUnavailableError as error:
            self._wait(generation, error)
            return None
        except PolicyError as error:
            self._fail(generation, error)
            return None
        except Exception as error:  # a policy is foreign code; whatever it raises must not end the node
            name = self.policy.spec.name
            self._fail(generation, PolicyError(name, f"{type(error).__name__}: {error}"))
            return None
        seconds = self._stopwatch() - began
        return self._finish(seen, actions, generation, instruction, progress, start_ns, self._clock(), seconds)

    def _finish(
        self,
        seen: Observation,
        actions: Actions,
        generation: int,
        instruction: str,
        progress: Progress,
        start_ns: int,
        end_ns: int,
        seconds: float,
    ) -> ActionChunk | None:
        """Stamp an answer, check it, and give it out unless it has come too late."""
        spec = self.policy.spec
        with self._lock:
            self._last_stamp_ns = seen.stamp_ns
            self._status = replace(
                self._status,
                inference_seconds=seconds,
                observation_age=(start_ns - seen.stamp_ns) / 1e9,
            )
            if generation != self._status.generation or not self._wanted:
                self._status = replace(self._status, dropped=self._status.dropped + 1)
                return None
            self._next_ns = self._next_slot(start_ns, round(spec.period_seconds * 1e9))
            try:
                chunk = self._chunk(seen, actions, progress, instruction, start_ns, end_ns)
                self._check(chunk)
            except (ActionChunkError, ValueError) as error:
                value, limit = getattr(error, "value", nan), getattr(error, "limit", nan)
                subject = getattr(error, "field", spec.name)
                self._drop(Stop(Reason.POLICY_OUTPUT_INVALID, subject, value, limit, message=str(error)))
                return None
            deadline = self._options.deadline or inf
            if seconds > deadline or end_ns > chunk.valid_until_ns:
                whole = (chunk.valid_until_ns - start_ns) / 1e9
                self._drop(Stop(Reason.POLICY_DEADLINE, "inference", seconds, min(deadline, whole), "s"))
                return None
            self._status = replace(self._status, sequence=chunk.sequence)
            self._progress = replace(self._progress, chunks=(*self._progress.chunks, chunk)[-KEPT_CHUNKS:])
            self._times.append(end_ns)
            if actions.finished:
                self._wanted = False
                self._set(
                    PolicyState.INACTIVE,
                    Stop(Reason.POLICY_FINISHED, spec.name, message="nothing more to do"),
                )
            else:
                self._set(PolicyState.RUNNING, RUNNING)
            return chunk

    def _next_slot(self, start_ns: int, period_ns: int) -> int:
        """When to infer again after an inference that began at start_ns. Waiting for an image makes it begin a little
        late; that does not add up, so the rate is kept. The lock is held.
        """
        due_ns = self._slot_ns + period_ns
        self._slot_ns = due_ns if 0 <= start_ns - due_ns < period_ns // 2 else start_ns
        return self._slot_ns + period_ns

    def _chunk(
        self,
        seen: Observation,
        actions: Actions,
        progress: Progress,
        instruction: str,
        start_ns: int,
        end_ns: int,
    ) -> ActionChunk:
        spec = self.policy.spec
        step_ns = round(actions.step_seconds * 1e9)
        first_ns = seen.stamp_ns + round(actions.first_step_seconds * 1e9)
        horizon = actions.horizon
        return ActionChunk(
            frame_id=spec.frame_id,
            first_step_ns=first_ns,
            step_ns=step_ns,
            horizon=horizon,
            arms=actions.arms,
            observation_ns=seen.stamp_ns,
            oldest_observation_ns=seen.oldest_ns,
            inference_start_ns=start_ns,
            inference_end_ns=end_ns,
            valid_until_ns=first_ns + horizon * step_ns,
            session=self.session,
            generation=self._status.generation,
            sequence=self._status.sequence + 1,
            executed_sequence=progress.sequence,
            executed_steps=progress.executed_steps,
            policy=spec.name,
            model_revision=spec.revision,
            instruction=instruction,
            robot=self._profile.name,
            body=actions.body,
        )

    def _check(self, chunk: ActionChunk) -> None:
        check_chunk(chunk)
        names = [arm.name for arm in self._profile.arms]
        for arm in chunk.arms:
            if arm.name not in names:
                raise ActionChunkError(
                    "arms", f"{arm.name!r} is not an arm of {self._profile.name!r}, which has {names}"
                )

    def _obstacle(self) -> Stop | None:
        """What stands against inferring at all; the lock is held."""
        if self._blocked is not None:
            return self._blocked
        if self._awaited is not None:
            return self._awaited
        if self._needs_instruction and not self._instruction.strip():
            return Stop(Reason.INSTRUCTION_MISSING, "instruction", message="nobody has said what to do")
        return None

    def _refuse(self, reason: Stop) -> None:
        with self._lock:
            self._status = replace(self._status, refused=self._status.refused + 1)
            if self._wanted:
                self._set(PolicyState.WAITING, reason)

    def _drop(self, reason: Stop) -> None:
        """The lock is held."""
        self._status = replace(self._status, dropped=self._status.dropped + 1)
        self._set(PolicyState.WAITING, reason)

    def _wait(self, generation: int, error: PolicyUnavailableError) -> None:
        """No answer to this observation; the next one is tried after ``retry``."""
        with self._lock:
            self._status = replace(self._status, dropped=self._status.dropped + 1)
            if generation == self._status.generation and self._wanted:
                self._set(PolicyState.WAITING, error.reason)

    def _cancel(self) -> None:
        """What is being inferred is not wanted any more."""
        if isinstance(self.policy, Cancellable):
            self.policy.cancel()

    def _fail(self, generation: int, error: PolicyError) -> None:
        with self._lock:
            if generation == self._status.generation:
                self._set(PolicyState.FAILED, Stop(Reason.POLICY_FAILED, error.subject, message=str(error)))

    def _begin_generation(self, generation: int) -> None:
        """The lock is held."""
        self._pending_reset = True
        before = self._progress
        self._progress = Progress(total_executed_steps=before.total_executed_steps, late_steps=before.late_steps)
        self._next_ns = 0
        self._status = replace(self._status, generation=generation)
        if self._status.state is not PolicyState.INACTIVE:
            self._set(PolicyState.WAITING, RUNNING)

    def _set(self, state: PolicyState, reason: Stop) -> None:
        self._status = replace(self._status, state=state, reason=reason)
