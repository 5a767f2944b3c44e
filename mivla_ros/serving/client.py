"""One connection to a policy server, kept by a thread of its own, that never holds its user longer than asked.

The protocol has no request numbers: answers come in the order of requests. A request that was given up (late, or
cancelled) therefore stays outstanding until its answer has come and was thrown away; no other is sent before. A server
that does not answer for ``patience`` seconds is disconnected.
"""

import asyncio
import logging
import os
import random
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from mivla_ros.serving.array_packing import MEBIBYTE, pack, unpack_map
from mivla_ros.serving.credentials import authorization
from mivla_ros.serving.errors import (
    FrameError,
    RequestCancelledError,
    RequestTimeoutError,
    ServedPolicyError,
    ServerUnreachableError,
    ServingError,
)

MAX_WORDS = 2000  # letters of a server's error that are passed on

log = logging.getLogger(__name__)


class Link(StrEnum):
    """State of the connection. REFUSED: the server is there but does not suit; it is asked again."""

    CONNECTING = "connecting"
    REFUSED = "refused"
    CONNECTED = "connected"
    CLOSED = "closed"


@dataclass(frozen=True)
class ClientOptions:
    """connect_timeout: s for connection, handshake and metadata. patience: s for an answer, after which the connection
    is given up. backoff_first, backoff_most: s until the next try, doubled each time, with up to a quarter less by
    chance. max_frame: bytes of one frame. ping: s between two questions whether the server is still there; its time
    to answer is twice that, since inference may hold a server's loop.
    """

    url: str
    api_key: str = ""
    tls: ssl.SSLContext | None = None
    connect_timeout: float = 5.0
    patience: float = 60.0
    backoff_first: float = 0.2
    backoff_most: float = 5.0
    max_frame: int = 32 * MEBIBYTE
    ping: float = 10.0


@dataclass(frozen=True)
class Statistics:
    """What has happened so far. abandoned: requests given up before their answer came."""

    connections: int = 0
    requests: int = 0
    answers: int = 0
    abandoned: int = 0


