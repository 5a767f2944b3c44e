"""One client's policy, and the one thread in which all clients' policies are made, asked and closed."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mivla_ros.policies.policy import Policy
from mivla_ros.serving.layout import InferenceRequest, Layout, Message


@dataclass
class PolicySession:
    """What belongs to one connection. Its methods run in the worker."""

    policy: Policy
    layout: Layout
    begun: tuple[object, ...] | None = None
    answered: int = field(default=0)

    def answer(self, message: Message) -> Message:
        """One inference for what a message holds. Raises FrameError for one that does not fit."""
        return self.infer(self.layout.request_from_message(message, time.time_ns()))

    def infer(self, request: InferenceRequest) -> Message:
        """One inference; begins anew where words, seed or episode are others than before."""
        beginning = (request.observation.instruction, request.seed, request.episode)
        if beginning != self.begun:
            self.policy.reset(request.observation.instruction, request.seed)
            self.begun = beginning
        started = time.perf_counter()
        actions = self.policy.infer(request.observation, request.progress)
        seconds = time.perf_counter() - started
        reply = self.layout.actions_to_message(actions, request)
        reply["policy_timing"] = {"infer_ms": 1e3 * seconds}
        self.answered += 1
        return reply


class PolicyWorker:
    """The thread, so that policies may share a device while an event loop goes on moving frames."""

    def __init__(self, make_policy: Callable[[], Policy], release: Callable[[Policy], None] | None = None) -> None:
        """make_policy: one for each connection; raises PolicyError where it cannot. release: takes it back when the
        connection has ended and the policy has not failed. Both are called in the thread.
        """
        self._make_policy, self._release = make_policy, release or _close
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")

    async def do(self, task: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """What a task gives or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, task, *arguments)

    async def begin(self, layout: Layout) -> PolicySession:
        """A session with a policy of its own."""
        return PolicySession(await self.do(self._make_policy), layout)

    async def end(self, session: PolicySession, failed: bool) -> None:
        """Take its policy back, or close it where it has failed; also when the caller is cancelled meanwhile."""
        await asyncio.shield(self.do(_close if failed else self._release, session.policy))

    def close(self) -> None:
        """Do nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _close(policy: Policy) -> None:
    policy.close()
