"""The action mivla/execute_task: one task at a time, an outcome with its reason for each."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future

from mivla_msgs.action import ExecuteTask
from mivla_ros.nodes.conversions import stop_reason_message
from mivla_ros.nodes.recorder_client import RecorderClient
from mivla_ros.policies.runner import PolicyRunner, PolicyState
from mivla_ros.policies.task_outcome import Judgement, Outcome, TaskLimits, task_outcome
from mivla_ros.stop_reasons import RUNNING, Reason, Stop


@dataclass
class _Running:
    """The goal being worked on. changed_ns: since when the policy is in this state."""

    handle: ServerGoalHandle
    done: Future
    limits: TaskLimits
    started_ns: int
    changed_ns: int
    state: tuple[PolicyState, Reason]
    executed_before: int


class PolicyTaskServer:
    """Serves goals one at a time; a new one replaces the running one. ``tick`` is to be called a few times a
    second.
    """

    def __init__(
        self,
        node: LifecycleNode,
        runner: PolicyRunner,
        now_ns: Callable[[], int],
        limits: Callable[[], TaskLimits],
        judgement: Callable[[], Judgement | None],
        begin: Callable[[str], None],
        executed: Callable[[], int],
        ready: Callable[[], bool],
    ) -> None:
        """limits: those of a goal that names no timeout. judgement: what is known of the task now. begin:
        resets the policy to an instruction and starts it. executed: steps executed since the node started.
        ready: whether goals may be accepted now.
        """
        self._node, self._runner, self._now_ns = node, runner, now_ns
        self._limits, self._judgement, self._begin, self._executed = limits, judgement, begin, executed
        self._ready = ready
        self._running: _Running | None = None
        self._newest: ServerGoalHandle | None = None
        self._recorder = RecorderClient(node)
        self._server = ActionServer(
            node,
            ExecuteTask,
            "mivla/execute_task",
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    @property
    def active(self) -> bool:
        """A goal is being worked on."""
        return self._running is not None

    def close(self) -> None:
        """End the running goal and the server."""
        self.end(Outcome.STOPPED, Stop(Reason.SHUTDOWN, "policy node"))
        self._server.destroy()
        self._recorder.close()

    def end(self, outcome: Outcome, reason: Stop) -> None:
        """End the running goal, if there is one."""
        if self._running is not None:
            running, self._running = self._running, None
            running.done.set_result((outcome, reason, running))

    def tick(self) -> None:
        """Judge the running goal and report on it."""
        self._recorder.tick()
        running = self._running
        if running is None:
            return
        status, judgement, now_ns = self._runner.status(), self._judgement(), self._now_ns()
        if (status.state, status.reason.reason) != running.state:
            running.state, running.changed_ns = (status.state, status.reason.reason), now_ns
        if running.handle.is_cancel_requested:
            self._runner.stop(Stop(Reason.TASK_CANCELLED, "task"))
            self.end(Outcome.CANCELLED, Stop(Reason.TASK_CANCELLED, "task"))
            return
        seconds = (now_ns - running.started_ns) / 1e9
        waiting = (now_ns - running.changed_ns) / 1e9
        over = task_outcome(seconds, waiting, status.state, status.reason, judgement, running.limits)
        if over is not None:
            self._runner.stop(status.reason if status.state is PolicyState.INACTIVE else over[1])
            self.end(*over)
            return
        feedback = ExecuteTask.Feedback(
            state=int(status.state),
            reason=stop_reason_message(status.reason),
            completion=nan if judgement is None else judgement.completion,
            subtask="" if judgement is None else judgement.subtask,
            seconds=seconds,
            sequence=status.sequence,
            executed_steps=max(self._executed() - running.executed_before, 0),
        )
        running.handle.publish_feedback(feedback)

    def _on_goal(self, goal: ExecuteTask.Goal) -> GoalResponse:
        if not self._ready():
            self._node.get_logger().warning("goal refused: the policy node is not active")
            return GoalResponse.REJECT
        if not goal.instruction.strip():
            self._node.get_logger().warning("goal refused: its instruction is empty")
            return GoalResponse.REJECT
        if not goal.timeout >= 0:
            self._node.get_logger().warning(f"goal refused: its timeout is {goal.timeout}, must be 0 s or more")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> ExecuteTask.Result:
        goal, now_ns = handle.request, self._now_ns()
        self.end(Outcome.CANCELLED, Stop(Reason.TASK_CANCELLED, "task", message="replaced by a newer goal"))
        self._newest, episode = handle, ""
        if goal.record:
            episode, refused = await self._recorder.start(goal.instruction, goal.tags)
            if refused.reason is not Reason.NONE:
                self._node.get_logger().error(
                    f"task {goal.instruction!r} not begun, it could not be recorded: {refused}"
                )
                handle.abort()
                return _result(Outcome.STOPPED, refused)
            if self._newest is not handle:
                await self._recorder.stop(Outcome.CANCELLED, "replaced by a newer goal")
                handle.abort()
                return _result(Outcome.CANCELLED, Stop(Reason.TASK_CANCELLED, "task"), episode)
            now_ns = self._now_ns()
        usual = self._limits()
        self._begin(goal.instruction)
        status = self._runner.status()
        self._running = _Running(
            handle=handle,
            done=Future(executor=self._node.executor),
            limits=TaskLimits(goal.timeout or usual.timeout, usual.patience),
            started_ns=now_ns,
            changed_ns=now_ns,
            state=(status.state, status.reason.reason),
            executed_before=self._executed(),
        )
        outcome, reason, running = await self._running.done
        judgement = self._judgement()
        result = _result(outcome, reason, episode)
        result.completion = nan if judgement is None else judgement.completion
        result.seconds = (self._now_ns() - running.started_ns) / 1e9
        if goal.record:
            lost = await self._recorder.stop(outcome, "" if reason.reason is Reason.NONE else str(reason))
            if lost.reason is not Reason.NONE:
                self._node.get_logger().error(f"the recording of task {goal.instruction!r} is not whole: {lost}")
        if handle.is_cancel_requested:
            handle.canceled()
        elif outcome in (Outcome.SUCCEEDED, Outcome.FINISHED):
            handle.succeed()
        else:
            handle.abort()
        self._node.get_logger().info(f"task {goal.instruction!r}: {outcome.name.lower()} ({reason})")
        return result


def _result(outcome: Outcome, reason: Stop, episode: str = "") -> ExecuteTask.Result:
    done = outcome in (Outcome.SUCCEEDED, Outcome.FINISHED)
    return ExecuteTask.Result(
        outcome=int(outcome), reason=stop_reason_message(RUNNING if done else reason), completion=nan, episode=episode
    )