class PolicyClient:
    """Connects at once and again whenever the connection is lost. Requests come from one thread at a time; ``cancel``
    and ``close`` from any.
    """

    def __init__(self, options: ClientOptions, accept: Callable[[dict[str, Any]], None] | None = None) -> None:
        """accept: looks at the metadata of each new connection and raises ServingError where it does not fit; the
        connection is then refused, with its words as the reason, and tried again later.
        """
        self.options = options
        self._accept = accept or (lambda metadata: None)
        self._lock = threading.Condition()
        self._link, self._why = Link.CONNECTING, "not connected yet"
        self._metadata: dict[str, Any] | None = None
        self._socket: ClientConnection | None = None
        self._waiting: Future[bytes | str] | None = None
        self._reply: asyncio.Future[bytes | str] | None = None
        self._outstanding: float | None = None  # since when a request is under way, by the monotonic clock
        self._statistics = Statistics()
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="policy client", daemon=True)
        self._thread.start()

    # ---- asked from outside ----

    @property
    def link(self) -> tuple[Link, str]:
        """State of the connection, and why it is not there."""
        with self._lock:
            return self._link, self._why

    @property
    def metadata(self) -> dict[str, Any] | None:
        """What the server said of itself when it was last connected."""
        with self._lock:
            return self._metadata

    @property
    def statistics(self) -> Statistics:
        """What has happened so far."""
        with self._lock:
            return self._statistics

    def wait_connected(self, seconds: float) -> bool:
        """Wait that long at most; whether there is a connection."""
        with self._lock:
            self._lock.wait_for(lambda: self._link in (Link.CONNECTED, Link.CLOSED), seconds)
            return self._link is Link.CONNECTED

    def ask(self, message: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Send a request and wait for its answer, ``timeout`` seconds at most.

        Raises ServerUnreachableError at once where there is no connection, or when it is lost meanwhile;
        RequestTimeoutError at the deadline, and at once while an earlier request is still outstanding;
        RequestCancelledError; ServedPolicyError for an error in words; FrameError for an answer that is not well
        formed or not a map.
        """
        began = time.monotonic()
        frame = pack(message)
        answer: Future[bytes | str] = Future()
        with self._lock:
            if self._closing:
                raise RequestCancelledError(self.options.url, "the client is closed")
            if self._socket is None:
                raise ServerUnreachableError(self.options.url, self._why)
            if self._outstanding is not None:
                raise RequestTimeoutError(
                    self.options.url, began - self._outstanding, timeout, "an earlier request has no answer"
                )
            if len(frame) > self.options.max_frame:
                raise FrameError("request", f"has {len(frame)} bytes, limit {self.options.max_frame}")
            self._outstanding, self._waiting = began, answer
            self._count(requests=1)
            asyncio.run_coroutine_threadsafe(self._exchange(self._socket, frame, answer), self._loop)
        try:
            reply = answer.result(max(timeout - (time.monotonic() - began), 0.0))
        except TimeoutError:
            with self._lock:
                self._waiting = None
                self._count(abandoned=1)
            answer.cancel()
            raise RequestTimeoutError(self.options.url, time.monotonic() - began, timeout) from None
        if isinstance(reply, str):
            raise ServedPolicyError(self.options.url, reply.strip()[-MAX_WORDS:] or "an error without words")
        try:
            return unpack_map(reply, self.options.max_frame)
        except FrameError:
            self._disconnect("its answer was not well formed")
            raise

    def cancel(self) -> None:
        """Let the waiting caller go; its request stays outstanding until the server has answered it."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self._count(abandoned=1)
        if waiting is not None:
            with suppress(InvalidStateError):
                waiting.set_exception(RequestCancelledError(self.options.url, "the request was cancelled"))

    def close(self) -> None:
        """End the connection and the thread; may be called twice."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self.cancel()
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(5.0)

    # ---- in the thread ----

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._keep_connected())
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()
            self._set(Link.CLOSED, "the client is closed", None)

    async def _keep_connected(self) -> None:
        backoff = self.options.backoff_first
        while not self._stopped.is_set():
            connected_at, link = None, Link.CONNECTING
            try:
                connection = await self._connect()
                connected_at = time.monotonic()
                try:
                    stopped = asyncio.ensure_future(self._stopped.wait())
                    ended = asyncio.ensure_future(self._read(connection))
                    await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
                    stopped.cancel()
                    why = ended.result() if ended.done() else "the client is closed"
                finally:
                    self._set(Link.CONNECTING, "the connection is being closed", None)
                    await _end(connection)
            except (OSError, TimeoutError, WebSocketException, ServingError, EOFError) as error:
                why = _words(error)
                link = Link.REFUSED if isinstance(error, ServingError) else Link.CONNECTING
            if connected_at is not None and time.monotonic() - connected_at > self.options.backoff_most:
                backoff = self.options.backoff_first
            pause = backoff * random.uniform(0.75, 1.0)
            self._set(link, f"{why}; next try {pause:.1f} s after that", None)
            if not self._stopped.is_set():
                log.info("%s: %s", self.options.url, why)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), pause)
            backoff = min(2 * backoff, self.options.backoff_most)

    async def _connect(self) -> ClientConnection:
        options = self.options
        headers = {"Authorization": authorization(options.api_key)} if options.api_key else None
        async with asyncio.timeout(options.connect_timeout):
            connection = await connect(
                options.url,
                additional_headers=headers,
                ssl=options.tls,
                compression=None,
                max_size=options.max_frame,
                open_timeout=options.connect_timeout,
                ping_interval=options.ping,
                ping_timeout=2 * options.ping,
                close_timeout=1.0,
                proxy=None,
                user_agent_header=None,
            )
            try:
                first = await connection.recv()
                if isinstance(first, str):
                    raise ServedPolicyError(options.url, first.strip()[:MAX_WORDS])
                metadata = unpack_map(first, options.max_frame)
                self._accept(metadata)
            except BaseException:
                connection.transport.abort()
                raise
        self._count(connections=1)
        self._set(Link.CONNECTED, "", connection, metadata)
        return connection

    async def _exchange(self, connection: ClientConnection, frame: bytes, answer: Future[bytes | str]) -> None:
        try:
            self._reply = self._loop.create_future()
            async with asyncio.timeout(self.options.patience):
                await connection.send(frame)
                reply = await self._reply
            self._count(answers=1)
            with suppress(InvalidStateError):
                answer.set_result(reply)
        except ServingError as error:
            self._give_up(answer, error)
        except TimeoutError:
            connection.transport.abort()
            words = f"no answer for {self.options.patience:g} s, connection given up"
            self._give_up(answer, ServerUnreachableError(self.options.url, words))
        except (ConnectionClosed, OSError) as error:
            self._give_up(answer, ServerUnreachableError(self.options.url, f"connection lost: {_words(error)}"))
        finally:
            with self._lock:
                if self._socket in (connection, None):
                    self._outstanding = None
                if self._waiting is answer:
                    self._waiting = None
            self._give_up(answer, RequestCancelledError(self.options.url, "the client is closed"))

    async def _read(self, connection: ClientConnection) -> str:
        """Hand every frame to the request that waits for it; why the connection has ended."""
        why = ""
        try:
            async for frame in connection:
                reply, self._reply = self._reply, None
                if reply is None or reply.done():
                    words = f": {frame.strip()[:MAX_WORDS]}" if isinstance(frame, str) else ""
                    why = f"the server sent something that nobody asked for{words}"
                    break
                reply.set_result(frame)
        except ConnectionClosed as closed:
            why = _close_words(closed)
        why = why or f"the connection was closed ({connection.close_code})"
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(ServerUnreachableError(self.options.url, f"connection lost: {why}"))
        return why

    @staticmethod
    def _give_up(answer: Future[bytes | str], error: ServingError) -> None:
        with suppress(InvalidStateError):
            answer.set_exception(error)

    def _disconnect(self, why: str) -> None:
        """Cut the connection; another one is made."""
        with self._lock:
            connection, self._socket = self._socket, None
            self._why = why
        if connection is not None:
            self._loop.call_soon_threadsafe(connection.transport.abort)

    def _set(
        self, link: Link, why: str, connection: ClientConnection | None, metadata: dict[str, Any] | None = None
    ) -> None:
        with self._lock:
            self._link, self._why, self._socket = link, why, connection
            self._outstanding = None
            if metadata is not None:
                self._metadata = metadata
            self._lock.notify_all()

    def _count(self, **more: int) -> None:
        with self._lock:
            old = self._statistics
            self._statistics = Statistics(
                **{name: getattr(old, name) + more.get(name, 0) for name in Statistics.__dataclass_fields__}
            )


async def _end(connection: ClientConnection) -> None:
    """Close within a second, whatever the server does."""
    with suppress(TimeoutError, WebSocketException, OSError):
        await asyncio.wait_for(connection.close(), 1.0)
    connection.transport.abort()


def _close_words(closed: ConnectionClosed) -> str:
    first = closed.rcvd if closed.rcvd_then_sent else closed.sent or closed.rcvd
    if first is None or first.code == CloseCode.ABNORMAL_CLOSURE:
        return "the connection broke off"
    who = "server" if first is closed.rcvd else "client"
    return f"closed by the {who} ({first.code}{f', {first.reason}' if first.reason else ''})"


def _words(error: BaseException) -> str:
    """One line for people."""
    if isinstance(error, InvalidStatus):
        body = (error.response.body or b"").decode("utf-8", errors="replace").strip()[:200]
        return f"refused with HTTP {error.response.status_code}{f': {body}' if body else ''}"
    if isinstance(error, ConnectionClosed):
        return _close_words(error)
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}: {getattr(error, 'verify_message', '')}".rstrip(": ")
    if isinstance(error, TimeoutError):
        return "no answer to the connection in time"
    if isinstance(error, ServingError):
        return error.message
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error) or type(error).__name__
