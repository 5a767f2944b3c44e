"""When a task asked for by an action goal is over, and how it ended."""

from dataclasses import dataclass
from enum import IntEnum
from math import nan

from mivla_ros.policies.runner import PolicyState
from mivla_ros.stop_reasons import RUNNING, Reason, Stop


class Outcome(IntEnum):
    """How a task ended; values as in mivla_msgs/ExecuteTask."""

    SUCCEEDED = 1
    FINISHED = 2
    TIMED_OUT = 3
    STOPPED = 4
    CANCELLED = 5


@dataclass(frozen=True)
class Judgement:
    """What somebody who can tell (simulator, person, detector) says of the task. success: done, and has
    stayed so.
    """

    success: bool = False
    completion: float = nan
    subtask: str = ""
    failure: str = ""


@dataclass(frozen=True)
class TaskLimits:
    """timeout: s for the whole task, 0: none. patience: s that streams may be missing, or that a judge may
    take to see a success after the policy has finished.
    """

    timeout: float = 0.0
    patience: float = 3.0


def task_outcome(
    seconds: float,
    since_change: float,
    state: PolicyState,
    reason: Stop,
    judgement: Judgement | None,
    limits: TaskLimits,
) -> tuple[Outcome, Stop] | None:
    """How the task has ended, with the reason; None while it goes on.

    seconds: since the goal was accepted. since_change: s for which the policy has been in this state.
    judgement: None where nobody could tell.
    """
    if judgement is not None and judgement.success:
        return Outcome.SUCCEEDED, RUNNING
    if judgement is not None and judgement.failure:
        return Outcome.STOPPED, Stop(Reason.POLICY_FAILED, "task", message=judgement.failure)
    if state in (PolicyState.FAILED, PolicyState.STOPPED):
        return Outcome.STOPPED, reason
    if reason.reason is Reason.POLICY_FINISHED:
        if judgement is None:
            return Outcome.FINISHED, RUNNING
        if since_change > limits.patience:
            return Outcome.STOPPED, reason
    elif state is not PolicyState.RUNNING and since_change > limits.patience and reason.reason is not Reason.NONE:
        return Outcome.STOPPED, reason
    if limits.timeout and seconds > limits.timeout:
        return Outcome.TIMED_OUT, Stop(Reason.TASK_TIMEOUT, "task", seconds, limits.timeout, "s")
    return None
