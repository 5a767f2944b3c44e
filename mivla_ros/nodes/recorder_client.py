"""The policy node's side of the recorder's services: an episode for a task."""

import time
from collections.abc import Sequence
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future

from mivla_msgs.srv import StartEpisode, StopEpisode
from mivla_ros.nodes.conversions import stop_from_message
from mivla_ros.policies.task_outcome import Outcome
from mivla_ros.stop_reasons import RUNNING, Reason, Stop

ANSWER_SECONDS = 10.0  # to begin an episode
FINISH_SECONDS = 60.0  # to end one: what waits goes to the disk first
LABELS = {
    Outcome.SUCCEEDED: StopEpisode.Request.SUCCESS,
    Outcome.STOPPED: StopEpisode.Request.FAILURE,
    Outcome.TIMED_OUT: StopEpisode.Request.FAILURE,
}


class RecorderClient:
    """Begins and ends one episode at a time. ``tick`` is to be called a few times a second."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._start = node.create_client(StartEpisode, "mivla/start_episode")
        self._stop = node.create_client(StopEpisode, "mivla/stop_episode")
        self._waiting: tuple[Future, float] | None = None
        self._ended: Future | None = None  # of the running episode

    def close(self) -> None:
        """Give the clients back."""
        self._give_up()
        self._node.destroy_client(self._start)
        self._node.destroy_client(self._stop)

    def tick(self) -> None:
        """Give up on a recorder that does not answer."""
        if self._waiting is not None and time.monotonic() > self._waiting[1]:
            self._give_up()

    def _give_up(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting[0], None
            waiting.set_result(None)

    async def start(self, instruction: str, tags: Sequence[str]) -> tuple[str, Stop]:
        """Begin an episode, after the one before has ended: its name, and NONE or why there is none."""
        while self._ended is not None:
            await self._ended
        self._ended = Future(executor=self._node.executor)
        answer = await self._call(
            self._start, StartEpisode.Request(instruction=instruction, tags=list(tags)), ANSWER_SECONDS
        )
        if answer is None or not answer.success:
            self._leave()
            return "", _missing(self._start) if answer is None else stop_from_message(answer.reason)
        return str(answer.episode), RUNNING

    async def stop(self, outcome: Outcome, comment: str) -> Stop:
        """End the episode with the label of a task's outcome; NONE or what went wrong."""
        request = StopEpisode.Request(label=LABELS.get(outcome, StopEpisode.Request.UNLABELLED), comment=comment)
        answer = await self._call(self._stop, request, FINISH_SECONDS)
        self._leave()
        if answer is None:
            return _missing(self._stop)
        for warning in answer.warnings:
            self._node.get_logger().warning(f"episode {answer.episode}: {warning}")
        return RUNNING if answer.success else stop_from_message(answer.reason)

    def _leave(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended.set_result(None)

    async def _call(self, client: Any, request: object, seconds: float) -> Any:  # noqa: ANN401 - rclpy has no types
        if not client.service_is_ready():
            return None
        done = Future(executor=self._node.executor)
        self._waiting = done, time.monotonic() + seconds

        def answered(future: Future) -> None:
            if not done.done():
                self._waiting = None
                done.set_result(future.result())

        client.call_async(request).add_done_callback(answered)
        return await done


def _missing(client: Any) -> Stop:  # noqa: ANN401
    return Stop(Reason.RECORDER_MISSING, client.srv_name, message="no recorder answers")
