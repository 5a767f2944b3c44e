from math import nan

import pytest

from mivla_ros.policies.runner import PolicyState
from mivla_ros.policies.task_outcome import Judgement, Outcome, TaskLimits, task_outcome
from mivla_ros.stop_reasons import RUNNING, Reason, Stop

LIMITS = TaskLimits(timeout=60.0, patience=3.0)
FINISHED = Stop(Reason.POLICY_FINISHED, "scripted")
STALE = Stop(Reason.STREAM_STALE, "head_camera", 0.7, 0.5, "s")
OPEN = Judgement(completion=0.5)


@pytest.mark.parametrize(
    ("seconds", "since", "state", "reason", "judgement", "outcome"),
    [
        (5, 5, PolicyState.RUNNING, RUNNING, OPEN, None),
        (5, 5, PolicyState.RUNNING, RUNNING, None, None),
        (5, 5, PolicyState.RUNNING, RUNNING, Judgement(success=True), Outcome.SUCCEEDED),
        (99, 5, PolicyState.WAITING, STALE, Judgement(success=True), Outcome.SUCCEEDED),
        (5, 5, PolicyState.RUNNING, RUNNING, Judgement(failure="it fell"), Outcome.STOPPED),
        (5, 0, PolicyState.FAILED, Stop(Reason.POLICY_FAILED), OPEN, Outcome.STOPPED),
        (5, 0, PolicyState.STOPPED, Stop(Reason.OPERATOR_STOP), OPEN, Outcome.STOPPED),
        (5, 0, PolicyState.INACTIVE, FINISHED, None, Outcome.FINISHED),
        (5, 1, PolicyState.INACTIVE, FINISHED, OPEN, None),
        (5, 3.1, PolicyState.INACTIVE, FINISHED, OPEN, Outcome.STOPPED),
        (5, 2.9, PolicyState.WAITING, STALE, OPEN, None),
        (5, 3.1, PolicyState.WAITING, STALE, OPEN, Outcome.STOPPED),
        (61, 5, PolicyState.RUNNING, RUNNING, OPEN, Outcome.TIMED_OUT),
    ],
)
def test_how_a_task_ends(
    seconds: float,
    since: float,
    state: PolicyState,
    reason: Stop,
    judgement: Judgement | None,
    outcome: Outcome | None,
) -> None:
    over = task_outcome(seconds, since, state, reason, judgement, LIMITS)
    assert (None if over is None else over[0]) == outcome


def test_a_lost_stream_is_the_reason_that_is_given() -> None:
    assert task_outcome(5, 4, PolicyState.WAITING, STALE, None, LIMITS) == (Outcome.STOPPED, STALE)


def test_time_that_is_up_is_given_with_its_limit() -> None:
    _, reason = task_outcome(61, 1, PolicyState.RUNNING, RUNNING, None, LIMITS)
    assert (reason.reason, reason.value, reason.limit) == (Reason.TASK_TIMEOUT, 61, 60.0)


def test_without_a_timeout_a_task_goes_on() -> None:
    assert task_outcome(1e6, 1, PolicyState.RUNNING, RUNNING, Judgement(completion=nan), TaskLimits()) is None
