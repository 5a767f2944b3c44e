"""A policy server by XPolicyLab's websocket protocol, which RoboTwin's evaluation speaks.

Every frame is a msgpack map with ``message_type``, ``message_id``, ``evaluation_id``, ``action_case_id``, ``trial_id``,
``repeat_index``, ``step``, ``sent_at`` and ``payload``; an answer repeats what the request says of itself. What is
wrong with a request is answered by a frame of type ``error``, and the connection goes on.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import ServerConnection

from mivla_ros.policies.policy import Policy, PolicyError
from mivla_ros.serving.errors import FrameError, ServingError
from mivla_ros.serving.layout import Layout, Message
from mivla_ros.serving.msgpack_numpy_format import pack, unpack_map
from mivla_ros.serving.policy_session import PolicySession
from mivla_ros.serving.robotwin import RoboTwinSession, robotwin_adapter
from mivla_ros.serving.server import PolicyServer, ServerOptions

REPEATED = ("message_id", "evaluation_id", "action_case_id", "trial_id", "repeat_index", "step")
ANSWERS = {
    "hello": "hello_ack",
    "prepare_case": "prepare_case_ack",
    "reset": "reset_result",
    "infer": "infer_result",
    "trial_end": "trial_end_ack",
    "heartbeat": "heartbeat_ack",
}
FAILED = {"reset": "reset_failed", "infer": "infer_failed"}

log = logging.getLogger(__name__)


class RoboTwinServer(PolicyServer):
    """As ``PolicyServer``, but for the words on the wire."""

    def __init__(
        self,
        make_policy: Callable[[], Policy],
        layout: Layout,
        metadata: Message,
        options: ServerOptions | None = None,
        release: Callable[[Policy], None] | None = None,
    ) -> None:
        """Arguments as of ``PolicyServer``. Raises AdapterError for a layout that cannot be served so."""
        super().__init__(make_policy, layout, metadata, options, release)
        self._adapter = robotwin_adapter(layout)

    async def _converse(self, connection: ServerConnection, session: PolicySession) -> None:
        robot = RoboTwinSession(session, self._adapter)
        while True:
            request = unpack_map(await connection.recv(), self.options.max_frame)
            kind = request.get("message_type")
            if kind == "close":
                return
            try:
                payload = await self._payload(robot, kind, request.get("payload"))
                answer = ANSWERS[str(kind)]
            except (ServingError, PolicyError) as error:
                log.warning("%s: %s", kind, error)
                code = "unknown_message_type" if kind not in ANSWERS else FAILED.get(str(kind), "invalid_frame")
                answer, payload = "error", {"code": code, "message": str(error), "details": {}}
            reply = {key: request.get(key) for key in REPEATED}
            reply |= {"message_type": answer, "sent_at": datetime.now(UTC).isoformat(), "payload": payload}
            await connection.send(pack(reply))

    async def _payload(self, robot: RoboTwinSession, kind: object, given: object) -> dict[str, Any]:
        """What a request is answered with. Raises ServingError, PolicyError."""
        if kind not in ANSWERS:
            raise FrameError("message_type", f"is {str(kind)[:40]!r}, must be one of {', '.join(ANSWERS)}, close")
        if kind == "hello":
            return {"ok": True, **self._metadata}
        if kind == "reset":
            robot.reset(given)
        if kind != "infer":
            return {"ok": True}
        began = time.perf_counter()
        robot.see(given.get("observation") if isinstance(given, dict) else given)
        actions = await self._worker.do(robot.act)
        return {"actions": actions, "latency_ms": 1e3 * (time.perf_counter() - began)}
