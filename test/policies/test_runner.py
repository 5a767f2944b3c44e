from dataclasses import dataclass, field

import numpy as np
import pytest

from mivla_ros.action_chunk import ArmActions, Space
from mivla_ros.observation import Observation
from mivla_ros.observations import Synchroniser
from mivla_ros.policies.policy import Actions, PolicyError, PolicySpec, Progress
from mivla_ros.policies.runner import PolicyRunner, PolicyState, RunnerOptions
from mivla_ros.robots.profile import load_profile
from mivla_ros.stop_reasons import Reason, Stop

PROFILE = load_profile("piper")
SESSION = bytes(range(16))
MS = 1_000_000
HOLD = ArmActions("arm", Space.EEF, "tcp", eef=np.tile([0.3, 0, 0.2, 1, 0, 0, 0], (8, 1)), gripper=np.ones(8))
ANSWER = Actions((HOLD,), 0.02, 0.05)
SPEC = PolicySpec("fake", "r1", (), "base_link", 8, 0.05, 0.2)


@dataclass
class FakePolicy:
    """Answers the same each time; ``during`` is called while it infers."""

    answer: Actions = ANSWER
    error: Exception | None = None
    during: object = None
    resets: list[tuple[str, int]] = field(default_factory=list)
    seen: list[tuple[Observation, Progress]] = field(default_factory=list)
    reset_error: PolicyError | None = None
    spec: PolicySpec = SPEC

    def reset(self, instruction: str, seed: int) -> None:
        if self.reset_error is not None:
            raise self.reset_error
        self.resets.append((instruction, seed))

    def infer(self, observation: Observation, progress: Progress) -> Actions:
        self.seen.append((observation, progress))
        if callable(self.during):
            self.during()
        if self.error is not None:
            raise self.error
        return self.answer

    def close(self) -> None: ...


class Bench:
    """A runner with a clock to set and joints to feed."""

    def __init__(self, policy: FakePolicy | None = None, needs_instruction: bool = True, **options: float) -> None:
        self.now_ns = 1000 * MS
        self.policy = policy or FakePolicy()
        self.synchroniser = Synchroniser(PROFILE.arms, (), lambda arm, q: np.array([*q[:3], 1.0, 0, 0, 0]))
        self.runner = PolicyRunner(
            self.policy,
            PROFILE,
            self.synchroniser,
            lambda: self.now_ns,
            SESSION,
            needs_instruction,
            RunnerOptions(**options),
            stopwatch=lambda: self.now_ns / 1e9,
        )

    def begin(self, words: str = "go") -> "Bench":
        self.runner.reset(words, 3)
        self.runner.start()
        return self

    def joints(self) -> None:
        self.synchroniser.add_joints(self.now_ns, PROFILE.joint_names, [0.1] * 7)

    def step(self, later_ms: int = 200):
        self.now_ns += later_ms * MS
        self.joints()
        return self.runner.step()


def test_a_chunk_carries_the_whole_time_contract() -> None:
    policy = FakePolicy()
    bench = Bench(policy).begin()
    bench.runner.report_executed(SESSION, 41, 5, 99)
    policy.during = lambda: setattr(bench, "now_ns", bench.now_ns + 30 * MS)
    stamp = bench.now_ns + 200 * MS
    chunk = bench.step()
    assert (chunk.observation_ns, chunk.oldest_observation_ns) == (stamp, stamp)
    assert chunk.first_step_ns == stamp + 20 * MS
    assert (chunk.step_ns, chunk.horizon) == (50 * MS, 8)
    assert (chunk.inference_start_ns, chunk.inference_end_ns) == (stamp, stamp + 30 * MS)
    assert chunk.valid_until_ns == chunk.first_step_ns + 8 * 50 * MS
    assert (chunk.session, chunk.generation, chunk.sequence) == (SESSION, 1, 1)
    assert (chunk.executed_sequence, chunk.executed_steps) == (41, 5)
    assert (chunk.policy, chunk.model_revision, chunk.instruction, chunk.robot) == (
        "fake",
        "r1",
        "go",
        "piper",
    )
    assert chunk.frame_id == "base_link"


def test_sequences_rise_by_one_and_never_start_again() -> None:
    bench = Bench().begin()
    sequences = [bench.step().sequence for _ in range(3)]
    bench.runner.reset("something else", 4)
    sequences.append(bench.step().sequence)
    assert sequences == [1, 2, 3, 4]


def test_it_infers_once_a_period() -> None:
    bench = Bench().begin()
    chunks = [bench.step(10) for _ in range(100)]
    assert sum(chunk is not None for chunk in chunks) == 5


