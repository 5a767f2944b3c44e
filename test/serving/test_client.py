"""Our client against our server and against servers that misbehave: no call lasts longer than asked."""

import asyncio
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from mivla_ros.serving.array_packing import pack
from mivla_ros.serving.client import ClientOptions, Link, PolicyClient, Statistics
from mivla_ros.serving.credentials import client_tls, server_tls
from mivla_ros.serving.errors import (
    FrameError,
    RequestCancelledError,
    RequestTimeoutError,
    ServedPolicyError,
    ServerUnreachableError,
    ServingError,
)
from mivla_ros.serving.layout import InferenceRequest
from mivla_ros.serving.native import NativeLayout
from test.serving.running import StubPolicy, make_certificate, observation, raw_server, served, wait_until

REQUEST = NativeLayout().request_to_message(InferenceRequest(observation()))
PATIENT = 10.0


@contextmanager
def client(url: str, connected: bool = True, **options: object) -> Iterator[PolicyClient]:
    made = PolicyClient(ClientOptions(url, **{"backoff_first": 0.02, "backoff_most": 0.1, **options}))  # type: ignore[arg-type]
    try:
        if connected:
            assert made.wait_connected(PATIENT), made.link
        yield made
    finally:
        made.close()


def test_it_asks_and_is_answered() -> None:
    with served(StubPolicy) as server, client(server.address) as asking:
        assert asking.metadata is not None and asking.metadata["policy"] == "stub"
        replies = [asking.ask(REQUEST, PATIENT) for _ in range(5)]
        assert all(reply["actions"].shape == (8, 7) for reply in replies)
        assert asking.statistics == Statistics(connections=1, requests=5, answers=5)
        assert asking.link == (Link.CONNECTED, "")


def test_without_a_server_it_says_so_at_once_and_connects_when_there_is_one() -> None:
    with raw_server(lambda socket: socket.wait_closed()) as (_, port):
        pass
    with client(f"ws://127.0.0.1:{port}", connected=False) as asking:
        began = time.monotonic()
        with pytest.raises(ServerUnreachableError):
            asking.ask(REQUEST, PATIENT)
        assert time.monotonic() - began < 1.0
        wait_until(lambda: "next try" in asking.link[1])
        with served(StubPolicy, port=port):
            assert asking.wait_connected(PATIENT)
            assert asking.ask(REQUEST, PATIENT)["actions"].shape == (8, 7)


def test_a_late_answer_is_given_up_at_the_deadline_and_never_taken_for_the_next() -> None:
    go = threading.Event()
    policy = StubPolicy()
    policy.before = lambda seen: None if len(policy.seen) > 1 else go.wait(20)
    with served(lambda: policy) as server, client(server.address) as asking:
        began = time.monotonic()
        with pytest.raises(RequestTimeoutError) as error:
            asking.ask(REQUEST, 0.05)
        assert time.monotonic() - began < 2.0
        assert error.value.seconds >= 0.05 == error.value.limit
        # the server is still busy: nothing is queued behind
        with pytest.raises(RequestTimeoutError, match="an earlier request has no answer"):
            asking.ask(REQUEST, PATIENT)
        assert len(policy.seen) == 1
        go.set()
        wait_until(lambda: asking.statistics.answers == 1)
        policy.rows = 3
        assert asking.ask(REQUEST, PATIENT)["actions"].shape == (3, 7)
        assert asking.statistics == Statistics(connections=1, requests=2, answers=2, abandoned=1)


def test_a_server_that_never_answers_is_left_and_connected_anew() -> None:
    async def deaf(socket: ServerConnection) -> None:
        await socket.send(pack({}))
        await socket.wait_closed()

    with raw_server(deaf) as (url, _), client(url, patience=0.1) as asking:
        with pytest.raises(ServerUnreachableError, match=r"no answer for 0.1 s"):
            asking.ask(REQUEST, PATIENT)
        wait_until(lambda: asking.statistics.connections == 2)


def test_a_server_that_does_not_even_read_holds_nobody() -> None:
    async def stuck(socket: ServerConnection) -> None:
        await socket.send(pack({}))
        socket.transport.pause_reading()
        await asyncio.sleep(1)

    with raw_server(stuck) as (url, _), client(url, patience=0.3) as asking:
        began = time.monotonic()
        with pytest.raises(RequestTimeoutError):
            asking.ask({"blob": bytes(20_000_000)}, 0.1)
        assert time.monotonic() - began < 2.0
        wait_until(lambda: asking.statistics.connections == 2)


def test_a_request_can_be_cancelled_from_another_thread() -> None:
    go = threading.Event()
    with served(lambda: StubPolicy(before=lambda seen: go.wait(20))) as server, client(server.address) as asking:
        timer = threading.Timer(0.05, asking.cancel)
        timer.start()
        with pytest.raises(RequestCancelledError):
            asking.ask(REQUEST, PATIENT)
        go.set()
        wait_until(lambda: asking.statistics.answers == 1)
        asking.cancel()  # nothing is waiting: nothing happens
        assert asking.ask(REQUEST, PATIENT)["actions"].shape == (8, 7)


