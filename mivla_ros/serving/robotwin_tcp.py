"""A policy server by RoboTwin's own protocol: JSON over TCP.

A message is its length (4 bytes, most significant first) and a text, see ``json_arrays``: ``{"cmd": .., "obs": ..}``,
answered by ``{"res": ..}`` or, before the connection is closed, ``{"error": .., "traceback": ""}``. There are no keys
and no TLS; the commands are fixed, nothing is looked up by a name from the network.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mivla_ros.policies.policy import Policy, PolicyError
from mivla_ros.serving.errors import FrameError, ServingError
from mivla_ros.serving.json_arrays import pack, unpack
from mivla_ros.serving.layout import Layout
from mivla_ros.serving.policy_session import PolicySession, PolicyWorker
from mivla_ros.serving.robotwin import RoboTwinSession, robotwin_adapter
from mivla_ros.serving.server import ServerOptions

COMMANDS = ("reset", "reset_model", "update_obs", "get_action")
LENGTH = 4  # bytes

log = logging.getLogger(__name__)


class RoboTwinTcpServer:
    """Serves until ``close``. ``address`` is known after ``start``. Of the options, keys and TLS do not apply."""

    def __init__(
        self,
        make_policy: Callable[[], Policy],
        layout: Layout,
        options: ServerOptions,
        release: Callable[[Policy], None] | None = None,
    ) -> None:
        """make_policy, release: as of ``PolicyWorker``. Raises AdapterError for a layout that cannot be served so."""
        self.options = options
        self._layout, self._adapter = layout, robotwin_adapter(layout)
        self._worker = PolicyWorker(make_policy, release)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen. Raises ServingError where that is not possible (port taken, unknown host)."""
        host, port = self.options.host, self.options.port
        try:
            self._server = await asyncio.start_server(self._handle, host, port)
        except OSError as error:
            raise ServingError(f"{host}:{port}", error.strerror or str(error)) from error

    @property
    def address(self) -> str:
        """Host and port."""
        assert self._server is not None
        return f"{self.options.host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """End every connection and stop listening; may be called twice."""
        if self._server is not None:
            self._server.close()
            self._server = None
            handlers = list(self._open)
            for writer in self._open.values():
                writer.close()
            await asyncio.gather(*handlers, return_exceptions=True)
        self._worker.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = "{}:{}".format(*writer.get_extra_info("peername")[:2])
        if len(self._open) >= self.options.max_connections:
            log.warning("%s refused: %d connections are open", peer, len(self._open))
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        log.info("%s connected", peer)
        session: PolicySession | None = None
        failed = False
        try:
            session = await self._worker.begin(self._layout)
            robot = RoboTwinSession(session, self._adapter)
            while (message := await self._read(reader)) is not None:
                await self._write(writer, {"res": await self._worker.do(_called, robot, message)})
        except (OSError, asyncio.IncompleteReadError):
            log.info("%s left amid a message", peer)
        except Exception as error:  # a policy is foreign code; whatever it raises must not end the server
            failed = not isinstance(error, FrameError)
            words = str(error) if isinstance(error, ServingError | PolicyError) else f"{type(error).__name__}: {error}"
            log.warning("%s: %s", peer, words)
            with suppress(OSError):
                await self._write(writer, {"error": words, "traceback": ""})
        finally:
            writer.close()
            if session is not None:
                log.info("%s: %d answers", peer, session.answered)
                await self._worker.end(session, failed)
            del self._open[task]

    async def _read(self, reader: asyncio.StreamReader) -> Any:  # noqa: ANN401
        """The next message; None where the client has left."""
        try:
            size = int.from_bytes(await reader.readexactly(LENGTH), "big")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        if size > self.options.max_frame:
            raise FrameError("message", f"has {size} bytes, limit {self.options.max_frame}")
        return unpack(await reader.readexactly(size))

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        text = pack(message)
        writer.write(len(text).to_bytes(LENGTH, "big") + text)
        await writer.drain()


def _called(robot: RoboTwinSession, message: object) -> Any:  # noqa: ANN401
    """What a command gives. Raises FrameError for another one, and for an observation that does not fit."""
    command = message.get("cmd") if isinstance(message, dict) else None
    if not isinstance(message, dict) or command not in COMMANDS:
        raise FrameError("cmd", f"is {str(command)[:40]!r}, must be one of {', '.join(COMMANDS)}")
    given = message.get("obs")
    if command in ("reset", "reset_model"):
        robot.reset(given)
        return None
    if given is not None or command == "update_obs":
        robot.see(given)
    return robot.act() if command == "get_action" else None