def test_it_does_not_look_twice_at_the_same_moment() -> None:
    bench = Bench().begin()
    bench.step()
    for _ in range(15):
        bench.now_ns += 10 * MS
        assert bench.runner.step() is None
    assert len(bench.policy.seen) == 1


def test_nothing_is_inferred_before_it_is_started_nor_after_a_stop() -> None:
    bench = Bench()
    bench.runner.reset("go", 0)
    assert bench.step() is None
    assert bench.runner.status().state is PolicyState.INACTIVE
    bench.runner.start()
    assert bench.step() is not None
    bench.runner.stop(Stop(Reason.TASK_CANCELLED))
    assert bench.step() is None
    status = bench.runner.status()
    assert (status.state, status.reason.reason) == (PolicyState.INACTIVE, Reason.TASK_CANCELLED)


def test_a_stale_stream_is_refused_counted_and_named() -> None:
    bench = Bench().begin()
    bench.step()
    bench.now_ns += 500 * MS
    assert bench.runner.step() is None
    status = bench.runner.status()
    assert (status.state, status.refused) == (PolicyState.WAITING, 1)
    assert (status.reason.reason, status.reason.subject) == (Reason.STREAM_STALE, "joint_states")
    assert bench.step() is not None
    assert bench.runner.status().reason.reason is Reason.NONE


def test_without_words_it_waits_unless_none_are_needed() -> None:
    bench = Bench().begin("  ")
    assert bench.step() is None
    assert bench.runner.status().reason.reason is Reason.INSTRUCTION_MISSING
    assert Bench(needs_instruction=False).begin("").step() is not None


def test_a_reset_raises_the_generation_and_reaches_the_policy_first() -> None:
    bench = Bench().begin("first")
    assert bench.step().generation == 1
    assert bench.runner.reset("second", 9) == 2
    assert bench.policy.resets == [("first", 3)]
    chunk = bench.step()
    assert (chunk.generation, chunk.instruction) == (2, "second")
    assert bench.policy.resets == [("first", 3), ("second", 9)]


def test_an_answer_begun_before_a_reset_is_dropped() -> None:
    policy = FakePolicy()
    bench = Bench(policy).begin()
    policy.during = lambda: bench.runner.reset("other", 0)
    assert bench.step() is None
    policy.during = None
    assert bench.runner.status().dropped == 1
    assert bench.step(10).instruction == "other"


def test_a_newer_generation_of_the_consumer_is_taken_over_with_a_reset() -> None:
    bench = Bench().begin()
    bench.step()
    assert bench.runner.adopt_generation(7)
    assert not bench.runner.adopt_generation(7)
    assert not bench.runner.adopt_generation(3)
    assert bench.step().generation == 7
    assert len(bench.policy.resets) == 2


def test_a_stopped_consumer_stops_it_until_released() -> None:
    bench = Bench().begin()
    bench.runner.block(Stop(Reason.OPERATOR_STOP, "button"))
    assert bench.step() is None
    status = bench.runner.status()
    assert (status.state, status.reason.subject) == (PolicyState.STOPPED, "button")
    bench.runner.block(None)
    assert bench.step() is not None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PolicyError("fake", "no more"), "no more"),
        (ZeroDivisionError("of all things"), "ZeroDivisionError: of all things"),
    ],
)
def test_a_policy_that_raises_has_failed_until_a_reset(error: Exception, words: str) -> None:
    policy = FakePolicy(error=error)
    bench = Bench(policy).begin()
    assert bench.step() is None
    status = bench.runner.status()
    assert (status.state, status.reason.reason) == (PolicyState.FAILED, Reason.POLICY_FAILED)
    assert words in str(status.reason)
    policy.error = None
    assert bench.step() is None
    bench.begin()
    assert bench.step() is not None


def test_a_policy_that_cannot_do_what_is_asked_has_failed() -> None:
    bench = Bench(FakePolicy(reset_error=PolicyError("fake", "cannot fly"))).begin("fly")
    assert bench.step() is None
    assert "cannot fly" in str(bench.runner.status().reason)


@pytest.mark.parametrize(
    ("arm", "subject"),
    [
        (ArmActions("arm", Space.EEF, "tcp", eef=np.full((8, 7), np.nan)), "arm 'arm' eef_poses"),
        (
            ArmActions("arm", Space.EEF, "tcp", eef=HOLD.eef, gripper=np.full(8, 1.5)),
            "arm 'arm' gripper_openings",
        ),
        (ArmActions("leg", Space.EEF, "tcp", eef=HOLD.eef), "arms"),
        (ArmActions("arm", Space.EEF, "tcp"), "horizon"),
    ],
)
def test_an_invalid_answer_is_never_given_out(arm: ArmActions, subject: str) -> None:
    policy = FakePolicy(answer=Actions((arm,), 0.0, 0.05))
    bench = Bench(policy).begin()
    assert bench.step() is None
    status = bench.runner.status()
    assert (status.state, status.reason.reason) == (PolicyState.WAITING, Reason.POLICY_OUTPUT_INVALID)
    assert (status.reason.subject, status.sequence, status.dropped) == (subject, 0, 1)
    policy.answer = Actions((HOLD,), 0.0, 0.05)
    assert bench.step().sequence == 1