def test_closing_lets_a_waiting_caller_go() -> None:
    go = threading.Event()
    with served(lambda: StubPolicy(before=lambda seen: go.wait(20))) as server, client(server.address) as asking:
        threading.Timer(0.05, asking.close).start()
        began = time.monotonic()
        with pytest.raises(RequestCancelledError):
            asking.ask(REQUEST, PATIENT)
        assert time.monotonic() - began < 5.0
        go.set()
        with pytest.raises(RequestCancelledError, match="closed"):
            asking.ask(REQUEST, PATIENT)
        asking.close()


def test_an_error_in_words_is_passed_on_and_the_connection_made_anew() -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("of all things")

    policies = [StubPolicy(before=fail), StubPolicy()]
    with served(lambda: policies.pop(0)) as server, client(server.address) as asking:
        with pytest.raises(ServedPolicyError, match="ZeroDivisionError: of all things"):
            asking.ask(REQUEST, PATIENT)
        wait_until(lambda: asking.statistics.connections == 2)
        assert asking.ask(REQUEST, PATIENT)["actions"].shape == (8, 7)


def test_an_answer_that_is_not_well_formed_is_refused_and_the_connection_made_anew() -> None:
    async def garbage(socket: ServerConnection) -> None:
        await socket.send(pack({}))
        async for _ in socket:
            await socket.send(b"\xc1")

    with raw_server(garbage) as (url, _), client(url) as asking:
        with pytest.raises(FrameError, match="is not msgpack"):
            asking.ask(REQUEST, PATIENT)
        wait_until(lambda: asking.statistics.connections == 2)


def test_an_answer_above_the_limit_ends_the_connection_with_its_reason() -> None:
    async def big(socket: ServerConnection) -> None:
        await socket.send(pack({}))
        async for _ in socket:
            await socket.send(bytes(200_000))

    with raw_server(big) as (url, _), client(url, max_frame=100_000) as asking:
        with pytest.raises(FrameError, match="request: has"):
            asking.ask(REQUEST, PATIENT)
        with pytest.raises(ServerUnreachableError, match=r"connection lost.*1009"):
            asking.ask({"a": 1}, PATIENT)


def test_what_nobody_asked_for_is_not_taken_for_an_answer() -> None:
    async def chatty(socket: ServerConnection) -> None:
        await socket.send(pack({}))
        await socket.send(pack({"actions": "wrong ones"}))
        await socket.wait_closed()

    with raw_server(chatty) as (url, _), client(url, connected=False) as asking:
        wait_until(lambda: "nobody asked for" in asking.link[1])


@pytest.mark.parametrize("first", [b"\xc1", "no model is loaded", bytes(200_000)])
def test_a_first_frame_that_is_no_metadata_is_told(first: bytes | str) -> None:
    async def odd(socket: ServerConnection) -> None:
        await socket.send(first)
        await socket.wait_closed()

    with raw_server(odd) as (url, _), client(url, connected=False, max_frame=100_000) as asking:
        words = {"str": "no model is loaded", "bytes": "is not msgpack"}[type(first).__name__]
        words = "1009" if len(first) > 1000 else words
        wait_until(lambda: words in asking.link[1])
        with pytest.raises(ServerUnreachableError):
            asking.ask(REQUEST, PATIENT)


def test_a_server_that_is_silent_after_the_handshake_is_left() -> None:
    async def silent(socket: ServerConnection) -> None:
        await socket.wait_closed()

    with raw_server(silent) as (url, _), client(url, connected=False, connect_timeout=0.1) as asking:
        wait_until(lambda: "in time" in asking.link[1])


def test_metadata_that_do_not_suit_are_refused_with_their_reason() -> None:
    def accept(metadata: dict) -> None:
        raise ServingError("here", "that is another robot")

    with served(StubPolicy) as server:
        asking = PolicyClient(ClientOptions(server.address, backoff_first=0.02), accept)
        wait_until(lambda: "that is another robot" in asking.link[1])
        asking.close()


@pytest.mark.parametrize(
    ("key", "words"), [("", "HTTP 401: API key missing"), ("wrong-key", "HTTP 401: API key wrong")]
)
def test_a_wrong_key_is_told(key: str, words: str) -> None:
    with served(StubPolicy, api_key="s3cret-key") as server:
        with client(server.address, connected=False, api_key=key) as asking:
            wait_until(lambda: words in asking.link[1])
        with client(server.address, api_key="s3cret-key") as asking:
            assert asking.ask(REQUEST, PATIENT)["actions"].shape == (8, 7)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls_with_an_authority_and_without(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with served(StubPolicy, tls=server_tls(str(certificate), str(key))) as server:
        with client(server.address, tls=client_tls(server.address, str(certificate))) as asking:
            assert asking.ask(REQUEST, PATIENT)["actions"].shape == (8, 7)
        with client(server.address, connected=False, tls=ssl.create_default_context()) as asking:
            wait_until(lambda: "TLS" in asking.link[1])


def test_pauses_between_tries_grow_to_their_limit() -> None:
    tries: list[float] = []

    async def refuse(socket: ServerConnection) -> None:
        tries.append(time.monotonic())
        await socket.close(1013)

    with raw_server(refuse) as (url, _), client(url, connected=False, backoff_first=0.05, backoff_most=0.2):
        wait_until(lambda: len(tries) >= 6)
    pauses = [b - a for a, b in pairwise(tries)]
    assert pauses[0] >= 0.0375 and min(pauses[2:]) >= 0.15
