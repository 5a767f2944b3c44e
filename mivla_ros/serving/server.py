"""A policy server by openpi's protocol: a policy of its own for every connection, one inference at a time."""

import http
import logging
import ssl
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from mivla_ros.policies.policy import Policy, PolicyError
from mivla_ros.serving.array_packing import MEBIBYTE, pack, unpack_map
from mivla_ros.serving.credentials import is_authorized
from mivla_ros.serving.errors import FrameError, ServingError
from mivla_ros.serving.layout import Layout, Message
from mivla_ros.serving.policy_session import PolicySession, PolicyWorker

HEALTH_PATH = "/healthz"
MAX_REASON = 120  # bytes of a close frame's reason; the protocol allows 123

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerOptions:
    """host, port: where to listen; port 0: any free one. max_frame: bytes of one frame. max_connections: at once.
    open_timeout: s a handshake may take. ping: s between two questions whether a client is still there.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str = ""
    tls: ssl.SSLContext | None = None
    max_frame: int = 32 * MEBIBYTE
    max_connections: int = 8
    open_timeout: float = 10.0
    ping: float = 20.0


class PolicyServer:
    """Serves until ``close``. ``address`` is known after ``start``.

    Policies live in one worker thread; the event loop only moves frames, and answers health checks meanwhile. Whatever
    a client sends ends its own connection at worst.
    """

    def __init__(
        self,
        make_policy: Callable[[], Policy],
        layout: Layout,
        metadata: Message,
        options: ServerOptions | None = None,
        release: Callable[[Policy], None] | None = None,
    ) -> None:
        """make_policy, release: as of ``PolicyWorker``. metadata: what is said first of all."""
        self.options = options or ServerOptions()
        self._layout, self._metadata = layout, metadata
        self._worker = PolicyWorker(make_policy, release)
        self._server: Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen. Raises ServingError where that is not possible (port taken, unknown host)."""
        options = self.options
        try:
            self._server = await serve(
                self._handle,
                options.host,
                options.port,
                ssl=options.tls,
                compression=None,
                max_size=options.max_frame,
                open_timeout=options.open_timeout,
                ping_interval=options.ping,
                ping_timeout=options.ping,
                process_request=self._on_request,
                server_header=None,
            )
        except OSError as error:
            raise ServingError(f"{options.host}:{options.port}", error.strerror or str(error)) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def address(self) -> str:
        """What a client gives as its address."""
        scheme = "ws" if self.options.tls is None else "wss"
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"{scheme}://{host}:{self.port}"

    async def close(self) -> None:
        """End every connection (1001, going away) and stop listening; may be called twice."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        self._worker.close()

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == HEALTH_PATH:
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        keys = request.headers.get_all("Authorization")
        if not is_authorized(keys[0] if len(keys) == 1 else None, self.options.api_key):
            words = "missing" if not keys else "wrong"
            log.warning("%s refused: API key %s", _peer(connection), words)
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, f"API key {words}\n")
        if self._open >= self.options.max_connections:
            log.warning("%s refused: %d connections are open", _peer(connection), self._open)
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{self._open} connections are open\n")
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        self._open += 1
        peer = _peer(connection)
        log.info("%s connected", peer)
        session: PolicySession | None = None
        failed = False
        try:
            session = await self._worker.begin(self._layout)
            await self._converse(connection, session)
        except ConnectionClosed as closed:
            received = closed.rcvd or closed.sent
            log.info("%s left (%s)", peer, f"{received.code} {received.reason}".strip() if received else "cut off")
        except FrameError as error:
            await self._fail(connection, str(error))
        except Exception as error:  # a policy is foreign code; whatever it raises must not end the server
            failed = True
            if not isinstance(error, ServingError | PolicyError):
                log.error("%s: %s", peer, traceback.format_exc())
            words = str(error) if isinstance(error, ServingError | PolicyError) else f"{type(error).__name__}: {error}"
            await self._fail(connection, words)
        finally:
            self._open -= 1
            if session is not None:
                log.info("%s: %d answers", peer, session.answered)
                await self._worker.end(session, failed)

    async def _converse(self, connection: ServerConnection, session: PolicySession) -> None:
        await connection.send(pack(self._metadata))
        total_ms = 0.0
        while True:
            frame = await connection.recv()
            began = time.monotonic()
            message = unpack_map(frame, self.options.max_frame)
            inference_began = time.monotonic()
            reply = await self._worker.do(session.answer, message)
            reply["server_timing"] = {"infer_ms": 1e3 * (time.monotonic() - inference_began)}
            if total_ms:
                reply["server_timing"]["prev_total_ms"] = total_ms
            await connection.send(pack(reply))
            total_ms = 1e3 * (time.monotonic() - began)

    async def _fail(self, connection: ServerConnection, words: str) -> None:
        """Say what is wrong as a text frame, then close with 1011, as openpi's clients expect it."""
        log.warning("%s: %s", _peer(connection), words)
        try:
            await connection.send(words)
            reason = words.encode()[:MAX_REASON].decode(errors="ignore")
            await connection.close(CloseCode.INTERNAL_ERROR, reason)
        except ConnectionClosed:
            return


def _peer(connection: ServerConnection) -> str:
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if address else "client"