@pytest.mark.parametrize(("takes_ms", "options"), [(110, {"deadline": 0.1}), (430, {})])
def test_an_answer_that_comes_too_late_is_dropped_with_its_time(takes_ms: int, options: dict[str, float]) -> None:
    policy = FakePolicy()
    bench = Bench(policy, **options).begin()
    policy.during = lambda: setattr(bench, "now_ns", bench.now_ns + takes_ms * MS)
    assert bench.step() is None
    status = bench.runner.status()
    assert status.reason.reason is Reason.POLICY_DEADLINE
    assert status.reason.value == pytest.approx(takes_ms / 1e3)
    assert status.reason.limit == pytest.approx(options.get("deadline", 0.42))


def test_a_finished_policy_gives_its_last_chunk_and_no_more() -> None:
    bench = Bench(FakePolicy(answer=Actions((HOLD,), 0.0, 0.05, finished=True))).begin()
    assert bench.step() is not None
    status = bench.runner.status()
    assert (status.state, status.reason.reason) == (PolicyState.INACTIVE, Reason.POLICY_FINISHED)
    assert bench.step() is None
    assert len(bench.policy.seen) == 1


def test_progress_is_that_of_its_own_session_and_generation() -> None:
    bench = Bench().begin()
    bench.runner.report_executed(bytes(16), 5, 3, 8)
    bench.step()
    bench.runner.report_executed(SESSION, 1, 3, 8)
    bench.step()
    bench.runner.reset("go on", 0)
    bench.step()
    counts = [(p.sequence, p.executed_steps, p.total_executed_steps) for _, p in bench.policy.seen]
    assert counts == [(0, 0, 0), (1, 3, 8), (0, 0, 8)]


def test_a_policy_hears_which_chunks_are_under_way_and_how_late_they_were_taken_up() -> None:
    bench = Bench().begin()
    given = [bench.step(), bench.step(), bench.step()]
    bench.runner.report_executed(SESSION, 1, 1, 1, 2)
    bench.runner.report_executed(SESSION, 1, 4, 4, 2)
    bench.runner.report_executed(SESSION, 2, 1, 5, 3)
    bench.step()
    progress = bench.policy.seen[-1][1]
    assert progress.late_steps == (2, 3)
    assert progress.first_step == 3
    assert progress.chunks == tuple(given[1:])
    bench.runner.reset("go on", 0)
    bench.step()
    after = bench.policy.seen[-1][1]
    assert (after.chunks, after.late_steps) == ((), (2, 3))


def test_waiting_for_images_does_not_slow_the_rate_down() -> None:
    """Looked at every 70 ms, a period of 200 ms is kept on average, not rounded up to 210 ms."""
    bench = Bench(FakePolicy()).begin()
    period = bench.policy.spec.period_seconds
    begun = [chunk.inference_start_ns for chunk in (bench.step(70) for _ in range(400)) if chunk is not None]
    assert np.diff(begun).mean() / 1e9 == pytest.approx(period, rel=0.02)


def test_the_status_tells_times_and_rates() -> None:
    policy = FakePolicy()
    bench = Bench(policy).begin()
    policy.during = lambda: setattr(bench, "now_ns", bench.now_ns + 20 * MS)
    for _ in range(10):
        bench.step(200)
    status = bench.runner.status()
    assert status.inference_seconds == pytest.approx(0.02)
    assert status.observation_age == pytest.approx(0.0)
    assert status.chunk_rate == pytest.approx(1 / 0.22)
    bench.now_ns += 6000 * MS
    assert bench.runner.status().chunk_rate == 0.0


def test_a_clock_set_back_does_not_silence_it() -> None:
    bench = Bench().begin()
    bench.now_ns += 100_000 * MS
    bench.step()
    bench.now_ns = 500 * MS
    assert any(bench.step(20) is not None for _ in range(30))


def test_it_waits_for_somebody_who_executes_its_chunks() -> None:
    bench = Bench().begin()
    bench.runner.wait_for(Stop(Reason.STREAM_MISSING, "mivla/retargeting_status"))
    assert bench.step() is None
    status = bench.runner.status()
    assert (status.state, status.reason.subject) == (PolicyState.WAITING, "mivla/retargeting_status")
    bench.runner.wait_for(None)
    assert bench.step() is not None
